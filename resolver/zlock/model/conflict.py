"""The markers that git leaves in a file where two branches changed the same lines."""

from __future__ import annotations

import re

_MARKERS = r"(?m)^(<{7}|={7}|>{7}|\|{7})( |\r?$)"
_MARKED = ("<" * 7, "=" * 7, ">" * 7, "|" * 7)


def conflicted_line(text: str) -> int | None:
    """Return the number of the first line with a marker, from 1; None where there is none."""
    if not any(map(text.__contains__, _MARKED)):
        return None
    match = re.search(_MARKERS, text)
    return text.count("\n", 0, match.start()) + 1 if match else None
