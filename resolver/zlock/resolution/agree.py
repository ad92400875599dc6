"""An answer that agrees with versions that are already there, as far as that can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from packaging.utils import NormalizedName

from zlock.errors import ZlockError
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.fresh import freshen
from zlock.resolution.needs import Node, Pins
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import SILENT, SearchReporter
from zlock.resolution.solve import answer

Versions = Mapping[NormalizedName, set[str]]


class Limit:
    """The versions that packages are limited to, as masks."""

    def __init__(self, problem: Problem, versions: Versions, *, strict: bool = False) -> None:
        self._problem = problem
        self._versions = versions
        self._strict = strict
        self._masks: dict[NormalizedName, int] = {}
        self.lifted: set[NormalizedName] = set()

    def mask(self, name: NormalizedName) -> int:
        """Return what a package is limited to; -1 where it is not."""
        if name in self.lifted or name not in self._versions:
            return -1
        if name not in self._masks:
            self._masks[name] = self._find(name)
        return self._masks[name]

    def _find(self, name: NormalizedName) -> int:
        package = self._problem.universe.package(name)
        kept = self._problem.preferences.get(name)
        if package.reference or (kept and kept not in self._versions[name] and not self._strict):
            return -1  # what was locked stays, though other steps have something else
        mask = 0
        for version in self._versions[name]:
            position = package.position(version)
            if position is not None:
                mask |= 1 << position
        return mask or (0 if self._strict else -1)


def agree(problem: Problem, elsewhere: Versions, reporter: SearchReporter = SILENT) -> Pins:
    """Return pins with as many versions that are there elsewhere as can be, and fresh as far as that leaves a choice.

    Raises:
        Unsolvable: It is proven that there are none, whatever is elsewhere.
        ZlockError: No answer was found.
    """
    if elsewhere:
        return _Agreement(problem, elsewhere, reporter).solve()
    return freshen(problem, answer(problem, reporter))


class _Agreement:
    def __init__(self, problem: Problem, elsewhere: Versions, reporter: SearchReporter) -> None:
        self._problem = problem
        self._elsewhere = elsewhere
        self._reporter = reporter
        self._limit = Limit(problem, elsewhere)

    def solve(self) -> Pins:
        pins = self._loosen()
        for name in sorted(self._limit.lifted):
            pins = self._tighten(name, pins)
        return freshen(self._limited(), pins)

    def _limited(self) -> Problem:
        # A new problem each time, since one remembers what it was limited to.
        return replace(self._problem, limit=self._limit.mask)

    def _loosen(self) -> Pins:
        """Let go of versions that can't be had, until there is an answer."""
        while True:
            try:
                return answer(self._limited(), self._reporter)
            except Unsolvable as proof:
                names = {node.name for leaf in proof.facts for node in leaf.terms if node.name}
                limiting = {name for name in names if self._limit.mask(name) != -1}
                if not limiting:
                    raise
                self._limit.lifted |= limiting
            except ZlockError:
                if self._limit.lifted >= self._elsewhere.keys():
                    raise
                self._limit.lifted |= self._elsewhere.keys()

    def _tighten(self, name: NormalizedName, pins: Pins) -> Pins:
        """Take a version of other parts after all, where that can be."""
        self._limit.lifted.discard(name)
        if self._limit.mask(name) >> pins.get(Node(name, ""), 0) & 1:
            return pins
        try:
            return answer(self._limited(), self._reporter)
        except (Unsolvable, ZlockError):
            self._limit.lifted.add(name)
            return pins
