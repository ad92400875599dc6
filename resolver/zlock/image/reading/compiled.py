"""Compiled modules, `.pyc` files: whether each is what its source compiles to (PEP 3147, PEP 552).

Nothing of them is loaded, and no source is run: it is compiled by an interpreter of this machine, and what both hold is
compared. Releases of one minor version compile some sources differently, so that code differs says something only where
the release that compiled it is known, and has compiled the source again.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zlock.image.reading.compilers import Compilers, Module, portions
from zlock.image.reading.marshalled import fingerprint
from zlock.image.reading.tree import FileTree, file_at

CACHE = "__pycache__"
"""The folder in which Python keeps what it has compiled; it runs only what has a source beside that folder."""

_NAME = re.compile(r"(?P<module>.+?)\.(?:cpython-3(?P<minor>\d{1,4})|[^.]+)(?:\.opt-(?P<level>[^.]+))?\.pyc")
_LEVELS = {None: 0, "1": 1, "2": 2}
_MAGIC, _HEADER = 4, 16  # bytes
_AT_A_TIME = 16 * 1024 * 1024  # bytes of source in memory


class Compiled(NamedTuple):
    """A compiled file.

    Attributes:
        path: The file.
        source: What it says that it was compiled from.
        minor: Of the Python 3 that it is for; None where that is not CPython.
        level: How far it is optimized; None where that is not Python's doing.
    """

    path: str
    source: str
    minor: int | None
    level: int | None


def read_name(tree: FileTree, path: str) -> Compiled | None:
    """Return what the path of a compiled file says; None where no source is there, so that nothing runs it."""
    folder, name = posixpath.split(path)
    above, cache = posixpath.split(folder)
    match = _NAME.fullmatch(name)
    if cache != CACHE or match is None:
        return None
    place = file_at(tree, f"{above}/{match['module']}.py")
    if place is None:
        return None
    minor = int(match["minor"]) if match["minor"] else None
    return Compiled(path, place, minor, _LEVELS.get(match["level"]))


def judge(tree: FileTree, files: Sequence[Compiled], version: str, compilers: Compilers) -> dict[str, bool | None]:
    """Tell of each compiled file whether it is what its source compiles to; None where nobody can.

    Args:
        tree: The files.
        files: The compiled ones.
        version: Of the Python that compiled them, in full; empty where that is not known.
        compilers: Find the interpreters.
    """
    verdicts: dict[str, bool | None] = dict.fromkeys((one.path for one in files), None)
    for minor in sorted({one.minor for one in files if one.minor is not None}):
        compiler = compilers.find(minor, version)
        if compiler is None:
            continue
        otherwise = False if compiler.version == version else None
        wanted = _modules(tree, [one for one in files if one.minor == minor])
        for some in portions(wanted, lambda row: len(row[1].source), _AT_A_TIME):
            codes = compilers.compile(compiler, [module for _, module in some])
            for (one, _), code in zip(some, codes, strict=True):
                if code is not None:
                    is_same = not code or _is_same(tree.read(one.path), code, minor)
                    verdicts[one.path] = True if is_same else otherwise
    return verdicts


def _is_same(data: bytes, code: bytes, minor: int) -> bool:
    found = fingerprint(data[_HEADER:], minor)
    return data[:_MAGIC] == code[:_MAGIC] and found is not None and found == fingerprint(code[_MAGIC:], minor)


def _modules(tree: FileTree, files: Sequence[Compiled]) -> Iterator[tuple[Compiled, Module]]:
    """Yield what is to be compiled, as far as it can be read."""
    for one in files:
        if one.level is not None and tree.can_read(one.path) and tree.can_read(one.source):
            data = tree.read(one.path)
            digest = hashlib.sha256(data[:_MAGIC] + data[_HEADER:]).hexdigest()
            yield one, Module(_named(data, one.source), one.level, tree.read(one.source), digest)


def _named(data: bytes, source: str) -> str:
    """Return the path of the source in compiled code, which is where it was when it was compiled; a guess."""
    tail = "/".join(source.split("/")[-2:]).encode("utf-8", "surrogateescape")
    end = data.find(tail) + len(tail)
    for start in range(end - len(tail), max(end - 256, 2), -1):
        if data[start - 1] == end - start and data[start - 2] & 0x7F in b"zZ":  # its length, and that it is a text
            return data[start:end].decode("utf-8", "surrogateescape")
    return source
