"""Filling a wheelhouse with every file of the locks, and with what comes of the project's own folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, closing
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import Collector, IndexFailed, InvalidInput, NoAnswer
from zlock.image.context.debs import DEBS
from zlock.index.pool import Pool
from zlock.index.sdist import temporary_folder
from zlock.index.wheelhouse import OfflineMiss, Status, WantedFile, Wheelhouse, find_release_file
from zlock.lock.exclusive import exclusive
from zlock.lock.files import PackageArchive
from zlock.lock.history import is_committed
from zlock.lock.package import Package
from zlock.lock.wheelhouse import LockedFile, archive_name, locked_files
from zlock.merge import merge
from zlock.model.distribution import File
from zlock.model.paths import real
from zlock.model.reference import join_repository
from zlock.model.target import Target
from zlock.reporting import Activity, Doing
from zlock.workflow.fetching.build_files import house_with
from zlock.workflow.fetching.folders import Folders, Supply, usable_build
from zlock.workflow.fetching.inner_metadata import check_wheel
from zlock.workflow.fetching.pool import Archives
from zlock.workflow.locks.base_images import base_image_of
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import Options, Workspace
from zlock.workflow.solving.session import Session

Failed = Callable[..., AbstractContextManager[None]]
"""Takes names of files; what goes wrong inside is kept as wrong with the steps that want them."""

_AT_ONCE = 8
_TICK = 0.2  # seconds between two looks at what has come


class Fetched(Struct, frozen=True, kw_only=True):
    """What became of a wheelhouse.

    Attributes:
        folder: Where it is.
        files: What was done for each file, by name, sorted.
        received: How many bytes came.
        with_builds: Whether it holds what sdists are built with, which installers look up by name.
    """

    folder: Path
    files: Mapping[str, Status]
    received: int
    with_builds: bool = False


def fetch(options: Options, folder: Path | None) -> tuple[Fetched, Report]:
    """Bring every file of the locks into the wheelhouse, and build the folders of the project into it.

    What can't be had, or held, is reported as a failure of its steps; all else is fetched.

    Args:
        options: The options.
        folder: The wheelhouse, in place of the configured one.

    Raises:
        LockOutdated: A lock is missing or outdated.
        InvalidInput: What has the wheelhouse's name is not a folder.
    """
    workspace = Workspace(options)
    locked = load_locked(workspace)
    place = real(folder) if folder else workspace.inside_project(workspace.wheelhouse)
    if not locked:
        return Fetched(folder=place, files={}, received=0), workspace.report
    workspace.reporter(Doing(Activity.LOOKING_FOR_FILES))
    with closing(Session(workspace, refresh=False)) as session:
        filling = _Filling(workspace, locked, place)
        house = Wheelhouse(place, session.client, offline=options.offline)
        filling.want_listed(session)
        filling.bring(house, place)
        with temporary_folder() as made:
            filling.want_built(made)
            filling.bring(house, place)
        debs = Wheelhouse(place / DEBS, session.client, offline=options.offline)
        filling.want_debs()
        filling.bring(debs, place / DEBS)
    _note_committed(workspace, place)
    with_builds = any(one.facts.builds for one in locked)
    received = house.received + debs.received
    return Fetched(folder=place, files=filling.statuses, received=received, with_builds=with_builds), workspace.report


def _note_committed(workspace: Workspace, place: Path) -> None:
    if place.is_relative_to(real(workspace.project.folder)) and is_committed(place):
        line = f"/{place.relative_to(real(workspace.project.folder)).as_posix()}/"
        workspace.note(f"git would commit the wheelhouse: add `{line}` to the `.gitignore` of the project")


def supply_of(workspace: Workspace, house: Path | None) -> Supply:
    """Return what has the files that builds require: a wheelhouse, or where there is none a folder of the cache."""

    def supply(one: LockedStep, files: Sequence[LockedFile]) -> Path:
        return house_with(files, house, workspace, one.path.name) if house else _brought(workspace, one, files)

    return supply


def _brought(workspace: Workspace, one: LockedStep, files: Sequence[LockedFile]) -> Path:
    """Return a folder of the cache that holds what builds require, brought there from a step's indexes.

    Raises:
        IndexFailed: Files can't be had; several errors come as `Problems`.
    """
    options = workspace.options
    place = workspace.cache_folder / "built-with"
    if all(find_release_file(place, file.package, file.version, file.sha256) for file in files):
        return place
    problems = Collector()

    def failed(*_: str) -> AbstractContextManager[None]:
        return problems

    with closing(Session(workspace, refresh=False)) as session:
        needs = Needs(one, session, place, workspace, problems)
        house = Wheelhouse(place, session.client, offline=options.offline)
        _bring(workspace, house, place, _without_doubles(list(needs.of_files(files)), failed), failed)
    problems.raise_if_any()
    return place


class _Filling:
    """A wheelhouse on its way to hold what locks install; what can't be had is a failure of the steps that want it.

    Attributes:
        statuses: What was done for each file, by name.
    """

    def __init__(self, workspace: Workspace, locked: Sequence[LockedStep], place: Path) -> None:
        self._workspace = workspace
        self._failures = workspace.report.failures
        self._locked = locked
        self._place = place
        self._wanted: list[WantedFile] = []
        self._steps_of: dict[str, dict[str, None]] = {}
        self.statuses: dict[str, Status] = {}

    def bring(self, house: Wheelhouse, place: Path) -> None:
        """Bring what is wanted by now; the wheelhouse itself is made though nothing is."""
        if self._wanted or place == self._place:
            wanted = _without_doubles(self._wanted, self._failed)
            self.statuses |= _bring(self._workspace, house, place, wanted, self._failed)
        self._wanted = []

    def want_listed(self, session: Session) -> None:
        """Want the files of indexes, and those that sources name by their place."""
        for one in self._locked:
            with self._failures.of(one.step.name):
                problems = Collector()
                for wanted in Needs(one, session, self._place, self._workspace, problems):
                    self._want(one, wanted)
                problems.raise_if_any()

    def want_built(self, made: Path) -> None:
        """Build the folders that locks require with what the wheelhouse has by now; the files are in `made`."""
        folders = Folders(self._workspace, supply_of(self._workspace, self._place), [self._place])
        for one in self._locked:
            for target in one.question.targets:
                with self._failures.of(one.step.name):
                    for folder in folders.built_on(one, target).values():
                        path = made / folder.sha256
                        path.write_bytes(folder.data)
                        self._want(one, _at(folder.filename, folder.sha256, len(folder.data), path.as_uri()))

    def want_debs(self) -> None:
        """Want the Debian packages."""
        archives = Archives(self._workspace)
        for one in self._locked:
            reference = base_image_of(one.step, one.question.targets[0].python, one.facts)
            apt = one.facts.apt
            if apt is None or reference is None:
                continue
            repository = join_repository(self._workspace.project.registry, one.step.effective.target_repository)
            for target in one.question.linux:
                for deb in apt.on(target.platform):
                    self._want(one, archives.wanted(deb, reference, target.platform, repository))

    def _want(self, one: LockedStep, wanted: WantedFile) -> None:
        self._wanted.append(wanted)
        self._steps_of.setdefault(wanted.filename, {})[one.step.name] = None

    def _failed(self, *names: str) -> AbstractContextManager[None]:
        return self._failures.of(*dict.fromkeys(step for name in names for step in self._steps_of[name]))


def _at(filename: str, sha256: str, size: int, url: str) -> WantedFile:
    """Return a file whose only place is known."""
    return WantedFile(filename=filename, sha256=sha256, size=size, find=lambda: [url])


def _bring(
    workspace: Workspace, house: Wheelhouse, place: Path, wanted: list[WantedFile], failed: Failed
) -> dict[str, Status]:
    if os.path.lexists(place) and not place.is_dir():
        raise InvalidInput(f"the wheelhouse `{place}` is not a folder", hint="name one, or remove what has its name")
    place.mkdir(parents=True, exist_ok=True)
    pool = Pool(_AT_ONCE)
    statuses: dict[str, Status] = {}
    with exclusive(place, workspace.reporter):  # another run would write to the same beginnings
        futures: dict[str, Future[Status]] = {
            one.filename: pool.submit(lambda one=one: house.bring(one))  # type: ignore[misc]  # the default binds it
            for one in wanted
        }
        pending = set(futures.values())
        while pending:
            _, pending = wait(pending, timeout=_TICK)
            count = len(futures) - len(pending)
            workspace.reporter(Doing(Activity.FETCHING_FILES, done=count, total=len(futures), received=house.received))
        pool.close()
        missing: dict[str, OfflineMiss] = {}
        for name, future in sorted(futures.items()):
            with failed(name):
                try:
                    statuses[name] = future.result()
                except OfflineMiss as error:
                    missing[name] = error
    if missing:
        with failed(*missing):
            raise OfflineMiss.of_all(list(missing.values()))
    return statuses


def _without_doubles(found: list[WantedFile], failed: Failed) -> list[WantedFile]:
    """Return each file once; two files of one name can't be in one folder."""
    kept: dict[str, WantedFile] = {}
    for one in found:
        other = kept.setdefault(one.filename, one)
        if other.sha256 != one.sha256:
            with failed(one.filename):
                raise NoAnswer(
                    f"the locks have two files called `{one.filename}`",
                    context=[f"sha256 {other.sha256}", f"sha256 {one.sha256}"],
                    hint="fetch into a wheelhouse for each with `--step` and `--wheelhouse`",
                )
    return [kept[name] for name in sorted(kept)]


class Needs:
    """What one step's lock needs, as an iterable of files."""

    def __init__(
        self, locked: LockedStep, session: Session, place: Path, workspace: Workspace, problems: Collector
    ) -> None:
        self._locked = locked
        self._source = session.source_of(locked)
        self._rules = session.rules
        self._place = place
        self._workspace = workspace
        self._problems = problems

    def __iter__(self) -> Iterator[WantedFile]:
        lock = self._locked.lock
        for package in lock.packages:
            with self._problems:
                yield from self._of_other(package)
        step = self._locked.step
        installer = lock.facts.fetched(step.installer) if step.fetching(self._targets) else None
        yield from self.of_files(locked_files(lock.packages, installer, lock.facts.builds))

    def of_files(self, files: Iterable[LockedFile]) -> Iterator[WantedFile]:
        """Yield files of the lock as the wheelhouse wants them."""
        for file in files:
            with self._problems:
                yield self._of_file(file)

    def _of_other(self, package: Package) -> Iterator[WantedFile]:
        """Yield what is not a file of an index."""
        name = canonicalize_name(package.name)
        if package.vcs:
            raise NoAnswer(
                f"`{name}` of step `{self._locked.step.name}` comes from a repository, which no wheelhouse can hold",
                hint="require a released version, or the URL of a wheel of it",
            )
        if package.directory and not any(usable_build(self._locked, name, one) for one in self._targets):
            self._workspace.note(
                f"`{name}` is a folder, and the lock does not say with what it is built, so it is not in the wheelhouse"
            )
        if package.archive:
            yield from self.of_archive(name, package.archive)

    def of_archive(self, name: NormalizedName, archive: PackageArchive) -> Iterator[WantedFile]:
        """Yield what a source names by its place, as the wheelhouse wants it."""
        digest, size = archive.sha256, -1 if archive.size is None else archive.size
        if archive.url:
            filename = archive_name(archive.filename, digest)
            yield _at(filename, digest, size, archive.url)
        elif self._workspace.is_fetched(self._locked.path, archive.path):
            yield WantedFile(filename=archive.filename, sha256=digest, size=size, find=lambda: [self._stated_url(name)])

    @property
    def _targets(self) -> Sequence[Target]:
        return self._locked.question.targets

    def _stated_url(self, name: NormalizedName) -> str:
        """Return the URL that a source of the step states for a name."""
        for direct in merge(self._locked.gathered):
            if direct.name == name and direct.requirement.url:
                return direct.requirement.url.partition("#")[0]
        raise IndexFailed(
            f"no source of step `{self._locked.step.name}` states the URL of `{name}`, and a portable lock has none",
            hint="state it as a requirement of the step",
        )

    def _of_file(self, file: LockedFile) -> WantedFile:
        named = file if file.filename else self._named(file)
        return WantedFile(
            filename=named.filename,
            sha256=file.sha256,
            size=named.size,
            find=lambda: [self._find(named)],
            check=lambda path: self._check(path, named),
        )

    def _check(self, path: Path, file: LockedFile) -> None:
        """Hold a file that came against the lock, if it is a wheel of one of its packages."""
        for package in self._locked.lock.packages:
            if any(wheel.sha256 == file.sha256 for wheel in package.wheels):
                check_wheel(path, file.filename, package, self._locked, self._rules)

    def _named(self, file: LockedFile) -> LockedFile:
        """Return a file with its name: that which it has in the wheelhouse, or on its index."""
        there = find_release_file(self._place, file.package, file.version, file.sha256)
        if there is not None:
            return replace(file, filename=there.name)
        listed = self._on_page(file)
        return replace(file, filename=listed.filename, size=listed.size, url=listed.url)

    def _find(self, file: LockedFile) -> str:
        """Return a file's URL: the lock's, that of its path, or where the lock says neither, the index's."""
        if file.url:
            return file.url
        if file.path and not self._workspace.project.is_portable:
            return real(self._locked.path.parent / file.path).as_uri()
        return self._on_page(file).url

    def _on_page(self, file: LockedFile) -> File:
        for listed in self._listed(file.package):
            if listed.sha256 == file.sha256 or (not listed.sha256 and listed.filename == file.filename):
                return listed
        what = f"`{file.filename}`" if file.filename else f"a wheel of {file.package} {file.version}"
        raise IndexFailed(
            f"{what} with the locked hash is on no index any more",
            context=[f"sha256 {file.sha256}"],
            hint=f"resolve again with `--upgrade-package {file.package}`, or put the file into the wheelhouse by hand",
        )

    def _listed(self, name: NormalizedName) -> Iterator[File]:
        page = self._source.page(name).result()
        for position in range(len(page.versions) if page else 0):
            yield from page.files(position) if page else ()
