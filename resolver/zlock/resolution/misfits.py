"""What the wheels of a release that a target can't install are for: Python versions and platforms."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct, field

from zlock.model.target import Target

_CPYTHON = r"cp3(\d{1,4})"


class Misfits(Struct, frozen=True, kw_only=True):
    """What wheels that don't fit a target are for.

    Attributes:
        pythons: Minor versions of Python 3 for which there are wheels of the target's platform.
        platforms: Platform tags for which there are wheels of the target's Python.
        others: Tags of wheels that fit in neither, and of other implementations.
    """

    pythons: frozenset[int] = field(default_factory=frozenset)
    platforms: frozenset[str] = field(default_factory=frozenset)
    others: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, tags: Iterable[str], target: Target) -> Misfits:
        """Return what wheels with some compressed tags are for (PEP 425)."""
        apis = {tag.rpartition("-")[0] for tag in target.tags}
        own_platforms = {tag.rpartition("-")[2] for tag in target.tags}
        pythons: set[int] = set()
        platforms: set[str] = set()
        others: set[str] = set()
        for each in tags:
            interpreters, abis, for_platforms = (part.split(".") for part in each.split("-"))
            minors = {int(match[1]) for one in interpreters if (match := re.fullmatch(_CPYTHON, one))}
            if not own_platforms.isdisjoint(for_platforms) and minors - {target.minor}:
                pythons |= minors
            elif any(f"{one}-{abi}" in apis for one in interpreters for abi in abis):
                platforms |= set(for_platforms)
            else:
                others.add(each)
        return cls(pythons=frozenset(pythons), platforms=frozenset(platforms), others=frozenset(others))
