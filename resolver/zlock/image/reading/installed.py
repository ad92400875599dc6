"""Installed distributions, read out of a tree of files without running anything (PEP 376, PEP 627)."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from zlock.image.reading.tree import FileTree, is_folder, resolve

_LIBRARIES = re.compile(r"python3\.(\d+)")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # what engines set where an image sets none


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedFile:
    """A file of a distribution, as its RECORD tells of it; those without a hash are left out."""

    path: str
    algorithm: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """An installed distribution.

    Attributes:
        name: The normalized name.
        version: As its metadata has it; empty where that can't be read.
        files: What RECORD tells the hashes of, but for `.pyc`.
        direct_url: Where it came from, if not from an index (PEP 610); else empty.
        names: What RECORD has at the top of the folder of packages.
    """

    name: NormalizedName
    version: str
    files: tuple[RecordedFile, ...]
    direct_url: Mapping[str, Any]
    names: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Altered:
    """A file that is not as its RECORD has it; `why` is "changed" or "gone"."""

    path: str
    why: str


def venv_folders(tree: FileTree, prefix: str, minor: int) -> list[str]:
    """Return the folders that an environment of Python 3.`minor` imports from."""
    found = [resolve(tree, f"{prefix}/{lib}/python3.{minor}/site-packages") for lib in ("lib", "lib64")]
    return list(dict.fromkeys(filter(None, found)))


def interpreter_folders(tree: FileTree, environ: Mapping[str, str], minor: int) -> list[str]:
    """Return the folders that the Python 3.`minor` on an image's PATH imports from, Debian's own among them."""
    for folder in environ.get("PATH", _PATH).split(":"):
        place = next(filter(None, (resolve(tree, f"{folder}/{name}") for name in ("python3", "python"))), None)
        if place is None:
            continue
        own = posixpath.dirname(resolve(tree, folder) or folder)
        prefix = own if tree.node(f"{own}/pyvenv.cfg") else posixpath.dirname(posixpath.dirname(place))
        debian = ["/usr/local/lib", "/usr/lib"] if prefix == "/usr" else []
        candidates = [
            *(f"{lib}/python3.{minor}/dist-packages" for lib in debian),
            *(f"{lib}/python3/dist-packages" for lib in debian),
        ]
        found = [*venv_folders(tree, prefix, minor), *filter(None, (resolve(tree, one) for one in candidates))]
        if found:
            return list(dict.fromkeys(found))
    return []


def pythons_in(tree: FileTree, prefix: str) -> list[str]:
    """Return the Python versions that an environment has folders for: `3.12`."""
    lib = resolve(tree, f"{prefix}/lib")
    names = tree.names(lib) if lib and is_folder(tree, lib) else []
    return [name.removeprefix("python") for name in names if _LIBRARIES.fullmatch(name)]


def read_distributions(tree: FileTree, folders: list[str]) -> list[Distribution]:
    """Return what is installed in folders, in the order in which Python looks through them."""
    return [one for folder in folders for name in tree.names(folder) if (one := _distribution(tree, folder, name))]


def check_files(tree: FileTree, distribution: Distribution) -> tuple[list[Altered], int]:
    """Hold a distribution's files against its RECORD; return what differs, and how many were looked at."""
    altered = []
    checked = 0
    for file in distribution.files:
        place = resolve(tree, file.path)
        node = tree.node(place) if place else None
        if place is None or node is None or node.kind != "file":
            altered.append(Altered(path=file.path, why="gone"))
        elif file.algorithm != "sha256":
            continue
        elif _encoded(tree.sha256(place)) != file.digest:
            altered.append(Altered(path=file.path, why="changed"))
        checked += 1
    return altered, checked


def stray_files(tree: FileTree, folders: Iterable[str], distributions: Iterable[Distribution]) -> list[str]:
    """Return what is at the top of folders of packages and in no RECORD: modules, and `.pth` files, which run code."""
    owned = {name for one in distributions for name in one.names}
    return [
        f"{folder}/{name}"
        for folder in folders
        for name in tree.names(folder)
        if name not in owned and not _belongs_to_installers(name)
    ]


def _belongs_to_installers(name: str) -> bool:
    return name == "__pycache__" or name.endswith((".dist-info", ".egg-info"))


def _distribution(tree: FileTree, folder: str, name: str) -> Distribution | None:
    stem, dot, kind = name.rpartition(".")
    # pip leaves a folder with `~` in place of the first letter where it could not remove one.
    if not dot or kind not in ("dist-info", "egg-info") or name.startswith("~"):
        return None
    place = resolve(tree, f"{folder}/{name}")
    if place is None:
        return None
    single = not is_folder(tree, place)
    record = _read(tree, f"{place}/RECORD")
    metadata = _read(tree, place if single else f"{place}/{'METADATA' if kind == 'dist-info' else 'PKG-INFO'}")
    headers = BytesHeaderParser().parsebytes(metadata)
    named, _, version = stem.partition("-")
    return Distribution(
        name=canonicalize_name(str(headers["Name"] or named)),
        version=str(headers["Version"] or version.partition("-py")[0]).strip(),
        files=_recorded(record, f"{place}/RECORD", folder) if kind == "dist-info" else (),
        direct_url={} if single else _json(_read(tree, f"{place}/direct_url.json")),
        names=frozenset(posixpath.normpath(path).partition("/")[0] for path, _ in _rows(record)),
    )


def _recorded(record: bytes, place: str, folder: str) -> tuple[RecordedFile, ...]:
    """Read RECORD: paths count from the folder, or are absolute; `.pyc` files are made anew everywhere.

    One that is not there, is no CSV, or has no hashes is told of as a file that is not as it should be.
    """
    found = []
    for path, hashed in _rows(record):
        algorithm, equals, digest = hashed.partition("=")
        if equals and not path.endswith(".pyc"):
            joined = posixpath.join(folder, path)
            found.append(RecordedFile(path=joined, algorithm=algorithm, digest=digest.rstrip("=")))
    return tuple(found) or (RecordedFile(path=place, algorithm="sha256", digest=""),)


def _rows(record: bytes) -> Iterator[tuple[str, str]]:
    """Return path and hash of each row of a RECORD, as far as it can be read."""
    with contextlib.suppress(csv.Error):
        for row in csv.reader(io.StringIO(record.decode("utf-8", errors="replace"), newline="")):
            path, hashed = [*row, "", ""][:2]
            yield path, hashed


def _encoded(sha256: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")


def _read(tree: FileTree, path: str) -> bytes:
    place = resolve(tree, path)
    node = tree.node(place) if place else None
    return tree.read(place) if place and node and node.kind == "file" else b""


def _json(data: bytes) -> dict[str, Any]:
    try:
        table = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
