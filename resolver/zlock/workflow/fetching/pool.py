"""The pool of Debian packages that images install: beside the wheels of a wheelhouse, or in the cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import IO
from urllib.parse import quote

from msgspec.structs import replace

from zlock.errors import IndexFailed, OutsideFailed, RegistryFailed
from zlock.image.context.debs import DEBS, cached_at
from zlock.image.kept_debs import open_kept
from zlock.image.plan import ImagePlan
from zlock.index.auth import Credentials
from zlock.index.client import Client
from zlock.index.network import Network
from zlock.index.wheelhouse import OfflineMiss, Status, Wanted, Wheelhouse, differs
from zlock.model.debian import DebianPackage
from zlock.model.reference import ImageReference
from zlock.reporting import Activity, Doing
from zlock.workflow.locks.base_images import BaseImages
from zlock.workflow.project.workspace import Workspace

Urls = Callable[[], Sequence[str]]


class Archives:
    """Where Debian packages are: the sources of base images say it, and locks only which suite and path.

    What archives have no more may be kept beside images that were pushed.

    Args:
        workspace: The project.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._images = BaseImages(workspace)
        self._workspace = workspace
        self._turn = Lock()

    def wanted(self, deb: DebianPackage, reference: ImageReference, platform: str, repository: str) -> Wanted:
        """Return a package as a folder of files wants it; its archives are looked up if it is not on this machine.

        Args:
            deb: The package.
            reference: The base image that lacks it, with its digest.
            platform: What that is for.
            repository: `host/repository` of images that have it, or empty.
        """

        def kept() -> IO[bytes] | None:
            return open_kept(self._workspace.registry, repository, deb) if repository else None

        find = _Places(lambda: self._urls(deb, reference, platform), kept, cached_at(self._workspace.cache_folder, deb))
        return Wanted(filename=deb.filename, sha256=deb.sha256, size=deb.size, find=find)

    def _urls(self, deb: DebianPackage, reference: ImageReference, platform: str) -> Sequence[str]:
        with self._turn:
            sources = self._images.base(reference, platform).sources
        found = [source.uri + quote(deb.path, safe="/:~") for source in sources if deb.suite in source.suites]
        if not found:
            raise IndexFailed(
                f"`{deb.filename}` was locked from the suite `{deb.suite}`, which is in no source of `{reference}`",
                hint="resolve again with `--upgrade-apt`",
            )
        return list(dict.fromkeys(found))


class DebHouse(Wheelhouse):
    """A folder of Debian packages; where one archive does not have a file, the next one is asked.

    The first place is the cache, the last one the repository of images that have it.
    """

    def bring(self, wanted: Wanted) -> Status:
        """Make sure that a file is there, and is the right one; see `Wheelhouse`."""
        while True:
            try:
                return super().bring(wanted)
            except OfflineMiss:
                raise
            except IndexFailed as error:
                places = wanted.find
                if isinstance(places, _Places) and places.go_on():
                    continue
                try:
                    status = self._bring_kept(wanted, places) if isinstance(places, _Places) else None
                except RegistryFailed as failed:
                    error.context = (*error.context, failed.message)
                    status = None
                if status is None:
                    error.hint = (
                        "bring the pool that an earlier `zlock fetch` has filled, or take what the archive has now: "
                        "`zlock resolve --upgrade-apt`"
                    )
                    raise
                return status

    def _source(self, wanted: Wanted, *, is_another: bool) -> str:
        """Return the URL or path of a file; offline the base image, which knows the archives, need not be known."""
        if isinstance(wanted.find, _Places) and wanted.differs(wanted.find.near) is None:
            return wanted.find.near.as_uri()
        if self._offline:
            raise OfflineMiss(wanted.filename, is_another=is_another)
        return super()._source(wanted, is_another=is_another)

    def _bring_kept(self, wanted: Wanted, places: _Places) -> Status | None:
        content = places.kept()
        if content is None:
            return None
        with content, tempfile.NamedTemporaryFile(prefix="zlock-deb-") as file:
            shutil.copyfileobj(content, file)
            file.flush()
            return super().bring(replace(wanted, find=Path(file.name).as_uri))


def missing_debs(workspace: Workspace, debs: Sequence[DebianPackage]) -> Iterator[DebianPackage]:
    """Yield those packages that a build would download, by name and size; each build checks the hashes."""
    pool = workspace.wheelhouse / DEBS
    for deb in debs:
        near = cached_at(workspace.cache_folder, deb)
        if not (pool / deb.filename).exists() and not (near.is_file() and near.stat().st_size == deb.size):
            yield deb


class Pool:
    """The Debian packages of images as files, each held to its hash.

    Args:
        workspace: The project.
        house: A wheelhouse that has to hold them; None: the project's own does, or they are brought into the cache.
    """

    def __init__(self, workspace: Workspace, house: Path | None = None) -> None:
        self._workspace = workspace
        self._house = house
        self._archives = Archives(workspace)
        self._turn = Lock()

    def links(self, plan: ImagePlan) -> Mapping[str, Path]:
        """Return the Debian packages of an image: paths in its context, each with the file.

        Raises:
            OutsideFailed: One is another file than was locked, is not where it has to be, or can't be had.
        """
        own = (self._house or self._workspace.wheelhouse) / DEBS
        found = {deb: own / deb.filename for deb in plan.debs if (own / deb.filename).exists()}
        wrong = [
            f"`{deb.filename}` is another file than was locked: {how}"
            for deb, place in found.items()
            if (how := differs(place, deb.size, deb.sha256))
        ]
        missing = [deb for deb in plan.debs if deb not in found]
        if self._house:
            wrong += [f"`{deb.filename}` is not there" for deb in missing]
        if wrong:
            fetch = f"zlock fetch --wheelhouse {self._house}" if self._house else "zlock fetch"
            raise OutsideFailed(
                f"`{own}` does not hold the Debian packages of step `{plan.steps[0]}` as they were locked",
                context=wrong,
                hint=f"`{fetch}` puts the right files there",
            )
        with self._turn:  # what several steps need is brought once
            found |= self._brought(missing, plan) if missing else {}
        return {f"{DEBS}/{deb.filename}": found[deb] for deb in plan.debs}

    def _brought(self, debs: Sequence[DebianPackage], plan: ImagePlan) -> dict[DebianPackage, Path]:
        """Bring packages into the cache."""
        options = self._workspace.options
        reference = ImageReference.parse(plan.parent.reference).at(plan.parent.digest)
        found, missing, received = {}, list[OfflineMiss](), 0
        for count, deb in enumerate(debs):
            self._workspace.reporter(Doing(Activity.FETCHING_FILES, done=count, total=len(debs), received=received))
            found[deb] = cached_at(self._workspace.cache_folder, deb)
            house = DebHouse(found[deb].parent, self._client, offline=options.offline)
            try:
                house.bring(self._archives.wanted(deb, reference, plan.platform, plan.repository))
            except OfflineMiss as error:
                missing.append(error)
            received += house.received
        if missing:
            raise OfflineMiss.of_all(missing)
        return found

    @cached_property
    def _client(self) -> Client:
        environ = self._workspace.environ
        return Client(Network.from_environment(environ, {}), Credentials(environ))


class _Places:
    """The URLs of a file, one at a time.

    Attributes:
        kept: Opens it where it is kept beside images; returns None where there is no such place.
        near: Where the cache may have it.
    """

    def __init__(self, urls: Urls, kept: Callable[[], IO[bytes] | None], near: Path) -> None:
        self._urls = urls
        self.kept = kept
        self.near = near
        self._left: list[str] = []

    def __call__(self) -> str:
        self._left = self._left or list(self._urls())
        return self._left[0]

    def go_on(self) -> bool:
        """Turn to the next one; false where there is none."""
        self._left = self._left[1:]
        return bool(self._left)
