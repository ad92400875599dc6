"""Local paths in requirements: what they name, and how they are stored; and what is kept out of messages."""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec import Struct

from zlock.model import plain
from zlock.model.link import ARCHIVE_ENDINGS, PROJECT_NAME, Link
from zlock.model.paths import absolute, file_url, portable, real
from zlock.model.toml import parse_toml
from zlock.redact import redact
from zlock.regular import read_regular

_QUERY_VALUE = r"([?&][^=&#\s]+)=[^&#\s]*"


class Base(Struct, frozen=True):
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

    def stored(self, link: Link) -> str:
        """Give a URL as it may be stored: no credentials, and a place of this machine from the project's folder."""
        if not link.is_local:
            return link.stored
        place, fixed = self.find(link.path), Path(link.path).is_absolute()
        # An absolute path may lead into the project through a link, as `/tmp` is one on some systems.
        followed = real(place.parent) / place.name if fixed else place
        path = portable(followed if followed.is_relative_to(self.project) else place, self.project, fixed=fixed)
        return file_url(path) + link.mark

    def place(self, stored: str) -> Path:
        """Give the place that the path in a stored URL names."""
        return absolute(self.project / stored)


def redacted(text: str) -> str:
    """Give a text as it may be shown: no user, password or query value of any URL in it."""
    return re.sub(_QUERY_VALUE, r"\1=****", redact(text))


def looks_like_path(text: str) -> bool:
    """Say whether pip would look for a folder of that name."""
    return os.path.sep in text or text.startswith(".") or bool(os.path.altsep and os.path.altsep in text)


def is_archive(text: str) -> bool:
    """Say whether a file name is one of a wheel or another archive that pip knows."""
    return text.lower().endswith(ARCHIVE_ENDINGS)


def split_extras(text: str) -> tuple[str, str]:
    """Split `path[extras]` into the path and the extras with their brackets, the latter often empty."""
    found = re.fullmatch(r"(.*?\S)\s*(\[[^\]]+\])", text) if text.endswith("]") else None
    return (found.group(1), found.group(2)) if found else (text, "")


def folder_name(folder: Path) -> str | None:
    """Give the name that a project's folder states, from `pyproject.toml` or `setup.cfg`; nothing is run."""
    return _pyproject_name(folder / "pyproject.toml") or _setup_name(folder / "setup.cfg")


def is_project(folder: Path) -> bool:
    """Say whether a folder can be installed."""
    return (folder / "pyproject.toml").is_file() or (folder / "setup.py").is_file()


def _pyproject_name(path: Path) -> str | None:
    try:
        data = parse_toml(read_regular(path).decode())
    except (OSError, ValueError):
        return None
    name = plain.table(data, "project").get("name", plain.at(data, "tool", "poetry", "name"))
    return name if isinstance(name, str) and PROJECT_NAME.fullmatch(name) else None


def _setup_name(path: Path) -> str | None:
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_regular(path).decode())
    except (OSError, ValueError, configparser.Error):
        return None
    name = parser.get("metadata", "name", fallback="")
    return name if PROJECT_NAME.fullmatch(name) else None
