"""The quick way to an answer: the newest of each package, until that is all that is needed.

Most steps have such an answer, and it takes a few walks over the graph. Where two packages need different candidates of
a third, the one that loses fewest days for it steps back. Nothing else is taken back: what is not found this way is
left to the complete search.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from functools import reduce
from itertools import islice
from operator import and_

from packaging.utils import NormalizedName

from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem
from zlock.resolution.verify import walk

_MOST_WALKS = 40  # a graph that has not settled by then goes round in circles
_MOST_LOOKED_AT = 200  # older releases, for one package that others need differently


def descend(problem: Problem) -> Pins | None:
    """Return pins that are verified, each the first that the needs of all others admit; None where that found none."""
    return _Descent(problem).run()


class _Descent:
    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._roots = problem.roots()
        self._chosen: dict[NormalizedName, int] = {}
        self._unusable: dict[NormalizedName, int] = {}
        self._firsts: dict[tuple[NormalizedName, int, bool], int | None] = {}
        # What the last walk found: who is there, what of each package is admitted, whose pre-releases are named.
        self._reached: dict[Node, None] = {}
        self._masks: dict[NormalizedName, int] = {}
        self._named: set[NormalizedName] = set()

    def run(self) -> Pins | None:
        for _ in range(_MOST_WALKS):
            self._walk()
            chosen = {name: self._first(name, mask) for name, mask in self._masks.items()}
            stuck = [name for name, first in chosen.items() if first is None]
            found = {name: first for name, first in chosen.items() if first is not None}
            found |= {name: self._chosen[name] for name in stuck if name in self._chosen}
            moved, self._chosen = found != self._chosen, found
            if not moved and not stuck:
                return self._verified() if self._keeps_all() else None
            if not moved and not self._step_back(stuck[0]):
                return None
        return None

    def _walk(self) -> None:
        """Walk from the step over what is chosen; choose what is met for the first time."""
        reached: dict[Node, None] = {}
        masks: dict[NormalizedName, int] = {}
        named: set[NormalizedName] = set()
        self._reached, self._masks, self._named = reached, masks, named
        needs_of, chosen = self._problem.needs, self._chosen
        todo: list[Need] = list(self._roots)
        for node, mask, parent, position, _, names_prerelease in todo:  # grows while it is walked
            name = node.name
            if parent is None or parent.name != name:
                masks[name] = masks.get(name, -1) & mask
            elif not mask >> position & 1:  # it refuses itself
                self._unusable[name] = self._unusable.get(name, 0) | 1 << position
            if names_prerelease:
                named.add(name)
            if node in reached:
                continue
            if name not in chosen and (first := self._first(name, masks[name])) is not None:
                chosen[name] = first
            if name in chosen:
                reached[node] = None
                needs = needs_of(node, chosen[name])
                if isinstance(needs, Rejected):
                    self._unusable[name] = self._unusable.get(name, 0) | 1 << chosen[name]
                else:
                    todo.extend(needs)

    def _first(self, name: NormalizedName, mask: int) -> int | None:
        """Return the candidate of a mask that is tried first."""
        mask &= ~self._unusable.get(name, 0)
        key = (name, mask, name in self._named)
        if key not in self._firsts:
            problem = self._problem
            usable = mask & problem.domain(name)
            unnamed = 0 if name in self._named else problem.unnamed(name)
            if unnamed:
                kept = problem.kept(problem.universe.package(name))
                usable &= ~unnamed | (1 << kept if kept is not None else 0)
            self._firsts[key] = next(problem.ordered(name, usable), None)
        return self._firsts[key]

    def _step_back(self, name: NormalizedName) -> bool:
        """Let one of those that need different candidates of a package step back: what loses fewest days for it."""
        needs = self._needing(name)
        others: dict[Node, int] = {}
        for parent in dict.fromkeys(need.parent for need in needs if need.parent is not None):
            mask = reduce(and_, (need.mask for need in needs if not need.parent or need.parent.name != parent.name), -1)
            if mask == -1 or self._first(name, mask) is not None:
                others[parent] = mask
        ways = heapq.merge(*(self._older(place, parent) for place, parent in enumerate(others)))
        for _, _, parent, position in islice(ways, _MOST_LOOKED_AT):
            if not self._may_admit(parent, position, name, others[parent]):
                continue
            found = self._problem.needs(parent, position)
            if not isinstance(found, Rejected):
                masks = [need.mask for need in found if need.node.name == name]
                if not masks or self._first(name, reduce(and_, masks, others[parent])) is not None:
                    skipped = (1 << position) - 1 & ~((1 << self._chosen[parent.name]) - 1)
                    self._unusable[parent.name] = self._unusable.get(parent.name, 0) | skipped
                    return True
        return False

    def _may_admit(self, parent: Node, position: int, name: NormalizedName, mask: int) -> bool:
        """Return whether a candidate admits any of some of a package, by what it says of that itself."""
        universe = self._problem.universe
        stated = universe.dependencies(universe.package(parent.name), position, parent.extra)
        masks = [universe.mask(one) for one in stated if one.name == name]
        return not masks or self._first(name, reduce(and_, masks, mask)) is not None

    def _older(self, place: int, parent: Node) -> Iterator[tuple[int, int, Node, int]]:
        """Yield to what a package could step back, with the days that it would lose."""
        name, chosen = parent.name, self._chosen[parent.name]
        package = self._problem.universe.package(name)
        if self._problem.kept(package) == chosen:
            return
        days = package.page.uploaded if package.page else ()
        mask = self._masks[name] & self._problem.usable(name)
        for position in bits(mask & ~self._unusable.get(name, 0) & ~((2 << chosen) - 1)):
            if package.candidate(position):
                lost = days[chosen] - days[position] if days and days[position] else position - chosen
                yield max(0, lost), place, parent, position

    def _needing(self, name: NormalizedName) -> list[Need]:
        found = [need for need in self._roots if need.node.name == name]
        for node in self._reached:
            needs = self._problem.needs(node, self._chosen[node.name])
            found += [need for need in (() if isinstance(needs, Rejected) else needs) if need.node.name == name]
        return [need for need in found if need.parent is None or need.parent.name != name]

    def _keeps_all(self) -> bool:
        """Return whether all is kept that is to be; else the search has to find out what can be."""
        package = self._problem.universe.package
        return all(self._problem.kept(package(name)) in (None, position) for name, position in self._chosen.items())

    def _verified(self) -> Pins | None:
        pins, flaw = walk(self._problem, {node: self._chosen[node.name] for node in self._reached})
        return None if flaw else pins
