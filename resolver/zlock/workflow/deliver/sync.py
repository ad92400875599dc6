"""The environments of steps on this machine: each is made once for what its lock installs here, and then shared."""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import InvalidInput, LockOutdated, NoAnswer, OutsideFailed
from zlock.lock.exclusive import exclusive
from zlock.lock.selection import narrowed
from zlock.model.machine import this_platform
from zlock.model.paths import real
from zlock.model.target import Target
from zlock.reporting import Activity, Doing, Line, News, Reporter
from zlock.wording import did_you_mean, listed
from zlock.workflow.deliver.make_environment import Contents, make_environment
from zlock.workflow.fetching.fetch import supply_of
from zlock.workflow.fetching.folders import Folders
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import Options, Workspace

_KIND = "environments"
_WHOLE = "whole"
"""The file that is written once all is installed, so that what an interrupt left is not taken for an environment.
Its time is when the environment was last asked for."""

_LOADED = re.compile(r"\s*(?:Downloaded (\S+)|Prepared )")
_UNUSED = 30 * 24 * 3600  # seconds


class SyncedStep(Struct, frozen=True, kw_only=True):
    """A step and the environment that it runs in on this machine.

    Attributes:
        step: The step.
        folder: The environment.
        identity: The digest of what is installed.
        packages: How many packages that are.
        made: Whether it was made just now.
    """

    step: str
    folder: Path
    identity: str
    packages: int
    made: bool

    @property
    def scripts(self) -> Path:
        """The folder of its programs."""
        return scripts_of(self.folder)


def scripts_of(environment: Path) -> Path:
    """Return the folder of an environment's programs."""
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


def sync(options: Options) -> tuple[list[SyncedStep], Report]:
    """Make the environments of the chosen steps that are not there yet.

    What is wrong with single steps is reported, and the others' environments are made.

    Raises:
        LockOutdated: A lock is missing or outdated.
    """
    workspace = Workspace(options)
    syncing = _Syncing(workspace)
    found = []
    for one in load_locked(workspace):
        with workspace.report.failures.of(one.step.name):
            found.append(syncing.synced(one))
    return found, workspace.report


def environment_to_run_in(options: Options, *, make: bool) -> Path | None:
    """Return the environment of the one step that is chosen; None where the pipeline runs locally.

    Args:
        options: The options; `steps` names the step where there are several.
        make: Hold the lock to be current, and make the environment where it is not there. Else it is the one that was
            last made for the step, whatever the lock and the sources say now.

    Raises:
        InvalidInput: It is not clear which step is meant.
        LockOutdated: The lock is missing or outdated, or no environment was made yet.
    """
    workspace = Workspace(options)
    if not make:
        return _last_made(workspace)
    locked = load_locked(workspace)
    if workspace.report.disregarded:
        return None
    _hold_to_one([one.step.name for one in locked])
    return _Syncing(workspace).synced(locked[0]).folder


def _hold_to_one(steps: list[str]) -> None:
    if len(steps) != 1:
        raise InvalidInput(
            "a command runs in the environment of one step", hint=f"add `--step`, one of {listed(steps)}"
        )


def _last_made(workspace: Workspace) -> Path:
    known = workspace.locks
    wanted = workspace.options.steps or tuple(known)
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known) or workspace.options.hint
            raise LockOutdated(f"step `{name}` has no lock", hint=hint)
    _hold_to_one(list(wanted))
    pointer = _pointer(_place(workspace), known[wanted[0]].path)
    folder = Path(os.fsdecode(pointer.read_bytes())) if pointer.is_file() else None
    if folder is None or not (folder.parent / _WHOLE).is_file():
        raise LockOutdated(
            f"step `{wanted[0]}` has no environment on this machine",
            hint=f"run `zlock sync --step {wanted[0]}`, or leave out `--no-sync`",
        )
    return folder


def _place(workspace: Workspace) -> Path:
    """Return where environments are kept: in the cache, as all of them can be made again."""
    return real(workspace.cache_folder) / _KIND


def _pointer(place: Path, lock: Path) -> Path:
    """Return the file that names the environment which was last made for a lock."""
    return place / "last" / hashlib.sha256(os.fsencode(real(lock))).hexdigest()[:32]


class _Syncing:
    """Makes environments in one run."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._supply = supply_of(workspace, workspace.wheelhouse if workspace.project.is_portable else None)
        self._folders = Folders(workspace, self._supply)
        self._place = _place(workspace)

    def synced(self, one: LockedStep) -> SyncedStep:
        """Return a step's environment, made where it is not there.

        Raises:
            NoAnswer: The lock is not for this machine, or holds what can't be built on it.
            OutsideFailed: uv can't install it; the environment is not there then.
        """
        target = _target_here(one)
        lock, folders = narrowed(one.lock, target), self._folders.built_on(one, target)
        contents = Contents(step=one, lock=lock, target=target, folders=folders)
        outer = self._place / contents.key
        outer.mkdir(parents=True, exist_ok=True)
        with exclusive(outer, self._workspace.reporter, patience=math.inf):
            made = not _is_whole(outer)
            if made:
                self._make(contents, outer)
            with suppress(OSError):  # a cache that can only be read serves all the same
                os.utime(outer / _WHOLE)
                pointer = _pointer(self._place, one.path)
                pointer.parent.mkdir(exist_ok=True)
                pointer.write_bytes(os.fsencode(outer / "env"))
        if made:
            self._remove_unused()
        return SyncedStep(
            step=one.step.name, folder=outer / "env", identity=lock.identity, packages=len(lock.packages), made=made
        )

    def _remove_unused(self) -> None:
        """Remove what no run has used for a month; the folder itself stays, as another run may wait for it."""
        oldest = time.time() - _UNUSED
        for whole in self._place.glob(f"*/{_WHOLE}"):
            with (
                suppress(OSError, OutsideFailed),  # what another run keeps is in use
                exclusive(whole.parent, self._workspace.reporter, patience=-1),
            ):
                if whole.stat().st_mtime < oldest:
                    whole.unlink()
                    shutil.rmtree(whole.parent / "env")

    def _make(self, contents: Contents, outer: Path) -> None:
        loading = _Loading(contents, self._workspace.reporter)
        loading.tell()
        for left in (outer / _WHOLE, outer / "env"):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        make_environment(self._workspace, outer / "env", contents, self._supply, loading)
        (outer / _WHOLE).touch()


class _Loading:
    """Tells how much of an environment has come, by what uv says of files that it downloads."""

    def __init__(self, contents: Contents, reporter: Reporter) -> None:
        lock, target, step = contents.lock, contents.target, contents.step.step.name
        wheels = {
            one.name: min(one.wheels, key=lambda each: target.rank(each.filename) or 0)
            for one in lock.packages
            if one.wheels
        }
        self._sizes = {name: wheel.size or 0 for name, wheel in wheels.items()}
        self._all = Doing(Activity.MAKING_ENVIRONMENT, step, total=len(lock.packages), size=sum(self._sizes.values()))
        self._reporter = reporter
        self._received = 0

    def __call__(self, news: News, /) -> None:
        """Hear a line of uv's; of small files there is none, and one once all are there."""
        found = _LOADED.match(news.text) if isinstance(news, Line) else None
        if found:
            self._received = self._received + self._sizes.pop(found[1], 0) if found[1] else self._all.size
            self.tell()

    def tell(self) -> None:
        """Say how far it is."""
        self._reporter(replace(self._all, received=self._received))


def _target_here(one: LockedStep) -> Target:
    platform = this_platform()
    for target in one.question.targets:
        if target.platform == platform:
            return target
    raise NoAnswer(
        f"the lock of step `{one.step.name}` is not for this machine, which is `{platform}`",
        context=[f"it is for {listed(target.platform for target in one.question.targets)}"],
        hint=f'add "{platform}" to `platforms` in the configuration, and run `zlock resolve`',
    )


def _is_whole(outer: Path) -> bool:
    """Return whether all was installed, and the interpreter that the environment is of is still there."""
    python = scripts_of(outer / "env") / ("python.exe" if sys.platform == "win32" else "python")
    return (outer / _WHOLE).is_file() and python.exists()
