"""What is inside compressed content: read to its end, as engines read it, whatever it is announced as."""

from __future__ import annotations

import gzip
import sys
import zlib
from typing import IO

from zlock.image.reading.tar import Readable

_GZIP = b"\x1f\x8b\x08"
_ZSTD = frozenset({0xFD2FB528, *range(0x184D2A50, 0x184D2A60)})  # a frame, and those that are skipped (RFC 8878)

DAMAGED = (EOFError, zlib.error, OSError, ValueError, OverflowError)
"""What reading raises where content is damaged."""


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
