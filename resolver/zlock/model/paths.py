"""Paths as a lock may hold them: the same in every copy of a project, wherever that is."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote, urlsplit

LONGEST_NAME = 255
"""Bytes that file systems take for one name."""


def portable(path: Path, project: Path, *, fixed: bool) -> str:
    """Return a path with `/` as a lock names it: from the project folder, or as it is.

    Args:
        path: An absolute path.
        project: The project folder.
        fixed: It was stated as an absolute path, so it means one place of the machine; inside the project it still
            counts from the project folder.
    """
    if fixed and not path.is_relative_to(project):
        return path.as_posix()
    try:
        return Path(os.path.relpath(path, project)).as_posix()
    except ValueError:  # another drive, to which no relative path leads
        return path.as_posix()


def real(path: Path) -> Path:
    """Return a path with links followed; one of a circle stays, of which `Path.resolve` made an error until 3.13."""
    return Path(os.path.realpath(path))


def home_of(environ: Mapping[str, str]) -> Path:
    """Return the user's home as an environment names it, else as the system does."""
    return Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none


def files_in(folder: Path, never: Collection[str] = ()) -> Iterator[tuple[str, Path]]:
    """Yield each file of a folder, sorted in its own folder: its path with `/`, and its place.

    A link to a folder is one of them.

    Args:
        folder: The folder.
        never: The names of folders that are not looked into.
    """
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in never)
        links = [name for name in folders if (Path(base) / name).is_symlink()]
        for name in sorted([*names, *links]):
            place = Path(base) / name
            yield place.relative_to(folder).as_posix(), place


def leads_out(path: Path, project: Path) -> bool:
    """Return whether a link leads a path out of the project, or out of a folder that was put elsewhere by name."""
    root = project if Path(os.path.normpath(path)).is_relative_to(project) else path.parent
    return not real(path).is_relative_to(real(root))


def file_url(path: str) -> str:
    """Return the `file:` URL of a path; a relative path stays one: `file:libs/a` (RFC 8089, appendix E.2.1)."""
    return Path(path).as_uri() if Path(path).is_absolute() else f"file:{quote(path)}"


def is_file_url(url: str) -> bool:
    """Return whether a URL names a file or a folder of this machine."""
    return url[:5].lower() == "file:"


def path_in(url: str) -> str:
    """Return the path in a `file:` URL as it is written there, relative or not."""
    path = unquote(urlsplit(url).path)
    return re.sub(r"^/(?=[A-Za-z]:)", "", path) if os.name == "nt" else path


def as_path(url: str) -> Path | None:
    """Return the path that a `file:` URL or a plain path names; None for anything remote."""
    if url.startswith("http"):
        return None
    if is_file_url(url):
        return Path(path_in(url))
    # A single letter is a drive, not a scheme.
    return Path(url) if len(urlsplit(url).scheme) <= 1 else None


def absolute(path: Path) -> Path:
    """Make a path absolute without following links: what a person wrote stays recognizable."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links


def is_inside(path: str) -> bool:
    """Return whether a relative path, as Unix or as Windows reads it, stays in the folder it counts from."""
    readings = PurePosixPath(path), PureWindowsPath(path)
    return not any(pure.is_absolute() or pure.anchor or ".." in pure.parts for pure in readings)


def portable_url(url: str, project: Path, *, fixed: bool) -> str:
    """Return a `file:` URL as `portable` has its path; a relative one counts from the project folder."""
    _, mark, fragment = url.partition("#")
    path = absolute(project / path_in(url))
    return file_url(portable(path, project, fixed=fixed)) + mark + fragment
