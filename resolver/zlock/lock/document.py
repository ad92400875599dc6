"""The lock as a document: PEP 751 with zlock's own facts under `[tool.zlock]`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from zlock.lock.declared import digest_of_files
from zlock.lock.environments import Answer, join_answers
from zlock.lock.facts import Build, DeclaredFile, Facts, LockedInstaller
from zlock.lock.files import PackageArchive, PackageFile
from zlock.lock.identity import FORMAT, identity_of
from zlock.lock.lock import Lock
from zlock.lock.package import Dependency, Package, PackageDirectory, PackageFacts, PackageTool, PackageVcs
from zlock.lock.question import Question, target_table
from zlock.lock.requirements import hashed_line
from zlock.lock.wheelhouse import archive_name
from zlock.model import plain
from zlock.model.distribution import File, Reference
from zlock.model.installer import INSTALLERS
from zlock.model.paths import path_in, portable
from zlock.model.versions import valid_specifier
from zlock.resolution.solve import Resolved


class _Places(Struct, frozen=True, eq=False, kw_only=True):
    """Where things are, see `build`; paths count from the lock's folder.

    Attributes:
        fixed: The URLs of index folders that are named by an absolute path: their files are named so too.
    """

    project: Path
    lock_folder: Path
    wheelhouse: Path | None
    fixed: frozenset[str]

    def of_file(self, url: str, index: str) -> str:
        """Return the path of a file that an index folder lists."""
        return portable(Path(path_in(url)), self.lock_folder, fixed=index in self.fixed)

    def of_reference(self, path: str) -> str:
        """Return the path of a direct reference, see `Reference`."""
        return portable(self.project / path, self.lock_folder, fixed=Path(path).is_absolute())

    def in_wheelhouse(self, name: str) -> str:
        """Return the path of a file in the wheelhouse as a lock has it."""
        return Path(os.path.relpath(self.wheelhouse or "", self.lock_folder), name).as_posix()


def build(
    question: Question,
    answers: Sequence[Answer],
    builds: tuple[Build, ...] = (),
    *,
    declared: tuple[DeclaredFile, ...],
    pipeline: str,
    project: Path,
    lock_folder: Path,
    wheelhouse: Path | None = None,
) -> Lock:
    """Return the lock that answers a question, without what is recorded of the run.

    Args:
        question: What the step asks.
        answers: For each target of the question what was chosen.
        builds: What the sdists among the packages are built with.
        declared: The files that ask.
        pipeline: The pipeline that the lock belongs to.
        project: The project folder.
        lock_folder: Where the lock will be; its paths count from there.
        wheelhouse: Where the files will be, for a portable lock: it has their paths in place of indexes and URLs.
    """
    fixed = _fixed_indexes(question) if wheelhouse is None else frozenset()  # a portable lock names no index
    places = _places(project, lock_folder, wheelhouse, fixed)
    packages = tuple(_package(one, marker, places) for one, marker in join_answers(answers))
    facts = Facts(
        format=FORMAT,
        step=question.step,
        identity=identity_of(packages, builds),
        inputs=question.digest(),
        declared=digest_of_files(declared),
        declared_files=declared,
        packages=len(packages),
        **target_table(question.targets),
        parent_image=question.parent_image,
        apt_packages=question.apt_packages,
        policy=question.policy,
        local=question.local,
        integrity="",
        builds=builds,
        sources=question.asked,
        pipeline=pipeline,
    )
    return Lock(
        environments=tuple(str(target.marker) for target in question.targets),
        requires_python=str(question.targets[0].requires_python),
        packages=packages,
        facts=facts,
    )


def build_of(package: Resolved, platform: str, requires: Sequence[str], resolved: Sequence[Resolved] | None) -> Build:
    """Return the build of a package with what was chosen for it; None where no index has that."""
    lines = [
        hashed_line(f"{one.name}=={one.candidate.version}", (file.sha256 for file in one.candidate.files), between=" ")
        for one in resolved or ()
    ]
    return Build(
        package=package.name,
        version=str(package.candidate.version),
        platform=platform,
        requires=tuple(requires),
        requirements=tuple(lines),
        locked=resolved is not None,
    )


def installer_of(answers: Sequence[Resolved]) -> LockedInstaller | None:
    """Return the installer that was chosen for each target, None where none was; they have one version."""
    if not answers:
        return None
    files = {file.filename: file for one in answers for file in one.candidate.files}
    wheels = [
        PackageFile(name=file.filename, size=_size(file.size), hashes={"sha256": file.sha256})
        for _, file in sorted(files.items())
    ]
    name, version = answers[0].name, str(answers[0].candidate.version)
    return LockedInstaller(name=INSTALLERS[name].name, version=version, wheels=tuple(wheels))


def _fixed_indexes(question: Question) -> frozenset[str]:
    stated = [Path(str(row["url"])) for row in plain.tables(question.policy, "indexes")]
    return frozenset(path.as_uri() for path in stated if path.is_absolute())


@lru_cache(maxsize=64)
def _places(project: Path, lock_folder: Path, wheelhouse: Path | None, fixed: frozenset[str]) -> _Places:
    return _Places(project=project, lock_folder=lock_folder, wheelhouse=wheelhouse, fixed=fixed)


@lru_cache(maxsize=4096)
def _package(one: Resolved, marker: str, places: _Places) -> Package:
    """Return a package as locks hold it; the steps of a pipeline share most of theirs."""
    reference = one.candidate.reference
    requires_python = reference.metadata.requires_python if reference else one.candidate.files[0].requires_python
    package = Package(
        name=one.name,
        version=str(one.candidate.version) if reference is None or reference.kind == "archive" else "",
        marker=marker,
        requires_python=valid_specifier(requires_python),  # installers refuse a whole lock for an invalid one
        dependencies=tuple(Dependency(name=name) for name in one.requires),
        tool=PackageTool(zlock=PackageFacts(needs=one.needs) if _says_more(one.needs) else None),
    )
    if reference is not None:
        return _placed(package, reference, places)
    admitted = [file for file in one.candidate.files if _is_admitted(file, one.hashes)]
    files = sorted(admitted, key=lambda file: (file.filename, file.url))
    wheels = tuple(_file(file, one.index, places) for file in files if file.is_wheel)
    return replace(
        package,
        index=one.index if one.index.startswith("http") and places.wheelhouse is None else "",
        wheels=wheels,
        sdist=None if wheels else _file(files[0], one.index, places),
    )


def _says_more(needs: Mapping[str, Sequence[str]]) -> bool:
    """Return whether names alone would not tell which of the edges are there because of an extra."""
    return any(needs.keys() - {""}) or any("[" in need for nodes in needs.values() for need in nodes)


def _is_admitted(file: File, hashes: Sequence[str]) -> bool:
    return not hashes or any(f"{algorithm}:{digest}" in hashes for algorithm, digest in file.hashes)


@lru_cache(maxsize=65536)
def _file(file: File, index: str, places: _Places) -> PackageFile:
    """Return a file as locks hold it."""
    path = ""
    if places.wheelhouse is not None:
        path = places.in_wheelhouse(file.filename)
    elif file.url.startswith("file:"):
        path = places.of_file(file.url, index)
    is_named = PurePosixPath(file.url).name != file.filename and places.wheelhouse is None
    return PackageFile(
        name=file.filename if is_named else "",
        upload_time=datetime.fromisoformat(file.upload_time) if file.upload_time else None,
        url="" if path else file.url,
        path=path,
        size=_size(file.size),
        hashes={"sha256": file.sha256},
    )


def _placed(package: Package, reference: Reference, places: _Places) -> Package:
    """Return a package with the place of a direct reference."""
    path = places.of_reference(reference.path) if reference.path else ""
    if reference.kind == "directory":
        return replace(package, directory=PackageDirectory(path=path, subdirectory=reference.subdirectory))
    if reference.kind == "vcs":
        vcs = PackageVcs(
            type="git",
            path=path,
            url="" if path else reference.url,
            requested_revision=reference.requested_revision,
            commit_id=reference.commit,
            subdirectory=reference.subdirectory,
        )
        return replace(package, vcs=vcs)
    if not path and places.wheelhouse is not None:
        path = places.in_wheelhouse(archive_name(reference.filename, dict(reference.hashes)["sha256"]))
    archive = PackageArchive(
        path=path,
        url="" if path else reference.url,
        size=_size(reference.size),
        hashes=dict(reference.hashes),
        subdirectory=reference.subdirectory,
    )
    return replace(package, archive=archive)


def _size(size: int) -> int | None:
    return size if size >= 0 else None
