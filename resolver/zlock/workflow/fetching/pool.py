"""The pool of Debian packages that images install: beside the wheels of a wheelhouse, or in the cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from zlock.errors import IndexFailed, OutsideFailed
from zlock.image.context.debs import DEBS, cached_at
from zlock.image.kept_debs import open_kept
from zlock.image.plan import ImagePlan
from zlock.index.auth import Credentials
from zlock.index.client import Client
from zlock.index.network import Network
from zlock.index.wheelhouse import OfflineMiss, WantedFile, Wheelhouse, differs
from zlock.model.debian import DebianPackage
from zlock.model.reference import ImageReference
from zlock.reporting import Activity, Doing
from zlock.workflow.locks.base_images import BaseImages
from zlock.workflow.project.workspace import Workspace

_GONE = (
    "bring the pool that an earlier `zlock fetch` has filled, or take what the archive has now: "
    "`zlock resolve --upgrade-apt`"
)


class Archives:
    """Where Debian packages are: the sources of base images say it, and locks only which suite and path.

    Each is asked after the other. What they have no more may be kept beside images that were pushed.

    Args:
        workspace: The project.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._images = BaseImages(workspace)
        self._workspace = workspace
        self._turn = Lock()

    def wanted(self, deb: DebianPackage, reference: ImageReference, platform: str, repository: str) -> WantedFile:
        """Return a package as a folder of files wants it; its archives are looked up if it is not on this machine.

        Args:
            deb: The package.
            reference: The base image that lacks it, with its digest.
            platform: What that is for.
            repository: `host/repository` of images that have it, or empty.
        """
        near, workspace = cached_at(self._workspace.cache_folder, deb), self._workspace

        def places() -> Iterator[str]:
            if differs(near, deb.size, deb.sha256) is None:
                yield near.as_uri()
            if workspace.options.offline:  # and the base image, which knows the archives, need not be known
                return
            unlisted = None
            try:
                yield from self._urls(deb, reference, platform)
            except IndexFailed as error:
                unlisted = error
            if repository:
                with (
                    open_kept(workspace.registry, repository, deb) as content,
                    tempfile.NamedTemporaryFile(prefix="zlock-deb-") as file,
                ):
                    shutil.copyfileobj(content, file)
                    file.flush()
                    yield Path(file.name).as_uri()
            if unlisted:
                raise unlisted

        return WantedFile(filename=deb.filename, sha256=deb.sha256, size=deb.size, find=places, hint=_GONE)

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
            house = Wheelhouse(found[deb].parent, self._client, offline=options.offline)
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
