"""Several steps solved together: a package has one version in all of them, unless something forbids it.

Steps that can have the same versions are solved as one question, their union, and each takes from the answer what it
needs. Where the union has no answer, the smallest conflict says which steps can't go together. The largest part is
solved first. Every later one has to take the versions that are already there; what takes part in a proof that this
can't be is let go, all else stays. What was let go in vain is taken back, and at last the parts solved before are
asked whether they can take the later one's version instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from packaging.utils import NormalizedName

from zlock.errors import Unsound, ZlockError
from zlock.model.explanations import Differs, Stated
from zlock.model.requirement import DirectRequirement
from zlock.resolution.agree import Limit, agree
from zlock.resolution.ahead import fetch_ahead
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.fresh import freshen
from zlock.resolution.needs import Node, Pins
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import SILENT, SearchReporter
from zlock.resolution.solve import answer
from zlock.resolution.verify import walk

Key = tuple[str, tuple[str, ...]]
"""What makes requirements of several steps the same one."""
Name = tuple[str, str]
Versions = Mapping[NormalizedName, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One step, on one platform, among those that are solved together.

    Attributes:
        name: The step and the platform.
        problem: What it asks.
        group: Its versions are to be those of its group's other members, and of no others.
    """

    name: Name
    problem: Problem
    group: str = ""

    def stated(self) -> set[Key]:
        """Return its requirements as what they have in common with those of other steps."""
        return set(map(_key, self.problem.requirements))


@dataclass(frozen=True, kw_only=True, slots=True)
class Aligned:
    """What became of steps that were solved together.

    Attributes:
        pins: Per member its verified pins.
        differs: Per member the packages that have another version in another one.
        failed: Per member why it has no pins.
    """

    pins: dict[Name, Pins] = field(default_factory=dict)
    differs: dict[Name, tuple[Differs, ...]] = field(default_factory=dict)
    failed: dict[Name, Unsolvable | ZlockError] = field(default_factory=dict)


def align(members: Sequence[Member], settled: Sequence[Versions] = (), reporter: SearchReporter = SILENT) -> Aligned:
    """Solve steps together.

    No step is without an answer that would have one by itself.

    Args:
        members: The steps.
        settled: The pins of other steps' locks, which stay as they are; the group "" follows them.
        reporter: Hears how many steps a search has made.
    """
    return _Alignment(members, settled, reporter).run()


@dataclass(eq=False, kw_only=True, slots=True)
class _Part:
    """Steps that have the same versions.

    Attributes:
        members: The steps.
        problem: Their union.
        pins: Its answer.
        reached: What each member needs of it.
    """

    members: Sequence[Member]
    problem: Problem
    pins: Pins = field(default_factory=dict)
    reached: dict[Name, Pins] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The group of its members."""
        return self.members[0].group

    def take(self, pins: Pins) -> list[Member]:
        """Take an answer where it is right for every member; return those for which it is not."""
        walks = {member.name: walk(member.problem, pins) for member in self.members}
        apart = [member for member in self.members if walks[member.name][1]]
        if not apart:
            self.pins, self.reached = pins, {name: reached for name, (reached, _) in walks.items()}
        return apart

    def versions(self) -> dict[NormalizedName, str]:
        """Return the versions of its packages; a direct reference is not to be had anywhere else."""
        return versions_of(self.problem, self.pins)


class _Alignment:
    def __init__(self, members: Sequence[Member], settled: Sequence[Versions], reporter: SearchReporter) -> None:
        self._todo = sorted(members, key=lambda member: member.name)
        self._settled = settled
        self._reporter = reporter
        self._stated = {member.name: member.stated() for member in members}
        self._constraints = {member.name: list(map(_key, member.problem.constraints)) for member in members}
        self._conflicts: list[frozenset[Key]] = []
        self._alone: set[Name] = set()
        self._parts: list[_Part] = []
        self._result = Aligned()

    def run(self) -> Aligned:
        universes = {id(member.problem.universe): member.problem.universe for member in self._todo}
        for universe in universes.values():
            asking = [member.problem for member in self._todo if member.problem.universe is universe]
            fetch_ahead(universe, (dependency for problem in asking for dependency, _ in problem.dependencies()))
        while self._todo:
            self._solve_next(self._largest_part())
        for part in self._parts:
            self._result.pins.update(part.reached)
        self._find_differences()
        return self._result

    # Which steps go together

    def _largest_part(self) -> list[Member]:
        """Return the most steps that may go together, as far as is known."""
        parts: list[list[Member]] = []
        for member in sorted(self._todo, key=self._rarity):
            fitting = next((part for part in parts if self._fits(member, part)), None)
            if fitting is None:
                parts.append([member])
            else:
                fitting.append(member)
        largest = max(parts, key=len)
        return sorted(largest, key=lambda member: member.name)

    def _rarity(self, member: Member) -> int:
        """Return in how many conflicts a step is the one to stand aside: what few steps ask for gives way to many."""
        keys = self._stated[member.name]
        return sum(min(conflict, key=lambda key: (self._count(key), key)) in keys for conflict in self._conflicts)

    def _count(self, key: Key) -> int:
        return sum(key in self._stated[member.name] for member in self._todo)

    def _fits(self, member: Member, part: Sequence[Member]) -> bool:
        first, problem = part[0].problem, member.problem
        if member.group != part[0].group or {member.name, part[0].name} & self._alone:
            return False
        if problem.universe is not first.universe or problem.policy != first.policy:
            return False
        if self._constraints[member.name] != self._constraints[part[0].name]:
            return False
        for other in part:
            kept = other.problem.preferences
            if any(kept.get(name, version) != version for name, version in problem.preferences.items()):
                return False
        keys = self._stated[member.name].union(*(self._stated[other.name] for other in part))
        return not any(conflict <= keys for conflict in self._conflicts)

    def _solve_next(self, members: list[Member]) -> None:
        """Solve the union of some steps, or learn why they can't go together."""
        part = _Part(members=members, problem=_union([member.problem for member in members]))
        try:
            pins = agree(part.problem, self._elsewhere(part), self._reporter)
        except (Unsolvable, ZlockError) as error:
            self._part_company(part, error)
            return
        apart = part.take(pins)
        if apart and len(members) == 1:
            self._fail(members[0], Unsound(f"the answer of step `{members[0].name[0]}` is none"))
        elif apart:
            self._alone |= {member.name for member in apart}
        else:
            self._todo = [member for member in self._todo if member not in members]
            self._bring_over(part)
            self._parts.append(part)

    def _part_company(self, part: _Part, error: Unsolvable | ZlockError) -> None:
        """Remember why some steps have no common answer; what can't be solved at all fails."""
        if len(part.members) == 1:
            self._fail(part.members[0], error)
        elif isinstance(error, Unsolvable) and (conflict := self._conflict(part, error)):
            hopeless = [member for member in part.members if conflict <= self._stated[member.name]]
            for member in hopeless:
                self._check_alone(member)
            if not hopeless:
                self._conflicts.append(conflict)
        else:
            self._alone |= {member.name for member in part.members}

    @staticmethod
    def _conflict(part: _Part, proof: Unsolvable) -> frozenset[Key]:
        """Return the requirements that can't hold together; none where an index failed on the way to them."""
        from zlock.resolution.explain import smallest_conflict  # most runs explain nothing

        try:
            return frozenset(map(_key, smallest_conflict(part.problem, proof)))
        except ZlockError:
            return frozenset()

    def _check_alone(self, member: Member) -> None:
        try:
            answer(member.problem, self._reporter)
        except (Unsolvable, ZlockError) as error:
            self._fail(member, error)
        else:
            self._alone.add(member.name)

    def _fail(self, member: Member, error: Unsolvable | ZlockError) -> None:
        self._result.failed[member.name] = error
        self._todo.remove(member)

    # What other parts have

    def _locked(self, part: _Part) -> Sequence[Versions]:
        return () if part.group else self._settled

    def _elsewhere(self, part: _Part) -> dict[NormalizedName, set[str]]:
        """Return the versions that steps of other parts have."""
        found: dict[NormalizedName, set[str]] = {}
        others = [other.versions() for other in self._parts if other is not part and other.group == part.group]
        for versions in (*self._locked(part), *others):
            for name, version in versions.items():
                found.setdefault(name, set()).add(version)
        return found

    def _bring_over(self, late: _Part) -> None:
        """Let the parts that are there take a version of a later one, where all of them can."""
        others = [(part, part.versions()) for part in self._parts if part.group == late.group]
        for name, version in sorted(late.versions().items()):
            if any(versions.get(name, version) != version for versions in self._locked(late)):
                continue
            moving = [(part, versions) for part, versions in others if versions.get(name, version) != version]
            found = [self._moved(part, late, name, version) for part, _ in moving]
            if all(found):
                for (part, versions), pins in zip(moving, found, strict=True):
                    part.take(pins or part.pins)
                    versions.clear()
                    versions.update(part.versions())

    def _moved(self, part: _Part, late: _Part, name: NormalizedName, version: str) -> Pins | None:
        """Return an answer of a part with one package at another version, and all that it shares as it is."""
        if part.problem.preferences.get(name) == part.versions()[name]:
            return None
        shared = self._elsewhere(part)
        for other, found in late.versions().items():
            shared.setdefault(other, set()).add(found)
        fixed = {other: {found} for other, found in part.versions().items() if found in shared.get(other, ())}
        problem = replace(part.problem, limit=Limit(part.problem, {**fixed, name: {version}}, strict=True).mask)
        try:
            pins = freshen(problem, answer(problem, self._reporter))
        except (Unsolvable, ZlockError):
            return None
        return None if any(walk(member.problem, pins)[1] for member in part.members) else pins

    # Why versions differ

    def _find_differences(self) -> None:
        """Say where a step has another version than a step of another part, or than a lock that stays."""
        every = [(part, member) for part in self._parts for member in part.members]
        had = {member.name: versions_of(member.problem, self._result.pins[member.name]) for _, member in every}
        for part, member in every:
            others = [had[one.name] for other, one in every if other is not part and other.group == part.group]
            found: list[Differs] = []
            for name, version in sorted(had[member.name].items()):
                used = {one[name] for one in (*self._locked(part), *others) if name in one} - {version}
                if used:
                    found.append(why_differs(member, name, version, sorted(used)))
            if found:
                self._result.differs[member.name] = tuple(found)


def _key(requirement: DirectRequirement) -> Key:
    return str(requirement), requirement.hashes


def versions_of(problem: Problem, pins: Mapping[Node, int]) -> dict[NormalizedName, str]:
    """Return the versions of an answer; a direct reference has none that others could have."""
    found = {}
    for node, position in pins.items():
        package = problem.universe.package(node.name)
        if not package.reference:
            found[node.name] = str(package.versions[position])
    return found


def _union(problems: Sequence[Problem]) -> Problem:
    """Return what all of some steps ask at once."""
    if len(problems) == 1:
        return problems[0]
    requirements: dict[Key, DirectRequirement] = {}
    preferences: dict[NormalizedName, str] = {}
    for problem in problems:
        for requirement in problem.requirements:
            requirements.setdefault(_key(requirement), requirement)
        preferences.update(problem.preferences)
    return replace(problems[0], requirements=list(requirements.values()), preferences=preferences)


def why_differs(
    member: Member,
    name: NormalizedName,
    version: str,
    others: Sequence[str],
    stated: Callable[[DirectRequirement], Stated] = Stated.of,
    *,
    reporter: SearchReporter = SILENT,
) -> Differs:
    """Return why a step does not have a version of other steps: what rules it out, by trying it.

    Args:
        member: The step.
        name: The package.
        version: The version that the step has.
        others: The versions that other steps have.
        stated: Says whose a requirement is.
        reporter: Hears how many steps a search has made.
    """
    from zlock.resolution.explain import smallest_conflict

    universe = member.problem.universe
    found = partial(Differs, name=name, here=version, elsewhere=tuple(others))
    usable = {one for one in others if universe.package(name).position(one) is not None}
    if not usable:
        if all(universe.package(name).versions.find(one) is None for one in others):
            return found(reason="unlisted", where=universe.index_of(name))
        return found(reason="unfit", where=str(universe.target))
    limit = Limit(member.problem, {name: usable}, strict=True)
    limited = replace(member.problem, limit=limit.mask)
    try:
        answer(limited, reporter)
    except Unsolvable as proof:
        return found(reason="forced", forcing=tuple(map(stated, smallest_conflict(limited, proof))))
    except ZlockError:
        return found(reason="unknown")
    return found(reason="locked" if member.problem.preferences.get(name) == version else "others")
