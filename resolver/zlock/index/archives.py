"""Metadata out of wheels and sdists: from whole files, and from ranges of remote ones."""

from __future__ import annotations

import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, BinaryIO

from packaging.utils import canonicalize_name

from zlock.index.packed import Zip, in_parts, open_tar
from zlock.model.ports import InvalidMetadata
from zlock.regular import open_regular

_TAIL = 1 << 16  # bytes; the metadata is near the end of nearly every wheel
_MOST_METADATA = 16 << 20  # bytes
UNREADABLE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,
)
"""What the readers of the standard library raise for archives that are damaged or made to deceive."""


class RangesUnusable(Exception):
    """The server can't or won't serve ranges rightly; the whole file has to do."""


class RemoteFile(io.RawIOBase):
    """A file that is read by ranges; only what is touched is fetched.

    Args:
        fetch: Returns where the bytes it got begin, the bytes of a half-open range, and the whole size; a negative
            start means the last bytes.
    """

    def __init__(self, fetch: Callable[[int, int | None], tuple[int, bytes, int]]) -> None:
        super().__init__()
        self._fetch = fetch
        start, data, self._size = fetch(-_TAIL, None)
        self._blocks = [(start, data)]
        self._position = 0

    def seekable(self) -> bool:
        """Return True (see `io.IOBase`)."""
        return True

    def readable(self) -> bool:
        """Return True (see `io.IOBase`)."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position, never before the begin."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes from the position on, fetching what is not here yet.

        Raises:
            RangesUnusable: The server sent something else than was asked for.
        """
        begin = self._position
        end = self._size if size is None or size < 0 else min(begin + size, self._size)
        if begin >= end:
            return b""
        self._position = end
        for start, data in self._blocks:
            if start <= begin and end <= start + len(data):
                return data[begin - start : end - start]
        start, data, whole = self._fetch(begin, min(self._size, max(end, begin + _TAIL // 4)))
        if whole != self._size:
            raise RangesUnusable  # it was replaced meanwhile
        self._blocks.append((start, data))
        return data[begin - start : end - start]


def wheel_metadata(file: IO[bytes] | io.IOBase, filename: str) -> str:
    """Return the METADATA text of a wheel (PEP 427).

    Raises:
        InvalidMetadata: It is not a zip file, or does not hold exactly one METADATA of its own name.
    """
    try:
        with Zip(file) as archive:
            found = [
                info
                for info in archive.infolist()
                if info.filename.endswith(".dist-info/METADATA") and info.filename.count("/") == 1
            ]
            if len(found) != 1:
                # Installers that differ over which of two counts would install different things.
                raise InvalidMetadata(f"`{filename}` holds {len(found)} METADATA files, not one")
            own = canonicalize_name(found[0].filename.split("-")[0])
            if own != canonicalize_name(filename.split("-", maxsplit=1)[0]):
                raise InvalidMetadata(f"`{filename}` holds the metadata of `{own}`")
            return _text(archive.open(found[0]), found[0].file_size, filename)
    except UNREADABLE as error:
        raise InvalidMetadata(f"`{filename}` is not a readable wheel: {error}") from error


def sdist_metadata(archive: BinaryIO, filename: str) -> str | None:
    """Return the PKG-INFO text from the top folder of an sdist (PEP 625), or None where it has none.

    Raises:
        InvalidMetadata: It is not a readable archive.
    """
    try:
        if filename.endswith(".zip"):
            with Zip(archive) as zipped:
                for info in zipped.infolist():
                    if _is_own(info.filename):
                        return _text(zipped.open(info), info.file_size, filename)
                return None
        with open_tar(archive) as tar:
            for member in tar:
                if _is_own(member.name) and member.isfile() and (stream := tar.extractfile(member)):
                    return _text(stream, member.size, filename)
    except UNREADABLE as error:
        raise InvalidMetadata(f"`{filename}` is not a readable sdist: {error}") from error
    return None


def _is_own(path: str) -> bool:
    return path.count("/") == 1 and path.endswith("/PKG-INFO")


def _text(stream: IO[bytes], size: int, filename: str) -> str:
    if size > _MOST_METADATA:
        raise InvalidMetadata(f"`{filename}` has metadata that no installer would read")
    with stream:
        return in_parts(stream).decode("utf-8", "replace")


def file_sha256(path: Path) -> str:
    """Return the sha256 of a regular file's bytes."""
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def plain_zip(files: Iterable[tuple[str, bytes, bool]]) -> bytes:
    """Return a zip that is the same bytes on every machine for the same files, so nothing in it is compressed.

    Args:
        files: In their order: path, bytes, and whether it can be run.
    """
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, data, is_program in files:
            entry = zipfile.ZipInfo(path)  # of 1980
            entry.create_system = 3  # as made on Unix, wherever it is made
            entry.external_attr = (stat.S_IFREG | (0o755 if is_program else 0o644)) << 16
            archive.writestr(entry, data)
    return made.getvalue()


def plain_wheel(data: bytes, filename: str) -> bytes:
    """Return a wheel as `plain_zip` writes it, its own metadata last (PEP 427).

    Raises:
        InvalidMetadata: It is not a readable wheel.
    """
    try:
        with Zip(io.BytesIO(data)) as archive:
            entries = {one.filename: one for one in archive.infolist() if not one.is_dir()}
            paths = sorted(entries, key=lambda path: (path.partition("/")[0].endswith(".dist-info"), path))
            programs = {path for path in paths if entries[path].external_attr >> 16 & 0o111}
            return plain_zip((path, _sorted(path, archive.read(path)), path in programs) for path in paths)
    except UNREADABLE as error:
        raise InvalidMetadata(f"`{filename}` is not a readable wheel: {error}") from error


def _sorted(path: str, data: bytes) -> bytes:
    """Return a file of a wheel; in its RECORD the order means nothing, and may be that of a disk."""
    is_record = path.endswith(".dist-info/RECORD") and path.count("/") == 1
    return b"".join(line + b"\n" for line in sorted(data.splitlines())) if is_record else data
