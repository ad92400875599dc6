"""Zips and tars of others, read so that neither memory nor time goes beyond what an archive of that size may cost."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Literal

_MOST_TIMES, _MOST_MORE = 200, 1 << 28  # what an archive may unpack to: so many times its size, and bytes beyond that
_CHUNK = 1 << 16
_LARGEST_READ = 1 << 20  # bytes; a header in a tar may say that it has any number
_MOST_FILES = 200_000  # in a tar or a zip: each of a zip takes 700 bytes of memory before the first is read
_MOST_RECORDS = 100  # that a tar has for all of its files: each file keeps them
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DECOMPRESSORS: Mapping[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZ": bz2.open,
    b"\xfd7": lzma.open,
    b"]\0": lzma.open,
}
"""By how a file begins."""


class _Few(list[zipfile.ZipInfo]):
    """The files of a zip while `zipfile` reads which there are."""

    def append(self, info: zipfile.ZipInfo, /) -> None:
        if len(self) == _MOST_FILES:
            raise zipfile.BadZipFile(f"it has more than {_MOST_FILES} files")
        super().append(info)


class Zip(zipfile.ZipFile):
    """A zip that is read.

    Raises:
        zipfile.BadZipFile: It is none, has more files than any, or says that it unpacks to more than any archive of its
            size does.
    """

    def __init__(self, file: IO[bytes] | io.IOBase | Path) -> None:
        super().__init__(file)  # type: ignore[type-overload, call-overload, unused-ignore]
        size = sum(info.file_size for info in self.infolist())
        if self.fp is not None and size > _most(self.fp):
            self.close()
            raise zipfile.BadZipFile(f"it unpacks to {size} bytes, which no archive of its size does")

    @property
    def filelist(self) -> list[zipfile.ZipInfo]:
        """The files, see `_Few`."""
        return self._files

    @filelist.setter
    def filelist(self, files: list[zipfile.ZipInfo]) -> None:
        self._files = _Few(files)

    def open(
        self,
        name: str | zipfile.ZipInfo,
        mode: Literal["r", "w"] = "r",
        pwd: bytes | None = None,
        *,
        force_zip64: bool = False,
    ) -> IO[bytes]:
        """Open a file; by other methods than those of wheels and sdists a few bytes unpack to gigabytes at once."""
        info = self.getinfo(name) if isinstance(name, str) else name
        if info.compress_type not in _COMPRESSIONS:
            raise zipfile.BadZipFile(f"`{info.filename}` is compressed in another way than by deflate")
        return super().open(info, mode, pwd, force_zip64=force_zip64)

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        """Return the bytes of a file, as many as the zip says at the most."""
        with self.open(name, pwd=pwd) as stream:
            return in_parts(stream)


def in_parts(stream: IO[bytes]) -> bytes:
    """Return what is left of a stream; `zipfile` unpacks all that there is at once, whatever the zip says."""
    return b"".join(iter(partial(stream.read, _CHUNK), b""))


def open_tar(file: BinaryIO) -> tarfile.TarFile:
    """Open a tar, compressed or not.

    Raises:
        tarfile.TarError: It is none; so reading it ends where it unpacks to more than any archive of its size does.
    """
    limit = _most(file)
    file.seek(0)
    decompress = _DECOMPRESSORS.get(file.read(2))
    file.seek(0)
    return _Tar(fileobj=_Limited(decompress(file) if decompress else file, limit))  # type: ignore[arg-type]  # files all


class _Limited:
    """What `tarfile` asks of a file, up to a limit."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        if size > _LARGEST_READ:
            raise tarfile.ReadError("a header in it is larger than any")
        self._check(self.tell() + size)
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        self._check(place)
        return self._stream.seek(place)

    def _check(self, place: int) -> None:
        if place > self._limit:
            raise tarfile.ReadError(f"it unpacks to more than {self._limit} bytes, which no archive of its size does")


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]

    def next(self) -> tarfile.TarInfo | None:
        found = super().next()
        if len(self.members) > _MOST_FILES or len(self.pax_headers) > _MOST_RECORDS:
            raise tarfile.ReadError("it has more files, or says more of them, than any")
        return found


def _most(file: IO[bytes]) -> int:
    return _MOST_TIMES * file.seek(0, os.SEEK_END) + _MOST_MORE
