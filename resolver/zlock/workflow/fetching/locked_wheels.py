"""Wheels of locks, one by one, where not all of a lock are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

from packaging.utils import canonicalize_name

from zlock.errors import Collector
from zlock.index.wheelhouse import Wanted, Wheelhouse
from zlock.lock.wheelhouse import locked_files
from zlock.workflow.fetching.fetch import Needs
from zlock.workflow.locks.current import LockedStep
from zlock.workflow.project.workspace import Workspace
from zlock.workflow.solving.session import Session


class LockedWheels:
    """The wheels of locks, one by one, each brought when it is needed: out of the wheelhouse, or from its index.

    Args:
        workspace: The project.
        locked: The steps with their locks.
    """

    def __init__(self, workspace: Workspace, locked: Sequence[LockedStep]) -> None:
        self._workspace = workspace
        self._locked = {one.step.name: one for one in locked}
        self._turn = Lock()
        self._wanted: dict[str, dict[str, Wanted]] = {}

    @cached_property
    def _session(self) -> Session:
        session = Session(self._workspace, refresh=False)
        self._workspace.opened.callback(session.close)
        return session

    def bring(self, step: str, sha256: str, folder: Path, heard: Callable[[int], object]) -> Path:
        """Return a wheel of a step's lock, by its own name.

        Args:
            step: The step.
            sha256: The wheel's digest.
            folder: Where it is put, if it is not in the wheelhouse.
            heard: Hears how many bytes came, each time; what it raises ends the download.

        Raises:
            IndexFailed: It can't be had, or what came is another one.
        """
        with self._turn:  # one thread at a time begins
            client, wanted = self._session.client, self._of(step)[sha256]
        house = self._workspace.wheelhouse / wanted.filename
        if house.is_file() and wanted.differs(house) is None:
            return house
        Wheelhouse(folder, client, offline=self._workspace.options.offline, heard=heard).bring(wanted)
        return folder / wanted.filename

    def _of(self, step: str) -> dict[str, Wanted]:
        if step not in self._wanted:
            one = self._locked[step]
            source, place = self._session.source_of(one), self._workspace.wheelhouse
            needs = Needs(one, source, place, self._workspace, Collector())
            files = [*needs.of_files(locked_files(one.lock.packages, None, ()))]
            for package in one.lock.packages:
                files += needs.of_archive(canonicalize_name(package.name), package.archive) if package.archive else ()
            self._wanted[step] = {wanted.sha256: wanted for wanted in files}
        return self._wanted[step]
