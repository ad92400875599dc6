"""`audit-ignore`: vulnerabilities that do not count for a while, each with the reason."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from zlock import checks
from zlock.checks import accepts
from zlock.settings.rules import time

_EXAMPLE = 'write `{id = "GHSA-...", reason = "...", until = 2027-01-31}`'
_KEYS = ("id", "reason", "until")


class Ignored(Struct, frozen=True, kw_only=True):
    """A vulnerability that does not count.

    Attributes:
        id: Its id in OSV, or one of its aliases.
        reason: Why.
        until: The moment from which it counts again.
    """

    id: str
    reason: str
    until: datetime


@accepts(
    "list of `{id, reason, until}`",
    type="array",
    items={
        "type": "object",
        "properties": {"id": checks.word.schema, "reason": {"type": "string"}, "until": time.schema},
        "required": list(_KEYS),
        "additionalProperties": False,
    },
)
def ignored(value: object, at: str) -> tuple[Ignored, ...]:
    """Accept what does not count: each with a reason, and with a date after which somebody looks at it again."""
    return checks.sequence(value, at, _ignored)


def _ignored(value: object, at: str) -> Ignored:
    stated = checks.table(value, at)
    for name in stated:
        if name not in _KEYS:
            raise checks.unknown_key(f"{at}.{name}", name, _KEYS)
    for name in _KEYS:
        if name not in stated:
            raise checks.mistake(f"{at}.{name}", "is missing", hint=_EXAMPLE)
    return Ignored(
        id=checks.word(stated["id"], f"{at}.id"),
        reason=checks.text(stated["reason"], f"{at}.reason"),
        until=time(stated["until"], f"{at}.until"),
    )
