"""The search for an answer without a pin that is older than it has to be.

A search that takes the newest of each package may end with one of them years back, where a step of a few days back
on another keeps everything in the same year. So the oldest pin is looked at first: can it be younger, while nothing
else becomes as old as it is, and all of it together becomes younger? What holds it back is often plain to see, and then
nothing is searched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionError

from zlock.errors import IndexFailed
from zlock.resolution.ages import Ages
from zlock.resolution.complete import search_completely
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem

_YOUNG = 30  # days; a pin that is no further behind is not looked at
_WIDENING = 3  # each bound is this much wider than the one before
_BUDGET = 200  # steps of one search, beside two for each pin
_MOST_SEARCHES = 24
_DEPTH = 3  # how far it is looked for what holds a pin back


def freshen(problem: Problem, pins: Pins) -> Pins:
    """Return an answer whose oldest pins are as young as was found, else the one given; kept pins stay.

    Pins that are there to be kept, and a policy that wants the lowest versions, are left alone.
    """
    if problem.policy.resolution != "highest":
        return pins
    found = _Found(problem, Ages(problem), pins)
    settled = _kept(problem, pins)
    searches = _MOST_SEARCHES
    while searches > 0:
        name = _oldest(found, settled)
        if name is None:
            break
        settled.add(name)
        # What can't be had, as when offline, is no way to anything younger.
        with contextlib.suppress(IndexFailed):
            for better in _attempts(found, name):
                searches -= 1
                if better is not None and _behind(found.ages, better) < _behind(found.ages, found.pins):
                    found = _Found(problem, found.ages, better)
                    break
    return found.pins


def _kept(problem: Problem, pins: Mapping[Node, int]) -> set[NormalizedName]:
    found = set()
    for node, position in pins.items():
        if problem.kept(problem.universe.package(node.name)) == position:
            found.add(node.name)
    return found


def _oldest(found: _Found, settled: Collection[NormalizedName]) -> NormalizedName | None:
    return next((name for age, name in found.by_age if age > _YOUNG and name not in settled), None)


def _behind(ages: Ages, pins: Mapping[Node, int]) -> int:
    """Return how many days all pins together are behind."""
    return sum(ages.age(node.name, position) for node, position in pins.items() if not node.extra)


def _attempts(found: _Found, name: NormalizedName) -> Iterator[Pins | None]:
    """Yield what searches with one bound after the other find for a pin that is to be younger; None for nothing."""
    view = _View(found, name)
    days = _YOUNG
    while days < view.age:
        if not view.is_barred(days):
            yield _search(found.problem, view, days)
        days *= _WIDENING


def _search(problem: Problem, view: _View, days: int) -> Pins | None:
    limited = replace(problem, limit=lambda name: view.limit(name, days))
    try:
        return search_completely(limited, _BUDGET + 2 * view.size)
    except ResolutionError:
        return None


class _Found:
    """An answer, and what is wanted in it.

    Attributes:
        problem: What it answers.
        ages: The ages of the problem's candidates.
        pins: The answer.
        nodes: The nodes of each package.
        roots: The candidates that the step itself admits, of the packages it names.
        asked: The nodes that the step itself needs.
        needed: Per node the nodes that it needs.
        wanting: Per package the nodes that need it, with the candidates that each admits.
        by_age: The age of each package and its name, the oldest first.
    """

    def __init__(self, problem: Problem, ages: Ages, pins: Pins) -> None:
        self.problem = problem
        self.ages = ages
        self.pins = pins
        self.nodes: dict[NormalizedName, list[Node]] = {}
        for node in pins:
            self.nodes.setdefault(node.name, []).append(node)
        self.by_age = sorted({(ages.age(node.name, at), node.name) for node, at in pins.items()}, reverse=True)
        self.roots: dict[NormalizedName, int] = {}
        self.asked: list[Node] = []
        for need in problem.roots():
            self.asked.append(need.node)
            self.roots[need.node.name] = self.roots.get(need.node.name, -1) & need.mask
        self.wanting: dict[NormalizedName, list[tuple[Node, int]]] = {}
        self.needed: dict[Node, list[Node]] = {}
        for node, position in pins.items():
            needs = problem.needs(node, position)
            self.needed[node] = []
            for need in () if isinstance(needs, Rejected) else needs:
                self.needed[node].append(need.node)
                self.wanting.setdefault(need.node.name, []).append((node, need.mask))


class _View:
    """An answer as one of its pins sees it that is to be younger.

    Attributes:
        size: How many pins there are.
        age: How old the one is.
    """

    def __init__(self, found: _Found, name: NormalizedName) -> None:
        self.size = len(found.pins)
        self._found = found
        self._problem = found.problem
        self._pins = found.pins
        self._name = name
        self.age = found.ages.age(name, found.pins[Node(name, "")])
        self._samples: dict[tuple[NormalizedName, int], list[int]] = {}

    @cached_property
    def _others(self) -> Collection[Node]:
        """What is there whatever becomes of the pin; what is there only for its sake does not hold it back."""
        reached: set[Node] = set()
        todo = list(self._found.asked)
        while todo:
            node = todo.pop()
            if node not in reached and node.name != self._name and node in self._pins:
                reached.add(node)
                todo += self._found.needed[node]
        return reached

    def _wants(self, node: Node, position: int) -> Iterator[tuple[NormalizedName, int]]:
        """Yield what a candidate needs of the packages in the answer; of no others, so that nothing is fetched."""
        universe = self._problem.universe
        for dependency in universe.dependencies(universe.package(node.name), position, node.extra):
            if dependency.name in self._found.nodes:
                yield dependency.name, universe.mask(dependency)

    def limit(self, name: NormalizedName, days: int) -> int:
        """Return the candidates that may answer: none older than the bound, but for what is about as old already."""
        pinned = self._pins.get(Node(name, ""))
        if pinned is not None and self._problem.kept(self._problem.universe.package(name)) == pinned:
            return 1 << pinned
        older = days if pinned is None or name == self._name else max(days, self._oldest(name, pinned, days))
        mask = self._found.ages.within(name, older) & ~self._problem.unnamed(name)
        if pinned is not None and name != self._name:
            mask |= 1 << pinned
        return mask & self._problem.limit(name) if self._problem.limit else mask

    def _oldest(self, name: NormalizedName, pinned: int, days: int) -> int:
        """Return how old another pin may become: older by half of what the one gains, and never as old as that was."""
        age = self._found.ages.age(name, pinned)
        return max(age, min(age + (self.age - days) // 2, self.age - 1))

    def is_barred(self, days: int) -> bool:
        """Return whether it is plain that no younger candidate will do, as far as can be seen without a search."""
        return self._is_barred(self._name, -1, days, _DEPTH)

    def _is_barred(self, name: NormalizedName, wanted: int, days: int, depth: int) -> bool:
        """Return whether a package can't be at any of some candidates."""
        wanted &= self._problem.domain(name) & self._found.roots.get(name, -1) & self.limit(name, days)
        if not wanted or not depth:
            return not wanted
        wanting = self._found.wanting.get(name, ())
        holding = [node for node, mask in wanting if not mask & wanted and node.name != name and node in self._others]
        if not all(self._can_move(node, name, wanted, days, depth) for node in holding):
            return True
        return not any(self._may_be(name, one, days, depth) for one in self._sample(name, wanted))

    def _can_move(self, node: Node, name: NormalizedName, wanted: int, days: int, depth: int) -> bool:
        """Return whether what needs something else of a package has a candidate that admits some of the wanted."""
        others = self._problem.domain(node.name) & self._found.roots.get(node.name, -1) & self.limit(node.name, days)
        return any(
            all(mask & wanted for one, mask in self._wants(node, position) if one == name)
            and not self._is_barred(node.name, 1 << position, days, depth - 1)
            for position in self._sample(node.name, others & ~(1 << self._pins[node]))
        )

    def _may_be(self, name: NormalizedName, position: int, days: int, depth: int) -> bool:
        """Return whether a package can be at a candidate, as far as its own needs show."""
        return not any(
            self._is_barred(wanted, mask, days, depth - 1)
            for node in self._found.nodes[name]
            for wanted, mask in self._wants(node, position)
            if wanted not in (name, self._name)
        )

    def _sample(self, name: NormalizedName, mask: int) -> list[int]:
        """Return a few of some candidates: the newest, then ever further apart, each a release that can be used."""
        key = (name, mask)
        if key not in self._samples:
            package = self._problem.universe.package(name)
            positions = list(bits(mask))
            chosen = [positions[index] for index in _spread(len(positions)) if package.candidate(positions[index])]
            self._problem.universe.ask_ahead(package, sum(1 << position for position in chosen))
            self._samples[key] = chosen
        return self._samples[key]


def _spread(count: int) -> Iterator[int]:
    """Yield 0, 1, 3, 7 and so on, and the last."""
    index = 0
    while index < count - 1:
        yield index
        index = 2 * index + 1
    if count:
        yield count - 1
