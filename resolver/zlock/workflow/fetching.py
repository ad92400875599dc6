"""Filling a wheelhouse with every file of the locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import Collector, IndexFailed, InvalidLock, NoAnswer
from zlock.index.pool import Pool
from zlock.index.wheelhouse import Status, Wanted, Wheelhouse
from zlock.lock.document import archive_name
from zlock.lock.requirements import files_of
from zlock.lock.store import exclusive
from zlock.merge import merge
from zlock.model.distribution import File
from zlock.model.page import version_text
from zlock.model.ports import PackageSource, Progress
from zlock.model.versions import parse_version
from zlock.redact import redact
from zlock.workflow.job import Job
from zlock.workflow.locked import LockedStep, load_locked
from zlock.workflow.report import Report
from zlock.workflow.solving import Solver
from zlock.workflow.workspace import Options, Workspace

_AT_ONCE = 8
_TICK = 0.2  # seconds between two looks at what has come


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What became of a wheelhouse.

    Attributes:
        folder: Where it is.
        files: What was done for each file, by name, sorted.
        received: How many bytes came.
    """

    folder: Path
    files: Mapping[str, Status]
    received: int


def fetch(options: Options, folder: Path | None, progress: Progress) -> tuple[Fetched, Report]:
    """Bring every file of the locks into the wheelhouse.

    Args:
        options: The options.
        folder: The wheelhouse, in place of the configured one.
        progress: Hears what happens.

    Raises:
        LockOutdated: A lock is missing or outdated.
        IndexFailed: Files can't be had or are not those that were locked; the others were fetched.
        NoAnswer: A lock has a repository, which no wheelhouse can hold; all else was fetched.
    """
    workspace = Workspace(options)
    locked = load_locked(workspace)
    place = folder.resolve() if folder else workspace.wheelhouse
    if not locked:
        return Fetched(folder=place, files={}, received=0), workspace.report
    jobs = [Job.of(one) for one in locked]
    solver = Solver(workspace, jobs, progress, refresh=False)
    problems = Collector()
    try:
        progress("looking for what the locks need")
        found = [
            wanted
            for one, job in zip(locked, jobs, strict=True)
            for wanted in _Needs(one, solver.source_of(job), workspace, problems)
        ]
        house = Wheelhouse(place, solver.client, offline=options.offline)
        statuses = _bring(house, place, _without_doubles(found, problems), problems, progress)
    finally:
        solver.close()
    problems.raise_if_any()
    return Fetched(folder=place, files=statuses, received=house.received), workspace.report


def _bring(
    house: Wheelhouse, place: Path, wanted: list[Wanted], problems: Collector, progress: Progress
) -> dict[str, Status]:
    place.mkdir(parents=True, exist_ok=True)
    pool = Pool(_AT_ONCE)
    statuses: dict[str, Status] = {}
    with exclusive(place):  # another run would write to the same beginnings
        futures: dict[str, Future[Status]] = {
            one.filename: pool.submit(lambda one=one: house.bring(one))  # type: ignore[misc]  # the default binds it
            for one in wanted
        }
        pending = set(futures.values())
        while pending:
            _, pending = wait(pending, timeout=_TICK)
            count = len(futures) - len(pending)
            progress(f"fetching: {count} of {len(futures)} files, {house.received / 1e6:.1f} MB")
        pool.close()
        for name, future in sorted(futures.items()):
            with problems:
                statuses[name] = future.result()
    return statuses


def _without_doubles(found: list[Wanted], problems: Collector) -> list[Wanted]:
    """Return each file once; two files of one name can't be in one folder."""
    kept: dict[str, Wanted] = {}
    for one in found:
        other = kept.setdefault(one.filename, one)
        if other.sha256 != one.sha256:
            problems.add(
                NoAnswer(
                    f"the locks have two files called `{one.filename}`",
                    context=[f"sha256 {other.sha256}", f"sha256 {one.sha256}"],
                    hint="fetch into a wheelhouse for each with `--step` and `--wheelhouse`",
                )
            )
    return [kept[name] for name in sorted(kept)]


class _Needs:
    """What one step's lock needs, as an iterable of files."""

    def __init__(self, locked: LockedStep, source: PackageSource, workspace: Workspace, problems: Collector) -> None:
        self._locked = locked
        self._source = source
        self._workspace = workspace
        self._problems = problems

    def __iter__(self) -> Iterator[Wanted]:
        for package in self._locked.lock["packages"]:
            with self._problems:
                yield from self._of_package(package)
        for build in self._locked.lock["tool"]["zlock"].get("builds", ()):
            for line in build["requirements"]:
                with self._problems:
                    yield from self._of_line(line)

    def _of_package(self, package: Mapping[str, Any]) -> Iterator[Wanted]:
        name = canonicalize_name(package["name"])
        if "vcs" in package:
            raise NoAnswer(
                f"`{name}` of step `{self._locked.step.name}` comes from a repository, which no wheelhouse can hold",
                hint="require a released version, or the URL of a wheel of it",
            )
        if "directory" in package:
            self._workspace.report.note(
                f"`{name}` is a folder of the project; what building it requires is not in the wheelhouse"
            )
        elif "archive" in package:
            yield from self._of_archive(name, package["archive"])
        for file in files_of(package):
            filename = file.get("name") or _basename(file.get("url") or file["path"])
            _check_name(name, package["version"], filename)
            yield _wanted(filename, file, self._finder(name, filename, file))

    def _finder(self, name: NormalizedName, filename: str, file: Mapping[str, Any]) -> Callable[[], str]:
        """Return what finds a file: its URL, its path, or for a portable lock the index's page."""
        if "url" in file:
            return lambda: str(file["url"])
        if self._is_portable:
            return lambda: self._on_page(name, filename, file["hashes"]["sha256"]).url
        return lambda: (self._locked.path.parent / file["path"]).resolve().as_uri()

    @property
    def _is_portable(self) -> bool:
        return self._workspace.project.urls == "portable"

    def _on_page(self, name: NormalizedName, filename: str, sha256: str) -> File:
        for file in self._files(name):
            if file.sha256 == sha256 or (not file.sha256 and file.filename == filename):
                return file
        raise IndexFailed(
            f"`{filename}` with the locked hash is on no index any more",
            context=[f"sha256 {sha256}"],
            hint=f"resolve again with `--upgrade-package {name}`, or put the file into the wheelhouse by hand",
        )

    def _files(self, name: NormalizedName) -> Iterator[File]:
        page = self._source.page(name).result()
        for position in range(len(page.versions) if page else 0):
            yield from page.files(position) if page else ()

    def _of_archive(self, name: NormalizedName, archive: Mapping[str, Any]) -> Iterator[Wanted]:
        if "url" in archive:
            filename = _basename(archive["url"])
            yield _wanted(archive_name(filename, archive["hashes"]["sha256"]), archive, lambda: str(archive["url"]))
        elif self._is_in_wheelhouse(archive["path"]):
            yield _wanted(_basename(archive["path"]), archive, lambda: self._stated_url(name))

    def _is_in_wheelhouse(self, path: str) -> bool:
        """Return whether a path leads into the configured wheelhouse; others lead to files of the project."""
        place = (self._locked.path.parent / path).resolve()
        return self._is_portable and place.parent == self._workspace.wheelhouse.resolve()

    def _stated_url(self, name: NormalizedName) -> str:
        """Return the URL that a source of the step states for a name."""
        for direct in merge(self._locked.gathered):
            if direct.name == name and direct.requirement.url:
                return direct.requirement.url.partition("#")[0]
        raise IndexFailed(
            f"no source of step `{self._locked.step.name}` states the URL of `{name}`, and a portable lock has none",
            hint="state it as a requirement of the step",
        )

    def _of_line(self, line: str) -> Iterator[Wanted]:
        """Yield the wheels that a build requirement admits, as the index lists them."""
        pin, *hashes = line.split(" ")
        name = canonicalize_name(pin.partition("==")[0])
        wanted = {one.removeprefix("--hash=sha256:") for one in hashes}
        for file in self._files(name):
            if file.sha256 in wanted:
                _check_name(name, pin.partition("==")[2], file.filename)
                row = {"hashes": {"sha256": file.sha256}, "size": file.size}
                yield _wanted(file.filename, row, lambda file=file: file.url)  # type: ignore[misc]  # the default binds it


def _wanted(filename: str, row: Mapping[str, Any], find: Callable[[], str]) -> Wanted:
    return Wanted(filename=filename, sha256=row["hashes"]["sha256"], size=row.get("size", -1), find=find)


def _basename(place: str) -> str:
    """Return the file name that a URL or path ends with, its escapes undone once."""
    path = urlsplit(place).path if "://" in place else place
    return unquote(PurePosixPath(path).name) if "://" in place else PurePosixPath(path).name


def _check_name(name: NormalizedName, version: str, filename: str) -> None:
    """Hold a file's name against its package: it becomes a name in a folder, and installers go by it.

    Raises:
        InvalidLock: It is that of another project or version, or no plain name.
    """
    stated = version_text(name, filename)
    is_plain = PurePosixPath(filename).name == filename and "\\" not in filename and filename.isprintable()
    if not is_plain or stated is None or parse_version(unquote(stated)) != parse_version(version):
        raise InvalidLock(
            f"`{redact(filename)}` is no file of {name} {version}", hint="delete the lock and run `zlock resolve`"
        )
