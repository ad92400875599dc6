"""Indexes that are folders: flat ones (find-links), and trees with a page per project."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from packaging.utils import NormalizedName, canonicalize_name, parse_sdist_filename

from zlock.errors import IndexFailed
from zlock.index.listed import usable_files
from zlock.index.network import PAGE, Answer
from zlock.index.simple import parse_page
from zlock.model.distribution import File
from zlock.model.page import Page
from zlock.regular import read_regular


def folder_page(name: NormalizedName, folder: Path) -> Page | None:
    """Return the page of a project in a folder, or None where the folder does not know it.

    Raises:
        IndexFailed: The folder is not there or can't be read.
    """
    index = folder.as_uri()
    try:
        if not folder.is_dir():
            raise IndexFailed(
                f"`{name}` was looked for in an index folder that is not there: `{folder}`",
                hint="correct `url` of that index",
            )
        page = folder / name / "index.html"
        if page.is_file():
            answer = Answer(200, {"content-type": "text/html"}, read_regular(page, PAGE.size), page.as_uri())
            return parse_page(name, index, answer)
        files = tuple(_file(path) for path in sorted(folder.iterdir()) if _project(path) == name)
    except OSError as error:
        raise IndexFailed(
            f"`{name}` was looked for in an index folder that can't be read: `{folder}`: {error.strerror}",
            hint="give yourself the right to read it, or correct `url` of that index",
        ) from error
    usable, unusable = usable_files(files, (folder / "simple" / name / "index.html").as_uri())
    return Page.of(name, index, usable, unusable=unusable) if files else None


def folder_names(folder: Path) -> set[str]:
    """Return the names that a folder knows, flat or a tree; none where it can't be read."""
    try:
        names = {_project(path) or (path.name if (path / "index.html").is_file() else "") for path in folder.iterdir()}
    except OSError:
        return set()
    return names - {""}


def open_file(path: Path) -> BinaryIO:
    """Open a file that an index folder lists.

    Raises:
        IndexFailed: It can't be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise IndexFailed(
            f"a file that an index lists can't be read: `{path}`: {error.strerror}",
            hint="mend that folder, or correct `url` of that index",
        ) from error


def _project(path: Path) -> str | None:
    if path.suffix == ".whl":
        return canonicalize_name(path.name.split("-")[0])
    try:
        return parse_sdist_filename(path.name)[0]
    except ValueError:  # also of a number that is too long
        return None


def _file(path: Path) -> File:
    stat = path.stat()
    from zlock.index.archives import file_sha256

    return File(path.name, path.as_uri(), (("sha256", file_sha256(path)),), "", None, "", stat.st_size, None)
