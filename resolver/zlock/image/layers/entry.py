"""What a layer holds: files and links at their places, with nothing that depends on when or where it was made."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Literal, NamedTuple

_CHUNK = 1024 * 1024
_LOCAL_HEADER = 30  # bytes before the name (APPNOTE.TXT, 4.3.7)


class Packed(NamedTuple):
    """A file in a zip, left there until it is written.

    Attributes:
        archive: The zip, open.
        info: The file's entry in it.
    """

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def chunks(self) -> Iterator[bytes]:
        """Yield the file's bytes; `zipfile` checks their CRC-32.

        Raises:
            zipfile.BadZipFile: They are damaged.
        """
        with self.archive.open(self.info) as stream:
            yield from iter(lambda: stream.read(_CHUNK), b"")

    def deflated(self) -> Iterator[bytes]:
        """Yield the file's bytes as the zip has them, still compressed."""
        file = self.archive.fp
        if file is None:
            raise zipfile.BadZipFile("the zip is closed")
        file.seek(self.info.header_offset)
        name, extra = struct.unpack("<HH", file.read(_LOCAL_HEADER)[26:])
        file.seek(name + extra, 1)
        left = self.info.compress_size
        while left and (chunk := file.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk


class Part(NamedTuple):
    """A part of a file, left there until it is written.

    Attributes:
        file: The file, open.
        start: Where it begins.
        size: Its bytes.
    """

    file: IO[bytes]
    start: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        """Yield its bytes."""
        self.file.seek(self.start)
        for left in range(self.size, 0, -_CHUNK):
            yield self.file.read(min(left, _CHUNK))


class Entry(NamedTuple):
    """A file, a folder or a link.

    Attributes:
        path: Its place in the image, without the slash at its beginning.
        kind: What it is.
        content: Of a file its bytes, or where they are; of a link its target, of a hard one a path before it.
        size: How many bytes a file has.
        mode: Its permissions.
        owner: The numbers of the user and the group whose it is.
        attributes: Its extended attributes, by the names that pax gives them.
    """

    path: str
    kind: Literal["file", "folder", "link", "hard link"]
    content: bytes | str | Packed | Part | Path = b""
    size: int = 0
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    attributes: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def file(cls, path: str, data: bytes, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Entry:
        """Return a file of which the bytes are known."""
        return cls(path, "file", data, len(data), mode, owner)

    @classmethod
    def link(cls, path: str, target: str) -> Entry:
        """Return a symbolic link."""
        return cls(path, "link", target, mode=0o777)

    @classmethod
    def folder(cls, path: str, owner: tuple[int, int] = (0, 0), *, mode: int = 0o755) -> Entry:
        """Return a folder."""
        return cls(path, "folder", mode=mode, owner=owner)

    def chunks(self) -> Iterator[bytes]:
        """Yield a file's bytes."""
        if isinstance(self.content, Packed | Part):
            yield from self.content.chunks()
        elif isinstance(self.content, Path):
            yield self.content.read_bytes()
        elif isinstance(self.content, bytes):
            yield self.content
