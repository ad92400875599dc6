"""Installed distributions, read out of a tree of files without running anything (PEP 376, PEP 627)."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from email.parser import BytesHeaderParser

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from zlock.image.reading.compiled import CACHE, Compiled, read_name
from zlock.image.reading.tree import FileTree, file_at, is_folder, names_in, read_at, resolve, text_at
from zlock.model import plain
from zlock.model.json import parse_json

_LIBRARIES = re.compile(r"python3\.(\d+)")
_PYTHON = re.compile(r"python[0-9.]*t?|\N{MATHEMATICAL ITALIC SMALL PI}thon")  # the last is of Python 3.14
_ENVIRONMENTS_OWN = re.compile(
    rf"{_PYTHON.pattern}|activate(_this)?(\.[a-z0-9]+)?|deactivate\.bat|pydoc\.bat", re.IGNORECASE
)
_SHARED = "include-system-site-packages"
_SIGNED = re.compile(r"|\.jws|\.p7s")  # RECORD itself, and its signatures
_MOST_LINKS = 10
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where engines look for programs in an image that does not say where."""
COMPILED_BY = "compiled-by"
"""The setting of a `pyvenv.cfg` that says which release of Python compiled modules, where another one runs them."""


class RecordedFile(Struct, frozen=True, kw_only=True):
    """A file of a distribution, as its RECORD tells of it; the algorithm is empty where there is no hash."""

    path: str
    algorithm: str
    digest: str


class Distribution(Struct, frozen=True, kw_only=True):
    """An installed distribution.

    Attributes:
        name: The normalized name.
        version: As its metadata has it; empty where that can't be read.
        files: What RECORD names and should have a hash of.
        direct_url: Where it came from, if not from an index (PEP 610); else empty.
        paths: What RECORD names, but for `.pyc` files without a hash: those are made anew everywhere.
    """

    name: NormalizedName
    version: str
    files: tuple[RecordedFile, ...]
    direct_url: Mapping[str, object]
    paths: frozenset[str]


class Altered(Struct, frozen=True, kw_only=True):
    """A file that is not as its RECORD has it; `why` is "changed", "gone", or "without a sha256 in RECORD"."""

    path: str
    why: str


def venv_folders(tree: FileTree, prefix: str, minor: int) -> list[str]:
    """Return the folders that an environment of Python 3.`minor` imports from."""
    found = [resolve(tree, f"{prefix}/{lib}/python3.{minor}/site-packages") for lib in ("lib", "lib64")]
    return list(dict.fromkeys(filter(None, found)))


def interpreter_folders(tree: FileTree, environ: Mapping[str, str], minor: int) -> list[str]:
    """Return the folders that the Python 3.`minor` on an image's PATH imports from, Debian's own among them."""
    for folder in environ.get("PATH", PATH).split(":"):
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
    return [name.removeprefix("python") for name in names_in(tree, f"{prefix}/lib") if _LIBRARIES.fullmatch(name)]


def read_distributions(tree: FileTree, folders: list[str]) -> list[Distribution]:
    """Return what is installed in folders, in the order in which Python looks through them."""
    return [one for folder in folders for name in tree.names(folder) if (one := _distribution(tree, folder, name))]


def check_files(tree: FileTree, distribution: Distribution) -> tuple[list[Altered], int]:
    """Hold a distribution's files against its RECORD; return what differs, and how many were looked at.

    What was compiled from a source is left out.
    """
    altered = []
    checked = 0
    for file in distribution.files:
        if file.path.endswith(".pyc") and read_name(tree, posixpath.normpath(file.path)):
            continue
        place = file_at(tree, file.path)
        if place is None:
            altered.append(Altered(path=file.path, why="gone"))
        elif file.algorithm != "sha256":
            altered.append(Altered(path=file.path, why="without a sha256 in RECORD"))
        elif _encoded(tree.sha256(place)) != file.digest:
            altered.append(Altered(path=file.path, why="changed"))
        checked += 1
    return altered, checked


def compiled_files(tree: FileTree, distribution: Distribution) -> list[Compiled]:
    """Return what was compiled from the sources of a distribution, but for what its RECORD has the right hash of."""
    sources = {path for path in distribution.paths if path.endswith(".py")}
    recorded = {posixpath.normpath(file.path): file.digest for file in distribution.files if file.path.endswith(".pyc")}
    found = []
    for folder in sorted({posixpath.dirname(path) for path in sources}):
        cache = f"{folder}/{CACHE}"
        names = names_in(tree, cache)
        compiled = [one for name in names if (one := read_name(tree, f"{cache}/{name}")) and one.source in sources]
        found += [one for one in compiled if one.path not in recorded or not _has_hash(tree, one.path, recorded)]
    return found


def _has_hash(tree: FileTree, path: str, recorded: Mapping[str, str]) -> bool:
    return tree.can_read(path) and _encoded(tree.sha256(path)) == recorded[path]


def stray_files(tree: FileTree, folders: Iterable[str], distributions: Iterable[Distribution]) -> list[str]:
    """Return what is in folders of packages and in no RECORD: modules, or `.pth` files, which run code.

    A folder of which no RECORD knows is named itself, where there is any file in it. A compiled file belongs to its
    source; one without is named, as Python may run it.
    """
    owned = {path for one in distributions for path in one.paths}
    known = {folder for path in owned for folder in _folders_above(path)}

    def look(folder: str) -> Iterator[str]:
        for name in tree.names(folder):
            path = f"{folder}/{name}"
            node = tree.node(path)
            if path in owned or node is None:
                continue
            if node.kind == "folder" and (path in known or name == CACHE):
                yield from look(path)
            elif node.kind == "folder":
                yield from [path] if _has_files(tree, path) else []
            elif node.kind != "file" or not read_name(tree, path):
                yield path

    return [path for folder in folders for path in look(folder)]


def stray_programs(tree: FileTree, prefix: str, distributions: Iterable[Distribution]) -> list[str]:
    """Return what is in the `bin` of an environment, and neither in a RECORD nor what makes the environment."""
    owned = {path for one in distributions for path in one.paths}
    folder = resolve(tree, f"{prefix}/bin")
    programs = [f"{folder}/{name}" for name in names_in(tree, f"{prefix}/bin") if not _ENVIRONMENTS_OWN.fullmatch(name)]
    return [path for path in programs if path not in owned]


def python_version(tree: FileTree, prefix: str) -> str:
    """Return the full version of the Python that compiles for an environment, as its `pyvenv.cfg` has it, or nothing.

    That is the one that made it, unless zlock compiled with another release and says so.
    """
    said = [value for name, value in _settings(tree, prefix) if name in ("version", "version_info", COMPILED_BY)]
    match = re.match(r"\d+\.\d+\.\d+", said[-1]) if said else None
    return match[0] if match else ""


def _settings(tree: FileTree, prefix: str) -> list[tuple[str, str]]:
    """Return what the `pyvenv.cfg` of an environment says, as Python's `site` reads it; names are in lower case."""
    lines = re.split(r"\r\n|\r|\n", text_at(tree, f"{prefix}/pyvenv.cfg"))
    pairs = (line.partition("=") for line in lines)
    return [(name.strip().lower(), value.strip()) for name, equals, value in pairs if equals]


def odd_settings(tree: FileTree, prefix: str) -> dict[str, str]:
    """Return in what an environment is not one of its own packages only, run by the interpreter it was made with.

    That is what `pyvenv.cfg` and the links to the interpreter decide (PEP 405): setting or path to how it is.
    """
    settings = _settings(tree, prefix)
    shared = [value for name, value in settings if name == _SHARED]
    home = next((value for name, value in settings if name == "home"), "")
    odd = {}
    if not settings:
        odd["pyvenv.cfg"] = "gone"
    elif not _is_text(read_at(tree, f"{prefix}/pyvenv.cfg")):
        odd["pyvenv.cfg"] = "no text, so that Python does not start"
    elif not shared or "true" in map(str.lower, shared):  # which is what `site` takes it for where it is not said
        odd[_SHARED] = "true"
    bin_folder = resolve(tree, f"{prefix}/bin") or f"{prefix}/bin"
    for name in names_in(tree, bin_folder):
        if _PYTHON.fullmatch(name):
            leads_to = _interpreter(tree, bin_folder, name)
            folder, target = posixpath.split(leads_to)
            if posixpath.normpath(folder or "-") != posixpath.normpath(home) or not _PYTHON.fullmatch(target):
                odd[f"bin/{name}"] = f"{leads_to or 'no link'}, and not in its home `{home}`"
    return odd


def shared_settings(tree: FileTree, prefix: str) -> dict[str, str]:
    """Return what `odd_settings` says of an environment that anybody may have made: whether it has others' packages."""
    return {name: how for name, how in odd_settings(tree, prefix).items() if name == _SHARED}


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _interpreter(tree: FileTree, folder: str, name: str) -> str:
    """Return what a link of an environment leads to outside of it, empty where it is none."""
    path = f"{folder}/{name}"
    for _ in range(_MOST_LINKS):
        node = tree.node(path)
        if node is None or node.kind != "link":
            return ""
        path = posixpath.normpath(posixpath.join(folder, node.target))
        if posixpath.dirname(path) != folder:
            return path
    return ""


def _folders_above(path: str) -> Iterator[str]:
    while (folder := posixpath.dirname(path)) != path:
        yield folder
        path = folder


def _has_files(tree: FileTree, folder: str) -> bool:
    nodes = ((f"{folder}/{name}", tree.node(f"{folder}/{name}")) for name in tree.names(folder))
    return any(node and (node.kind != "folder" or _has_files(tree, path)) for path, node in nodes)


def _distribution(tree: FileTree, folder: str, name: str) -> Distribution | None:
    stem, dot, kind = name.rpartition(".")
    # pip leaves a folder with `~` in place of the first letter where it could not remove one.
    if not dot or kind not in ("dist-info", "egg-info") or name.startswith("~"):
        return None
    place = resolve(tree, f"{folder}/{name}")
    if place is None:
        return None
    single = not is_folder(tree, place)
    record = read_at(tree, f"{place}/RECORD")
    metadata = read_at(tree, place if single else f"{place}/{'METADATA' if kind == 'dist-info' else 'PKG-INFO'}")
    headers = BytesHeaderParser().parsebytes(metadata)
    named, _, version = stem.partition("-")
    return Distribution(
        name=canonicalize_name(str(headers["Name"] or named)),
        version=str(headers["Version"] or version.partition("-py")[0]).strip(),
        files=_recorded(record, f"{place}/RECORD", folder) if kind == "dist-info" else (),
        direct_url={} if single else _json(read_at(tree, f"{place}/direct_url.json")),
        paths=frozenset(
            posixpath.normpath(posixpath.join(folder, path))
            for path, hashed in _rows(record)
            if path and (hashed or not path.endswith(".pyc"))
        ),
    )


def _recorded(record: bytes, place: str, folder: str) -> tuple[RecordedFile, ...]:
    """Read RECORD: paths count from the folder, or are absolute.

    One that is not there, is not valid CSV, or has no hashes is told of as a file that is not as it should be.
    """
    found = []
    for path, hashed in _rows(record):
        algorithm, _, digest = hashed.partition("=")
        joined = posixpath.join(folder, path)
        # Installers write the hash of all others anew.
        if path and (hashed or not (path.endswith(".pyc") or _SIGNED.fullmatch(joined.removeprefix(place)))):
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


def _json(data: bytes) -> Mapping[str, object]:
    try:
        return plain.table(parse_json(data))
    except ValueError:
        return {}
