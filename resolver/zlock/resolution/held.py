"""What holds a pin of an answer back, as far as a few releases of each package show: then nothing is searched."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from msgspec import Struct
from packaging.utils import NormalizedName

from zlock.errors import OutsideFailed
from zlock.model.distribution import Dependency
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Node
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem

_DEPTH = 3  # how far it is looked for what holds a pin back
_EACH = 4  # releases of a package that are all looked at; beyond them, ever fewer

Limit = Callable[[NormalizedName], int]


class Held:
    """An answer, and what is wanted in it.

    Args:
        problem: What it answers.
        pins: The answer.
    """

    def __init__(self, problem: Problem, pins: Mapping[Node, int]) -> None:
        self._problem = problem
        self._pins = pins
        self._nodes: dict[NormalizedName, list[Node]] = {}  # of each package
        self._roots: dict[NormalizedName, int] = {}  # what the step itself admits
        self._asked: list[Node] = []
        self._needed: dict[Node, list[Node]] = {}
        self._wanting: dict[NormalizedName, list[tuple[Node, int]]] = {}  # who needs a package, and what of it
        self._samples: dict[tuple[NormalizedName, int], list[int]] = {}
        for need in problem.roots():
            self._asked.append(need.node)
            self._roots[need.node.name] = self._roots.get(need.node.name, -1) & need.mask
        for node, position in pins.items():
            self._nodes.setdefault(node.name, []).append(node)
            needs = problem.needs(node, position)
            self._needed[node] = needed = []
            for need in () if isinstance(needs, Rejected) else needs:
                needed.append(need.node)
                if need.node.name != node.name:
                    self._wanting.setdefault(need.node.name, []).append((node, need.mask))

    def is_held(self, name: NormalizedName, limit: Limit) -> bool:
        """Return whether it is plain that no answer within a limit moves a package."""
        with contextlib.suppress(OutsideFailed):  # what can't be had, as when offline, shows nothing
            return self._is_barred(name, -1, _Look(name, limit, self._without(name)), _DEPTH)
        return False

    def around(self, name: NormalizedName, limit: Limit) -> set[NormalizedName]:
        """Return a package, what holds it back, and what needs that: what would have to move with it."""
        look = _Look(name, limit, self._without(name))
        todo = self._holding(name, self._usable(name, look), look)
        found = {name}
        while todo:
            node = todo.pop()
            if node.name not in found:
                found.add(node.name)
                todo += [parent for parent, _ in self._wanting.get(node.name, ())]
        return found

    def ask_ahead(self, looks: Iterable[tuple[NormalizedName, Limit]]) -> None:
        """Ask at once for what several looks begin with, where something had to be waited for."""
        for name, limit in looks if self._problem.universe.is_waiting else ():
            look = _Look(name, limit, self._without(name))
            for node in self._holding(name, self._usable(name, look), look):
                self._moves(node, look)

    def _without(self, name: NormalizedName) -> Collection[Node]:
        """Return what is there whatever becomes of a package; what is there only for its sake does not hold it back."""
        reached: set[Node] = set()
        todo = list(self._asked)
        while todo:
            node = todo.pop()
            if node not in reached and node.name != name and node in self._pins:
                reached.add(node)
                todo += self._needed[node]
        return reached

    def _is_barred(self, name: NormalizedName, wanted: int, look: _Look, depth: int) -> bool:
        """Return whether a package can't be at any of some candidates."""
        wanted &= self._usable(name, look)
        if not wanted or not depth:
            return not wanted
        if name not in self._nodes:  # it is new, so nothing holds it; what it needs itself is not looked at
            return next(self._problem.ordered(name, wanted), None) is None
        if not all(self._can_move(node, name, wanted, look, depth) for node in self._holding(name, wanted, look)):
            return True
        return not any(self._may_be(name, one, look, depth) for one in self._sample(name, wanted))

    def _holding(self, name: NormalizedName, wanted: int, look: _Look) -> list[Node]:
        """Return what needs none of some candidates, and would have to move for them."""
        return [node for node, mask in self._wanting.get(name, ()) if not mask & wanted and node in look.others]

    def _usable(self, name: NormalizedName, look: _Look) -> int:
        unnamed = self._problem.unnamed(name)
        if name in self._nodes:
            unnamed &= ~(1 << self._pins[self._nodes[name][0]])
        return self._problem.domain(name) & ~unnamed & self._roots.get(name, -1) & look.limit(name)

    def _can_move(self, node: Node, name: NormalizedName, wanted: int, look: _Look, depth: int) -> bool:
        """Return whether what needs something else of a package has a candidate that admits some of the wanted."""
        universe = self._problem.universe
        return any(
            all(universe.mask(one) & wanted for one in self._wants(node, position) if one.name == name)
            and not self._is_barred(node.name, 1 << position, look, depth - 1)
            for position in self._moves(node, look)
        )

    def _moves(self, node: Node, look: _Look) -> list[int]:
        """Return a few candidates to which a node could move; mostly all of them are looked at."""
        chosen = self._sample(node.name, self._usable(node.name, look) & ~(1 << self._pins[node]))
        universe = self._problem.universe
        universe.ask_ahead(universe.package(node.name), sum(1 << position for position in chosen))
        return chosen

    def _may_be(self, name: NormalizedName, position: int, look: _Look, depth: int) -> bool:
        """Return whether a package can be at a candidate, as far as its own needs show."""
        universe = self._problem.universe
        universe.ask_for(one.name for node in self._nodes[name] for one in self._wants(node, position))
        return not any(
            self._is_barred(one.name, universe.mask(one), look, depth - 1)
            for node in self._nodes[name]
            for one in self._wants(node, position)
            if one.name not in (name, look.name)
        )

    def _wants(self, node: Node, position: int) -> tuple[Dependency, ...]:
        universe = self._problem.universe
        return universe.dependencies(universe.package(node.name), position, node.extra)

    def _sample(self, name: NormalizedName, mask: int) -> list[int]:
        """Return a few of some candidates: the newest, then ever further apart, each a release that can be used."""
        key = (name, mask)
        if key not in self._samples:
            package = self._problem.universe.package(name)
            positions = list(bits(mask))
            chosen = [positions[index] for index in _spread(len(positions)) if package.candidate(positions[index])]
            self._samples[key] = chosen
        return self._samples[key]


class _Look(Struct, frozen=True):
    """A question: may a package move, within a limit, beside all others that are there without it?"""

    name: NormalizedName
    limit: Limit
    others: Collection[Node]


def _spread(count: int) -> Iterator[int]:
    """Yield the first few, then 7, 15, 31 and so on, and the last."""
    yield from range(min(count, _EACH))
    index = 2 * _EACH - 1
    while index < count - 1:
        yield index
        index = 2 * index + 1
    if count > _EACH:
        yield count - 1
