"""How far behind releases are: the days between a release and the newest one that could be used instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from packaging.utils import NormalizedName

from zlock.resolution.needs import Node
from zlock.resolution.package import Package


class Ages:
    """The ages of a problem's candidates; they count from what the index lists, never from the clock.

    The age of a release is how many days earlier it was uploaded than the newest version that the problem admits. That
    one has no age, and where the index gives no upload time there is none either.

    Args:
        package: Returns the package of a name.
        usable: Returns the candidates of a name that the problem admits.
    """

    def __init__(self, package: Callable[[NormalizedName], Package], usable: Callable[[NormalizedName], int]) -> None:
        self._package = package
        self._usable = usable
        self._newest: dict[NormalizedName, tuple[int, int]] = {}

    def age(self, name: NormalizedName, position: int) -> int:
        """Return the age of a candidate in days."""
        newest, day = self._newest.get(name) or self._find_newest(name)
        if position <= newest:
            return 0
        page = self._package(name).page
        uploaded = page.uploaded[position] if page else 0
        return max(0, day - uploaded) if uploaded else 0

    def of(self, pins: Mapping[Node, int]) -> dict[NormalizedName, int]:
        """Return the ages of an answer's pins."""
        return {node.name: self.age(node.name, position) for node, position in pins.items() if not node.extra}

    def within(self, name: NormalizedName, days: int) -> int:
        """Return the candidates of at most an age, as a mask."""
        newest, day = self._newest.get(name) or self._find_newest(name)
        package = self._package(name)
        if package.page is None:
            return package.versions.all | 1
        return (1 << newest + 1) - 1 | package.since(day - days)

    def _find_newest(self, name: NormalizedName) -> tuple[int, int]:
        """Return the newest version that can be used, and its day; 0 for a day that is not known."""
        package = self._package(name)
        newest = package.first(self._usable(name)) or 0
        day = package.page.uploaded[newest] if package.page and package.page.uploaded else 0
        self._newest[name] = newest, day
        return newest, day
