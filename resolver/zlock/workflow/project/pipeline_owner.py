"""Which pipeline a lock belongs to, so that the locks of one are safe from another in the same folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from zlock.errors import InvalidConfiguration
from zlock.lock.store import ExistingLock
from zlock.settings.config import Project
from zlock.settings.docker import DockerSettings
from zlock.settings.location import display
from zlock.wording import listed
from zlock.workflow.project.below import projects_in

if TYPE_CHECKING:
    from zlock.settings.declared import DeclaredPipeline

_OUTSIDE = "../"
_LEVELS = 3  # of folders below one without a project, in which one is looked for
_LONGEST = 100  # as a name of a step, which it becomes


class Owned(Struct, frozen=True, eq=False, kw_only=True, dict=True):
    """The locks of a project, as a run for one pipeline sees them.

    Attributes:
        locks: Each by its name, that is, by the name of its step unless another pipeline has that.
        pipeline: The one that the run is for; None for the steps that the configuration itself states.
        project: The project.
    """

    locks: Mapping[str, ExistingLock]
    pipeline: DeclaredPipeline | None
    project: Project

    @property
    def owner(self) -> str:
        """What a lock calls its pipeline: `file.py:name`, `file.py` for one that holds only steps.

        It is empty for the steps that the configuration itself states.
        """
        if self.pipeline is None:
            return ""
        file = self._file_of(self.pipeline)
        return f"{file}:{self.pipeline.name}" if self.pipeline.name else file

    @cached_property
    def others(self) -> dict[str, ExistingLock]:
        """The locks of other pipelines that are still there."""
        return {name: lock for name, lock in self.locks.items() if not self._may_touch(lock)}

    def name_of(self, step: str) -> str:
        """Return the name of a step's lock: the step's, or where another pipeline has that, with this pipeline's first.

        A lock keeps its name when the other one is gone.
        """
        own = f"{self._prefix[: _LONGEST - len(step) - 1]}-{step}"
        if self.pipeline and own in {one.name for one in self.pipeline.steps}:
            return step
        is_kept = own in self.locks and self.locks[own].owner == self.owner
        return own if is_kept or step in self.others else step

    @property
    def _prefix(self) -> str:
        if self.pipeline is None:
            return "configured"
        return re.sub(r"[^A-Za-z0-9_]+", "-", self.pipeline.name or Path(self.pipeline.reference).stem).lstrip("-")

    def _may_touch(self, lock: ExistingLock) -> bool:
        """Return whether a lock is this pipeline's, or nobody's."""
        return lock.owner == self.owner or self._is_gone(lock.owner)

    def _file_of(self, pipeline: DeclaredPipeline) -> str:
        """Return a pipeline's file from the project folder; where one outside of it is, is the machine's affair."""
        file = Path(pipeline.reference)
        if file.is_relative_to(self.project.folder):
            return file.relative_to(self.project.folder).as_posix()
        return f"{_OUTSIDE}{file.name}"

    def _is_gone(self, owner: str) -> bool:
        """Return whether a pipeline is not there any more, so that its locks are nobody's."""
        if not owner:
            return self.project.file is None or bool(self.project.pipeline)
        stated, _, name = owner.rpartition(":")
        file = stated or owner
        if self.pipeline is not None and file == self._file_of(self.pipeline):
            return name not in self.pipeline.pipelines if stated else bool(self.pipeline.pipelines)
        return not file.startswith(_OUTSIDE) and not (self.project.folder / file).is_file()

    def collision(self, name: str) -> InvalidConfiguration:
        """Return the error for a lock that another pipeline has, under the name that would tell the two apart, too."""
        lock = self.locks[name]
        return InvalidConfiguration(
            f"two pipelines would share `{lock.path.name}`",
            context=[f"the lock is of {shown_owner(lock.owner)}", f"asked for now: {shown_owner(self.owner)}"],
            hint="give one of the pipelines another name, or one of the steps, or the file of a script; "
            "if the lock is not needed any more, delete it",
        )


def nothing_named(locks: Mapping[str, ExistingLock], project: Project) -> InvalidConfiguration | None:
    """Return the error for a run that is told of no steps, None where the configuration states what one requires.

    Locks that are there may say which steps were meant, where a configuration beside them asks for nothing itself.
    """
    stated = {one.owner for one in locks.values() if one.owner.partition(":")[0].endswith(".py")}
    owners = sorted(one for one in stated if not one.startswith(_OUTSIDE))
    asks = project.steps or project.stack or project.docker != DockerSettings()
    if project.file and (asks or not owners or any(not one.owner for one in locks.values())):
        return None
    configured = f"no `pipeline` in `{project.file.name}`" if project.file else "no `zlock.toml`, no `[tool.zlock]`"
    name = owners[0] if owners else "FILE.py"
    ways = f"`zlock resolve {name}`, with other commands `--pipeline {name}`"
    below = () if owners or project.file else projects_in(project.folder, levels=_LEVELS)
    if names := [display(str(one)) for one in below]:
        return InvalidConfiguration(
            f"there is no project in `{project.folder}`",
            hint=f"name one of those below with `--project`: {listed(names)}; `zlock resolve --all` is for all of them",
        )
    return InvalidConfiguration(
        f"no steps are known: {configured}, and no pipeline was named",
        context=[f"locks are here of {listed(owners)}"] if owners else [],
        hint=f"name the pipeline or script: {ways}"
        if owners
        else f"begin with `zlock init`; or name a pipeline or a script: {ways}",
    )


def shown_owner(owner: str) -> str:
    """Return what a person is told a lock is of."""
    return f"`{owner}`" if owner else "the steps in the configuration"
