"""One step's lock in the format of another tool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zlock.errors import InvalidInput
from zlock.lock.export import Exported, export
from zlock.lock.lock import Lock
from zlock.lock.selection import indexes_of, narrowed
from zlock.model.indexes import Routing
from zlock.model.paths import real
from zlock.replacing import replace_text
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import Options, Workspace


def export_lock(options: Options, name: str, platform: str | None, output: Path | None) -> tuple[str, Report]:
    """Return a step's lock in a format; with an output, write it there whole.

    Args:
        options: The options; `steps` names the step where there are several.
        name: The format.
        platform: Limit the lock to one of its platforms.
        output: The file to write, or None.

    Raises:
        LockOutdated: The lock is missing or outdated.
        InvalidInput: It is not clear which step is meant, the format can't hold what the lock has, or the output is
            what it is made from.
        OutsideFailed: The library that writes the format is not installed, or the disk refused.
    """
    workspace = Workspace(options)
    locked = load_locked(workspace)
    if workspace.report.disregarded:
        return "", workspace.report
    if len(locked) != 1:
        names = ", ".join(f"`{one.step.name}`" for one in locked)
        raise InvalidInput("only one step can be exported at a time", hint=f"add `--step`, one of {names}")
    text = export(name, _source(workspace, locked[0], platform, output))
    if output is not None:
        write_delivered(workspace, locked, output, text)
    return text, workspace.report


def write_delivered(workspace: Workspace, locked: Sequence[LockedStep], output: Path, text: str) -> None:
    """Write what is handed on, which must not take the place of what it was made from.

    Raises:
        InvalidInput: The file is the configuration, a lock, of the pipeline, or one that asks.
        OutsideFailed: The disk refused.
    """
    project = workspace.project
    recorded = [file for one in locked for file in one.facts.declared_files]
    pipeline = map(Path, workspace.pipeline.files) if workspace.pipeline else ()
    asking = [project.folder / file.name for file in recorded if file.inside]
    locks = [lock.path for lock in workspace.locks.values()]
    place = real(output)
    if place in {real(one) for one in (*asking, *locks, *pipeline, *filter(None, [project.file]))}:
        raise InvalidInput(f"`{output}` is a file that this is made from", hint="name another file with `--output`")
    replace_text(output, text)


def _nameable(locked: LockedStep, lock: Lock) -> Routing:
    """Return the indexes that a lock's packages come from and that may be named; of a portable lock, all that may."""
    routing = locked.step.routing
    serving = routing.indexes if lock.facts.is_portable else indexes_of(lock.packages, routing.indexes)
    return Routing(indexes=tuple(index for index in serving if index.in_context), sources=routing.sources)


def _source(workspace: Workspace, locked: LockedStep, platform: str | None, output: Path | None) -> Exported:
    targets = locked.question.targets
    lock = locked.lock
    if platform is not None:
        targets = tuple(target for target in targets if target.platform == platform)
        if not targets:
            names = ", ".join(f"`{target.platform}`" for target in locked.question.targets)
            raise InvalidInput(f"the lock is not for `{platform}`", hint=f"it is for {names}")
        lock = narrowed(lock, targets[0])
    return Exported(
        lock=lock,
        targets=targets,
        lock_folder=real(locked.path.parent),
        folder=real(output.parent if output else Path.cwd()),
        wheelhouse=real(workspace.wheelhouse),
        routing=_nameable(locked, lock),
    )
