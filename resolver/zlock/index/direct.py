"""Direct references: wheels, sdists, folders and repositories that a requirement names by URL or path (PEP 508)."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from zlock.errors import Collector, IndexFailed, InvalidRequirements, ZlockError
from zlock.index.archives import wheel_metadata
from zlock.index.metadata import parse_metadata, with_portable_needs
from zlock.index.network import WHOLE
from zlock.index.sdist import Described, SdistBuilder, folder_in, temporary_folder
from zlock.index.sourced import in_repository, on_this_machine, with_sources
from zlock.model.distribution import SDIST_ENDINGS, LockedReference, Metadata, Reference
from zlock.model.link import Link, LinkError, shown
from zlock.model.paths import absolute, portable, real
from zlock.model.ports import InvalidMetadata
from zlock.redact import redact
from zlock.regular import read_regular

_GIT_SCHEMES = frozenset({"https", "http", "ssh", "file"})
# In markers as `packaging` writes them.
_EXTRA = re.compile(r'extra == "[^"]*"|"[^"]*" == extra')


def find_references(
    wanted: Iterable[tuple[NormalizedName, str, str]],
    find: Callable[[NormalizedName, str], Reference],
    holds: Callable[[str], bool],
) -> dict[NormalizedName, Reference]:
    """Find references, and those that they themselves require, to the end.

    What only an extra requires is found whether or not the extra is asked for.

    Args:
        wanted: Names and URLs as requirements state them, each with who does.
        find: Brings one reference here.
        holds: Whether a marker holds on the target.

    Raises:
        InvalidRequirements: Two different URLs are given for one name.
        ZlockError: What `find` raises; `Problems` where several fail.
    """
    problems = Collector()
    found: dict[NormalizedName, Reference] = {}
    origins: dict[tuple[NormalizedName, str], str] = {}
    seen: set[tuple[NormalizedName, str]] = set()
    waiting = list(wanted)
    for name, url, origin in waiting:
        if (name, redact(url)) in seen:
            continue
        seen.add((name, redact(url)))
        with problems:
            try:
                reference = find(name, url)
            except ZlockError as error:
                line = f"required by {origin}"
                error.context = error.context if line in error.context else (*error.context, line)
                raise
            other = found.setdefault(name, reference)
            origins.setdefault((name, other.requested), origin)
            if _place(other) != _place(reference):
                raise _two_places(other, origins[name, other.requested], reference, origin)
            waiting += [
                (dependency.name, dependency.url, f"{name} {reference.metadata.version}")
                for dependency in reference.metadata.dependencies
                if dependency.url and _may_hold(dependency.marker, holds)
            ]
    problems.raise_if_any()
    return found


def _place(reference: Reference) -> tuple[str, str]:
    return reference.requested, reference.subdirectory


def _two_places(first: Reference, first_origin: str, second: Reference, second_origin: str) -> InvalidRequirements:
    def line(reference: Reference, origin: str) -> str:
        folder = f", folder `{reference.subdirectory}`" if reference.subdirectory else ""
        by = f", required by {origin}" if origin else ""
        return f"`{shown(reference.requested)}`{folder}{by}"

    return InvalidRequirements(
        f"`{first.metadata.name}` is required from two places",
        context=[line(first, first_origin), line(second, second_origin)],
        hint="name it once, or the same way each time",
    )


def _may_hold(marker: str, holds: Callable[[str], bool]) -> bool:
    """Return whether a marker holds for some extra."""
    # What is true of every target stands for the extra, as a marker can't say "true".
    return not marker or holds(_EXTRA.sub('python_version >= "3"', marker))


def find_reference(
    name: NormalizedName,
    url: str,
    *,
    project: Path,
    fetch: Callable[[str], bytes],
    builder: SdistBuilder,
    offline: bool,
    locked: LockedReference | None = None,
) -> Reference:
    """Bring a direct reference here and read its metadata.

    Args:
        name: The package it is required as.
        url: Its URL, a relative `file:` one from the project folder; may hold credentials and a fragment.
        project: The project folder.
        fetch: Returns a whole remote file; it gets the URL with credentials, and keeps them from others.
        builder: Reads and builds what is not a wheel.
        offline: Leave the network alone.
        locked: What a lock has of this name: a repository's commit is kept where the URL and revision are the same.

    Raises:
        InvalidRequirements: The URL is wrong, what it names is not there, or it is another package.
        IndexFailed: It can't be had, is another file than was locked, has the wrong hash, or has broken metadata.
        NoEligibleRelease: It needs a build and may not have one.
        BuildFailed: Its build failed.
        CommandFailed: It needs git, and there is none.
    """
    try:
        link = Link.parse(url)
    except LinkError as error:
        raise InvalidRequirements(f"`{name} @ {shown(url)}` can't be used: {error}", hint=error.hint) from error
    search = _Search(
        name=name, link=link, project=project, fetch=fetch, builder=builder, offline=offline, locked=locked
    )
    search.check_name(canonicalize_name(link.name or name))
    try:
        reference = search.find()
    except InvalidMetadata as error:
        raise IndexFailed(
            f"`{search.shown}` is unusable: {error.reason}", hint="correct it where it is made, or require another"
        ) from error
    search.check_name(reference.metadata.name)
    fixed = PurePosixPath(reference.path).is_absolute()
    return replace(reference, metadata=with_portable_needs(reference.metadata, project, fixed=fixed))


class _Search(Struct, frozen=True, kw_only=True):
    """A package, the URL that it is required by, and what brings it here; see `find_reference`."""

    name: NormalizedName
    link: Link
    project: Path
    fetch: Callable[[str], bytes]
    builder: SdistBuilder
    offline: bool
    locked: LockedReference | None

    @property
    def shown(self) -> str:
        """The reference as messages show it."""
        return f"{self.name} @ {self.link.shown}"

    def find(self) -> Reference:
        """Return the reference, its metadata as it states them."""
        if self.link.vcs:
            return self._find_vcs()
        if self.link.is_local:
            return self._find_local()
        self._check_archive()
        if self.offline:
            raise self._is_offline()
        data = self.fetch(self.link.address)
        self._check_unchanged(data)
        return self._of_archive(data, url=self.link.public)

    def check_name(self, name: NormalizedName) -> None:
        """Hold a name that the URL or what is there states to the one that is required."""
        if name != self.name:
            raise InvalidRequirements(
                f"`{self.shown}` is `{name}`, another package", hint=f"write `{name} @ ...`, or correct the URL"
            )

    def _is_offline(self) -> IndexFailed:
        return IndexFailed(
            f"`{self.shown}` is not in the cache, and --offline leaves the network alone", hint="run without --offline"
        )

    # Archives

    def _check_archive(self) -> None:
        if self.link.kind not in ("wheel", "sdist"):
            raise InvalidRequirements(
                f"`{self.shown}` is neither a wheel nor an sdist by its name",
                hint=f"it must end in one of .whl {' '.join(SDIST_ENDINGS)}; a repository is written `git+https://...`",
            )

    def _of_archive(self, data: bytes, *, url: str = "", path: str = "") -> Reference:
        self._check_hashes(data)
        link = self.link
        if link.kind == "wheel":
            described, subdirectory = Described(self._of_wheel(data), ()), ""
        else:
            subdirectory = link.subdirectory
            described = self.builder.describe_archive(
                io.BytesIO(data), link.file_name, name=self.name, what=self.shown, subdirectory=subdirectory
            )
        return Reference(
            requested=link.public,
            kind="archive",
            url=url,
            path=path,
            subdirectory=subdirectory,
            hashes=(("sha256", hashlib.sha256(data).hexdigest()),),
            size=len(data),
            metadata=described.metadata,
            filename=link.file_name,
            build_requires=described.build_requires,
        )

    def _of_wheel(self, data: bytes) -> Metadata:
        """Read a wheel and hold its metadata against its file name, which is all that installers go by (PEP 427)."""
        filename = self.link.file_name
        metadata = parse_metadata(wheel_metadata(io.BytesIO(data), filename))
        if (metadata.name, metadata.version) != (self.name, str(parse_wheel_filename(filename)[1])):
            raise InvalidMetadata(f"its metadata says that it is `{metadata.name}` {metadata.version}")
        return metadata

    def _check_hashes(self, data: bytes) -> None:
        for algorithm, digest in self.link.hashes:
            found = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
            if found != digest:
                raise IndexFailed(
                    f"`{self.shown}` has the wrong hash",
                    context=[f"required {algorithm} {digest}", f"it has   {algorithm} {found}"],
                    hint="it was replaced, or something between is broken or hostile; nothing was written",
                )

    def _check_unchanged(self, data: bytes) -> None:
        """Hold a remote file against the lock: what a URL serves must not change without anyone's knowledge."""
        found, locked = hashlib.sha256(data).hexdigest(), self.locked
        if locked and locked.url == self.link.public and locked.sha256 not in ("", found):
            raise IndexFailed(
                f"`{self.shown}` is not the file that was locked",
                context=[f"locked sha256 {locked.sha256}", f"it has sha256 {found}"],
                hint=f"if the change is meant: `zlock resolve --upgrade-package {self.name}`",
            )

    # Folders and files

    def _find_local(self) -> Reference:
        path = Path(self.link.path)
        place = absolute(self.project / path)
        relative = portable(real(place.parent) / place.name, real(self.project), fixed=path.is_absolute())
        if place.is_dir():
            return self._of_folder(place, relative)
        if not place.exists():
            raise self._is_absent(place, "correct the path; a relative one counts from the project folder")
        self._check_archive()
        try:
            data = read_regular(place, WHOLE.size)
        except OSError as error:
            raise InvalidRequirements(
                f"`{self.shown}` can't be read: {error.strerror}", hint="name a file that your user may read"
            ) from error
        return self._of_archive(data, path=relative)

    def _is_absent(self, place: str | Path, hint: str) -> InvalidRequirements:
        return InvalidRequirements(f"`{self.shown}` is not there", context=[f"looked at `{place}`"], hint=hint)

    def _of_folder(self, folder: Path, relative: str) -> Reference:
        try:
            tree = folder_in(folder, self.link.subdirectory)
            described = self.builder.describe_tree(tree, name=self.name, what=self.shown)
        except InvalidMetadata as error:
            raise InvalidRequirements(
                f"`{self.shown}` is unusable: {error.reason}", hint="correct the project in that folder"
            ) from error
        found = with_sources(described.metadata, tree, place=on_this_machine, root=self.project)
        return Reference(
            requested=self.link.public,
            kind="directory",
            path=relative,
            subdirectory=self.link.subdirectory,
            metadata=found.metadata,
            routes=found.routes,
            build_requires=described.build_requires,
        )

    # Repositories

    def _find_vcs(self) -> Reference:
        link = self.link
        self._check_repository()
        if self.offline and link.scheme != "file":
            raise self._is_offline()
        url = redact(link.repository)
        with temporary_folder() as folder:
            root = folder / "tree"
            commit = self._clone(root)
            tree = folder_in(root, link.subdirectory)
            described = self.builder.describe_tree(tree, name=self.name, what=self.shown)
            place = in_repository(f"git+{url}@{commit}", root)
            found = with_sources(described.metadata, tree, place=place, root=root, within=self.shown, limit=root)
        return Reference(
            requested=link.public,
            kind="vcs",
            url=url,
            subdirectory=link.subdirectory,
            requested_revision=link.revision,
            commit=commit,
            metadata=found.metadata,
            build_requires=described.build_requires,
            routes=found.routes,
        )

    def _clone(self, folder: Path) -> str:
        """Clone a repository, at the commit that is locked wherever its branches are by now; return the commit."""
        from zlock.index import git

        link, locked = self.link, self.locked
        asked = redact(link.repository), link.revision
        if not locked or not locked.commit or (locked.url, locked.requested_revision) != asked:
            return git.clone(link.repository, link.revision, folder)
        try:
            commit = git.clone(link.repository, locked.commit, folder)
        except InvalidRequirements:
            commit = ""
        if commit != locked.commit:
            raise IndexFailed(
                f"the commit of `{self.shown}` that was locked is gone from its repository",
                context=[f"locked {locked.commit}"],
                hint=f"to take what is there now: `zlock resolve --upgrade-package {self.name}`",
            )
        return commit

    def _check_repository(self) -> None:
        """Tell a local repository that is not there from one that fails; git's words for both are the same."""
        link = self.link
        if link.vcs != "git":
            raise InvalidRequirements(
                f"`{self.shown}` is a repository of another kind than git, and only git is understood",
                hint="require a release, an archive by URL, or a git mirror of it",
            )
        if link.scheme not in _GIT_SCHEMES:
            raise InvalidRequirements(
                f"`{self.shown}` is not a git URL that is understood",
                hint="write git+https://HOST/PATH, git+ssh://git@HOST/PATH or git+file:///PATH",
            )
        if link.scheme == "file" and not Path(link.path).is_dir():
            raise self._is_absent(link.path, "correct the path, or make the repository")
