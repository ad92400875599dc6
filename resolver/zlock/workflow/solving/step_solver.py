"""From the problems of steps to their answers: all of them together, or why there is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, partial

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.errors import Collector, NoSolution, NotProven, every, raise_all
from zlock.index.repository import popular_names
from zlock.lock.environments import Answer
from zlock.merge import merge
from zlock.model.distribution import File
from zlock.model.explanations import Behind, Differs, GaveWay, Stated
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.reporting import Activity, Doing, Failing, Reporter
from zlock.resolution.align import Aligned, align
from zlock.resolution.behind import find_behind
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.conflict import Conflict
from zlock.resolution.findings import Lack
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import SearchReporter
from zlock.resolution.side import Member
from zlock.resolution.solve import Described, Resolved, describe, solve
from zlock.resolution.trials import Trials
from zlock.resolution.words import no_solution, wrong_index
from zlock.workflow.locks.job import Job
from zlock.workflow.solving.problem import StepProblems, locked_pins
from zlock.workflow.solving.session import Session

_SECONDS = 1.0  # for what builds would give, of all that is behind


class Asking(Struct):
    """A step on its way to an answer.

    Attributes:
        job: The step.
        requirements: What it still asks for.
        members: The same, as problems.
        gave_way: What of it gave way.
    """

    job: Job
    requirements: list[DirectRequirement]
    members: list[Member]
    gave_way: list[GaveWay] = []


class Answered(Struct, frozen=True, eq=False, kw_only=True):
    """A step with its answer.

    Attributes:
        job: The step.
        packages: What was chosen on each of its platforms.
        gave_way: What of its requirements gave way.
        differs: What has another version in another step.
        behind: What is more than a year behind.
    """

    job: Job
    packages: Sequence[Answer]
    gave_way: tuple[GaveWay, ...]
    differs: tuple[Differs, ...]
    behind: Sequence[Behind]


class StepSolver:
    """Solves what steps ask; what several steps have is one value.

    Args:
        session: The indexes.
        problems: Makes problems of what is asked.
    """

    def __init__(self, session: Session, problems: StepProblems) -> None:
        self._session = session
        self._problems = problems
        self._hear = session.workspace.reporter
        self._steps = _Steps(self._hear)
        self._known: Described = {}

    def together(self, jobs: Sequence[Job], settled: Sequence[Job]) -> list[Answered]:
        """Answer steps together; what stands against any of them is raised, all of it.

        Args:
            jobs: The steps.
            settled: Other steps, whose locks stay.
        """
        locked = [locked_pins(job, target) for job in settled for target in job.question.targets]
        asking = every(self._asking, jobs)
        while True:
            self._hear(Doing(Activity.SOLVING, total=len(asking)))
            aligned = align([member for one in asking for member in one.members], locked, self._steps)
            if not aligned.failed:
                break
            self._give_way(asking, aligned)
        packages, trials = every(partial(self._packages, aligned), asking), Trials(_SECONDS)
        return [
            Answered(
                job=one.job,
                packages=chosen,
                gave_way=tuple(one.gave_way),
                differs=tuple({row: None for member in one.members for row in aligned.differs.get(member.name, ())}),
                behind=[
                    row for each in one.members for row in find_behind(each.problem, aligned.pins[each.name], trials)
                ],
            )
            for one, chosen in zip(asking, packages, strict=True)
        ]

    def _packages(self, aligned: Aligned, one: Asking) -> list[Answer]:
        """Return the packages of a step, on each of its platforms."""
        return [
            (
                member.problem.universe.target,
                self._complete(describe(member.problem, aligned.pins[member.name], self._known)),
            )
            for member in one.members
        ]

    def apart(
        self, job: Job, target: Target, requirements: Sequence[DirectRequirement], kept: Mapping[str, str]
    ) -> list[Resolved]:
        """Return what requirements beside those of a step come to: wheels alone, versions kept where they fit.

        Raises:
            ZlockError: There is no answer, or none was found.
        """
        problem = self._problems.apart(job, target, requirements, kept)
        try:
            pins = solve(problem, self._steps)
        except NotProven as unproven:
            raise unproven.of(step=job.step.name) from None
        except Unsolvable as proof:
            raise self._no_solution(job, problem, self._conflict(job, problem, proof)) from None
        return self._complete(describe(problem, pins, self._known))

    def _asking(self, job: Job) -> Asking:
        requirements = list(merge(job.gathered))
        return Asking(job, requirements, self._problems.members(job, requirements))

    # Where there is none

    def _give_way(self, asking: Sequence[Asking], aligned: Aligned) -> None:
        """Let a requirement of each step without an answer give way, where the configuration lets it."""
        problems = Collector()
        for one in asking:
            member = next((each for each in one.members if each.name in aligned.failed), None)
            if member is None:
                continue
            error = aligned.failed[member.name]
            with problems:
                if isinstance(error, Unsolvable):
                    self._yield_to(one, member.problem, error)
                elif isinstance(error, NotProven):
                    raise error.of(step=one.job.step.name)
                elif error not in problems.errors:  # a page can fail for several steps
                    raise error
        problems.raise_if_any()

    def _yield_to(self, one: Asking, problem: Problem, proof: Unsolvable) -> None:
        """Take one requirement of a conflict away from a step.

        Raises:
            ZlockError: None may give way.
        """
        from zlock.resolution.explain import gives_way

        conflict = self._conflict(one.job, problem, proof)
        loser = gives_way(conflict, problem) if self._session.workspace.project.conflicts == "later" else None
        if loser is None:
            raise self._no_solution(one.job, problem, conflict)
        one.requirements.remove(loser[0])
        one.gave_way.append(GaveWay(loser=Stated.of(loser[0]), winner=Stated.of(loser[1])))
        one.members = self._problems.members(one.job, one.requirements)

    def _conflict(self, job: Job, problem: Problem, proof: Unsolvable) -> Conflict:
        """Return why a step has no answer.

        Raises:
            ZlockError: Requirements that nothing can meet, whatever the others say.
            PagesMoved: It rests on pages that are others by now.
        """
        from zlock.resolution.explain import explain
        from zlock.resolution.hopeless import errors_of, find_hopeless

        self._hear(Doing(Activity.EXPLAINING, job.step.name))
        if hopeless := find_hopeless(problem):
            self._check_current({one.direct.name for one in hopeless})
            unknown = {one.direct.name for one in hopeless if one.nothing.lack is Lack.UNKNOWN}
            strangers = [one for one in self._strangers.items() if unknown.intersection(one[1])]
            rest = [one for one in hopeless if not any(one.direct.name in names for _, names in strangers)]
            known = {*self._session.repository.known_names(), *popular_names()} if rest else ()
            raise_all(
                [
                    *(wrong_index(*one) for one in strangers),
                    *(error.of(step=job.step.name) for error in errors_of(problem, rest, known)),
                ]
            )
        conflict = explain(problem, proof)
        self._check_current(conflict.names)
        return conflict

    @cached_property
    def _strangers(self) -> Mapping[str, Sequence[str]]:
        """The indexes that know nothing of what the steps require, see `Repository.strangers`: as it is known at first.

        Later, names have been asked for that somebody may mean.
        """
        return self._session.repository.strangers()

    def _no_solution(self, job: Job, problem: Problem, conflict: Conflict) -> NoSolution:
        """Return the error of a conflict; it is told at once, and the way out as soon as that is found."""
        from zlock.resolution.changes import find_changes

        self._hear(Failing(no_solution(job.step.name, conflict).laid_out()))
        self._hear(Doing(Activity.TRYING_CHANGES, job.step.name))
        error = no_solution(job.step.name, conflict, find_changes(problem, conflict))
        error.step = job.step.name
        self._hear(Failing(error.laid_out()))
        return error

    def _check_current(self, names: Collection[NormalizedName]) -> None:
        if not self._session.repository.is_current(names):
            raise PagesMoved

    # Hashes

    def _complete(self, resolved: Sequence[Resolved]) -> list[Resolved]:
        """Hash the files whose index gives no sha256: a lock never holds a file without (PEP 751)."""
        return [one if all(file.sha256 for file in one.candidate.files) else self._hash(one) for one in resolved]

    def _hash(self, one: Resolved) -> Resolved:
        files = tuple(file if file.sha256 else self._hashed(file) for file in one.candidate.files)
        return replace(one, candidate=replace(one.candidate, files=files))

    def _hashed(self, file: File) -> File:
        self._hear(Doing(Activity.HASHING, file.filename))
        digest, size = self._session.repository.sha256(file)
        return file._replace(hashes=(*file.hashes, ("sha256", digest)), size=size)


class PagesMoved(Exception):
    """A "no" rests on pages of the cache that are others by now."""


class _Steps(SearchReporter):
    """Says how far a search is."""

    def __init__(self, hear: Reporter) -> None:
        self._hear = hear

    def starting_round(self, index: int) -> None:
        if index % 100 == 0:
            self._hear(Doing(Activity.SEARCHING, done=index))
