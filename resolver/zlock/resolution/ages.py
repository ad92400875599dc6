"""How far behind releases are: the days between a release and the newest one that could be used instead."""

from __future__ import annotations

from packaging.utils import NormalizedName

from zlock.resolution.package import bits
from zlock.resolution.problem import Problem


class Ages:
    """The ages of a problem's candidates; they count from what the index lists, never from the clock.

    The age of a release is how many days earlier it was uploaded than the newest version that the problem admits. That
    one has no age, and where the index gives no upload time there is none either.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._newest: dict[NormalizedName, tuple[int, int]] = {}
        self._within: dict[tuple[NormalizedName, int], int] = {}

    def age(self, name: NormalizedName, position: int) -> int:
        """Return the age of a candidate in days."""
        newest, day = self._find_newest(name)
        return self._behind(name, position, day) if position > newest else 0

    def within(self, name: NormalizedName, days: int) -> int:
        """Return the candidates of at most an age, as a mask."""
        key = (name, days)
        found = self._within.get(key)
        if found is None:
            found = self._within[key] = self._find_within(name, days)
        return found

    def _find_within(self, name: NormalizedName, days: int) -> int:
        newest, day = self._find_newest(name)
        package = self._problem.universe.package(name)
        if package.page is None:
            return package.versions.all | 1
        mask = (1 << (newest + 1)) - 1
        for position, uploaded in enumerate(package.page.uploaded):
            if position > newest and (not uploaded or day - uploaded <= days):
                mask |= 1 << position
        return mask

    def _behind(self, name: NormalizedName, position: int, day: int) -> int:
        page = self._problem.universe.package(name).page
        uploaded = page.uploaded[position] if page else 0
        return max(0, day - uploaded) if uploaded else 0

    def _find_newest(self, name: NormalizedName) -> tuple[int, int]:
        """Return the newest version that can be used, and its day; 0 for a day that is not known."""
        found = self._newest.get(name)
        if found is None:
            package = self._problem.universe.package(name)
            mask = self._problem.domain(name) & ~self._problem.unnamed(name)
            newest = next((one for one in bits(mask) if package.candidate(one)), 0)
            day = package.page.uploaded[newest] if package.page and package.page.uploaded else 0
            found = self._newest[name] = newest, day
        return found
