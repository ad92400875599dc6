"""Layers as bytes: a tar in gzip, the same each time it is made (OCI image spec, "Image Layer Filesystem Changeset").

A gzip file may have many members (RFC 1952, 2.2), so what a wheel has compressed already is copied into one of its own
and never compressed again: that is most of the time that layers would take.
"""

from __future__ import annotations

import hashlib
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import IO

from msgspec import Struct

from zlock.image.layers.entry import Entry, Packed
from zlock.image.reading.compression import unpacked
from zlock.process import CommandStopped, Watch

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
"""The media type of a layer."""
_BLOCK = 512
_LEVEL = 6
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, no operating system
_SMALL = 4096  # bytes below which a file shares a member with its neighbours, which packs better
_PENDING = 1024 * 1024
_KINDS = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
}


class Layer(Struct, frozen=True, kw_only=True):
    """A layer as it is stored and sent.

    Attributes:
        digest: `sha256:...` of its bytes.
        diff_id: `sha256:...` of what it unpacks to.
        size: How many bytes it has.
        files: By package the files that its wheel put there, each with its CRC-32.
    """

    digest: str
    diff_id: str
    size: int
    files: Mapping[str, Mapping[str, int]] = {}


def write_blob(entries: Iterable[Entry], target: IO[bytes], watch: Watch) -> Layer:
    """Write a layer; folders above its entries are made, root's and with fixed permissions.

    Args:
        entries: What it holds; of two with one path the later one counts.
        target: Where it goes.
        watch: Ends it.

    Raises:
        zipfile.BadZipFile: A file in a zip is not what the zip says.
        CommandStopped: The watch ended it.
    """
    writer = _Writer(target, watch)
    found = {entry.path: entry for entry in entries}
    above = {str(folder) for path in found for folder in PurePosixPath(path).parents[:-1]}
    for path in sorted(above | found.keys()):
        writer.add(found.get(path) or Entry.folder(path))
    writer.plain(b"\0" * 2 * _BLOCK)
    return writer.finish()


def pack_blob(layer: IO[bytes], target: IO[bytes], watch: Watch) -> Layer:
    """Write a layer that is there already, however it is compressed, as this module writes them.

    Raises:
        ValueError: It is damaged; or another of `reading.compression.DAMAGED`.
        CommandStopped: The watch ended it.
    """
    writer = _Writer(target, watch)
    stream = unpacked(layer)
    while chunk := stream.read(_PENDING):
        writer.plain(chunk)
    return writer.finish()


class _Writer:
    """A tar that is written as gzip; what it unpacks to is hashed on the way."""

    def __init__(self, target: IO[bytes], watch: Watch) -> None:
        self._target = target
        self._watch = watch
        self._stored = hashlib.sha256()
        self._unpacked = hashlib.sha256()
        self._size = 0
        self._pending = bytearray()

    def add(self, entry: Entry) -> None:
        self.plain(_head(entry))
        content = entry.content
        if isinstance(content, Packed) and _is_deflated(content.info) and entry.size >= _SMALL:
            self._splice(content)
        else:
            for chunk in entry.chunks():
                self.plain(chunk)
        self.plain(b"\0" * (-entry.size % _BLOCK))

    def plain(self, data: bytes) -> None:
        self._unpacked.update(data)
        self._pending += data
        if len(self._pending) >= _PENDING:
            self._flush()

    def finish(self) -> Layer:
        self._flush()
        digest, diff_id = (f"sha256:{one.hexdigest()}" for one in (self._stored, self._unpacked))
        return Layer(digest=digest, diff_id=diff_id, size=self._size)

    def _flush(self) -> None:
        if self._pending:
            packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            self._store(_HEADER)
            self._store(packer.compress(self._pending))
            self._store(packer.flush() + _trailer(zlib.crc32(self._pending), len(self._pending)))
            self._pending.clear()

    def _splice(self, content: Packed) -> None:
        """Copy what a zip has compressed; that it unpacks to what the zip says is seen on the way."""
        self._flush()
        self._store(_HEADER)
        size, crc = 0, 0
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        for chunk in content.deflated():
            self._store(chunk)
            left = chunk
            while True:
                data = unpacker.decompress(left, _PENDING)
                left = unpacker.unconsumed_tail
                size, crc = size + len(data), zlib.crc32(data, crc)
                self._unpacked.update(data)
                is_done = not left and len(data) < _PENDING  # else there may be more in it than it could give
                if is_done or size > content.info.file_size or unpacker.unused_data:
                    break
        if not unpacker.eof or unpacker.unused_data or (size, crc) != (content.info.file_size, content.info.CRC):
            raise zipfile.BadZipFile(f"`{content.info.filename}` is damaged")
        self._store(_trailer(crc, size))

    def _store(self, data: bytes) -> None:
        if self._watch.stop.is_set():
            raise CommandStopped("the run ended before a layer was made", hint="run again")
        self._target.write(data)
        self._stored.update(data)
        self._size += len(data)


def _trailer(crc: int, size: int) -> bytes:
    return struct.pack("<II", crc, size & 0xFFFFFFFF)


def _is_deflated(info: zipfile.ZipInfo) -> bool:
    return info.compress_type == zipfile.ZIP_DEFLATED


def _head(entry: Entry) -> bytes:
    """Return the header of an entry, of 1970; long names have a record before it (POSIX.1-2001, pax)."""
    info = tarfile.TarInfo(entry.path)
    info.size, info.mode, info.type = entry.size, entry.mode, _KINDS[entry.kind]
    info.uid, info.gid = entry.owner
    info.linkname = entry.content if isinstance(entry.content, str) else ""
    info.pax_headers = dict(entry.attributes)
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
