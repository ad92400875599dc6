"""What the packages of a lock that have no wheel are built with, solved apart from the step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zlock.errors import NoAnswer, OutsideFailed, Problems, ZlockError
from zlock.lock.document import build_of
from zlock.lock.facts import Build
from zlock.model.origin import Origin, Source
from zlock.model.ports import InvalidMetadata
from zlock.model.requirement import DirectRequirement, parsed
from zlock.model.target import Target
from zlock.reporting import Activity, Doing
from zlock.resolution.solve import Resolved
from zlock.workflow.locks.job import Job
from zlock.workflow.solving.session import Session
from zlock.workflow.solving.step_solver import StepSolver


class BuildLocker:
    """Locks what builds require.

    Args:
        session: The indexes, and the report, which hears of repositories and archives that can't be built.
        answers: Finds the wheels.
    """

    def __init__(self, session: Session, solver: StepSolver) -> None:
        self._session = session
        self._solver = solver
        self._workspace = session.workspace

    def builds(self, job: Job, target: Target, resolved: Sequence[Resolved]) -> Iterator[Build]:
        """Yield the build, with wheels alone, of each package that is built wherever it is installed.

        Its sdist is asked as `SdistBuilder` says.

        Raises:
            ZlockError: What the build of an index's sdist requires can't be had.
        """
        for one in resolved:
            reference = one.candidate.reference
            if reference is not None and reference.is_built:
                yield self._of_reference(job, target, one, reference.build_requires)
            elif reference is None and not one.candidate.files[0].is_wheel:
                yield self._of(job, target, one, self._sdist_requires(job, target, one), "`build-sdists`: ")

    def _sdist_requires(self, job: Job, target: Target, one: Resolved) -> list[str]:
        self._workspace.reporter(Doing(Activity.ASKING_BUILD_REQUIREMENTS, _what(one)))
        toolchain = self._session.toolchain(job, target)
        try:
            return self._session.repository.build_requirements(one.index, one.candidate.files[0], toolchain)
        except InvalidMetadata as error:
            raise OutsideFailed(
                f"`{_what(one)}` can't be built: {error.reason}",
                hint="require a release that has a wheel, or take it out of `build-sdists`",
            ).of(step=job.step.name) from error

    def _of_reference(self, job: Job, target: Target, one: Resolved, stated: Sequence[str]) -> Build:
        """Return the build of a repository or an archive.

        It is in the lock also where its build can't be: whoever installs it without an image may have more indexes.
        """
        try:
            return self._of(job, target, one, stated, "")
        except (NoAnswer, Problems) as error:
            if isinstance(error, Problems) and error.worst != NoAnswer.exit_code:
                raise
            if target.system == "linux":
                self._workspace.note(f"no image can hold `{one.name}`, as its build can't be locked: {_reason(error)}")
            return build_of(one, target.platform, stated, None)

    def _of(self, job: Job, target: Target, one: Resolved, stated: Sequence[str], setting: str) -> Build:
        origin = Origin(source=Source.CONFIGURATION, detail=f"{setting}the build of {_what(one)}")
        requirements = [DirectRequirement(requirement=parsed(text), origins=(origin,)) for text in stated]
        for each in requirements:
            if each.requirement.url:
                raise NoAnswer(
                    f"building `{_what(one)}` requires `{each.name}` by its URL",
                    hint="only what an index has as wheels is locked for a build",
                ).of(step=job.step.name)
        known, place = job.lock.facts.builds if job.lock else (), (one.name, target.platform)
        kept = next((row.pins for row in known if (row.package, row.platform) == place), {})
        return build_of(one, target.platform, stated, self._solver.apart(job, target, requirements, kept))


def _what(one: Resolved) -> str:
    return f"{one.name} {one.candidate.version}"


def _reason(error: ZlockError) -> str:
    return "; ".join(map(str, error.each))
