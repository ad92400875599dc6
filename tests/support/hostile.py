"""Values as nobody writes them who means well, for property tests: what ends a line, leads elsewhere, or never ends.

The tests draw the same values in every run, so that one which fails does so everywhere; set `ZLOCK_HOSTILE_EXAMPLES`
to a number for a longer run with values drawn anew.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LINE_ENDS = ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
PIECES = (
    *("\0", "\t", " ", "\xa0", "\u200b", "\ufeff", "\ud800", "\udfff", "\u0661", "\uff11", "\xe9"),
    *("\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\u202e", "\u2066"),
    *("../", "..\\", "/", "//", "/etc/passwd", "C:\\", "~", "file:///etc/passwd"),
    *("http://127.0.0.1:1/", "user:secret@", "%0a", "%2e%2e%2f", "%00", "%", "?", "#", ";", ":", "@", "=", "==", ","),
    *("[", "]", "{", "}", "(", "<", ">", "&", "|", "'", '"', '"""', "\\", "`", "$(evil)", "${HOME}", "*"),
    *("-", "--", "--index-url", " --hash=sha256:", "-r evil", "\nevil==1.0", "\\\nevil==1.0", "\nRUN evil"),
    *("\n[tool.zlock]\n", "<script>", "</a>", "<![foo[bar]]>", "]]>"),
    *("9" * 30, "9" * 5000, "a" * 10_000, "1" + "0" * 400, ".1" * 600),
)  # fmt: skip
Test = TypeVar("Test", bound=Callable[..., None])


def _pieces() -> st.SearchStrategy[str]:
    return st.sampled_from(LINE_ENDS) | st.sampled_from(PIECES) | st.sampled_from(PIECES)


def texts() -> st.SearchStrategy[str]:
    """Return hostile texts, out of nothing."""
    return st.lists(_pieces() | st.text(max_size=4), max_size=5).map("".join)


def near(right: str) -> st.SearchStrategy[str]:
    """Return hostile texts, most of them close to a right one: it goes further in whatever reads it."""

    @st.composite
    def disturbed(draw: st.DrawFn) -> str:
        text = right
        for _ in range(draw(st.integers(1, 2))):
            begin = draw(st.integers(0, len(text)))
            end = begin + draw(st.integers(0, 3))
            text = text[:begin] + draw(_pieces()) + text[end:]
        return text

    return st.sampled_from([right, right.upper(), right * 2]) | disturbed() | texts()


def values(right: object) -> st.SearchStrategy[object]:
    """Return hostile values in the place of one in JSON or TOML: near ones, and such of every other type."""
    plain: st.SearchStrategy[object] = (
        st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | texts()
    )
    other = plain | st.lists(plain, max_size=2) | st.dictionaries(texts(), plain, max_size=2)
    return near(right) | other if isinstance(right, str) else other


def places_in(value: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where there is a value in a tree, from the root to the leaves."""
    yield place
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in rows:
        yield from places_in(inside, (*place, key))


@st.composite
def disturbed(draw: st.DrawFn, right: Any, *, places: int = 1) -> Any:
    """Return a tree with hostile values, and names of keys, in some places of it."""
    tree = copy.deepcopy(right)
    for _ in range(draw(st.integers(1, places))):
        *way, last = draw(st.sampled_from([place for place in places_in(tree) if place]))
        row = tree
        for key in way:
            row = row[key]
        kept = row[last]
        if isinstance(row, dict) and draw(st.integers(0, 5)) == 0:
            del row[last]
            row[draw(near(str(last)))] = kept
        else:
            row[last] = draw(values(kept))
    return tree


def examples(count: int) -> Callable[[Test], Test]:
    """Return the decorator of a property: how many examples it is tried on, the same in every run."""
    asked = os.environ.get("ZLOCK_HOSTILE_EXAMPLES")
    return settings(
        max_examples=int(asked) if asked else count,
        derandomize=not asked,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
