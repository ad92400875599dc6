"""Several steps solved together: a package has one version in all of them, as far as that moves nobody far.

Each step is answered alone first, and most packages have one version then. Where one has several, the oldest takes
every step that has an answer with it in which nothing leaves its window, then the next. What is shared stays so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import chain
from operator import and_

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName
from packaging.version import Version

from zlock.errors import ZlockError
from zlock.model.explanations import Differs
from zlock.model.requirement import DirectRequirement
from zlock.resolution.ahead import fetch_ahead
from zlock.resolution.alone import attempt
from zlock.resolution.apart import differences
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.needs import Pins
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import SILENT, SearchReporter
from zlock.resolution.side import Member, Name, Side, Versions
from zlock.resolution.solve import alone


class Aligned(Struct, frozen=True, kw_only=True):
    """What became of steps that were solved together.

    Attributes:
        pins: Per member its verified pins.
        differs: Per member the packages that have another version in another one.
        failed: Per member why it has no pins.
    """

    pins: dict[Name, Pins] = {}
    differs: dict[Name, tuple[Differs, ...]] = {}
    failed: dict[Name, Unsolvable | ZlockError] = {}


def align(members: Sequence[Member], settled: Sequence[Versions] = (), reporter: SearchReporter = SILENT) -> Aligned:
    """Solve steps together.

    No step is without an answer that would have one by itself.

    Args:
        members: The steps.
        settled: The pins of other steps' locks, which stay as they are; the group "" follows them.
        reporter: Hears how many steps a search has made.
    """
    universes = {id(member.problem.universe): member.problem.universe for member in members}
    for universe in universes.values():
        asking = [member.problem for member in members if member.problem.universe is universe]
        fetch_ahead(universe, (dependency for problem in asking for dependency, _ in problem.dependencies()))
    result = Aligned()
    groups: dict[str, dict[str, list[Side]]] = {}
    for member in sorted(members, key=lambda member: member.name):
        try:
            side = Side(member, *alone(member.problem, reporter))
        except (Unsolvable, ZlockError) as error:
            result.failed[member.name] = error
        else:
            groups.setdefault(member.group, {}).setdefault(member.name[0], []).append(side)
    for group, steps in groups.items():
        _align_group(list(steps.values()), () if group else settled, result)
    return result


def _align_group(steps: Sequence[Sequence[Side]], settled: Sequence[Versions], result: Aligned) -> None:
    for platforms in steps:
        _Sharing([[side] for side in platforms], (), is_open=True).run()
        for side in platforms:
            side.settle()
    _Sharing(steps, settled).run()
    sides = [side for step in steps for side in step]
    for side in sides:
        name, versions = side.member.name, [*settled, *(other.versions for other in sides if other is not side)]
        result.pins[name] = side.pins
        found: list[Differs] = []
        for package, version in sorted(side.versions.items()):
            if others := sorted({one[package] for one in versions if package in one} - {version}):
                found += differences(side.member.problem, side.pins, package, others)
        if found:
            result.differs[name] = tuple(found)


class _Sharing:
    """The steps of a group on the way to the same versions.

    Args:
        steps: The steps, each on its platforms.
        settled: The pins of other steps, which stay.
        is_open: Whether they share whatever becomes of anything else.
    """

    def __init__(self, steps: Sequence[Sequence[Side]], settled: Sequence[Versions], *, is_open: bool = False) -> None:
        self._steps = steps
        self._settled = settled
        self._is_open = is_open

    def run(self) -> None:
        """Share one package after the other, first what most have; what is left then, all at once if that can be."""
        done: set[NormalizedName] = set()
        while differing := [(-count, name) for count, name in self._differing() if name not in done]:
            name = min(differing)[1]
            done.add(name)
            self._share(name)
        if done and (left := [name for _, name in self._differing()]):
            self._unite(left)

    def _differing(self) -> list[tuple[int, NormalizedName]]:
        """Return what has several versions, with how often it is there."""
        several = Counter(name for name, _ in self._found())
        names = sorted(name for name, count in several.items() if count > 1)
        return [(sum(name in versions for versions in self._versions()), name) for name in names]

    def _unite(self, differing: Sequence[NormalizedName]) -> None:
        """Let all steps have one answer, if there is one in all of their windows."""
        sides = [side for step in self._steps for side in step]
        problems = [side.member.problem for side in sides]
        if self._settled or not _are_of_a_kind(problems):
            return
        union = _union(problems)
        problem = next(union.stricter(), union)
        having = {name: {side for side in sides if name in side.alone} for side in sides for name in side.alone}

        def limit(name: NormalizedName) -> int:
            windows = [side.window(name, is_open=self._is_open) for side in having.get(name, ())]
            return reduce(and_, windows, -1)

        if any(side.is_held(name, limit, is_open=self._is_open) for name in differing for side in having.get(name, ())):
            return
        while all(problem.domain(name) & limit(name) for name in differing):
            pins = attempt(problem, limit, sum(len(side.pins) for side in sides))
            parts = {} if pins is None else {side: side.part(pins, is_open=self._is_open) for side in sides}
            found = {side: part for side, part in parts.items() if part is not None}
            if len(found) < len(sides):
                return
            late = [(name, side) for side, (_, out) in found.items() for name in out]
            if not late:
                for side, (reached, _) in found.items():
                    side.take(reached)
                return
            for name, side in late:  # it has what it would not have alone
                having.setdefault(name, set()).add(side)

    def _versions(self) -> Iterator[Versions]:
        return chain(self._settled, (side.versions for step in self._steps for side in step))

    def _found(self) -> set[tuple[NormalizedName, str]]:
        """Return the packages with each of their versions."""
        return set().union(*(versions.items() for versions in self._versions()))

    def _spread(self) -> int:
        return len(self._found()) - len(set().union(*self._versions()))

    def _share(self, name: NormalizedName) -> None:
        """Let the oldest version of a package take every step that can have it, then the next; as long as it helps."""
        before, spread = [(side, side.pins) for step in self._steps for side in step], self._spread()
        left = self._units(name)
        versions = {one[name] for one in self._settled if name in one}
        while left:
            versions |= {side.versions[name] for unit in left for side in unit if name in side.versions}
            oldest = min(versions, key=Version)
            versions.remove(oldest)
            left = [unit for unit in left if not self._take(unit, name, oldest)]
        if self._spread() > spread:
            for side, pins in before:
                side.take(pins)
        else:
            for side, _ in before:
                side.share(name)

    def _units(self, name: NormalizedName) -> list[list[Side]]:
        """Return what moves together: the platforms of a step that have the same version."""
        units = []
        for step in self._steps:
            having = [side for side in step if name in side.versions]
            same = len({side.versions[name] for side in having}) == 1
            units += [having] if same else [[side] for side in having]
        return units

    def _take(self, unit: Sequence[Side], name: NormalizedName, version: str) -> bool:
        """Let a step have a version on all its platforms; return whether it can."""
        found = [side.with_version(name, version, is_open=self._is_open) for side in unit]
        pins = [one for one in found if one is not None]
        if len(pins) < len(unit):
            return False
        for side, one in zip(unit, pins, strict=True):
            side.take(one)
        return True


def _are_of_a_kind(problems: Sequence[Problem]) -> bool:
    """Return whether problems are about the same packages, and say the same of which ones count."""
    first = problems[0]
    constraints = [(str(one), one.hashes) for one in first.constraints]
    return all(
        problem.universe is first.universe
        and problem.policy == first.policy
        and [(str(one), one.hashes) for one in problem.constraints] == constraints
        for problem in problems
    )


def _union(problems: Sequence[Problem]) -> Problem:
    """Return what all of some problems of a kind ask at once."""
    requirements: dict[tuple[str, tuple[str, ...]], DirectRequirement] = {}
    preferences: dict[NormalizedName, str] = {}
    for problem in problems:
        for requirement in problem.requirements:
            requirements.setdefault((str(requirement), requirement.hashes), requirement)
        preferences.update(problem.preferences)
    return replace(problems[0], requirements=list(requirements.values()), preferences=preferences)
