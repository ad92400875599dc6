"""URLs of requirements: read, checked and written here alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from zlock.model.digest import DIGITS, is_digest
from zlock.model.paths import is_inside
from zlock.redact import redact

Kind = Literal["vcs", "wheel", "sdist", "archive", "folder"]

VCS: Final = ("git", "hg", "svn", "bzr")
_REPOSITORIES: Final = frozenset(
    f"{vcs}+{scheme}"
    for vcs, schemes in {
        "git": ("http", "https", "ssh", "git", "file"),
        "hg": ("http", "https", "ssh", "static-http", "file"),
        "svn": ("http", "https", "ssh", "svn", "file"),
        "bzr": ("http", "https", "ssh", "sftp", "lp", "file"),
    }.items()
    for scheme in schemes
)
_SCHEMES: Final = frozenset({"http", "https", "file"}) | _REPOSITORIES
_PIP_SCHEMES: Final = _SCHEMES | {"ftp", "bzr+ftp"}
SDIST_ENDINGS: Final = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
ARCHIVE_ENDINGS: Final = (".whl", *SDIST_ENDINGS, ".tar", ".tbz", ".txz", ".tar.lz", ".tlz", ".tar.lzma")
"""The endings of the files that pip installs."""
PROJECT_NAME: Final = re.compile(r"[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)
"""A project's name (PEP 508)."""
# What `git check-ref-format` refuses, and what a command would take for an option or for an expression.
_NO_REVISION = re.compile(r"^-|\.\.|@\{|[\s~^:?*\[\\\x00-\x1f\x7f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SSH_FORM: Final = "write `git+ssh://git@host/path`, with a slash after the host"


class LinkError(ValueError):
    """A URL can't be used: the message says why, and holds nothing of the URL, which may be secret.

    Attributes:
        hint: The way out.
        path: The path that it may be meant as, or empty.
    """

    def __init__(
        self, message: str, *, hint: str = "correct the URL, or name the package alone", path: str = ""
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.path = path


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """The URL of a requirement (PEP 508), a repository's as pip has it: `git+https://host/path@revision`.

    Attributes:
        address: It without its fragment; the only part that may hold credentials.
        vcs: One of `VCS` for a repository, or empty.
        scheme: In lower case, that of a repository without `git+`.
        host: In lower case, or empty.
        path: With its escapes undone, that of a repository without the revision; one of this machine may be relative.
        file_name: The last part of the path.
        revision: The branch, tag or commit that is asked of a repository, or empty.
        fragment: As it is written, but for `egg`.
        egg: The project's name in the fragment, or empty.
        subdirectory: Inside the archive, folder or repository, or empty.
        hashes: That the fragment demands: pairs of algorithm and digest.
    """

    address: str = field(repr=False)
    vcs: str
    scheme: str
    host: str
    path: str
    file_name: str
    revision: str
    fragment: str
    egg: str
    subdirectory: str
    hashes: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, url: str) -> Link:
        """Read a URL.

        Args:
            url: Absolute, or `file:` and a relative path (RFC 8089, appendix E.2.1).

        Raises:
            LinkError: It is none, its scheme is unknown, or a part of it could pass for something else.
        """
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise LinkError("it is no valid URL") from error
        _check_scheme(url, parts)
        _check_characters(url, parts)
        _check_host(url, parts)
        vcs, _, scheme = parts.scheme.rpartition("+")
        asks = bool(vcs) and "@" in parts.path
        path, _, revision = parts.path.rpartition("@") if asks else (parts.path, "", "")
        fields = _fields(parts.fragment)
        folder = PurePosixPath(fields.get("subdirectory", "")).as_posix()
        kept = [part for part in parts.fragment.split("&") if part and not part.lower().startswith("egg=")]
        link = cls(
            address=url.partition("#")[0],
            vcs=vcs,
            scheme=scheme,
            host=parts.hostname or "",
            path=unquote(path),
            file_name=unquote(PurePosixPath(path).name),
            revision=unquote(revision),
            fragment="&".join(kept),
            egg=fields.get("egg", ""),
            subdirectory="" if folder == "." else folder,
            hashes=tuple((name, digest.lower()) for name, digest in fields.items() if name in DIGITS),
        )
        if asks and not revision:
            hint = "write a branch, tag or commit after the `@`, or leave it out"
            raise LinkError("it names no revision after the `@`", hint=hint)
        _check_parts(link)
        return link

    @property
    def public(self) -> str:
        """It without credentials and fragment: what tells one place from another."""
        return redact(self.address)

    @property
    def shown(self) -> str:
        """It as messages show it: without the query too, which may hold a secret."""
        return self.public.partition("?")[0]

    @property
    def url(self) -> str:
        """It as it was read, but for `egg`, where a requirement says the name; may hold credentials."""
        return self.address + self.mark

    @property
    def mark(self) -> str:
        """The fragment with its `#`, or empty."""
        return f"#{self.fragment}" if self.fragment else ""

    @property
    def stored(self) -> str:
        """It as a lock has it: without credentials."""
        return redact(self.url)

    @property
    def repository(self) -> str:
        """The address of a repository, as its program takes it; may hold credentials."""
        address = self.address[len(self.vcs) + 1 :]
        parts = urlsplit(address)
        return parts._replace(path=parts.path.rpartition("@")[0]).geturl() if self.revision else address

    @property
    def is_local(self) -> bool:
        """Whether it is a file or folder of this machine."""
        return self.scheme == "file" and not self.vcs

    @property
    def kind(self) -> Kind:
        """What it names, as far as it tells: an `archive` is one that pip knows, "folder" is what has no such name."""
        if self.vcs:
            return "vcs"
        name = self.file_name.lower()
        if name.endswith(".whl"):
            return "wheel"
        return "sdist" if name.endswith(SDIST_ENDINGS) else "archive" if name.endswith(ARCHIVE_ENDINGS) else "folder"

    @property
    def name(self) -> str:
        """The project's name by a wheel's file name, else by `egg`; empty where neither says it."""
        return parse_wheel_filename(self.file_name)[0] if self.kind == "wheel" else self.egg

    @property
    def sdist_name(self) -> str:
        """The project's name by the file name of an sdist, which may be any other; empty where it says none."""
        try:
            return "" if self.vcs else parse_sdist_filename(self.file_name)[0]
        except ValueError:
            return ""


def is_link(text: str) -> bool:
    """Return whether pip takes a text for a URL."""
    return text.partition(":")[0].lower() in _PIP_SCHEMES


def is_repository(text: str) -> bool:
    """Return whether pip takes a text for the URL of a repository."""
    return text.partition(":")[0].lower() in _REPOSITORIES


def is_wheel(place: str) -> bool:
    """Return whether a URL or a path names a wheel."""
    return (urlsplit(place).path if "://" in place else place).lower().endswith(".whl")


def shown(url: str) -> str:
    """Return a text that may be no URL as messages show it, see `Link.shown`."""
    return redact(url.partition("#")[0]).partition("?")[0]


def _check_scheme(url: str, parts: SplitResult) -> None:
    if not parts.scheme:
        hint = "write a whole URL: `https://...`, `git+https://...` or `file:///...`"
        is_ssh = re.match(r"(git\+)?[\w.-]+@[\w.-]+:", url)
        raise LinkError("it has no scheme", hint=_SSH_FORM if is_ssh else hint, path="" if parts.netloc else parts.path)
    if parts.scheme not in _SCHEMES:
        raise LinkError("its scheme is unknown", hint="zlock reads http, https, file, and git+https and its like")


def _check_characters(url: str, parts: SplitResult) -> None:
    if not url.isprintable() or re.search(r"\s", url):
        raise LinkError("it holds white space or a control character", hint="write such characters as `%20`")
    if "[" in parts.path:
        raise LinkError("its path holds a bracket", hint="extras belong behind the name: `name[extra] @ URL`")


def _check_host(url: str, parts: SplitResult) -> None:
    """Refuse a missing host, one that programs read differently, and what ssh would take for an option."""
    try:
        _ = parts.port
    except ValueError as error:
        raise LinkError("its port is no number", hint=_SSH_FORM if "ssh" in parts.scheme else "") from error
    host = parts.hostname or ""
    if parts.netloc.startswith("-") or host.startswith("-"):
        raise LinkError("its host begins with `-`, and would pass for an option")
    if "\\" in parts.netloc or ("%" in host and ":" not in host):
        raise LinkError("its host holds a backslash or an escape")
    if parts.scheme.endswith("file"):
        if host not in ("", "localhost"):
            hint = f"write `file:///` and the whole path, or `file:{parts.netloc}{parts.path}` for one in this folder"
            raise LinkError("it names a file on another machine", hint=hint)
    elif not host and not parts.scheme.endswith("+lp"):
        raise LinkError("it has no host")
    if "+file" in parts.scheme and "://" not in url:
        raise LinkError("it is no absolute path", hint="write `git+file:///` and the whole path")


def _check_parts(link: Link) -> None:
    if link.revision and (_NO_REVISION.search(link.revision) or not link.revision.isprintable()):
        raise LinkError(
            "it names a revision that git does not allow",
            hint="write the name of a branch or tag, or a commit id, after the `@`",
        )
    if not is_inside(link.subdirectory) or link.subdirectory.startswith("-") or not link.subdirectory.isprintable():
        raise LinkError(
            "its `subdirectory` leads out of what it names",
            hint="name a folder inside it: `#subdirectory=packages/name`",
        )
    if link.egg and not PROJECT_NAME.fullmatch(link.egg):
        raise LinkError("its `egg` is no project name", hint="write `name[extra] @ URL` instead")
    for algorithm, digest in link.hashes:
        if not is_digest(algorithm, digest):
            raise LinkError(f"it has an invalid {algorithm}", hint="correct the hash, or remove it from the URL")
    if link.kind in ("wheel", "sdist", "archive"):
        _check_file_name(link)
    elif _CONTROL.search(link.path):
        raise LinkError("its path holds a control character", hint="rename what it names")


def _check_file_name(link: Link) -> None:
    """Refuse a file name that could name another place, and one of a wheel that says nothing."""
    if re.search(r"[/\\]", link.file_name) or not link.file_name.isprintable():
        hint = "name the archive itself, with its file name at the end"
        raise LinkError("it ends in no usable file name", hint=hint)
    if link.kind == "wheel":
        try:
            parse_wheel_filename(link.file_name)
        except ValueError as error:
            hint = "give the file the name that its build gave it"
            raise LinkError("its file name is not one of a wheel", hint=hint) from error


def _fields(fragment: str) -> dict[str, str]:
    """Read `a=1&b=2`; the first of two wins, as pip's search has it."""
    fields: dict[str, str] = {}
    for part in fragment.split("&"):
        key, _, value = part.partition("=")
        fields.setdefault(key.lower(), unquote(value))
    return fields
