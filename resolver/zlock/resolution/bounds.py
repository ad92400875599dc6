"""How new what a release needs may be, where only newer releases of its package say so."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Protocol

from packaging.utils import NormalizedName

from zlock.errors import IndexFailed
from zlock.model.versions import Release
from zlock.resolution.needs import Need, Node
from zlock.resolution.package import Package
from zlock.resolution.universe import Universe


class Asked(Protocol):
    """What bounds are read from: a `Problem`."""

    universe: Universe

    def newest(self, name: NormalizedName) -> int | None:
        """Return the newest candidate that the step admits by what it says itself; None where there is none."""

    def domain(self, name: NormalizedName) -> int:
        """Return the candidates of a name that policy and constraints admit."""

    def usable(self, name: NormalizedName) -> int:
        """Return those of them that count without being named."""

    def kept(self, package: Package) -> int | None:
        """Return the candidate that is to be kept, None where there is none."""


class Bounds:
    """How new what a release needs may be, as newer releases of its package say: that counts for older ones, too.

    Who limits what a project works with does so once it has failed, and what was released before does not say so. Such
    a release would stand in for a newer one, and not work. What is asked are the newest release that the step admits,
    and the newest of the same series, which is the first two numbers.

    Args:
        problem: What the step asks.
    """

    def __init__(self, problem: Asked) -> None:
        self._problem = problem
        self._found: dict[tuple[Node, int], tuple[Need, ...]] = {}

    def on(self, node: Node, position: int, needs: tuple[Need, ...]) -> tuple[Need, ...]:
        """Return the needs of a candidate, without what newer releases say is too new; what is kept stays as it is."""
        key = (node, position)
        if key not in self._found:
            for newer in self._newer(node.name, position) if needs else ():
                limits = dict(self._limits(node, newer, {need.node.name for need in needs} - {node.name}))
                needs = tuple(need._replace(mask=need.mask & limits.get(need.node.name, -1)) for need in needs)
            self._found[key] = needs
        return self._found[key]

    def _newer(self, name: NormalizedName, position: int) -> set[int]:
        newest, package = self._problem.newest(name), self._problem.universe.package(name)
        if newest is None or position <= newest or self._problem.kept(package) == position:
            return set()
        series, latest = _series(package, position), position
        while latest > newest and _series(package, latest - 1) == series:
            latest -= 1
        usable = self._problem.usable(name)
        of_series = (one for one in range(latest, position) if usable >> one & 1 and package.candidate(one))
        return {newest, next(of_series, newest)}

    def _limits(
        self, node: Node, position: int, names: Collection[NormalizedName]
    ) -> Iterator[tuple[NormalizedName, int]]:
        """Yield which candidates of some names are not too new for a release, as far as it needs them."""
        universe = self._problem.universe
        with contextlib.suppress(IndexFailed):  # as when offline; what is needed says so itself
            for dependency in universe.dependencies(universe.package(node.name), position, node.extra):
                if dependency.name in names:
                    usable = universe.mask(dependency) & self._problem.domain(dependency.name)
                    if usable:
                        yield dependency.name, -(usable & -usable)


def _series(package: Package, position: int) -> Release:
    epoch, release = package.versions.release(position)
    return epoch, release[:2]
