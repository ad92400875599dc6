"""The cache on disk: parsed pages and metadata, in files that are read in milliseconds.

Every file is replaced whole, so runs side by side only ever see complete ones; each carries a digest, so
one that was damaged is as good as absent. `marshal` is the fastest reader there is for plain values; what
it writes may change with Python's version, which is why the folder names it. Parts are whatever bytes they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import mmap
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from zlock.model.paths import home_of
from zlock.regular import open_regular

# Raise it whenever the shape or the meaning of what is stored changes: older files are then left alone.
_FORMAT = 10
_DIGEST_SIZE = 16
_LENGTH = struct.Struct("<I")
_PLACE = struct.Struct("<III")
"""Where a part begins, its size in bytes, and its checksum: as values they would take longer to read than all else."""


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return where the platform keeps caches: `ZLOCK_CACHE_DIR`, `XDG_CACHE_HOME`, or the system's custom."""
    if environ.get("ZLOCK_CACHE_DIR"):
        return Path(environ["ZLOCK_CACHE_DIR"])
    home = home_of(environ)
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "zlock" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "zlock"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "zlock"


class Damaged(Exception):
    """A part of a stored value is not what was written."""


class Parts(Struct, frozen=True):
    """A value that was stored with parts.

    Attributes:
        value: The value.
        part: Reads the bytes of a part by its position; raises `Damaged` where it is not what was written.
        until: When it stops to count as current, in seconds since the epoch.
    """

    value: Any
    part: Callable[[int], bytes]
    until: float


def pack(value: Any) -> bytes:
    """Return a value as it is stored inside another, so that it is made only when somebody looks at it."""
    return marshal.dumps(value)


def unpack(data: bytes) -> Any:
    """Return a value that `pack` made plain."""
    return marshal.loads(data)  # noqa: S302 - it was read inside a value whose digest was checked


class Cache:
    """Plain values by kind, group (an index) and key (a name)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / f"{_FORMAT}-{sys.implementation.cache_tag}"
        self._groups: dict[tuple[str, str], Path] = {}
        self._made: set[Path] = set()

    def _group(self, kind: str, group: str) -> Path:
        found = self._groups.get((kind, group))
        if found is None:
            name = hashlib.blake2b(group.encode(), digest_size=8).hexdigest()
            found = self._groups[kind, group] = self._folder / kind / name
        return found

    def read(self, kind: str, group: str, key: str) -> Any:
        """Return what was stored, or None where nothing whole is there."""
        try:
            with open_regular(f"{self._group(kind, group)}/{key}") as stream:
                data = stream.read()
        except OSError:
            return None
        body = memoryview(data)[_DIGEST_SIZE:]
        if hashlib.blake2b(body, digest_size=_DIGEST_SIZE).digest() != data[:_DIGEST_SIZE]:
            return None
        try:
            return marshal.loads(body)  # noqa: S302 - the digest says that zlock wrote it whole
        except (ValueError, EOFError, TypeError):
            return None

    def write(self, kind: str, group: str, key: str, value: Any) -> None:
        """Store a value; a cache that can't be written is no reason to fail."""
        body = marshal.dumps(value)
        self._replace(kind, group, key, [hashlib.blake2b(body, digest_size=_DIGEST_SIZE).digest(), body])

    def read_parts(self, kind: str, group: str, key: str) -> Parts | None:
        """Return a value that was stored with parts; None where nothing whole is there."""
        try:
            with open_regular(f"{self._group(kind, group)}/{key}") as stream:
                until = os.fstat(stream.fileno()).st_mtime
                data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # absent, unreadable or empty
            return None
        begin = _DIGEST_SIZE + _LENGTH.size
        if len(data) < begin:
            return None
        (length,) = _LENGTH.unpack(data[_DIGEST_SIZE:begin])
        head = data[begin : begin + length]
        if hashlib.blake2b(head, digest_size=_DIGEST_SIZE).digest() != data[:_DIGEST_SIZE]:
            return None
        value, places = marshal.loads(head)  # noqa: S302 - the digest says that zlock wrote it whole
        last_start, last_size, _ = _PLACE.unpack(places[-_PLACE.size :]) if places else (0, 0, 0)
        if begin + length + last_start + last_size != len(data):
            return None  # cut short

        def part(position: int) -> bytes:
            start, size, check = _PLACE.unpack_from(places, position * _PLACE.size)
            body = data[begin + length + start : begin + length + start + size]
            if zlib.crc32(body) != check:
                raise Damaged
            return body

        return Parts(value, part, until)

    def write_parts(self, kind: str, group: str, key: str, *, value: Any, parts: Sequence[bytes], until: float) -> None:
        """Store a value with parts that are read one by one: what nobody looks at costs nothing."""
        places, start = bytearray(), 0
        for body in parts:
            places += _PLACE.pack(start, len(body), zlib.crc32(body))
            start += len(body)
        head = marshal.dumps((value, bytes(places)))
        digest = hashlib.blake2b(head, digest_size=_DIGEST_SIZE).digest()
        self._replace(kind, group, key, [digest, _LENGTH.pack(len(head)), head, *parts])
        self.prolong(kind, group, key, until)

    def prolong(self, kind: str, group: str, key: str, until: float) -> None:
        """Let a value count as current until a time; the file's own time says so, so nothing is rewritten."""
        with contextlib.suppress(OSError):
            os.utime(self._group(kind, group) / key, (time.time(), until))

    def _replace(self, kind: str, group: str, key: str, chunks: Sequence[bytes]) -> None:
        folder = self._group(kind, group)
        temporary = f"{folder}/.new-{os.urandom(8).hex()}"
        with contextlib.suppress(OSError):
            if folder not in self._made:
                folder.mkdir(parents=True, exist_ok=True)
                self._made.add(folder)
            try:
                with open(temporary, "xb", opener=_open_own) as stream:
                    stream.write(b"".join(chunks))
                os.replace(temporary, f"{folder}/{key}")  # noqa: PTH105 - as above
            except OSError:
                os.unlink(temporary)  # noqa: PTH108 - as above

    def remove(self, kind: str, group: str, key: str) -> None:
        """Forget a value, if it is there."""
        with contextlib.suppress(OSError):
            (self._group(kind, group) / key).unlink()

    def keys(self, kind: str, group: str) -> set[str]:
        """Return the keys stored under a kind and a group."""
        try:
            return {name for name in os.listdir(self._group(kind, group)) if not name.startswith(".")}  # noqa: PTH208 - names are all it needs
        except OSError:
            return set()


def _open_own(path: str, flags: int) -> int:
    """Open a file that nobody else may read: indexes can be private."""
    return os.open(path, flags, 0o600)
