"""Markers (PEP 508) of one target, evaluated by their comparisons: thousands of markers are made of a few of these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from zlock.model.target import Target

_TOKEN = re.compile(r'\s*(\(|\)|and\b|or\b|[a-z_]+ (?:[=!<>~]+|in|not in) "[^"]*")')
_EXTRA = 'extra == "'


class Markers:
    """Says which markers hold on a target."""

    def __init__(self, target: Target) -> None:
        self._environment = target.environment
        self._known: dict[tuple[str, str], bool] = {}
        self._comparisons: dict[tuple[str, str], bool] = {}

    def holds(self, marker: str, extra: str) -> bool:
        """Return whether a marker holds with an extra or, with "", without."""
        key = (marker, extra)
        found = self._known.get(key)
        if found is None and not extra and _is_of_an_extra(marker):
            found = self._known[key] = False
        elif found is None:
            tokens = _tokens(marker)
            # What is written in some rarer way is left to the library.
            found = self._any(iter(tokens), extra) if tokens else self._evaluate(marker, extra)
            self._known[key] = found
        return found

    def _evaluate(self, marker: str, extra: str) -> bool:
        return Marker(marker).evaluate({**self._environment, "extra": extra})

    def _any(self, tokens: Iterator[str], extra: str) -> bool:
        """Evaluate alternatives up to the parenthesis that ends them, or to the end."""
        found, every = False, True
        for part in tokens:
            if part == ")":
                break
            if part == "or":
                found, every = found or every, True
            elif part == "(":
                every = self._any(tokens, extra) and every
            elif part != "and":
                every = every and self._compares(part, extra)
        return found or every

    def _compares(self, comparison: str, extra: str) -> bool:
        if comparison.startswith(_EXTRA):
            return canonicalize_name(comparison[len(_EXTRA) : -1]) == extra
        key = (comparison, extra if comparison.startswith("extra ") else "")
        found = self._comparisons.get(key)
        if found is None:
            found = self._comparisons[key] = self._evaluate(*key)
        return found


class Applying(dict[str, bool]):
    """Whether a dependency with some marker counts: without an extra on its own, with one only if the extra adds it.

    What was not looked up before is found out.
    """

    def __init__(self, markers: Markers, extra: str) -> None:
        super().__init__()
        self._holds = markers.holds
        self._extra = extra

    def __missing__(self, marker: str) -> bool:
        if not self._extra:
            found = not marker or self._holds(marker, "")
        else:
            found = "extra" in marker and not self._holds(marker, "") and self._holds(marker, self._extra)
        self[marker] = found
        return found


def _is_of_an_extra(marker: str) -> bool:
    """Return whether it is plain that a marker holds with an extra only, as most do: one `extra ==` among `and`s."""
    return _EXTRA in marker and " or " not in marker and f'{_EXTRA}"' not in marker


@lru_cache(maxsize=65536)
def _tokens(marker: str) -> list[str]:
    """Return what a marker is made of; nothing for one that is written in some rarer way."""
    tokens, place = [], 0
    while place < len(marker):
        match = _TOKEN.match(marker, place)
        if match is None:
            return []
        tokens.append(match[1])
        place = match.end()
    return tokens
