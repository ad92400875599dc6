"""The merge driver for git: two locks become one that answers what both branches together ask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from zlock.errors import InvalidConfiguration, InvalidInput, InvalidLock, NoAnswer, ZlockError
from zlock.lock.checkout import MERGING, merged_files, was_said, write_conflict
from zlock.lock.git import GitRepository
from zlock.lock.identity import owner_in
from zlock.lock.store import ENVIRONMENTS, read_text, step_of
from zlock.model.paths import real
from zlock.replacing import replace_text
from zlock.reporting import Activity, Doing, Failing, Reporter
from zlock.settings.config import read_project
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import Options
from zlock.workflow.solving.resolve import resolve


class Sides(NamedTuple):
    """The files that git gives to a driver: `%O`, `%A` and `%B`; the result goes where ours is."""

    base: Path
    ours: Path
    theirs: Path


def merge_locks(options: Options, sides: Sides, path: str) -> Report:
    """Write the lock that both branches together need into the file of ours.

    Args:
        options: The options; without a project it is found from the lock's place.
        sides: The files with the locks.
        path: The lock's place in the repository; git's `%P`.

    Raises:
        ZlockError: There is no such lock; then the file of ours has both sides with conflict markers. What was said of
            another lock of the same merge is not said again.
    """
    try:
        return _merge(options, sides, path)
    except BaseException as error:
        write_conflict(*sides)
        if isinstance(error, ZlockError) and was_said(error.laid_out()):
            hint = "`zlock resolve` mends all locks of the merge in one go"
            raise NoAnswer(f"`{path}` is left with both sides for the same reason", hint=hint) from error
        raise


def _merge(options: Options, sides: Sides, path: str) -> Report:
    if os.environ.get(MERGING):
        raise NoAnswer("another run is solving this merge", hint="wait for that")
    step = step_of(Path(path).name)
    if step is None:
        raise InvalidInput(f"`{path}` is not a lock's name", hint="name `pylock.*.toml` in `.gitattributes`")
    ours, base, theirs = (_text(side, path) for side in (sides.ours, sides.base, sides.theirs))
    owner = owner_in(ours)
    if owner.startswith(ENVIRONMENTS):
        command = f"`hatch env lock {owner.removeprefix(ENVIRONMENTS)}`"
        raise NoAnswer(
            f"`{path}` is the lock of an environment of hatch, which no step has",
            hint=f"{command} mends it, once all else is merged",
        )
    options.reporter(Doing(Activity.MERGING))
    repository = GitRepository.of(Path.cwd())
    with merged_files(repository, os.environ) as folder:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        # Three whole locks as one conflict, which `resolve` mends.
        conflict = f"<<<<<<< ours\n{ours}||||||| base\n{base}=======\n{theirs}>>>>>>> theirs\n"
        place.write_text(conflict, encoding="utf-8")
        try:
            project = (
                _project_of(place, folder)
                if options.project is None
                else folder / _inside(options.project, repository.top)
            )
            report = resolve(
                replace(options, project=project, steps=(step,), reporter=_without_errors(options.reporter))
            )
        except ZlockError as error:
            _place_in_repository(error, folder)
            raise
        replace_text(sides.ours, place.read_text(encoding="utf-8"))
    return report


def _without_errors(reporter: Reporter) -> Reporter:
    """Return what hears all but errors, which name files that are gone."""
    return lambda news: None if isinstance(news, Failing) else reporter(news)


def _place_in_repository(error: ZlockError, folder: Path) -> None:
    """Let an error name files as the repository has them: the folder of merged files is gone when it is read."""
    for one in error.each:
        one.message, *context, one.hint = (
            text.replace(f"{folder}/", "") for text in (one.message, *one.context, one.hint)
        )
        one.context = (*context, "in the files as the merge leaves them")


def _inside(project: Path, top: Path) -> Path:
    if not real(project).is_relative_to(top):
        raise InvalidInput(f"the project `{project}` is not in the repository", hint="leave out `--project`")
    return real(project).relative_to(top)


def _text(side: Path, path: str) -> str:
    try:
        return read_text(side) or ""
    except InvalidLock as error:
        error.message = f"one side of `{path}` can't be read"
        error.hint = "restore it on that branch, or merge without it: `git checkout --ours` or `--theirs`"
        raise


def _project_of(lock: Path, top: Path) -> Path:
    """Return the folder of the project whose locks are where a lock is."""
    for folder in (lock.parent, *lock.parent.parents):
        project = read_project(folder)
        if project is not None and real(folder / project.lock_dir) == real(lock.parent):
            return folder
        if folder == top:
            break
    raise InvalidConfiguration(
        f"no project of the merged files has its locks where `{lock.name}` is", hint="restore its configuration"
    )
