"""`audit-ignore`: vulnerabilities that do not count for a while, each with the reason."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from zlock import checks
from zlock.settings.keys import NOTHING, key, read, reads
from zlock.settings.rules import time
from zlock.settings.table import Table


class Ignored(Struct, frozen=True, kw_only=True):
    """A vulnerability that does not count.

    Attributes:
        id: Its id in OSV, or one of its aliases.
        reason: Why.
        until: The moment from which it counts again, and somebody looks at it.
    """

    id: str = key(checks.word, "", NOTHING, required='id = "GHSA-..."')
    reason: str = key(checks.text, "", NOTHING, required='reason = "..."')
    until: datetime = key(time, None, NOTHING, required="until = 2027-01-31")  # type: ignore[assignment]  # or a mistake


@reads("list of `{id, reason, until}`", type="array", items={"$ref": "#/definitions/ignored"})
def ignored(table: Table, key: str) -> tuple[Ignored, ...]:
    """Read what does not count."""
    return tuple(read(Ignored, row) for row in table.rows(key))
