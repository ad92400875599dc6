"""How new what a release needs may be, where only newer releases of its package say so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache, partial
from typing import Protocol

from packaging.utils import NormalizedName

from zlock.errors import OutsideFailed
from zlock.model.distribution import Dependency
from zlock.model.versions import Release
from zlock.resolution.ages import Ages
from zlock.resolution.needs import Need, Node
from zlock.resolution.package import Package
from zlock.resolution.universe import Universe


class Asked(Protocol):
    """What bounds are read from: a `Problem`.

    Attributes:
        universe: The candidates.
        direct: What the step asks for itself.
    """

    universe: Universe
    direct: set[NormalizedName]

    @property
    def ages(self) -> Ages:
        """How far behind candidates are."""

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

    A release of years before, when the project did not need the other one yet, does not get round that either.

    Args:
        problem: What the step asks.
        step_back: How many days older than the release that states a limit one may be that works without.
    """

    def __init__(self, problem: Asked, step_back: int) -> None:
        self._problem = problem
        self._step_back = step_back
        self._found: dict[tuple[Node, int], tuple[Need, ...]] = {}
        self._limits: Callable[[Node, int], _Limits] = cache(partial(_Limits, problem))

    def on(self, node: Node, position: int, needs: tuple[Need, ...]) -> tuple[Need, ...]:
        """Return the needs of a candidate, without what newer releases say is too new; what is kept stays as it is."""
        key = (node, position)
        if key not in self._found:
            may_be_bounded = needs or node.name in self._problem.direct
            for newer in self._newer(node.name, position) if may_be_bounded else ():
                stated = {need.node.name for need in needs}
                limits, silent = self._limits(node, newer), self._silent(node, position, newer) - stated
                needs = tuple([_within(need, limits[need.node.name]) for need in needs])
                needs += tuple(
                    _beside(node, position, one, limits[one]) for one in sorted(silent & limits.stated.keys())
                )
            self._found[key] = needs
        return self._found[key]

    def _silent(self, node: Node, position: int, newer: int) -> set[NormalizedName]:
        """Return what a release has to heed though it says nothing of it, of what the step asks for anyway.

        One that is nearly as young as the release that states a limit just works without.
        """
        ages, direct = self._problem.ages, self._problem.direct
        is_far = ages.age(node.name, position) - ages.age(node.name, newer) > self._step_back
        return direct if is_far and node.name in direct else set()

    def _newer(self, name: NormalizedName, position: int) -> set[int]:
        newest, package = self._problem.newest(name), self._problem.universe.package(name)
        if newest is None or position <= newest or self._problem.kept(package) == position:
            return set()
        series, latest = _series(package, position), position
        while latest > newest and _series(package, latest - 1) == series:
            latest -= 1
        usable = self._problem.usable(name)
        of_series = (one for one in range(latest, position) if usable >> one & 1 and package.candidate(one))
        uploaded = package.page.uploaded if package.page else ()
        # What an old series still gets was made with more in view than a newer version of before.
        return {one for one in (newest, next(of_series, newest)) if not uploaded or uploaded[one] >= uploaded[position]}


class _Limits(dict[NormalizedName, int]):
    """Which candidates of others are not too new for a release, found when they are asked for; all where it is silent.

    Attributes:
        stated: What it needs, by name.
    """

    def __init__(self, problem: Asked, node: Node, position: int) -> None:
        super().__init__()
        self._problem = problem
        self.stated: dict[NormalizedName, list[Dependency]] = {}
        universe = problem.universe
        with contextlib.suppress(OutsideFailed):  # as when offline; what is needed says so itself
            for dependency in universe.dependencies(universe.package(node.name), position, node.extra):
                if dependency.name != node.name:
                    self.stated.setdefault(dependency.name, []).append(dependency)

    def __missing__(self, name: NormalizedName) -> int:
        limit = -1
        for dependency in self.stated.get(name, ()):
            usable = self._problem.universe.mask(dependency) & self._problem.domain(name)
            limit = -(usable & -usable) or limit
        self[name] = limit
        return limit


def _within(need: Need, limit: int) -> Need:
    mask = need.mask & limit
    return need if mask == need.mask else need._replace(mask=mask)


def _beside(node: Node, position: int, name: NormalizedName, mask: int) -> Need:
    return Need(Node(name, ""), mask, node, position, Dependency(name, (), "", "", ""))


def _series(package: Package, position: int) -> Release:
    epoch, release = package.versions.release(position)
    return epoch, release[:2]
