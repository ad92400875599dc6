"""What a step has alone: what it asks for as young as can be, but for a small step back that keeps others younger.

The newest of each package is the start. Then what the step asks for itself becomes as young as it can be, whatever
becomes of the rest. At last the rest is looked at, the oldest first: can it be younger where what the step asks for
steps back a little?
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from functools import cache

from msgspec.structs import replace
from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionError

from zlock.errors import OutsideFailed
from zlock.resolution.held import Held, Limit
from zlock.resolution.needs import Node, Pins
from zlock.resolution.problem import Problem
from zlock.resolution.quick import descend
from zlock.resolution.reporter import SILENT
from zlock.resolution.search import Search
from zlock.resolution.verify import walk
from zlock.resolution.windows import Windows

_BUDGET = 200  # steps of one search, beside two for each pin
_PATIENCE = 100  # what may lead nowhere in it
_MOST_SEARCHES = 24  # for what the step asks for, and as many for the rest
_FIRST_BOUND = 30  # days: how old a pin may be that is to be younger, at first
_WIDENING = 3  # each bound is this much wider than the one before
_GAIN_OF_MAJOR = 730  # days that the rest has to gain for a step back to another major version


def choose(problem: Problem, plain: Pins) -> Pins:
    """Return what a step has alone.

    Args:
        problem: What the step asks.
        plain: An answer with the newest of each package, where nothing stands against it.
    """
    return plain if problem.policy.resolution != "highest" else _Choice(problem, plain).run()


def attempt(problem: Problem, limit: Limit, size: int, first: Collection[NormalizedName] = ()) -> Pins | None:
    """Return an answer within a limit; None where none was found within the budget of one search.

    Args:
        problem: What the step asks.
        limit: The limit.
        size: How many pins there may be.
        first: What it depends on whether there is one: the search begins there, so that it ends early if there is not.
    """
    limited = replace(problem, limit=cache(limit))
    with contextlib.suppress(
        ResolutionError, OutsideFailed
    ):  # what can't be had, as when offline, is no way to an answer
        if (found := descend(limited)) is not None:
            return found
        # What a proof assumes is not looked into: who names a pre-release, or needs what only needs itself.
        search = Search(limited, SILENT, _BUDGET + 2 * size, first=first, patience=_PATIENCE)
        pins, flaw = walk(limited, search.run())
        return None if flaw else pins
    return None


class _Choice:
    def __init__(self, problem: Problem, plain: Pins) -> None:
        self._problem = problem
        self._plain = plain
        self._ages = problem.ages
        self._kept = kept_of(problem, plain)
        self._direct = problem.direct - self._kept.keys()

    def run(self) -> Pins:
        first = self._with_young_directs(self._plain)
        rest = _Rest(self._problem, first, self._direct)
        return rest.with_young_rest(self._plain if rest.is_better(self._plain, first) else first)

    def _with_young_directs(self, pins: Pins) -> Pins:
        """Return an answer in which the oldest of what the step asks for is as young as can be, then the next."""
        settled: set[NormalizedName] = set()
        newest, held = self._newest(), None
        for _ in range(_MOST_SEARCHES):
            ages = {name: age for name, age in self._ages.of(pins).items() if name in self._direct}
            at = {name: pins[Node(name, "")] for name in ages}
            above = [(-age, name) for name, age in ages.items() if at[name] > newest[name] and name not in settled]
            if not above:
                break
            oldest = min(above)[1]
            limit, held = self._below(ages, oldest, pins), held or Held(self._problem, pins)
            # What could be much younger deserves more than a look at a few releases.
            is_near = ages[oldest] - self._ages.age(oldest, newest[oldest]) <= self._problem.policy.step_back
            is_held = is_near and held.is_held(oldest, limit)
            found = None if is_held else attempt(self._problem, limit, len(pins), held.around(oldest, limit))
            if found is None:
                settled.add(oldest)
            else:
                pins, held = found, Held(self._problem, found)
        return pins

    def _newest(self) -> dict[NormalizedName, int]:
        """Return the newest release of each that the step's own requirements admit."""
        masks: dict[NormalizedName, int] = {}
        for need in self._problem.roots():
            masks[need.node.name] = masks.get(need.node.name, -1) & need.mask
        found = {}
        for name in self._direct & masks.keys():
            package = self._problem.universe.package(name)
            mask = masks[name] & self._problem.usable(name)
            first = package.first(mask)
            found[name] = 0 if first is None else first
        return found

    def _below(self, ages: Mapping[NormalizedName, int], oldest: NormalizedName, pins: Pins) -> Limit:
        """Return the limit within which one is a newer version, and no other becomes as old as it is."""
        bound, newer = ages[oldest], (1 << pins[Node(oldest, "")]) - 1

        def limit(name: NormalizedName) -> int:
            own = ages.get(name)
            if own is None:
                return self._kept.get(name, -1)
            if name == oldest:
                return newer
            return self._ages.within(name, own if own >= bound else bound - 1)

        return limit


class _Rest:
    """What a step does not ask for itself, beside what it does.

    Args:
        problem: What the step asks.
        first: The answer in which what it asks for is as young as can be.
        direct: What it asks for, and does not keep.
    """

    def __init__(self, problem: Problem, first: Pins, direct: set[NormalizedName]) -> None:
        self._problem = problem
        self._ages = problem.ages
        self._direct = direct
        self._kept = kept_of(problem, first)
        self._before = self._ages.of(first)
        self._windows = Windows(problem, first)

    def is_better(self, pins: Pins, best: Pins) -> bool:
        """Return whether an answer is better than the best one so far, and what the step asks for in its windows.

        What is no longer there is as old as it was: that it left is not a gain.
        """
        then, now = ({**self._before, **self._ages.of(one)} for one in (pins, best))
        if sum(then.values()) >= sum(now.values()) or self._rest(then) >= self._rest(now):
            return False
        any_major = sum(self._rest(self._before)) - sum(self._rest(then)) > _GAIN_OF_MAJOR
        directs = [(node.name, position) for node, position in pins.items() if node.name in self._direct]
        return all(self._windows.mask(name, any_major=any_major) >> position & 1 for name, position in directs)

    def _rest(self, ages: Mapping[NormalizedName, int]) -> list[int]:
        return sorted((age for name, age in ages.items() if age and name not in self._direct), reverse=True)

    def with_young_rest(self, best: Pins) -> Pins:
        """Return an answer whose oldest pins are as young as was found, the oldest first."""
        settled = self._direct | self._kept.keys()
        self._searches, held, ages = _MOST_SEARCHES, Held(self._problem, best), self._ages.of(best)
        held.ask_ahead((name, self._widest(ages, name)) for name, age in ages.items() if age and name not in settled)
        while self._searches > 0:
            oldest = min(((-age, name) for name, age in ages.items() if age and name not in settled), default=None)
            if oldest is None:
                break
            settled.add(oldest[1])
            for limit in self._limits(held, ages, oldest[1]):
                found = self._better(best, limit, held.around(oldest[1], limit))
                if found is not None:
                    best, held, ages = found, Held(self._problem, found), self._ages.of(found)
                    break
        return best

    def _better(self, best: Pins, limit: Limit, first: Collection[NormalizedName]) -> Pins | None:
        """Return a better answer within a limit; None where none was found.

        One that is not better may have left out what was to be younger; what others stepped back to is ruled out then.
        """
        ruled_out: dict[NormalizedName, int] = {}
        while self._searches > 0:
            self._searches -= 1
            found = attempt(self._problem, lambda name: limit(name) & ~ruled_out.get(name, 0), len(best), first)
            if found is None or self.is_better(found, best):
                return found
            moved = {node.name: at for node, at in found.items() if best.get(node, at) < at}
            if not moved:
                return None
            for name, position in moved.items():
                ruled_out[name] = ruled_out.get(name, 0) | 1 << position
        return None

    def _limits(self, held: Held, ages: Mapping[NormalizedName, int], oldest: NormalizedName) -> Iterator[Limit]:
        """Yield the limits within which a pin may become younger, the narrowest first."""
        bounds = [_FIRST_BOUND]
        while bounds[-1] < ages[oldest] - 1:
            bounds.append(bounds[-1] * _WIDENING)
        if held.is_held(oldest, self._widest(ages, oldest)):
            return
        for bound in bounds:
            days = min(bound, ages[oldest] - 1)
            for any_major in (False, True) if ages[oldest] - days > _GAIN_OF_MAJOR else (False,):
                limit = self._within(ages, oldest, days, any_major=any_major)
                if not held.is_held(oldest, limit):
                    yield limit

    def _widest(self, ages: Mapping[NormalizedName, int], oldest: NormalizedName) -> Limit:
        return self._within(ages, oldest, ages[oldest] - 1, any_major=ages[oldest] > _GAIN_OF_MAJOR)

    def _within(
        self, ages: Mapping[NormalizedName, int], oldest: NormalizedName, days: int, *, any_major: bool
    ) -> Limit:
        """Return the limit within which a pin is no older than some days, and no other loses as much as it gains."""
        bound = ages[oldest]

        def limit(name: NormalizedName) -> int:
            if name in self._direct:
                return self._windows.mask(name, any_major=any_major)
            if name in self._kept:
                return self._kept[name]
            own = -1 if name == oldest else ages.get(name, -1)
            older = own if own >= bound else max(days, min(own + (bound - days) // 2, bound - 1))
            return self._ages.within(name, days if own < 0 else older) & ~self._problem.unnamed(name)

        return limit


def kept_of(problem: Problem, pins: Mapping[Node, int]) -> dict[NormalizedName, int]:
    """Return what an answer has as it was locked, as masks of one candidate."""
    rows = ((node.name, position) for node, position in pins.items())
    return {name: 1 << at for name, at in rows if problem.kept(problem.universe.package(name)) == at}
