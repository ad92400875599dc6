"""Values that are not to be shown as they are."""

from __future__ import annotations

from msgspec import Struct


class Unshown(Struct, frozen=True):
    """A value that may hold credentials: its `repr`, which debuggers and traces print, tells its kind alone."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"
