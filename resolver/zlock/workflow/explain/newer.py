"""Why a pin is not newer: what rules newer releases out, each claim tried with a solve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.errors import ZlockError
from zlock.model.explanations import Behind
from zlock.model.requirement import DirectRequirement
from zlock.resolution import words
from zlock.resolution.behind import behind_of
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.conflict import Conflict
from zlock.resolution.eligible import find_nothing
from zlock.resolution.explain import explain
from zlock.resolution.findings import Nothing
from zlock.resolution.needs import Node, Pins
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import AtMost, Enough
from zlock.resolution.side import Name
from zlock.resolution.solve import solve
from zlock.resolution.trials import Trials, added
from zlock.resolution.unusable_words import nothing, older
from zlock.workflow.explain.members import Members

Verdict = Literal["newest", "kept", "held back", "unknown"]
_MOST = 4  # different reasons that are said, and conflicts of one release
_BUDGET = 3_000  # steps of each search: to leave a question open is better than to wait for its answer
_SECONDS = 2.0  # for what builds would give
_LOOKED_AT = 20  # releases that can't be used at all of which the reason is looked for


class Newer(Struct, frozen=True, kw_only=True):
    """Why a package is not newer.

    Attributes:
        verdict: "newest": nothing newer is listed; "kept": only the lock keeps it; "held back": something else does;
            "unknown": the index could not be asked.
        newest: The newest release that the index lists, or empty.
        reasons: What stands against newer releases, the newest release first; lines that belong together follow
            each other. Releases between that a conflict already named rules out too are counted to it.
        moves: Where it would go with `--upgrade-package`, or empty.
    """

    verdict: Verdict
    newest: str = ""
    reasons: tuple[str, ...] = ()
    moves: str = ""


def newer(members: Members, step: Name, name: NormalizedName) -> Newer:
    """Say why a package of a step is not newer on a platform."""
    try:
        return _Search(members, step, name).run()
    except ZlockError as error:  # what is known without an index is worth saying in spite of it
        return Newer(verdict="unknown", reasons=(str(error),))
    except Unsolvable:
        return Newer(verdict="unknown", reasons=("the locked release is no longer available from the index",))


def behind(members: Members, step: Name, name: NormalizedName) -> Behind | None:
    """Say how far a package of a step is behind on a platform, and why; None where it is not, or nobody can say."""
    problem = members.member(step).problem
    with suppress(ZlockError, Unsolvable):  # `newer` says it
        return behind_of(replace(problem, preferences={}), solve(problem), name, Trials(_SECONDS))
    return None


class _Obstacle(Struct, frozen=True):
    """A conflict, and the releases that it rules out, the newest first."""

    conflict: Conflict
    positions: list[int]


class _Search:
    """The question about one package of one step, on one platform."""

    def __init__(self, members: Members, step: Name, name: NormalizedName) -> None:
        self._problem = members.member(step).problem
        self._members = members
        self._step = step
        self._name = name
        self._package = self._problem.universe.package(name)
        self._override = members.overrides.get(name)

    def run(self) -> Newer:
        if self._package.reference is not None:
            return Newer(verdict="held back", reasons=("a direct reference: it is what its URL names",))
        pins = solve(self._problem)
        node = Node(self._name, "")
        pinned = pins[node]
        if str(self._package.versions[pinned]) != self._problem.preferences.get(self._name):
            return Newer(verdict="unknown", reasons=("the locked release is no longer available from the index",))
        if pinned == 0:
            return Newer(verdict="newest", newest=str(self._package.versions[0]))
        let_go = self._members.together(self._step, self._name).let_go
        moved = let_go.pins.get(self._step, pins).get(node, pinned) if let_go else pinned
        reasons = tuple(self._reasons(pins, min(pinned, moved)))
        return Newer(
            verdict="kept" if moved < pinned and not reasons else "held back",
            newest=str(self._package.versions[0]),
            reasons=reasons,
            moves=str(self._package.versions[moved]) if moved < pinned else "",
        )

    def _reasons(self, pins: Pins, limit: int) -> Iterator[str]:
        """Yield what stands against newer releases, down to the first one that the step could have by itself."""
        usable = [position for position in range(limit) if self._is_usable(position)]
        yield from self._unusable(range(usable[0] if usable else limit))
        obstacles: list[_Obstacle] = []
        for position in usable:
            known = [one for one in obstacles if self._rules_out(one.conflict, position)]
            for obstacle in known:
                obstacle.positions.append(position)
            if not known:
                try:
                    found = self._solve(self._at(position, self._problem.requirements))
                except Enough:
                    yield from self._shown(obstacles)
                    yield f"{self._package.versions[position]}: not proven what rules it out, within {_BUDGET} tries"
                    return
                if isinstance(found, dict):
                    yield from self._shown(obstacles)
                    yield from self._kept_away(pins, position, found)
                    return
                obstacles += self._obstacles(position, found)
        yield from self._shown(obstacles)

    # Releases that can't be used, whatever else is asked for

    def _is_usable(self, position: int) -> bool:
        problem = self._problem
        if self._package.candidate(position) is None or self._limit_on(position):
            return False
        return bool(problem.usable(self._name) & 1 << position)

    def _unusable(self, positions: Sequence[int]) -> Iterator[str]:
        """Yield why releases can't be used, once for those of which the same is said."""
        groups: dict[str | Nothing, list[int]] = {}
        for position in positions[:_LOOKED_AT]:
            groups.setdefault(self._why_unusable(position), []).append(position)
        for reason, (first, *others) in list(groups.items())[:_MOST]:
            version = self._package.versions[first]
            more = f" and {older(len(others))} alike" if others else ""
            yield f"{version}{more}: {reason if isinstance(reason, str) else nothing(reason.at(version))}"
        said = sum(len(group) for group in list(groups.values())[:_MOST])
        if said < len(positions):
            yield f"and {len(positions) - said} more releases that can't be used"

    def _why_unusable(self, position: int) -> str | Nothing:
        """Return why a release can't be used: a limit, or what is wrong with it, without its version."""
        if self._package.candidate(position) is not None and (limit := self._limit_on(position)):
            return limit
        return find_nothing(self._problem, self._package, f"=={self._package.versions[position]}").at(None)

    def _limit_on(self, position: int) -> str:
        """Return which limit of the configuration rules a release out, empty for none."""
        problem, bit = self._problem, 1 << position
        if self._override and not self._package.mask(str(self._override.requirement.specifier)) & bit:
            return f"the override `{self._override}` by {self._override.origins[0]} rules it out"
        for one in problem.constraints:
            if one.name == self._name and not problem.mask_of_constraint(self._package, one) & bit:
                return f"the constraint `{one}` by {one.origins[0]} rules it out"
        return ""

    # Releases that conflict with something, and that locks or other steps keep away; all were solved

    def _at(self, position: int, requirements: Sequence[DirectRequirement]) -> Problem:
        """Return a problem with some of the step's requirements in which the package has to be one release."""
        if self._override is None:
            asked = added(f"{self._name}=={self._package.versions[position]}")
            return replace(self._problem, requirements=[*requirements, asked])
        only = 1 << position  # an override would replace what is asked
        limit = {self._name: only}
        return replace(self._problem, requirements=requirements, limit=lambda name: limit.get(name, -1))

    @staticmethod
    def _solve(problem: Problem) -> Pins | Unsolvable:
        """Return the answer, or the proof that there is none; raise `Enough` where neither is found soon."""
        try:
            return solve(problem, AtMost(_BUDGET))
        except Unsolvable as proof:
            return proof

    def _obstacles(self, position: int, proof: Unsolvable) -> Iterator[_Obstacle]:
        """Yield the conflicts that keep a release away, each without the requirements of those before."""
        left = list(self._problem.requirements)
        found: Pins | Unsolvable = proof
        for _ in range(_MOST):
            if isinstance(found, dict):
                return
            conflict = explain(self._at(position, left), found)
            yield _Obstacle(conflict, [position])
            remaining = [one for one in left if one not in conflict.requirements]
            if len(remaining) == len(left):
                return  # it conflicts by itself
            left = remaining
            try:
                found = self._solve(self._at(position, left))
            except Enough:
                return

    def _rules_out(self, conflict: Conflict, position: int) -> bool:
        """Return whether the requirements of a conflict keep another release away too."""
        core = [one for one in self._problem.requirements if one in conflict.requirements]
        try:
            found = self._solve(replace(self._at(position, core), constraints=conflict.constraints))
        except Enough:
            return False
        return not isinstance(found, dict)

    def _shown(self, obstacles: Sequence[_Obstacle]) -> Iterator[str]:
        begun: set[int] = set()
        for one in obstacles:
            first, *others = one.positions
            said = str(self._package.versions[first])
            if others:
                last = self._package.versions[others[-1]]
                said += f" and {last}" if len(others) == 1 else f" and {older(len(others))} down to {last}"
            yield f"{said}{' also' if first in begun else ''} {'conflict' if others else 'conflicts'} with:"
            begun.add(first)
            for requirement in one.conflict.requirements:
                if requirement in self._problem.requirements:
                    yield f"  `{requirement}` by {requirement.origins[0]}"
            yield from (f"  {line}" for line in words.between(one.conflict))

    def _kept_away(self, pins: Pins, position: int, other: Pins) -> Iterator[str]:
        """Yield what keeps a release away that the step could have by itself."""
        version = str(self._package.versions[position])
        if self._is_lowest:
            yield f'{version}: `resolution = "{self._problem.policy.resolution}"` chooses the oldest that fits'
            return
        said = self._members.together(self._step, self._name).why_not(self._step, version)
        yield from said or self._moves(version, pins, other)

    def _moves(self, version: str, pins: Pins, other: Pins) -> Iterator[str]:
        """Yield what has to move for a release, of what only locks keep."""
        moves = [
            f"{node.name} {self._version(node.name, pins[node])} -> {self._version(node.name, other[node])}"
            for node in sorted(pins.keys() & other.keys())
            if not node.extra and node.name != self._name and pins[node] != other[node]
        ]
        if moves:
            yield f"{version} needs other pins to move, which the lock keeps: {', '.join(moves)}"
        else:
            yield f"{version} needs pins of other steps to move, which their locks keep"

    @property
    def _is_lowest(self) -> bool:
        """Whether the configuration wants the oldest release of this package."""
        resolution = self._problem.policy.resolution
        is_direct = any(dependency.name == self._name for dependency, _ in self._problem.dependencies())
        return resolution == "lowest" or (resolution == "lowest-direct" and is_direct)

    def _version(self, name: NormalizedName, position: int) -> str:
        return str(self._problem.universe.package(name).versions[position])
