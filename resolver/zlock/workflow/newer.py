"""Why a pin is not newer: what rules newer releases out, each claim tried with a solve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from packaging.utils import NormalizedName

from zlock.errors import ZlockError
from zlock.model.ports import Progress
from zlock.model.target import Target
from zlock.workflow.job import Job
from zlock.workflow.locked import LockedStep
from zlock.workflow.roots import standing
from zlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    from zlock.resolution.needs import Pins
    from zlock.resolution.problem import Problem
    from zlock.workflow.solving import Solver

Verdict = Literal["newest", "kept", "held back", "unknown"]
_MOST = 4  # newer releases of which the reason is said


@dataclass(frozen=True, kw_only=True, slots=True)
class Newer:
    """Why a package is not newer.

    Attributes:
        verdict: "newest": nothing newer is listed; "kept": only the lock keeps it; "held back": something else does;
            "unknown": the index could not be asked.
        newest: The newest release that the index lists, or empty.
        reasons: What stands against newer releases, the newest release first; lines that belong together follow
            each other.
        moves: Where it would go with `--upgrade-package`, or empty.
    """

    verdict: Verdict
    newest: str = ""
    reasons: tuple[str, ...] = ()
    moves: str = ""


def look_for_newer(
    workspace: Workspace, steps: Sequence[tuple[LockedStep, Target]], name: NormalizedName, progress: Progress
) -> list[Newer]:
    """Say for each step why a package is not newer; the index is asked, or with `--offline` the cache."""
    from zlock.workflow.solving import Solver

    jobs = [Job.of(locked) for locked, _ in steps]
    solver = Solver(workspace, jobs, progress, refresh=False)
    try:
        return [_look(solver, job, locked, target, name) for job, (locked, target) in zip(jobs, steps, strict=True)]
    finally:
        solver.close()


def _look(solver: Solver, job: Job, locked: LockedStep, target: Target, name: NormalizedName) -> Newer:
    from zlock.resolution.search import Unsolvable

    try:
        return _Search(solver.problem_of(job, target, standing(locked)), name).run()
    except ZlockError as error:  # what is known without an index is worth saying in spite of it
        return Newer(verdict="unknown", reasons=(error.message,))
    except Unsolvable:
        return Newer(verdict="unknown", reasons=("the index no longer offers what is locked",))


class _Search:
    """The question about one package of one problem."""

    def __init__(self, problem: Problem, name: NormalizedName) -> None:
        self._problem = problem
        self._name = name
        self._package = problem.universe.package(name)

    def run(self) -> Newer:
        from zlock.resolution.needs import Node
        from zlock.resolution.solve import solve

        if self._package.reference is not None:
            return Newer(verdict="held back", reasons=("a direct reference: it is what its URL names",))
        pins = solve(self._problem)
        node = Node(self._name, "")
        pinned = pins[node]
        if str(self._package.versions[pinned]) != self._problem.preferences.get(self._name):
            return Newer(verdict="unknown", reasons=("the index no longer offers the locked release",))
        if pinned == 0:
            return Newer(verdict="newest", newest=str(self._package.versions[0]))
        kept = {name: version for name, version in self._problem.preferences.items() if name != self._name}
        moved = solve(replace(self._problem, preferences=kept))[node]
        reasons = tuple(self._reasons(pins, min(pinned, moved)))
        return Newer(
            verdict="kept" if moved < pinned and not reasons else "held back",
            newest=str(self._package.versions[0]),
            reasons=reasons,
            moves=str(self._package.versions[moved]) if moved < pinned else "",
        )

    def _reasons(self, pins: Pins, limit: int) -> Iterator[str]:
        """Yield what stands against the newest releases, down to the first one that can be used at all."""
        from zlock.resolution.eligible import why_nothing

        said = 0
        for position in range(limit):
            version = self._package.versions[position]
            if self._is_usable(position):
                yield from self._conflict(pins, position)
                return
            if said < _MOST:
                yield f"{version}: {why_nothing(self._problem, self._package, f'=={version}')}"
            said += 1
        if said > _MOST:
            yield f"and {said - _MOST} more releases that can't be used"

    def _is_usable(self, position: int) -> bool:
        problem = self._problem
        if self._package.candidate(position) is None:
            return False
        return bool(problem.domain(self._name) & ~problem.unnamed(self._name) & 1 << position)

    def _conflict(self, pins: Pins, position: int) -> Iterator[str]:
        """Yield what a release that can be used conflicts with, or what has to move for it; both were solved."""
        from zlock.resolution.explain import added, explain
        from zlock.resolution.search import Unsolvable
        from zlock.resolution.solve import solve

        version = self._package.versions[position]
        asked = added(f"{self._name}=={version}")
        tried = replace(self._problem, requirements=[*self._problem.requirements, asked])
        try:
            other = solve(tried)
        except Unsolvable as proof:
            conflict = explain(tried, proof.clause)
            yield f"{version} conflicts with:"
            for one in conflict.requirements:
                if one is not asked:
                    yield f"  `{one}` by {one.origins[0]}"
            yield from (f"  constraint `{one}` by {one.origins[0]}" for one in conflict.constraints)
            yield from (f"  {line}" for line in conflict.chain)
            return
        moves = [
            f"{node.name} {self._version(node.name, pins[node])} -> {self._version(node.name, other[node])}"
            for node in sorted(pins.keys() & other.keys())
            if not node.extra and node.name != self._name and pins[node] != other[node]
        ]
        if self._is_lowest:
            yield f'{version}: `resolution = "{self._problem.policy.resolution}"` chooses the oldest that fits'
        elif moves:
            yield f"{version} needs other pins to move, which the lock keeps: {', '.join(moves)}"

    @property
    def _is_lowest(self) -> bool:
        """Whether the configuration wants the oldest release of this package."""
        resolution = self._problem.policy.resolution
        is_direct = any(dependency.name == self._name for dependency, _ in self._problem.dependencies())
        return resolution == "lowest" or (resolution == "lowest-direct" and is_direct)

    def _version(self, name: NormalizedName, position: int) -> str:
        return str(self._problem.universe.package(name).versions[position])
