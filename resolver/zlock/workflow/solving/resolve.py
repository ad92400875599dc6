"""Bringing locks up to date: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from packaging.utils import canonicalize_name

from zlock.errors import Collector
from zlock.lock.exclusive import exclusive
from zlock.lock.lock import Lock
from zlock.lock.writing import NameTaken, write_all
from zlock.model.paths import real
from zlock.redact import redact
from zlock.reporting import Activity, Doing
from zlock.settings.config import is_as_read
from zlock.settings.frameworks import Framework
from zlock.settings.location import Location, spelled
from zlock.wording import listed
from zlock.workflow.locks.asking import Questions
from zlock.workflow.locks.base_image_notes import base_image_notes
from zlock.workflow.locks.beginnings import Beginnings
from zlock.workflow.locks.current import others_with
from zlock.workflow.locks.job import Answers, Job
from zlock.workflow.locks.parents import pin_parents
from zlock.workflow.project.image_settings import check_settings, unbuilt
from zlock.workflow.project.report import Report, Status, StepReport
from zlock.workflow.project.upgrades import check_known
from zlock.workflow.project.workspace import Options, Workspace


def resolve(options: Options, *, write: bool = True) -> Report:
    """Bring the locks up to date and write them, all or none.

    Args:
        options: The options.
        write: False: leave the files alone, and report what would be done.

    Raises:
        ZlockError: What is wrong; several things come as `Problems`. No lock was touched.
    """
    with kept(options, shared=True) as workspace:
        return resolve_kept(workspace, write=write)


@contextmanager
def kept(options: Options, *, shared: bool = False) -> Iterator[Workspace]:
    """Return the project, which no other run edits meanwhile; one that does already is waited for.

    Args:
        options: The options.
        shared: Whether it is only read, as other runs may do at the same time.

    Raises:
        OutsideFailed: Another run keeps it for too long.
    """
    workspace = Workspace(options)
    project = workspace.project
    # A run that writes locks keeps their folder, from itself too.
    if real(workspace.lock_folder) == real(project.folder):
        yield workspace
        return
    with exclusive(project.folder, options.reporter, shared=shared):
        yield workspace if is_as_read(project) else Workspace(options)


def resolve_kept(workspace: Workspace, *, write: bool = True) -> Report:
    """Do what `resolve` does, in a project that is kept already."""
    while True:
        with suppress(NameTaken):
            return _resolve(workspace, write=write)
        workspace = Workspace(workspace.options)


def _resolve(workspace: Workspace, *, write: bool) -> Report:
    answers = proposed(workspace)
    if workspace.report.disregarded:
        return workspace.report
    gone = workspace.gone
    _note_unhashed(workspace, answers)
    _note_unbuilt(workspace, answers)
    _note_without_framework(workspace, answers)
    workspace.note(*(note for job, lock in answers for note in base_image_notes(job, lock)))
    texts = {job.path: text for job, lock in answers if lock is not job.lock and (text := lock.render()) != job.text}
    if write and (texts or gone):
        before = {lock.path: lock.owner for lock in workspace.locks.values()}
        write_all(
            texts,
            tuple(gone.values()),
            project=workspace.project.folder,
            reporter=workspace.reporter,
            owners={job.path: {job.owner, before.get(job.path, job.owner)} for job, _ in answers},
        )
    for job, lock in answers:
        status: Status = "unchanged"
        if job.path in texts:
            status = "declared" if job.lock and _installs_as(lock, job.lock) else "written"
        workspace.report.steps.append(StepReport.compare(job.path, job.lock, lock, status))
    workspace.report.steps += [StepReport(name=name, path=path, status="removed") for name, path in gone.items()]
    return workspace.report


def proposed(workspace: Workspace) -> Answers:
    """Return the steps with their locks as they would be written; nothing where the pipeline runs locally.

    Raises:
        ZlockError: What is wrong; several things come as `Problems`.
    """
    questions = Questions(workspace, workspace.gatherer())
    if not workspace.project.is_remote:
        workspace.disregard()
        return []
    jobs = _prepare(workspace, questions)
    _note_replaced(workspace, jobs)
    return _with_debian_packages(workspace, pin_parents(workspace, answer_jobs(workspace, jobs)))


def _installs_as(lock: Lock, before: Lock) -> bool:
    """Return whether a lock is the one that there was, but for the files that ask and the pipeline."""
    old, new = before.facts, lock.facts
    return lock.packages is before.packages and (new.parent, new.apt) == (old.parent, old.apt)


def _with_debian_packages(workspace: Workspace, answers: Answers) -> Answers:
    """Return the answers with the Debian packages of their steps, which most pipelines don't have."""
    if not any(job.question.apt_packages or lock.facts.apt for job, lock in answers):
        return answers
    from zlock.workflow.solving.debian_packages import lock_debian_packages

    return lock_debian_packages(workspace, answers)


def _prepare(workspace: Workspace, questions: Questions) -> list[Job]:
    jobs, steps, beginnings = [], workspace.chosen(), Beginnings(workspace)
    workspace.note(*(workspace.pipeline.notes if workspace.pipeline else ()))
    problems = Collector()
    with problems:
        check_settings(workspace, steps)
    for step in steps:
        workspace.reporter(Doing(Activity.READING_SOURCES, step.name))
        with problems:
            jobs.append(Job.prepare(workspace, questions, step, beginnings=beginnings))
    problems.raise_if_any()
    beginnings.note()
    check_upgrades(workspace, jobs)
    return jobs


def answer_jobs(workspace: Workspace, jobs: list[Job]) -> Answers:
    """Return each step's lock; those that still answer are not solved again."""
    answers = {
        job.step.name: job.restated(job.lock)
        for job in jobs
        if job.lock is not None and job.is_answered(workspace.options)
    }
    todo = [job for job in jobs if job.step.name not in answers]
    if todo:
        from zlock.workflow.solving.solve import solve_jobs  # brings in what searches and what asks indexes

        settled = [job for job in jobs if job.step.align and job.step.name in answers]
        answers |= {job.step.name: lock for job, lock in solve_jobs(workspace, todo, settled)}
    return [(job, answers[job.step.name]) for job in jobs]


def check_upgrades(workspace: Workspace, jobs: Sequence[Job]) -> None:
    """Hold the names whose pins are to move to what locks pin and steps ask for.

    Raises:
        NoAnswer: One is neither; several come as `Problems`.
    """
    if workspace.options.upgrade_packages:
        pinned = {canonicalize_name(name) for job in jobs if job.lock for name in job.lock.pins}
        asked = {one.name for job in jobs for each in job.gathered for one in each.requirements}
        workspace.report.upgradable = frozenset(pinned | asked)
        if not workspace.options.is_one_of_several:
            check_known(
                workspace.options.upgrade_packages,
                workspace.report.upgradable,
                lambda name: _moved_by(workspace, jobs, name),
            )


def _moved_by(workspace: Workspace, jobs: Sequence[Job], name: str) -> str:
    """Say what moves a package that no lock of these steps pins as a Python package."""
    if any(job.lock and job.lock.facts.apt and name in job.lock.facts.apt.pins for job in jobs):
        return "it is a Debian package: `--upgrade-apt` updates them all"
    others = others_with(workspace, name)
    return f"the lock of {listed(others)} has it: name that with `--step`, or leave `--step` out" if others else ""


def _note_replaced(workspace: Workspace, jobs: list[Job]) -> None:
    """Note what settings ask for and lists that are stated closer to steps replaced, each once with all those steps."""
    found: dict[tuple[str, tuple[str, ...] | str, Location | None], dict[Location | None, list[str]]] = {}
    for step in (job.step for job in jobs):
        for one in step.settings.replaced:
            places = found.setdefault((one.setting, one.asked, one.place), {})
            places.setdefault(one.by, []).append(step.name)
    for (setting, asked, place), places in found.items():
        what = f"the file `{asked}` is" if isinstance(asked, str) else _are(asked)
        steps = ", ".join(f"{listed(names)} (replaced {_where(workspace, by)})" for by, names in places.items())
        adding = "a list has to name all itself"
        if setting == "requirements":
            key = spelled("extra_requirements", next(iter(places)))
            if _framework_of(workspace):
                key = "extra-requirements` in `[steps.NAME.docker]"
            adding = f"`{key}` adds to them"
        workspace.note(f"`{spelled(setting, place)}` in {place}: {what} left out for {steps}; {adding}")


def _where(workspace: Workspace, place: Location | None) -> str:
    """Say where a setting is stated; of one in code of a framework it is known which step it is for, and no more."""
    is_for = _framework_of(workspace) and place is not None and place.file.endswith(".py")
    return f"by settings of the step at {place}" if is_for else f"in {place}"


def _framework_of(workspace: Workspace) -> Framework | None:
    return workspace.pipeline.framework if workspace.pipeline else None


def _are(names: Sequence[str]) -> str:
    return f"{redact(listed(names))} {'is' if len(names) == 1 else 'are'}"


def _note_without_framework(workspace: Workspace, answers: Answers) -> None:
    """Note the images in which a framework can't start a step; with `system`, the base image may have it."""
    if (framework := _framework_of(workspace)) is None:
        return
    without = [
        job.step.name for job, lock in answers if framework.package not in lock.pins and not job.step.effective.system
    ]
    if without:
        workspace.note(
            f"{framework.name} can't start {listed(without)}: `install_stack_requirements` is false there, which "
            f"leaves out `{framework.package}` too; add it to `requirements`, or set `system` where the base image "
            "has it"
        )


def _note_unbuilt(workspace: Workspace, answers: Answers) -> None:
    """Note each folder that no image can be made with as it is configured."""
    errors = {
        package.name: unbuilt(workspace.project, package.name, real(job.path.parent / place.path / place.subdirectory))
        for job, lock in answers
        if job.question.linux
        for package in lock.packages
        if (place := package.directory)
    }
    workspace.note(*(f"{error.message}; for images, {error.hint}" for error in errors.values() if error))


def _note_unhashed(workspace: Workspace, answers: Answers) -> None:
    """Note the locks that pip by itself refuses: where one package has a hash, it wants one of every other."""
    for job, lock in answers:
        names = lock.unhashed
        if job.step.installer.wants_all_hashes and 0 < len(names) < len(lock.packages):
            workspace.note(
                f"`pip install -r {job.path.name}` refuses {listed(names)}: repositories and folders have no hash, "
                "and pip wants one of every package or of none; `uv pip sync` installs it"
            )
