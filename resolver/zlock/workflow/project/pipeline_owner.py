"""Which pipeline a lock belongs to, so that the locks of one are safe from another in the same folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zlock.errors import InvalidConfiguration
from zlock.lock.store import ExistingLock
from zlock.settings.config import Project

if TYPE_CHECKING:
    from zlock.settings.load import DeclaredPipeline

_OUTSIDE = "../"


def owner_of(pipeline: DeclaredPipeline | None, project: Project) -> str:
    """Return what a lock calls its pipeline: `file.py:name`, `file.py` for one that holds only steps.

    It is empty for the steps that the configuration itself states.
    """
    if pipeline is None:
        return ""
    file = _file_of(pipeline, project)
    return f"{file}:{pipeline.name}" if pipeline.name else file


def _file_of(pipeline: DeclaredPipeline, project: Project) -> str:
    """Return a pipeline's file from the project folder; where one outside of it is, is the machine's affair."""
    file = Path(pipeline.reference)
    if file.is_relative_to(project.folder):
        return file.relative_to(project.folder).as_posix()
    return f"{_OUTSIDE}{file.name}"


def is_gone(owner: str, pipeline: DeclaredPipeline | None, project: Project) -> bool:
    """Return whether a pipeline is not there any more, so that its locks are nobody's.

    Args:
        owner: What its locks call it.
        pipeline: The one that is locked now, whose file was read.
        project: The project.
    """
    if not owner:
        return project.file is None or bool(project.pipeline)
    stated, _, name = owner.rpartition(":")
    file = stated or owner
    if pipeline is not None and file == _file_of(pipeline, project):
        return name not in pipeline.pipelines if stated else bool(pipeline.pipelines)
    return not file.startswith(_OUTSIDE) and not (project.folder / file).is_file()


def collision(step: str, lock: ExistingLock, owner: str) -> InvalidConfiguration:
    """Return the error for a step whose lock belongs to another pipeline."""
    return InvalidConfiguration(
        f"step `{step}` is one of two pipelines that would share `{lock.path.name}`",
        context=[f"the lock is of {_shown(lock.owner)}", f"asked for now: {_shown(owner)}"],
        hint="rename one of the steps with `name=`, or the file of a script; or lock one pipeline from a configuration "
        "with another `lock-dir`; if the lock is not needed any more, delete it",
    )


def _shown(owner: str) -> str:
    return f"`{owner}`" if owner else "the steps in the configuration"
