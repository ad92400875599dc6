"""What of a folder enters its build: the files that count, their digest, and a copy that is the same everywhere."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from zlock.errors import CommandFailed
from zlock.index.archives import file_sha256, plain_zip
from zlock.index.sdist import child_environment
from zlock.model.paths import files_in, real
from zlock.process import run_command
from zlock.regular import read_regular

# What version control, Python, builds and tools leave in a folder, wherever in it.
_NEVER = frozenset({
    ".git", ".hg", ".svn", "__pycache__", ".eggs", ".tox", ".nox",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints",
})  # fmt: skip
_NEVER_ENDING = (".pyc", ".egg-info")
_MADE = frozenset({"build", "dist"})  # at the top: what builds make
_TIME = 315532800  # 1980, the oldest that zip files can hold
_LARGEST = 1 << 30  # bytes of a file: they are held in memory
_TIMEOUT = 60  # seconds for git to list files


class Snapshot(Struct, frozen=True, dict=True):
    """The files of a source tree that enter its build.

    Attributes:
        files: By path with `/`, sorted, the place of each file's bytes. Links are what they lead to.
    """

    files: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path, others: Collection[Path] = ()) -> Snapshot:
        """Look at a folder.

        Where git has the folder, what its `.gitignore` files ignore is left out, whatever else a machine ignores. So
        are version control, environments, compiled modules, and what builds and tools leave.

        Args:
            folder: The folder.
            others: Folders that are left out too.
        """
        listed = dict(_listed(folder, frozenset()))
        top = real(folder)
        left = {place.relative_to(top).as_posix() for place in map(real, others) if place.is_relative_to(top)}
        left |= {path.rpartition("/")[0] for path in listed if f"/{path}".endswith("/pyvenv.cfg")}
        return cls({path: listed[path] for path in sorted(listed) if _counts(path, left)})

    @cached_property
    def digest(self) -> str:
        """64 hex digits: the sha256 over names, bytes, and which files can be run."""
        found = hashlib.sha256()
        for path, place in self.files.items():
            row = f"{file_sha256(place)} {'program' if _is_program(place) else 'file'} "
            found.update(row.encode() + path.encode() + b"\0")
        return found.hexdigest()

    def write(self, folder: Path, more: Mapping[str, bytes]) -> None:
        """Write a copy into an empty folder, with modes and times that no checkout decides.

        Args:
            folder: The empty folder.
            more: Further files, and others in place of their own.
        """
        for path, place in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place, target)
            target.chmod(0o755 if _is_program(place) else 0o644)
        for path, data in more.items():
            (folder / path).write_bytes(data)
        for path in (*self.files, *more):
            os.utime(folder / path, (_TIME, _TIME))

    def packed(self, top: str, more: Mapping[str, bytes]) -> bytes:
        """Return such a copy as a zip: an sdist of the old form, with this folder at its top."""
        rows = {path: (read_regular(place, _LARGEST), _is_program(place)) for path, place in self.files.items()}
        rows |= {path: (data, False) for path, data in more.items()}
        return plain_zip((f"{top}/{path}", *rows[path]) for path in sorted(rows))


def _is_program(place: Path) -> bool:
    return bool(place.stat().st_mode & 0o111)


def _counts(path: str, left: Collection[str]) -> bool:
    """Tell whether a file counts, of which neither git nor the folder's files can tell more."""
    parts = path.split("/")
    if parts[0] in _MADE or not _NEVER.isdisjoint(parts) or any(part.endswith(_NEVER_ENDING) for part in parts):
        return False
    return not any("/".join(parts[:end]) in left for end in range(1, len(parts)))


def _listed(folder: Path, above: frozenset[Path]) -> Iterator[tuple[str, Path]]:
    """Return the files of a folder; a link to a folder, or a submodule, is looked into like another one."""
    around = above | {real(folder)}
    # No wheel can hold names that can't be printed.
    walked = (path for path, _ in files_in(folder, _NEVER) if path.isprintable())
    for path in _known_to_git(folder) or walked:
        place = folder / path
        if place.is_file():
            yield path, place
        elif place.is_dir() and real(place) not in around:
            yield from ((f"{path}/{inner}", found) for inner, found in _listed(place, around))


def _known_to_git(folder: Path) -> list[str]:
    """Return what git has in a folder and what it would add; nothing where it does not have the folder.

    What a machine ignores beside that does not count, and nothing that the repository configures is run.
    """
    options = ["-c", "core.fsmonitor=false", "-c", "safe.directory=*"]
    listing = ["ls-files", "-z", "--cached", "--others", "--exclude-per-directory=.gitignore"]
    try:
        environ = child_environment(os.environ)
        said = run_command(["git", *options, *listing], cwd=folder, timeout=_TIMEOUT, environ=environ).stdout
    except CommandFailed:  # there is no git, or no repository
        return []
    found = sorted({path.rstrip("/") for path in said.split("\0") if path.isprintable()} - {""})
    # Of a folder that is ignored as a whole, git has nothing to say.
    return found if {"pyproject.toml", "setup.py"}.intersection(found) else []
