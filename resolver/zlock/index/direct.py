"""Direct references: wheels, sdists, folders and repositories that a requirement names by URL or path (PEP 508)."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from zlock.errors import Collector, IndexFailed, InvalidRequirements, ZlockError
from zlock.index.archives import wheel_metadata
from zlock.index.metadata import parse_metadata, with_portable_needs
from zlock.index.sdist import Builder, Described, folder_in, temporary_folder
from zlock.index.sourced import in_repository, on_this_machine, with_sources
from zlock.model.distribution import SDIST_ENDINGS, LockedReference, Metadata, Reference
from zlock.model.link import Link, LinkError, shown
from zlock.model.paths import absolute, portable, real
from zlock.model.ports import InvalidMetadata
from zlock.redact import redact

_GIT_SCHEMES = frozenset({"https", "http", "ssh", "file"})
# In markers as `packaging` writes them.
_EXTRA = re.compile(r'extra == "[^"]*"|"[^"]*" == extra')


class _Wanted(Struct, frozen=True, kw_only=True):
    """A package and the URL that it is required by."""

    name: NormalizedName
    link: Link

    @property
    def shown(self) -> str:
        """The reference as messages show it."""
        return f"{self.name} @ {self.link.shown}"


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
    builder: Builder,
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
        wanted = _Wanted(name=name, link=Link.parse(url))
    except LinkError as error:
        raise InvalidRequirements(f"`{name} @ {shown(url)}` can't be used: {error}", hint=error.hint) from error
    if wanted.link.name and canonicalize_name(wanted.link.name) != name:
        raise _other_name(wanted, canonicalize_name(wanted.link.name))
    try:
        reference = _find(wanted, project=project, fetch=fetch, builder=builder, offline=offline, locked=locked)
    except InvalidMetadata as error:
        raise IndexFailed(
            f"`{wanted.shown}` is unusable: {error.reason}", hint="correct it where it is made, or require another"
        ) from error
    if reference.metadata.name != name:
        raise _other_name(wanted, reference.metadata.name)
    fixed = PurePosixPath(reference.path).is_absolute()
    return reference._replace(metadata=with_portable_needs(reference.metadata, project, fixed=fixed))


def _find(
    wanted: _Wanted,
    *,
    project: Path,
    fetch: Callable[[str], bytes],
    builder: Builder,
    offline: bool,
    locked: LockedReference | None,
) -> Reference:
    if wanted.link.vcs:
        return _find_vcs(wanted, builder, offline=offline, locked=locked)
    if wanted.link.is_local:
        return _find_local(wanted, project, builder)
    _check_archive(wanted)
    if offline:
        raise _is_offline(wanted)
    data = fetch(wanted.link.address)
    _check_unchanged(wanted, data, locked)
    return _of_archive(wanted, data, builder, url=wanted.link.public)


def _check_archive(wanted: _Wanted) -> None:
    if wanted.link.kind not in ("wheel", "sdist"):
        raise InvalidRequirements(
            f"`{wanted.shown}` is neither a wheel nor an sdist by its name",
            hint=f"it must end in one of .whl {' '.join(SDIST_ENDINGS)}; a repository is written `git+https://...`",
        )


# Archives


def _of_archive(wanted: _Wanted, data: bytes, builder: Builder, *, url: str = "", path: str = "") -> Reference:
    _check_hashes(wanted, data)
    link, filename = wanted.link, wanted.link.file_name
    is_wheel = link.kind == "wheel"
    if is_wheel:
        described = Described(_of_wheel(wanted, data), ())
    else:
        described = builder.describe_archive(
            io.BytesIO(data), filename, name=wanted.name, what=wanted.shown, subdirectory=link.subdirectory
        )
    return Reference(
        requested=wanted.link.public,
        kind="archive",
        url=url,
        path=path,
        subdirectory="" if is_wheel else link.subdirectory,
        hashes=(("sha256", hashlib.sha256(data).hexdigest()),),
        size=len(data),
        metadata=described.metadata,
        filename=filename,
        build_requires=described.build_requires,
    )


def _of_wheel(wanted: _Wanted, data: bytes) -> Metadata:
    """Read a wheel and hold its metadata against its file name, which is all that installers go by (PEP 427)."""
    filename = wanted.link.file_name
    metadata = parse_metadata(wheel_metadata(io.BytesIO(data), filename))
    if (metadata.name, metadata.version) != (wanted.name, str(parse_wheel_filename(filename)[1])):
        raise InvalidMetadata(f"its metadata says that it is `{metadata.name}` {metadata.version}")
    return metadata


def _check_hashes(wanted: _Wanted, data: bytes) -> None:
    for algorithm, digest in wanted.link.hashes:
        found = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        if found != digest:
            raise IndexFailed(
                f"`{wanted.shown}` has the wrong hash",
                context=[f"required {algorithm} {digest}", f"it has   {algorithm} {found}"],
                hint="it was replaced, or something between is broken or hostile; nothing was written",
            )


def _check_unchanged(wanted: _Wanted, data: bytes, locked: LockedReference | None) -> None:
    """Hold a remote file against the lock: what a URL serves must not change without anyone's knowledge."""
    found = hashlib.sha256(data).hexdigest()
    if locked and locked.url == wanted.link.public and locked.sha256 not in ("", found):
        raise IndexFailed(
            f"`{wanted.shown}` is not the file that was locked",
            context=[f"locked sha256 {locked.sha256}", f"it has sha256 {found}"],
            hint=f"if the change is meant: `zlock resolve --upgrade-package {wanted.name}`",
        )


# Folders and files


def _find_local(wanted: _Wanted, project: Path, builder: Builder) -> Reference:
    path = Path(wanted.link.path)
    place = absolute(project / path)
    own = real(place.parent) / place.name
    relative = portable(own, real(project), fixed=path.is_absolute())
    if place.is_dir():
        return _of_folder(wanted, place, relative, builder, project)
    if not place.exists():
        raise InvalidRequirements(
            f"`{wanted.shown}` is not there",
            context=[f"looked at `{place}`"],
            hint="correct the path; a relative one counts from the project folder",
        )
    _check_archive(wanted)
    try:
        data = place.read_bytes()
    except OSError as error:
        raise InvalidRequirements(
            f"`{wanted.shown}` can't be read: {error.strerror}", hint="let your user read it"
        ) from error
    return _of_archive(wanted, data, builder, path=relative)


def _of_folder(wanted: _Wanted, folder: Path, relative: str, builder: Builder, project: Path) -> Reference:
    try:
        tree = folder_in(folder, wanted.link.subdirectory)
        described = builder.describe_tree(tree, name=wanted.name, what=wanted.shown)
    except InvalidMetadata as error:
        raise InvalidRequirements(
            f"`{wanted.shown}` is unusable: {error.reason}", hint="correct the project in that folder"
        ) from error
    found = with_sources(described.metadata, tree, place=on_this_machine, root=project)
    return Reference(
        requested=wanted.link.public,
        kind="directory",
        path=relative,
        subdirectory=wanted.link.subdirectory,
        metadata=found.metadata,
        routes=found.routes,
        build_requires=described.build_requires,
    )


# Repositories


def _find_vcs(wanted: _Wanted, builder: Builder, *, offline: bool, locked: LockedReference | None) -> Reference:
    from zlock.index import git

    link = wanted.link
    _check_repository(wanted)
    if offline and link.scheme != "file":
        raise _is_offline(wanted)
    address, revision = link.repository, link.revision
    url = redact(address)
    with temporary_folder() as folder:
        if locked and (locked.url, locked.requested_revision) == (url, revision) and locked.commit:
            commit = _clone_locked(wanted, locked, folder / "tree")
        else:
            commit = git.clone(address, revision, folder / "tree")
        tree = folder_in(folder / "tree", link.subdirectory)
        described = builder.describe_tree(tree, name=wanted.name, what=wanted.shown)
        place = in_repository(f"git+{url}@{commit}", folder / "tree")
        root = folder / "tree"
        found = with_sources(described.metadata, tree, place=place, root=root, within=wanted.shown, limit=root)
    return Reference(
        requested=wanted.link.public,
        kind="vcs",
        url=url,
        subdirectory=link.subdirectory,
        requested_revision=revision,
        commit=commit,
        metadata=found.metadata,
        build_requires=described.build_requires,
        routes=found.routes,
    )


def _clone_locked(wanted: _Wanted, locked: LockedReference, folder: Path) -> str:
    """Clone a repository at the commit that is locked, wherever its branches are by now."""
    from zlock.index import git

    try:
        commit = git.clone(wanted.link.repository, locked.commit, folder)
    except InvalidRequirements:
        commit = ""
    if commit != locked.commit:
        raise IndexFailed(
            f"the commit of `{wanted.shown}` that was locked is gone from its repository",
            context=[f"locked {locked.commit}"],
            hint=f"to take what is there now: `zlock resolve --upgrade-package {wanted.name}`",
        )
    return commit


def _check_repository(wanted: _Wanted) -> None:
    """Tell a local repository that is not there from one that fails; git's words for both are the same."""
    link = wanted.link
    if link.vcs != "git":
        raise InvalidRequirements(
            f"`{wanted.shown}` is a repository of another kind than git, and only git is understood",
            hint="require a release, an archive by URL, or a git mirror of it",
        )
    if link.scheme not in _GIT_SCHEMES:
        raise InvalidRequirements(
            f"`{wanted.shown}` is not a git URL that is understood",
            hint="write git+https://HOST/PATH, git+ssh://git@HOST/PATH or git+file:///PATH",
        )
    if link.scheme == "file" and not Path(link.path).is_dir():
        raise InvalidRequirements(
            f"`{wanted.shown}` is not there",
            context=[f"looked at `{link.path}`"],
            hint="correct the path, or make the repository",
        )


def _is_offline(wanted: _Wanted) -> IndexFailed:
    return IndexFailed(
        f"`{wanted.shown}` is not in the cache, and --offline leaves the network alone", hint="run without --offline"
    )


def _other_name(wanted: _Wanted, name: NormalizedName) -> InvalidRequirements:
    return InvalidRequirements(
        f"`{wanted.shown}` is `{name}`, another package", hint=f"write `{name} @ ...`, or correct the URL"
    )
