"""Folders of the project as what images install: each is built once for what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.markers import default_environment
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename

from zlock.errors import OutsideFailed, ZlockError, every
from zlock.image.wanted import BuiltFolder
from zlock.index.cache import Cache
from zlock.lock.facts import Build
from zlock.lock.selection import packages_on
from zlock.lock.wheelhouse import LockedFile, files_of_build
from zlock.model.paths import portable, real
from zlock.model.ports import InvalidMetadata
from zlock.model.target import Target
from zlock.regular import read_regular
from zlock.workflow.locks.current import LockedStep
from zlock.workflow.project.image_settings import unbuilt
from zlock.workflow.project.workspace import Workspace

if TYPE_CHECKING:
    from zlock.index.sdist import SdistBuilder
    from zlock.index.snapshot import Snapshot

Supply = Callable[[LockedStep, Sequence[LockedFile]], Path]
"""Returns a folder that holds files of a step's lock."""

_KIND = "folders"
_CORRECT = "correct the project in that folder; what its build imports belongs into `requires` of its `[build-system]`"


def usable_build(one: LockedStep, name: str, target: Target) -> Build | None:
    """Return what a lock says that a package is built with on this machine, for a target; None where it does not.

    What is made here and goes everywhere may be made with the files of this machine's own platform.
    """
    rows = {row.platform: row for row in one.facts.builds if row.package == name}
    here = [each.platform for each in one.question.targets if _is_here(each)]
    found = [rows[platform] for platform in (*here, target.platform) if platform in rows]
    return next((row for row in found if row.locked), None)


def _is_here(target: Target) -> bool:
    here: Mapping[str, object] = {**default_environment()}
    return all(target.environment[name] == here[name] for name in ("sys_platform", "platform_machine"))


class Folders:
    """The folders that steps require, built.

    What comes of a build is a function of the files that count, of what the lock says it is built with, and of the
    target's Python, so it is kept under the digest of these.

    Args:
        workspace: The project.
        supply: Brings what a build requires.
        others: Folders that are no part of any package.
    """

    def __init__(self, workspace: Workspace, supply: Supply, others: Sequence[Path] = ()) -> None:
        self._workspace = workspace
        self._supply = supply
        self._others = (workspace.wheelhouse, *others)
        self._cache = Cache(workspace.cache_folder)
        self._known: dict[tuple[Path, str, tuple[str, ...]], BuiltFolder | ZlockError] = {}

    def built_on(self, one: LockedStep, target: Target) -> dict[str, BuiltFolder]:
        """Return by name what a target installs of the folders that a step requires.

        Those of which the lock does not say with what they are built are left out.

        Raises:
            NoAnswer: A folder outside of the project is not named by `build-sdists`, or its build lacks something.
            OutsideFailed: A build failed, or what it requires can't be had; several errors come as `Problems`.
        """
        project, wanted = real(self._workspace.project.folder), []
        for package in packages_on(one.lock, target):
            place, build = package.directory, usable_build(one, package.name, target)
            if place and build:
                name, folder = canonicalize_name(package.name), real(one.path.parent / place.path / place.subdirectory)
                what, locked = portable(folder, project, fixed=False), build.requirements
                wanted.append(_Making(step=one, target=target, name=name, folder=folder, what=what, locked=locked))
        return {making.name: built for making, built in zip(wanted, every(self._built, wanted), strict=True)}

    def _built(self, making: _Making) -> BuiltFolder:
        """Return what comes of a folder; what failed for one step is not tried again for the next."""
        step = making.step.step.name
        if error := unbuilt(self._workspace.project, making.name, making.folder):
            raise error.of(step=step)
        key = (making.folder, making.target.python_version, making.locked)
        try:
            if key not in self._known:
                self._known[key] = self._make(making)
            known = self._known[key]
            if isinstance(known, ZlockError):
                raise known
        except ZlockError as error:
            self._known[key] = error
            error.context = tuple(dict.fromkeys((*error.context, f"step `{step}` requires it")))
            raise
        return known

    def _make(self, making: _Making) -> BuiltFolder:
        from zlock.index.sdist import BuildFailed, SdistBuilder

        builder = SdistBuilder(
            lambda _: True,
            python=making.target.python_version,
            default_index=str(self._supply(making.step, list(files_of_build(making.locked)))),
            offline=True,
            reporter=self._workspace.reporter,
        )
        name, context = making.name, [f"from `{making.what}`"]
        try:
            return making.made(builder, self._others, self._cache)
        except BuildFailed as error:
            error.hint = _CORRECT
            raise
        except InvalidMetadata as error:
            raise BuildFailed(name, error.reason, context=context, hint=_CORRECT) from error
        except OSError as error:
            raise OutsideFailed(
                f"`{name}` could not be built: `{error.filename}` can't be copied: {error.strerror}",
                context=context,
                hint="make it readable, or let git ignore it",
            ) from error


class _Making(Struct, frozen=True, kw_only=True):
    """One folder on its way to a file.

    Attributes:
        step: The step that requires it.
        target: What it is built for.
        name: The package it is required as.
        folder: Where it is.
        what: The same for messages.
        locked: What it is built with, lines of a requirements file.
    """

    step: LockedStep
    target: Target
    name: NormalizedName
    folder: Path
    what: str
    locked: tuple[str, ...]

    def made(self, builder: SdistBuilder, others: Collection[Path], cache: Cache) -> BuiltFolder:
        """Return what comes of it, kept or built now.

        Raises:
            InvalidMetadata: What it states is broken, or what its backend made is.
            BuildFailed: Its backend failed.
            NoAnswer: Its backend asks for more than was locked.
            OSError: A file can't be read.
        """
        from zlock.index.snapshot import Snapshot

        snapshot = Snapshot.of(self.folder, others)
        metadata = self._metadata(builder)
        parts = [self.name, self.target.python_version, snapshot.digest, metadata, *self.locked]
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        kept = cache.read(_KIND, self.name, key)
        if kept is None:
            kept = self._build(builder, snapshot, metadata)
            cache.write(_KIND, self.name, key, kept)
        filename, version, data = kept
        return BuiltFolder(filename=filename, version=version, data=data)

    def _metadata(self, builder: SdistBuilder) -> str:
        """Return what only the backend says of the folder, if it does not state it.

        Version control may say the version, and the copy that is built has none: it has what an sdist has instead.
        """
        from zlock.index.tree import static_metadata

        if static_metadata(self.folder) is not None:
            return ""
        return builder.metadata_text(self.folder, name=self.name, what=self.what, locked=self.locked)

    def _build(self, builder: SdistBuilder, snapshot: Snapshot, metadata: str) -> tuple[str, str, bytes]:
        from zlock.index.archives import plain_wheel
        from zlock.index.sdist import temporary_folder

        more = self._instead_of_history(snapshot, metadata)
        with temporary_folder() as copy:
            snapshot.write(copy, more)
            filename, data = builder.build_wheel(copy, name=self.name, what=self.what, locked=self.locked)
        try:
            name, version = parse_wheel_filename(filename)[:2]
        except InvalidWheelFilename as error:
            raise InvalidMetadata(f"its backend made `{filename}`, which is not a wheel") from error
        if name != self.name:
            raise InvalidMetadata(f"its backend made a wheel of `{name}`")
        if filename.endswith("-none-any.whl") and self.target.rank(filename) is not None:
            return filename, str(version), plain_wheel(data, filename)
        stem = "-".join(filename.split("-")[:2])
        return f"{stem}.zip", str(version), snapshot.packed(stem, more)

    def _instead_of_history(self, snapshot: Snapshot, metadata: str) -> dict[str, bytes]:
        """Return what tells a backend in a copy what version control tells it in the folder, as an sdist does."""
        more = {"PKG-INFO": metadata.encode()} if metadata and "PKG-INFO" not in snapshot.files else {}
        if any(line.startswith("setuptools-scm==") for line in self.locked):  # it names all files to setuptools
            own = snapshot.files.get("MANIFEST.in")
            more["MANIFEST.in"] = b"graft .\n" + (read_regular(own) if own else b"")
        return more
