"""Documents in JSON, as values."""

from __future__ import annotations

import json

_MARKS = (b",", b"{", b"[")  # one at least for each value; each may take 150 bytes of memory
_MOST_MARKS = 5_000_000


def check_values(data: bytes) -> None:
    """Hold a document to what is read of any.

    Raises:
        ValueError: It has more values.
    """
    if len(data) > _MOST_MARKS and sum(map(data.count, _MARKS)) > _MOST_MARKS:
        raise ValueError("it has more values than zlock reads")


def parse_json(data: bytes) -> object:
    """Return a document in JSON.

    Raises:
        ValueError: It is none, is nested too deeply, or has more values than any that a tool writes.
    """
    check_values(data)
    try:
        found: object = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found
