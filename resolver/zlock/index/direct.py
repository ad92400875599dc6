"""Direct references: wheels, sdists, folders and repositories that a requirement names by URL or path (PEP 508)."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from zlock.errors import Collector, IndexFailed, InvalidRequirements, ZlockError
from zlock.index.archives import wheel_metadata
from zlock.index.folder import as_path
from zlock.index.listed import DIGITS, is_digest
from zlock.index.metadata import parse_metadata, with_portable_needs
from zlock.index.sdist import SDIST_ENDINGS, Builder, Described, folder_in, temporary_folder
from zlock.index.sourced import in_repository, on_this_machine, with_sources
from zlock.index.tree import is_inside
from zlock.model.distribution import LockedReference, Metadata, Reference
from zlock.model.paths import portable
from zlock.model.ports import InvalidMetadata
from zlock.redact import redact

_VCS = re.compile(r"(?P<vcs>git|hg|svn|bzr)\+(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_GIT_SCHEMES = frozenset({"https", "http", "ssh", "file"})
# In markers as `packaging` writes them.
_EXTRA = re.compile(r'extra == "[^"]*"|"[^"]*" == extra')


@dataclass(frozen=True, kw_only=True, slots=True)
class _Link:
    """A URL or path taken apart.

    Attributes:
        name: The package it is required as.
        address: Without the fragment; may hold credentials.
        requested: Without credentials too: what messages and locks may show.
        hashes: The hashes that the fragment demands, by algorithm.
        subdirectory: Inside the archive, folder or repository, or empty.
    """

    name: NormalizedName
    address: str
    requested: str
    hashes: dict[str, str]
    subdirectory: str

    @property
    def shown(self) -> str:
        """The reference as messages show it; a query may hold a secret."""
        return f"{self.name} @ {self.requested.partition('?')[0]}"


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
        return f"`{reference.requested.partition('?')[0]}`{folder}{by}"

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
        url: A URL, or a path that counts from the project folder; may hold credentials and a fragment.
        project: The project folder.
        fetch: Returns a whole remote file; it gets the URL with credentials, and keeps them from others.
        builder: Reads and builds what is no wheel.
        offline: Leave the network alone.
        locked: What a lock has of this name: a repository's commit is kept where the URL and revision are the same.

    Raises:
        InvalidRequirements: The URL is wrong, what it names is not there, or it is another package.
        IndexFailed: It can't be had, is another file than was locked, has the wrong hash, or has broken metadata.
        NoEligibleRelease: It needs a build and may not have one.
        BuildFailed: Its build failed.
        CommandFailed: It needs git, and there is none.
    """
    link = _parse(name, url)
    try:
        reference = _find(link, project=project, fetch=fetch, builder=builder, offline=offline, locked=locked)
    except InvalidMetadata as error:
        raise IndexFailed(
            f"`{link.shown}` is unusable: {error.reason}", hint="correct it where it is made, or require another"
        ) from error
    if reference.metadata.name != name:
        raise _other_name(link, reference.metadata.name)
    fixed = PurePosixPath(reference.path).is_absolute()
    return reference._replace(metadata=with_portable_needs(reference.metadata, project, fixed=fixed))


def _find(
    link: _Link,
    *,
    project: Path,
    fetch: Callable[[str], bytes],
    builder: Builder,
    offline: bool,
    locked: LockedReference | None,
) -> Reference:
    vcs = _VCS.match(link.address)
    if vcs:
        return _find_vcs(link, vcs["vcs"].lower(), vcs["rest"], builder, offline=offline, locked=locked)
    path = as_path(link.address)
    if path is not None:
        return _find_local(link, path, project, builder)
    if urlsplit(link.address).scheme.lower() not in ("http", "https"):
        raise InvalidRequirements(
            f"`{link.shown}` is no URL that can be fetched",
            hint="http, https, file and git+https URLs are understood, and paths",
        )
    filename = _checked_filename(link, unquote(PurePosixPath(urlsplit(link.address).path).name))
    if offline:
        raise _is_offline(link)
    data = fetch(link.address)
    _check_unchanged(link, data, locked)
    return _of_archive(link, data, filename, builder, url=link.requested)


# The parts of a URL


def _parse(name: NormalizedName, url: str) -> _Link:
    address, _, fragment = url.strip().partition("#")
    shown = f"{name} @ {redact(address).partition('?')[0]}"
    if not address or not address.isprintable():
        raise InvalidRequirements(
            f"`{name} @` is followed by no URL", hint="write `name @ https://...`, or a specifier such as `name>=1`"
        )
    try:
        _ = urlsplit(address).port
    except ValueError as error:
        raise InvalidRequirements(f"`{shown}` is no valid URL: {error}", hint="correct the URL") from error
    fields = [(key.lower(), unquote(value)) for key, _, value in (part.partition("=") for part in fragment.split("&"))]
    link = _Link(
        name=name,
        address=address,
        requested=redact(address),
        hashes={key: value.lower() for key, value in fields if key in DIGITS},
        subdirectory=_normalized(next((value for key, value in fields if key == "subdirectory"), "")),
    )
    _check_fragment(link, next((value for key, value in fields if key == "egg"), ""))
    return link


def _normalized(subdirectory: str) -> str:
    path = PurePosixPath(subdirectory.strip("/")).as_posix()
    return "" if path == "." else path


def _check_fragment(link: _Link, egg: str) -> None:
    for algorithm, digest in link.hashes.items():
        if not is_digest(algorithm, digest):
            raise InvalidRequirements(
                f"`{link.shown}` has an invalid {algorithm}: `{digest}`",
                hint="correct the hash, or remove it from the URL",
            )
    if not is_inside(link.subdirectory) or not link.subdirectory.isprintable():
        raise InvalidRequirements(
            f"`{link.shown}` has a subdirectory that leads out of it: `{link.subdirectory}`",
            hint="name a folder inside it: `#subdirectory=packages/name`",
        )
    project = egg.partition("[")[0]
    if project and canonicalize_name(project) != link.name:
        raise _other_name(link, canonicalize_name(project))


def _checked_filename(link: _Link, filename: str) -> str:
    """Return the file name of an archive; never one that could name another place."""
    if "/" in filename or "\\" in filename or not filename.isprintable():
        raise InvalidRequirements(
            f"`{link.shown}` ends in no usable file name", hint="name the archive itself, with its file name at the end"
        )
    if not filename.lower().endswith((".whl", *SDIST_ENDINGS)):
        raise InvalidRequirements(
            f"`{link.shown}` is neither a wheel nor an sdist by its name",
            hint=f"it must end in one of .whl {' '.join(SDIST_ENDINGS)}; a repository is written `git+https://...`",
        )
    if filename.lower().endswith(".whl"):
        _check_wheel_name(link, filename)
    return filename


def _check_wheel_name(link: _Link, filename: str) -> None:
    try:
        name = parse_wheel_filename(filename)[0]
    except ValueError as error:
        raise InvalidRequirements(
            f"`{link.shown}` has no valid name for a wheel", hint="give the file the name that its build gave it"
        ) from error
    if name != link.name:
        raise _other_name(link, name)


# Archives


def _of_archive(
    link: _Link, data: bytes, filename: str, builder: Builder, *, url: str = "", path: str = ""
) -> Reference:
    _check_hashes(link, data)
    is_wheel = filename.lower().endswith(".whl")
    if is_wheel:
        described = Described(_of_wheel(link, data, filename), ())
    else:
        described = builder.describe_archive(
            data, filename, name=link.name, what=link.shown, subdirectory=link.subdirectory
        )
    return Reference(
        requested=link.requested,
        kind="archive",
        url=url,
        path=path,
        subdirectory="" if is_wheel else link.subdirectory,
        hashes=(("sha256", hashlib.sha256(data).hexdigest()),),
        size=len(data),
        vcs="",
        requested_revision="",
        commit="",
        metadata=described.metadata,
        filename=filename,
        build_requires=described.build_requires,
    )


def _of_wheel(link: _Link, data: bytes, filename: str) -> Metadata:
    """Read a wheel and hold its metadata against its file name, which is all that installers go by (PEP 427)."""
    metadata = parse_metadata(wheel_metadata(io.BytesIO(data), filename))
    if (metadata.name, metadata.version) != (link.name, str(parse_wheel_filename(filename)[1])):
        raise InvalidMetadata(f"its metadata says that it is `{metadata.name}` {metadata.version}")
    return metadata


def _check_hashes(link: _Link, data: bytes) -> None:
    for algorithm, digest in link.hashes.items():
        found = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        if found != digest:
            raise IndexFailed(
                f"`{link.shown}` has the wrong hash",
                context=[f"required {algorithm} {digest}", f"it has   {algorithm} {found}"],
                hint="it was replaced, or something between is broken or hostile; nothing was written",
            )


def _check_unchanged(link: _Link, data: bytes, locked: LockedReference | None) -> None:
    """Hold a remote file against the lock: what a URL serves must not change without anyone's knowledge."""
    found = hashlib.sha256(data).hexdigest()
    if locked and locked.url == link.requested and locked.sha256 not in ("", found):
        raise IndexFailed(
            f"`{link.shown}` is not the file that was locked",
            context=[f"locked sha256 {locked.sha256}", f"it has sha256 {found}"],
            hint=f"if the change is meant: `zlock resolve --upgrade-package {link.name}`",
        )


# Folders and files


def _find_local(link: _Link, path: Path, project: Path, builder: Builder) -> Reference:
    parts = urlsplit(link.address)
    if parts.scheme == "file" and parts.netloc.lower() not in ("", "localhost"):
        raise InvalidRequirements(
            f"`{link.shown}` names a file on another machine", hint="a file URL has three slashes: `file:///...`"
        )
    absolute = Path(os.path.abspath(project / path))  # noqa: PTH100 - resolve() would follow the last link too
    own = absolute.parent.resolve() / absolute.name
    relative = portable(own, project.resolve(), fixed=path.is_absolute())
    if absolute.is_dir():
        return _of_folder(link, absolute, relative, builder, project)
    if not absolute.exists():
        raise InvalidRequirements(
            f"`{link.shown}` is not there",
            context=[f"looked at `{absolute}`"],
            hint="correct the path; a relative one counts from the project folder",
        )
    filename = _checked_filename(link, absolute.name)
    try:
        data = absolute.read_bytes()
    except OSError as error:
        raise InvalidRequirements(
            f"`{link.shown}` can't be read: {error.strerror}", hint="let your user read it"
        ) from error
    return _of_archive(link, data, filename, builder, path=relative)


def _of_folder(link: _Link, folder: Path, relative: str, builder: Builder, project: Path) -> Reference:
    try:
        tree = folder_in(folder, link.subdirectory)
        described = builder.describe_tree(tree, name=link.name, what=link.shown)
    except InvalidMetadata as error:
        raise InvalidRequirements(
            f"`{link.shown}` is unusable: {error.reason}", hint="correct the project in that folder"
        ) from error
    found = with_sources(described.metadata, tree, place=on_this_machine, root=project)
    return Reference(
        requested=link.requested,
        kind="directory",
        url="",
        path=relative,
        subdirectory=link.subdirectory,
        hashes=(),
        size=-1,
        vcs="",
        requested_revision="",
        commit="",
        metadata=found.metadata,
        filename="",
        routes=found.routes,
        build_requires=described.build_requires,
    )


# Repositories


def _find_vcs(
    link: _Link, vcs: str, rest: str, builder: Builder, *, offline: bool, locked: LockedReference | None
) -> Reference:
    from zlock.index import git

    if vcs != "git":
        raise InvalidRequirements(
            f"`{link.shown}` is a repository of another kind than git, and only git is understood",
            hint="require a release, an archive by URL, or a git mirror of it",
        )
    address, revision = _split_revision(link, rest)
    url = redact(address)
    if offline and urlsplit(address).scheme != "file":
        raise _is_offline(link)
    _check_repository(link, address)
    with temporary_folder() as folder:
        if locked and (locked.url, locked.requested_revision) == (url, revision) and locked.commit:
            commit = _clone_locked(link, address, locked, folder / "tree")
        else:
            commit = git.clone(address, revision, folder / "tree")
        tree = folder_in(folder / "tree", link.subdirectory)
        described = builder.describe_tree(tree, name=link.name, what=link.shown)
        place = in_repository(f"git+{url}@{commit}", folder / "tree")
        root = folder / "tree"
        found = with_sources(described.metadata, tree, place=place, root=root, within=link.shown, limit=root)
    return Reference(
        requested=link.requested,
        kind="vcs",
        url=url,
        path="",
        subdirectory=link.subdirectory,
        hashes=(),
        size=-1,
        vcs="git",
        requested_revision=revision,
        commit=commit,
        metadata=found.metadata,
        filename="",
        build_requires=described.build_requires,
        routes=found.routes,
    )


def _clone_locked(link: _Link, address: str, locked: LockedReference, folder: Path) -> str:
    """Clone a repository at the commit that is locked, wherever its branches are by now."""
    from zlock.index import git

    try:
        commit = git.clone(address, locked.commit, folder)
    except InvalidRequirements:
        commit = ""
    if commit != locked.commit:
        raise IndexFailed(
            f"the commit of `{link.shown}` that was locked is gone from its repository",
            context=[f"locked {locked.commit}"],
            hint=f"to take what is there now: `zlock resolve --upgrade-package {link.name}`",
        )
    return commit


def _split_revision(link: _Link, rest: str) -> tuple[str, str]:
    """Split `URL@REVISION`; the last `@` of the path counts."""
    from zlock.index.git import check_revision

    parts = urlsplit(rest)
    scheme = parts.scheme.lower()
    host = parts.hostname or ""
    if scheme not in _GIT_SCHEMES or "://" not in rest or (scheme != "file" and not host):
        raise InvalidRequirements(
            f"`{link.shown}` is no git URL that is understood",
            hint="write git+https://HOST/PATH, git+ssh://git@HOST/PATH or git+file:///PATH",
        )
    if host.startswith("-") or (parts.username or "").startswith("-"):
        raise InvalidRequirements(
            f"`{link.shown}` has a host that would pass for an option",
            hint="correct the host, which can't begin with `-`",
        )
    path, at, revision = parts.path.rpartition("@")
    if not at:
        return rest, ""
    revision = unquote(revision)
    if not revision:
        raise InvalidRequirements(
            f"`{link.shown}` names no revision after the `@`",
            hint="write a branch, tag or commit after the `@`, or leave it out",
        )
    check_revision(revision, link.shown)
    return parts._replace(path=path).geturl(), revision


def _check_repository(link: _Link, address: str) -> None:
    """Tell a local repository that is not there from one that fails; git's words for both are the same."""
    path = as_path(address)
    if path is not None and not path.is_dir():
        raise InvalidRequirements(
            f"`{link.shown}` is not there",
            context=[f"looked at `{path}`"],
            hint="correct the path, or make the repository",
        )


def _is_offline(link: _Link) -> IndexFailed:
    return IndexFailed(
        f"`{link.shown}` is not in the cache, and --offline leaves the network alone", hint="run without --offline"
    )


def _other_name(link: _Link, name: NormalizedName) -> InvalidRequirements:
    return InvalidRequirements(
        f"`{link.shown}` is `{name}`, another package", hint=f"write `{name} @ ...`, or correct the URL"
    )
