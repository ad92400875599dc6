"""The lock of a development environment, which is not a step of a pipeline: another tool names it and its file."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import InvalidConfiguration
from zlock.lock.selection import packages_on
from zlock.lock.store import ENVIRONMENTS, ConflictedLock, read_lock, step_of
from zlock.lock.writing import write_all
from zlock.model.machine import this_platform
from zlock.model.target import Target
from zlock.reporting import Reporter
from zlock.settings.docker import DockerSettings
from zlock.workflow.locks.asking import Questions
from zlock.workflow.locks.current import unanswered
from zlock.workflow.locks.job import Job
from zlock.workflow.project.pythons import python_of
from zlock.workflow.project.sources import Gatherer
from zlock.workflow.project.upgrades import read_upgrades
from zlock.workflow.project.workspace import Options, Step, Workspace
from zlock.workflow.solving.resolve import answer_jobs, check_upgrades


class HatchEnvironment(Struct, frozen=True, kw_only=True):
    """What decides about the lock of an environment.

    Attributes:
        name: Its name.
        project: The project folder; its configuration says which indexes and policies there are.
        file: The file that states the requirements, for messages.
        lock: Where the lock is.
        requirements: What it requires, as PEP 508 has it.
        with_project: Whether the dependencies of the project are part of it, with these extras and groups.
        extras: Extras of the project.
        groups: Dependency groups of the project.
        python: The Python it is for, "3.12" or "3.12.4"; None where the interpreter says.
        interpreter: Its interpreter.
    """

    name: str
    project: Path
    file: Path
    lock: Path
    requirements: tuple[str, ...] = ()
    with_project: bool = False
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    python: str | None = None
    interpreter: Path


def lock_environment(
    environment: HatchEnvironment, *, upgrade: bool = False, upgrade_packages: tuple[str, ...] = (), reporter: Reporter
) -> None:
    """Bring the lock of an environment up to date; one that is current is left alone.

    Raises:
        ZlockError: What is wrong; several things come as `Problems`. The lock was not touched.
    """
    workspace = _workspace(
        Options(
            project=environment.project,
            upgrade=upgrade,
            upgrade_packages=read_upgrades(upgrade_packages),
            reporter=reporter,
        )
    )
    job = _prepare(workspace, environment)
    check_upgrades(workspace, [job])
    ((_, lock),) = answer_jobs(workspace, [job])
    if lock is not job.lock and (text := lock.render()) != job.text:
        write_all({environment.lock: text}, (), project=workspace.project.folder, reporter=workspace.reporter)


def outdated_by(environment: HatchEnvironment) -> list[str]:
    """Say what an environment asks that its lock does not answer; nothing where it answers, whatever was released.

    Raises:
        InvalidLock: The lock was edited or cut short, or has a merge conflict: its sides are not merged yet.
    """
    read_lock(environment.lock)
    job = _prepare(_workspace(Options(project=environment.project)), environment)
    if job.lock is None:
        return [f"there is no lock `{environment.lock.name}`"]
    return list(unanswered(job, job.lock.facts) or ())


def pins_here(lock: Path) -> dict[str, str]:
    """Return what a lock installs on this machine: versions by name, empty ones for what is no release.

    Raises:
        InvalidLock: The lock was edited or cut short.
    """
    found = read_lock(lock)
    if found is None:
        return {}
    target = Target.parse(found.facts.python, this_platform())
    return {package.name: package.version for package in packages_on(found, target)}


def _workspace(options: Options) -> Workspace:
    """Return the project with URLs in its locks: an environment is made at once, with no `zlock fetch` before."""
    workspace = Workspace(options)
    workspace.project = replace(workspace.project, urls="index")
    return workspace


def _prepare(workspace: Workspace, environment: HatchEnvironment) -> Job:
    name = environment.lock.name
    if name != "pylock.toml" and step_of(name) is None:
        raise InvalidConfiguration(
            f"`lock-filename` of the environment `{environment.name}` is not a valid name for a lock: `{name}`",
            hint="call it `pylock.toml` or `pylock.NAME.toml` without further dots: installers refuse others (PEP 751)",
        )
    try:
        lock = read_lock(environment.lock)
    except ConflictedLock:
        lock = None
    recorded = lock.facts if lock else None
    before = None if workspace.options.upgrade else recorded
    step = Step(
        name=environment.name,
        called=environment.name,
        settings=_settings(environment),
        routing=workspace.project.routing,
        python=environment.python or (before and before.python) or python_of(environment.interpreter),
        # What the lock is for already, too, so that whoever locks takes nobody's platform away.
        platforms=tuple(sorted({this_platform(), *(recorded.platforms if recorded else ())})),
    )
    gatherer = Gatherer(workspace.project, workspace.environ, lambda: environment.interpreter)
    job = Job.prepare(workspace, Questions(workspace, gatherer), step, path=environment.lock)
    return replace(job, owner=f"{ENVIRONMENTS}{environment.name}")


def _settings(environment: HatchEnvironment) -> DockerSettings:
    table: dict[str, object] = {"requirements": list(environment.requirements), "install-stack-requirements": False}
    if environment.with_project:
        table["pyproject-path"] = str(environment.project / "pyproject.toml")
        table["pyproject-extras"] = list(environment.extras)
        table["pyproject-groups"] = list(environment.groups)
    return DockerSettings.from_table(table, at=f"envs.{environment.name}", file=str(environment.file))
