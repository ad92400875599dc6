"""The files of an image out of its layers, one laid over the other; nothing is ever written to this machine.

Layers are tar archives with files that take away (OCI image spec, "Image Layer Filesystem Changeset"). They are
read as streams: of each file the hash is kept, and the bytes only of those that describe what is installed.
"""

from __future__ import annotations

import hashlib
import lzma
import sys
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO

from zlock.errors import RegistryFailed
from zlock.image.reading.tree import Node, resolve
from zlock.image.registry.manifest import broken

_WHITEOUT, _OPAQUE, _SPECIAL = ".wh.", ".wh..wh..opq", ".wh..wh."
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SINCE = (3, 14)
_CHUNK = 1 << 20
_DEEPEST = 250  # folders in folders
_LARGEST_KEPT = 64 * 1024 * 1024  # bytes of one file whose content is kept
_MOST_KEPT = 512 * 1024 * 1024  # bytes of all of them
_KEPT = frozenset({"METADATA", "PKG-INFO", "RECORD", "INSTALLER", "direct_url.json"})
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError, OverflowError)


class _File:
    __slots__ = ("data", "layer", "sha256")

    def __init__(self, layer: int, sha256: str, data: bytes | None) -> None:
        self.layer = layer
        self.sha256 = sha256
        self.data = data


class _Link:
    __slots__ = ("layer", "target")

    def __init__(self, layer: int, target: str) -> None:
        self.layer = layer
        self.target = target


class _Folder:
    __slots__ = ("entries", "layer")

    def __init__(self, layer: int) -> None:
        self.layer = layer
        self.entries: dict[str, _File | _Link | _Folder] = {}

    def prune(self, layer: int) -> None:
        """Take away all that lower layers put here."""
        for name in list(self.entries):
            self.take(name, layer)

    def take(self, name: str, layer: int) -> None:
        """Take away what lower layers put under a name; what the layer itself has there stays."""
        there = self.entries.get(name)
        if isinstance(there, _Folder):
            there.prune(layer)
        if there is not None and there.layer != layer and not (isinstance(there, _Folder) and there.entries):
            del self.entries[name]


class LayerTree:
    """The files of an image.

    Args:
        name: The image, for messages.
    """

    def __init__(self, name: str) -> None:
        self._where = f"`{name}`"
        self._root = _Folder(0)
        self._layers = 0
        self._kept = 0

    def add(self, layer: IO[bytes]) -> None:
        """Lay a layer over those that are there.

        Raises:
            RegistryFailed: It is damaged, or holds a path that leads out of the image.
        """
        self._layers += 1
        start = layer.read(len(_ZSTD))
        layer.seek(0)
        if start == _ZSTD and sys.version_info < _ZSTD_SINCE:
            raise RegistryFailed(
                f"{self._where} has a layer that is compressed with zstd",
                hint="run zlock with Python 3.14 or later, or push the image with gzip",
            )
        try:
            with tarfile.open(fileobj=layer, mode="r|*") as tar:
                for member in tar:
                    self._add(tar, member)
        except _DAMAGED as error:
            raise broken(self._where, f"its layer {self._layers} is damaged: {error}") from error

    def node(self, path: str) -> Node | None:
        """Return what is at a path, None where nothing is."""
        there = self._at(path)
        if isinstance(there, _Link):
            return Node("link", there.target)
        return None if there is None else Node("folder" if isinstance(there, _Folder) else "file")

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted."""
        there = self._at(path)
        return sorted(there.entries) if isinstance(there, _Folder) else []

    def read(self, path: str) -> bytes:
        """Return the bytes of a file that describes what is installed."""
        there = self._at(path)
        if not isinstance(there, _File) or there.data is None:
            raise broken(self._where, f"`{path}` is too large, or no file")
        return there.data

    def sha256(self, path: str) -> str:
        """Return the hex sha256 of a file."""
        there = self._at(path)
        return there.sha256 if isinstance(there, _File) else ""

    def _at(self, path: str) -> _File | _Link | _Folder | None:
        there: _File | _Link | _Folder | None = self._root
        for part in filter(None, path.split("/")):
            there = there.entries.get(part) if isinstance(there, _Folder) else None
        return there

    def _add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        *parents, name = self._parts(member.name) or [""]
        own = any(part.startswith(_SPECIAL) for part in parents) or (name.startswith(_SPECIAL) and name != _OPAQUE)
        if not name or own:  # the root, or what a storage driver keeps for itself
            return
        folder = self._folder(parents)
        if name == _OPAQUE:
            folder.prune(self._layers)
        elif name.startswith(_WHITEOUT):
            folder.take(name.removeprefix(_WHITEOUT), self._layers)
        elif member.isdir():
            there = folder.entries.get(name)
            if not isinstance(there, _Folder):
                there = folder.entries[name] = _Folder(self._layers)
            there.layer = self._layers
        elif member.issym():
            folder.entries[name] = _Link(self._layers, member.linkname)
        elif member.islnk():
            folder.entries[name] = self._linked(member.linkname)
        elif member.isfile():
            folder.entries[name] = self._read(tar, member, name, parents)
        else:
            folder.entries.pop(name, None)

    def _parts(self, path: str) -> list[str]:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise broken(self._where, f"a path in its layer {self._layers} leads out of it: `{path}`")
        if len(parts) > _DEEPEST:
            raise broken(self._where, f"a path in its layer {self._layers} has more than {_DEEPEST} parts")
        return parts

    def _folder(self, parts: list[str]) -> _Folder:
        """Return a folder by its path, made where it is not there; links that lower layers left are followed."""
        there = self._root
        for depth, part in enumerate(parts):
            below = there.entries.get(part)
            if isinstance(below, _Link):
                place = resolve(self, "/".join(["", *parts[: depth + 1]]))
                below = None if place is None else self._at(place)
            if below is None and part not in there.entries:
                below = there.entries[part] = _Folder(self._layers)
            if not isinstance(below, _Folder):
                raise broken(self._where, f"its layer {self._layers} has files below what is no folder: `{part}`")
            there = below
        return there

    def _linked(self, path: str) -> _File | _Link:
        """Return what a hard link gives another name to."""
        *parents, name = self._parts(path) or [""]
        there = self._folder(parents).entries.get(name)
        if isinstance(there, _File):
            return _File(self._layers, there.sha256, there.data)
        if isinstance(there, _Link):
            return _Link(self._layers, there.target)
        raise broken(self._where, f"a hard link in its layer {self._layers} leads to nothing: `{path}`")

    def _read(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, parents: list[str]) -> _File:
        keep = member.size <= _LARGEST_KEPT and _describes(name, parents[-1] if parents else "")
        if keep:
            self._kept += member.size
        if self._kept > _MOST_KEPT:
            raise broken(self._where, f"what describes its packages is larger than {_MOST_KEPT} bytes")
        digest = hashlib.sha256()
        kept = []
        for chunk in _chunks(tar, member):
            digest.update(chunk)
            if keep:
                kept.append(chunk)
        return _File(self._layers, digest.hexdigest(), b"".join(kept) if keep else None)


def _describes(name: str, folder: str) -> bool:
    if name == "pyvenv.cfg" or name.endswith(".egg-info"):
        return True
    return name in _KEPT and folder.endswith((".dist-info", ".egg-info"))


def _chunks(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    stream = tar.extractfile(member)
    while stream is not None and (chunk := stream.read(_CHUNK)):
        yield chunk
