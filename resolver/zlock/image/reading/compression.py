"""What is inside compressed content: read to its end, as engines read it, whatever it is announced as."""

from __future__ import annotations

import gzip
import hashlib
import math
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from zlock.image.reading.tar import Readable
from zlock.image.registry.manifest import broken

_GZIP = b"\x1f\x8b\x08"
_ZSTD = frozenset({0xFD2FB528, *range(0x184D2A50, 0x184D2A60)})  # a frame, and those that are skipped (RFC 8878)

_DAMAGED = (EOFError, zlib.error, OSError, ValueError, OverflowError)


@contextmanager
def telling_damage(where: str, what: str) -> Iterator[None]:
    """Say of content that can't be read whose it is, and what of it; a disk that refuses is told as such.

    Raises:
        RegistryFailed: It is damaged.
    """
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise broken(where, f"{what} is damaged: {error}") from error


def unpacked(file: IO[bytes]) -> Readable:
    """Return a stream of what is in a file: all members of gzip, all frames of zstd; the file itself if it has none.

    Args:
        file: At its beginning, and seekable.
    """
    start = file.read(4)
    file.seek(0)
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file)
    return _ZstdStream(file) if int.from_bytes(start, "little") in _ZSTD else file


class Hashed:
    """A stream that ends in an error where more is read of it than a limit, and the digest of what has been read."""

    def __init__(self, stream: Readable, limit: float = math.inf) -> None:
        self._stream = stream
        self._left = limit
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return bytes."""
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("it unpacks to more than any of its size does")
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        """The digest of what has been read, `sha256:...`."""
        return f"sha256:{self._hash.hexdigest()}"


class _ZstdStream:
    def __init__(self, file: IO[bytes]) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        self._stream = zstd.ZstdFile(file)
        self._damaged = zstd.ZstdError

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except self._damaged as error:
            raise ValueError(str(error)) from error
