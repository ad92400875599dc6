"""From the answer of a step to its lock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec.structs import replace

from zlock.errors import InvalidRequirements
from zlock.lock.document import build, installer_of
from zlock.lock.lock import Lock
from zlock.model.explanations import Differs
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, parsed
from zlock.resolution.solve import Resolved
from zlock.workflow.locks.job import Job
from zlock.workflow.locks.replaced_files import compare_files
from zlock.workflow.solving.build_requirements import BuildLocker
from zlock.workflow.solving.session import Session
from zlock.workflow.solving.step_solver import Answered, StepSolver


def lock_of(session: Session, solver: StepSolver, one: Answered) -> Lock:
    """Return the lock of a step that was solved.

    Raises:
        ZlockError: What builds or images need beside it can't be had, or a package is a stranger's.
    """
    workspace, job, found = session.workspace, one.job, one.packages
    for _, resolved in found:
        _check_strangers({source.project for source in job.gathered} - {""}, resolved)
    builder = BuildLocker(session, solver)
    builds = [build for target, resolved in found for build in builder.builds(job, target, resolved)]
    unseen = _unseen(one) if workspace.options.steps else ()
    cutoff = workspace.options.exclude_newer
    lock = build(
        job.question,
        found,
        tuple(builds),
        declared=job.declared,
        pipeline=job.owner,
        project=workspace.project.folder,
        wheelhouse=workspace.wheelhouse if workspace.project.is_portable else None,
        lock_folder=job.path.parent,
    )
    facts = replace(
        lock.facts,
        installer=installer_of(_installer(solver, job)),
        exclude_newer=cutoff.isoformat() if cutoff else "",
        gave_way=one.gave_way,
        differs=(*one.differs, *unseen),
    )
    lock = replace(lock, facts=facts)
    before = job.lock.pins if job.lock else {}
    let_go = before.keys() - workspace.options.kept(before).keys()
    workspace.note(*compare_files(job.lock, lock, let_go=let_go))
    if workspace.project.is_portable:
        repositories = [package.name for package in lock.packages if package.vcs]
        why = "comes from a repository, so the portable lock has its URL: a wheelhouse can't hold it"
        workspace.note(*(f"`{name}` {why}" for name in repositories))
    return lock


def _unseen(answered: Answered) -> Iterator[Differs]:
    """Yield the differences to steps that are not looked at, as the lock has them, for what still has its version.

    A merge looks at one lock at a time.
    """
    seen, lock = {each.name for each in answered.differs}, answered.job.lock
    pins = {(one.name, str(one.candidate.version)) for _, resolved in answered.packages for one in resolved}
    for one in lock.facts.differs if lock else ():
        if one.name not in seen and (one.name, one.here) in pins:
            yield one


def _installer(solver: StepSolver, job: Job) -> list[Resolved]:
    """Return what installs the lock in images, for each target whose images fetch it."""
    origin = Origin(source=Source.CONFIGURATION, detail="`python_package_installer`")
    name: str = job.step.installer.name
    known = job.lock.facts.fetched(job.step.installer) if job.lock else None
    found: list[Resolved] = []
    for target in job.step.fetching(job.question.targets):
        exact = f"{name}=={found[0].candidate.version}" if found else name
        requirement = DirectRequirement(requirement=parsed(exact), origins=(origin,))
        found += solver.apart(job, target, [requirement], {name: known.version} if known else {})
    return found


def _check_strangers(projects: Collection[str], resolved: Sequence[Resolved]) -> None:
    """Refuse what is required by URL or path, and requires the project itself by its name alone: a stranger has it.

    Raises:
        InvalidRequirements: There is one.
    """
    strangers = {one.name: one for one in resolved if one.name in projects and one.candidate.reference is None}
    for one in resolved:
        reference = one.candidate.reference
        for name in one.requires if reference else ():
            if reference and name in strangers:
                raise InvalidRequirements(
                    f"`{one.name}` requires `{name}`, which is the project itself, and does not say where it is",
                    context=[
                        f"required by `{one.name} @ {reference.requested}`",
                        f"an index has `{name}` {strangers[name].candidate.version}",
                    ],
                    hint=f'write `{name} = {{ path = "..." }}` into its `[tool.uv.sources]`; or leave it out: '
                    f'`exclude = [{{ package = "{name}", from = "{one.name}" }}]` in the configuration',
                )
