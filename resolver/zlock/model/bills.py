"""The formats of bills of materials; each is made by a module of its name in `lock/export/`."""

from __future__ import annotations

from typing import NamedTuple


class Bill(NamedTuple):
    """A format.

    Attributes:
        ending: The ending that its standard gives to JSON files.
        media_type: As IANA has it.
    """

    ending: str
    media_type: str


BILLS = {
    "cyclonedx": Bill("cdx.json", "application/vnd.cyclonedx+json"),
    "spdx": Bill("spdx.json", "application/spdx+json"),
}
