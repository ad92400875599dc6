"""Documents in TOML, as values."""

from __future__ import annotations

import re
import tomllib

from zlock.model.plain import holds_long

_LONG = re.compile(r"\b0[xob][0-9A-Fa-f_]{17,}")
"""A long number in another base than ten, or a text like one."""
_DEEP = re.compile(r"""(?<![\w.'"-])(?:['"]?[\w-]++['"]?[ \t]*+\.[ \t]*+){100}""")
"""A key of a hundred names, or a text like one: Python keeps each of its beginnings, 1.5 GB for 40 kB."""
_MARKS = ".=[{,"  # one at least for each table, key and value; a large lock has some 15 for each file in it
_MOST_MARKS = 500_000  # a lock of 10 MB; each may take 1 kB of memory, and 50 µs


def check_size(text: str) -> None:
    """Hold a document to what is read of any.

    Raises:
        TOMLDecodeError: It has more keys and values.
    """
    if len(text) > _MOST_MARKS and sum(map(text.count, _MARKS)) > _MOST_MARKS:
        raise tomllib.TOMLDecodeError("it has more keys and values than zlock reads")


def parse_toml(text: str) -> dict[str, object]:
    """Return a document in TOML.

    Raises:
        TOMLDecodeError: It is none, is nested too deeply, has more keys and values than any file that a person or a
            tool writes, or holds a number that 64 bits don't (TOML 1.0, Integer); Python reads longer ones, and fails
            once it is to show them.
    """
    check_size(text)
    if _DEEP.search(text):
        raise tomllib.TOMLDecodeError("it is nested too deeply")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise tomllib.TOMLDecodeError("it is nested too deeply") from None
    except ValueError:
        raise tomllib.TOMLDecodeError("it holds a number of more than 64 bits") from None
    if _LONG.search(text) and holds_long(found):
        raise tomllib.TOMLDecodeError("it holds a number of more than 64 bits")
    return found
