"""URLs of requirements: read, checked and written here alone."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import PurePosixPath
from typing import Final, Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from zlock.model.controls import CONTROLS
from zlock.model.digest import DIGITS, is_digest
from zlock.model.distribution import SDIST_ENDINGS
from zlock.model.paths import LONGEST_NAME, is_inside
from zlock.model.unshown import Unshown
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
ARCHIVE_ENDINGS: Final = (".whl", *SDIST_ENDINGS, ".tar", ".tbz", ".txz", ".tar.lz", ".tlz", ".tar.lzma")
"""The endings of the files that pip installs."""
PROJECT_NAME: Final = re.compile(r"[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)
"""A project's name (PEP 508)."""
# What `git check-ref-format` refuses, and what a command would take for an option or for an expression.
_NO_REVISION = r"^-|\.\.|@\{|[\s~^:?*\[\\\x00-\x1f\x7f]"
_CONTROL = re.compile(f"[{CONTROLS}]")
_CORRECT: Final = "correct the URL, or name the package alone"
_SSH_FORM: Final = "write `git+ssh://git@host/path`, with a slash after the host"


class Flaw(Enum):
    """Why a URL can't be used, and the way out; nothing of the URL, which may be secret, is in either."""

    NO_URL = "it is not a valid URL", _CORRECT
    NO_SCHEME = "it has no scheme", "write a whole URL: `https://...`, `git+https://...` or `file:///...`"
    SCP_FORM = "it has no scheme", _SSH_FORM
    PORT = "its port is not a number", _CORRECT
    SSH_PORT = "its port is not a number", _SSH_FORM
    SCHEME = "its scheme is unknown", "zlock reads http, https, file, and git+https and its like"
    CHARACTERS = "it holds white space, a control character or `${`", "write such characters as `%20`"
    BRACKET = "its path holds a bracket", "extras belong behind the name: `name[extra] @ URL`"
    HOST_OPTION = "its host begins with `-`, and would pass for an option", _CORRECT
    HOST_CHARACTERS = "its host holds a backslash or an escape", _CORRECT
    NO_HOST = "it has no host", _CORRECT
    OTHER_MACHINE = (
        "it names a file on another machine",
        "write `file:///PATH`, or `file:PATH` for one in this folder",
    )
    NOT_ABSOLUTE = "it is not an absolute path", "write `git+file:///` and the whole path"
    QUERY = "it has a query, behind which no revision would be found", _CORRECT
    PATH_CHARACTERS = "its path holds a backslash", "write slashes, or `%5C` for a backslash that is meant"
    NO_REVISION = "it names no revision after the `@`", "write a branch, tag or commit after the `@`, or leave it out"
    REVISION = "it names a revision that git does not allow", "write a branch, tag or commit id after the `@`"
    SUBDIRECTORY = "its `subdirectory` leads out of what it names", "name a folder inside it, such as `packages/name`"
    EGG = "its `egg` is not a project name", "write `name[extra] @ URL` instead"
    HASH = "its hash is not a digest of the algorithm it names", "correct the hash, or remove it from the URL"
    FILE_NAME = "it ends in no usable file name", "name the archive itself, with its file name at the end"
    WHEEL = "its file name is not one of a wheel", "give the file the name that its build gave it"
    PATH = "its path holds a control character", "rename what it names"


class LinkError(ValueError):
    """A URL can't be used.

    Attributes:
        hint: The way out.
        path: The path that it may be meant as, or empty.
    """

    def __init__(self, flaw: Flaw, path: str = "") -> None:
        message, self.hint = flaw.value
        super().__init__(message)
        self.path = path


class Link(Unshown, frozen=True, kw_only=True):
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

    address: str
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
        parts = _split(url)
        vcs, _, scheme = parts.scheme.rpartition("+")
        path, _, revision = parts.path.rpartition("@") if vcs and "@" in parts.path else (parts.path, "", "")
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
        _check(link, url, parts)
        return link

    @property
    def public(self) -> str:
        """It without credentials and fragment: what tells one place from another."""
        return public(self.address)

    @property
    def shown(self) -> str:
        """It as messages show it, see `shown`."""
        return shown(self.address)

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


def with_subdirectory(url: str, folder: str) -> str:
    """Return the URL of a folder in what a URL names; of that itself for an empty one."""
    return f"{url}{'&' if '#' in url else '#'}subdirectory={quote(folder)}" if folder else url


def git_url(repository: str, revision: str, folder: str) -> str:
    """Return the URL of a repository that git's own way names: `https://host/path`, or `git@host:path` over ssh.

    Args:
        repository: It; may have `git+` in front already.
        revision: The branch, tag or commit, or empty.
        folder: The folder in it, or empty.
    """
    address = repository.removeprefix("git+")
    short = None if "://" in address else re.fullmatch(r"([\w.-]+@)?([\w.-]+):(?!/)(.+)", address)
    url = f"ssh://{short[1] or ''}{short[2]}/{short[3]}" if short else address
    return with_subdirectory(f"git+{url}{f'@{quote(revision)}' if revision else ''}", folder)


def public(url: str) -> str:
    """Return a URL without credentials and fragment: what tells one place from another."""
    return redact(url.partition("#")[0])


def shown(url: str) -> str:
    """Return what may be no URL as messages show it: without the query too, which may hold a secret."""
    return public(url).partition("?")[0]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise LinkError(Flaw.NO_URL) from error
    if not parts.scheme:
        is_ssh = re.match(r"(git\+)?[\w.-]+@[\w.-]+:", url)
        raise LinkError(Flaw.SCP_FORM if is_ssh else Flaw.NO_SCHEME, "" if parts.netloc else parts.path)
    try:
        _ = parts.port
    except ValueError as error:
        raise LinkError(Flaw.SSH_PORT if "ssh" in parts.scheme else Flaw.PORT) from error
    return parts


def _check(link: Link, url: str, parts: SplitResult) -> None:
    """Refuse what nothing can be had from, and what programs may read in another way than zlock does."""
    is_file, host, folder, revision = link.scheme == "file", link.host, link.subdirectory, link.revision
    name = link.file_name if link.kind in ("wheel", "sdist", "archive") else ""
    flaws = {
        Flaw.SCHEME: parts.scheme not in _SCHEMES,
        Flaw.CHARACTERS: not url.isprintable() or re.search(r"\s|\$\{", url),  # pip fills in variables
        Flaw.BRACKET: "[" in parts.path,
        Flaw.HOST_OPTION: parts.netloc.startswith("-") or host.startswith("-"),
        Flaw.HOST_CHARACTERS: "\\" in parts.netloc or ("%" in host and ":" not in host),
        Flaw.NO_HOST: not host and not is_file and link.scheme != "lp",
        Flaw.OTHER_MACHINE: is_file and host not in ("", "localhost"),
        Flaw.NOT_ABSOLUTE: is_file and link.vcs and "://" not in url,
        Flaw.QUERY: link.vcs and parts.query,
        Flaw.NO_REVISION: link.vcs and parts.path.endswith("@"),
        Flaw.REVISION: not revision.isprintable() or re.search(_NO_REVISION, revision),
        Flaw.SUBDIRECTORY: not is_inside(folder) or folder.startswith("-") or not folder.isprintable(),
        Flaw.EGG: link.egg and not PROJECT_NAME.fullmatch(link.egg),
        Flaw.HASH: not all(is_digest(*one) for one in link.hashes),
        Flaw.FILE_NAME: re.search(r"[/\\]", name) or not name.isprintable() or len(name) > LONGEST_NAME,
        Flaw.WHEEL: link.kind == "wheel" and not _is_wheel_name(name),
        Flaw.PATH_CHARACTERS: not is_file and "\\" in parts.path,
        Flaw.PATH: _CONTROL.search(link.path),
    }
    for flaw, is_there in flaws.items():
        if is_there:
            raise LinkError(flaw)


def _is_wheel_name(name: str) -> bool:
    try:
        return len(name) <= LONGEST_NAME and bool(parse_wheel_filename(name))  # a longer one may have endless tags
    except ValueError:
        return False


def _fields(fragment: str) -> dict[str, str]:
    """Read `a=1&b=2`; the first of two wins, as pip's search has it."""
    fields: dict[str, str] = {}
    for part in fragment.split("&"):
        key, _, value = part.partition("=")
        fields.setdefault(key.lower(), unquote(value))
    return fields
