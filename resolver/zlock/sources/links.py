"""URLs and local paths in requirements: what they name, what is refused in them, what is kept out of messages."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from zlock.model.paths import file_url, path_in, portable
from zlock.redact import redact
from zlock.regular import read_regular

VCS: Final = ("git", "hg", "svn", "bzr")
_VCS_SCHEMES: Final = frozenset(
    f"{vcs}+{scheme}"
    for vcs, schemes in {
        "git": ("http", "https", "ssh", "git", "file"),
        "hg": ("http", "https", "ssh", "static-http", "file"),
        "svn": ("http", "https", "ssh", "svn", "file"),
        "bzr": ("http", "https", "ssh", "sftp", "lp", "file"),
    }.items()
    for scheme in schemes
)
_SCHEMES: Final = frozenset({"http", "https", "file"}) | _VCS_SCHEMES
_PIP_SCHEMES: Final = _SCHEMES | {"ftp", "bzr+ftp"}
_TARS: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.lz", ".tlz", ".tar.lzma")
_ARCHIVES: Final = (".whl", ".zip", *_TARS)
_STRONG_HASHES: Final = ("sha256", "sha384", "sha512")
_PROJECT_NAME = re.compile(r"[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE)
_QUERY_VALUE = re.compile(r"([?&][^=&#\s]+)=[^&#\s]*")


class LinkError(ValueError):
    """A URL or path can't be used; `hint` is the way out."""

    def __init__(self, message: str, *, hint: str = "correct the URL, or name the package alone") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """What local paths count from.

    Attributes:
        folder: The folder that relative ones count from.
        project: The project's folder: what is stored counts from there, so that it is the same in every copy.
    """

    folder: Path
    project: Path

    def find(self, written: str) -> Path:
        """Give the place that a path names."""
        return absolute(self.folder / written)

    def stored(self, written: str) -> str:
        """Give the `file:` URL of a path as it may be stored."""
        place, fixed = self.find(written), Path(written).is_absolute()
        # An absolute path may lead into the project through a link, as `/tmp` is one on some systems.
        real = place.parent.resolve() / place.name if fixed else place
        return file_url(portable(real if real.is_relative_to(self.project) else place, self.project, fixed=fixed))

    def place(self, stored: str) -> Path:
        """Give the place that a stored `file:` URL names."""
        return absolute(self.project / path_in(stored))


def redacted(text: str) -> str:
    """Give a text as it may be shown: no user, password or query value of any URL in it."""
    return _QUERY_VALUE.sub(r"\1=****", redact(text))


def public_address(value: str) -> str:
    """Give an index's address without anything that could be a credential: user, password, query, fragment."""
    if "//" not in value:
        return value
    return re.split(r"[?#]", redact(value))[0]


def is_link(text: str) -> bool:
    """Say whether pip takes a text for a bare URL."""
    return split(text).scheme in _PIP_SCHEMES


def is_vcs(url: str) -> bool:
    """Say whether a URL names a repository."""
    return split(url).scheme in _VCS_SCHEMES


def split(url: str) -> SplitResult:
    """Split a URL.

    Raises:
        LinkError: It is none.
    """
    try:
        return urlsplit(url)
    except ValueError as error:
        raise LinkError("it is no valid URL") from error


def absolute(path: Path) -> Path:
    """Make a path absolute without following links: what a person wrote stays recognizable."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links


def looks_like_path(text: str) -> bool:
    """Say whether pip would look for a folder of that name."""
    return os.path.sep in text or text.startswith(".") or bool(os.path.altsep and os.path.altsep in text)


def is_archive(text: str) -> bool:
    """Say whether a file name is one of a wheel or another archive that pip knows."""
    return text.lower().endswith(_ARCHIVES)


def split_extras(text: str) -> tuple[str, str]:
    """Split `path[extras]` into the path and the extras with their brackets, the latter often empty."""
    found = re.fullmatch(r"(.*?\S)\s*(\[[^\]]+\])", text) if text.endswith("]") else None
    return (found.group(1), found.group(2)) if found else (text, "")


def path_meant(url: str) -> str | None:
    """Give the path that a URL without a scheme is; None where there is one."""
    parts = split(url)
    return None if parts.scheme or parts.netloc else parts.path


def settle(url: str, base: Base) -> tuple[str, bool]:
    """Check a URL and give it as it may be stored, and whether credentials were removed from it.

    A `file:` URL then counts from the project's folder, see `Base`. The user of an ssh URL stays, as it is no secret.

    Raises:
        LinkError: It is no URL, its scheme is unknown, or a part of it could be read as a command's option.
    """
    parts = split(url)
    _check_scheme(parts)
    _check_characters(url, parts)
    _check_host(parts)
    _check_revision(parts)
    _check_subdirectory(parts.fragment)
    if parts.scheme == "file":
        return _stored_file(url, parts, base), False
    kept = _public_authority(parts)
    return url.replace(f"//{parts.netloc}", f"//{kept}", 1), kept != parts.netloc


def egg(url: str) -> str | None:
    """Give the name in a URL's `#egg=` fragment.

    Raises:
        LinkError: The fragment holds more than a name.
    """
    name = _fragment(url).get("egg")
    if name is not None and not _PROJECT_NAME.fullmatch(name):
        raise LinkError("its `egg` is no project name", hint="write `name[extra] @ URL` instead")
    return name


def without_egg(url: str) -> str:
    """Give a URL without `egg=` in its fragment, where a requirement states the name itself."""
    address, _, fragment = url.partition("#")
    kept = "&".join(part for part in fragment.split("&") if part and not part.startswith("egg="))
    return f"{address}#{kept}" if kept else address


def strong_hash(url: str) -> str | None:
    """Give the `algorithm:digest` in a URL's fragment, where the algorithm is one that can be trusted."""
    fragment = _fragment(url)
    return next((f"{name}:{fragment[name].lower()}" for name in _STRONG_HASHES if name in fragment), None)


def wheel_name(url: str) -> str | None:
    """Give the project's name in the file name of a wheel; None for what is no wheel.

    Raises:
        LinkError: The file name is no wheel's.
    """
    filename = _filename(url)
    if not filename.lower().endswith(".whl"):
        return None
    try:
        return str(parse_wheel_filename(filename)[0])
    except ValueError as error:
        raise LinkError("its file name is not one of a wheel") from error


def sdist_name(url: str) -> str | None:
    """Give the project's name in the file name of an sdist; None where it says none."""
    try:
        return str(parse_sdist_filename(_filename(url))[0])
    except ValueError:
        return None


def folder_name(folder: Path) -> str | None:
    """Give the name that a project's folder states, from `pyproject.toml` or `setup.cfg`; nothing is run."""
    return _pyproject_name(folder / "pyproject.toml") or _setup_name(folder / "setup.cfg")


def is_project(folder: Path) -> bool:
    """Say whether a folder can be installed."""
    return (folder / "pyproject.toml").is_file() or (folder / "setup.py").is_file()


def _pyproject_name(path: Path) -> str | None:
    try:
        data = tomllib.loads(read_regular(path).decode())
    except (OSError, ValueError, RecursionError):
        return None
    poetry = _table(_table(data, "tool"), "poetry")
    name = _table(data, "project").get("name", poetry.get("name"))
    return name if isinstance(name, str) and _PROJECT_NAME.fullmatch(name) else None


def _table(data: dict[str, object], key: str) -> dict[str, object]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _setup_name(path: Path) -> str | None:
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_regular(path).decode())
    except (OSError, ValueError, configparser.Error):
        return None
    name = parser.get("metadata", "name", fallback="")
    return name if _PROJECT_NAME.fullmatch(name) else None


def _check_scheme(parts: SplitResult) -> None:
    if not parts.scheme:
        raise LinkError("it has no scheme", hint="write a whole URL: `https://...`, `git+https://...` or `file:///...`")
    if parts.scheme not in _SCHEMES:
        raise LinkError("its scheme is unknown", hint="zlock reads http, https, file, and git+https and its like")


def _check_characters(url: str, parts: SplitResult) -> None:
    if not url.isprintable() or re.search(r"\s", url):
        raise LinkError("it holds white space or a control character", hint="write such characters as `%20`")
    if "[" in parts.path:
        raise LinkError("its path holds a bracket", hint="extras belong behind the name: `name[extra] @ URL`")


def _check_host(parts: SplitResult) -> None:
    """Refuse a missing host, a port that is no number, and what ssh would take for an option."""
    try:
        _ = parts.port
    except ValueError as error:
        hint = "write `git+ssh://git@host/path`, with a slash after the host" if "ssh" in parts.scheme else ""
        raise LinkError("its port is no number", hint=hint) from error
    if parts.netloc.startswith("-") or (parts.hostname or "").startswith("-"):
        raise LinkError("its host begins with `-`")
    if not parts.hostname and not parts.scheme.endswith(("file", "+lp")):
        raise LinkError("it has no host")


def _check_revision(parts: SplitResult) -> None:
    """Refuse a revision that a version control command would take for an option or for two words."""
    if parts.scheme not in _VCS_SCHEMES or "@" not in parts.path:
        return
    revision = unquote(parts.path.rpartition("@")[2])
    if revision.startswith("-"):
        raise LinkError("its revision begins with `-`")
    if not revision or not revision.isprintable() or re.search(r"\s", revision):
        raise LinkError("its revision is empty, or holds white space or a control character")


def _check_subdirectory(fragment: str) -> None:
    folder = unquote(_pairs(fragment).get("subdirectory", ""))
    if folder.startswith(("/", "-", "\\")) or ".." in re.split(r"[/\\]", folder):
        raise LinkError("its `subdirectory` leads out of what it names")


def _stored_file(url: str, parts: SplitResult, base: Base) -> str:
    if parts.netloc not in {"", "localhost"}:
        hint = f"write `file:///` and the whole path, or `file:{parts.netloc}{parts.path}` for one in this folder"
        raise LinkError("it names a file on another machine", hint=hint)
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return base.stored(path_in(url)) + fragment


def _public_authority(parts: SplitResult) -> str:
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return f"{name}@{host}" if name and parts.scheme.endswith("+ssh") else host


def _pairs(fragment: str) -> dict[str, str]:
    """Read `a=1&b=2`; the first of two wins, as pip's search has it."""
    pairs: dict[str, str] = {}
    for part in fragment.split("&"):
        key, _, value = part.partition("=")
        pairs.setdefault(key, value)
    return pairs


def _fragment(url: str) -> dict[str, str]:
    return _pairs(url.partition("#")[2])


def _filename(url: str) -> str:
    return unquote(split(url).path.rstrip("/").rpartition("/")[2])
