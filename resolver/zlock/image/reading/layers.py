"""The files of an image out of its layers, one laid over the other; nothing is ever written to this machine.

Layers are tar archives with files that take away (OCI image spec, "Image Layer Filesystem Changeset"). They are
read as streams: of each file the hash is kept, and the bytes only of those that describe what is installed, and of
modules.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from zlock.image.reading.compression import Hashed, telling_damage, unpacked
from zlock.image.reading.tar import ATTRIBUTE, Entry, Tar
from zlock.image.reading.tree import Node, resolve
from zlock.image.registry.manifest import broken
from zlock.model.image import OF_DRIVERS, OPAQUE, WHITEOUT
from zlock.model.paths import LONGEST_NAME

_PLAIN = "application/vnd.oci.image.layer.v1.tar"
_DEEPEST = 250  # folders in folders
_LARGEST_KEPT = 64 * 1024 * 1024  # bytes of one file whose content is kept
_MOST_KEPT = 512 * 1024 * 1024  # bytes of all that describe packages
_MOST_MODULES = 512 * 1024 * 1024  # bytes of all modules, compressed
_MOST_FOLDERS = 500_000  # one file may need hundreds
_MOST_TIMES, _MOST_MORE = 200, 16 << 30  # what a layer may unpack to: so many times its size, and bytes beyond that
_KEPT = frozenset({"METADATA", "PKG-INFO", "RECORD", "INSTALLER", "direct_url.json"})
_OF_MACHINE = f"{ATTRIBUTE}security.selinux"
_UNSTATED = Node("folder")  # above what a layer has, which has no entry of it


class _Place:
    """What a layer has put at a path; hard links share the node."""

    __slots__ = ("layer", "node")

    def __init__(self, layer: int, node: Node) -> None:
        self.layer = layer
        self.node = node


class _Folder(_Place):
    __slots__ = ("entries",)

    def __init__(self, layer: int) -> None:
        super().__init__(layer, _UNSTATED)
        self.entries: dict[str, _Place] = {}

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
        describes: Tells by its name and the names of its folders whether a file describes what is installed.
        debian: Whether what dpkg says of installed packages is kept too, and the md5 of each file.
    """

    def __init__(
        self, name: str, describes: Callable[[str, Sequence[str]], bool] | None = None, *, debian: bool = False
    ) -> None:
        self._where = f"`{name}`"
        self._describes = describes or (_describes_all if debian else _describes)
        self._modular = describes is None  # who asks for other files has no use for modules
        self._debian = debian
        self._root = _Folder(0)
        self._layers = 0
        self._said = 0
        self._folders = 0
        self._kept = 0
        self._modules = 0
        self._data: dict[str, bytes] = {}  # compressed, by digest
        self._md5: dict[str, str] = {}  # by the other digest
        self._replaced: set[tuple[_Folder, str]] = set()  # folders that a layer has put something else in place of

    def add(self, layer: IO[bytes], diff_id: str, media_type: str = "") -> None:
        """Lay a layer over those that are there.

        It may be compressed with gzip or zstd, in any number of members or frames, whatever it is announced as.

        Args:
            layer: The layer, from its beginning.
            diff_id: The digest of what it unpacks to, from the image's configuration.
            media_type: What it is announced as.

        Raises:
            RegistryFailed: It is damaged, unpacks to something else, holds a path that leads out of the image, or
                something that engines take in several ways.
        """
        self._layers += 1
        self._replaced.clear()
        with telling_damage(self._where, f"its layer {self._layers}"):
            limit = _MOST_TIMES * layer.seek(0, os.SEEK_END) + _MOST_MORE
            layer.seek(0)
            content = unpacked(layer)
            if content is not layer and media_type == _PLAIN:  # some engines look, others believe it
                raise broken(self._where, f"its layer {self._layers} is compressed, and announced as `{_PLAIN}`")
            stream = Hashed(content, limit)
            tar = Tar(stream, self._said)
            for entry in tar:
                self._add(tar, entry)
            self._said = tar.said
        if stream.digest != diff_id:
            raise broken(self._where, f"its layer {self._layers} unpacks to {stream.digest}, and not to {diff_id}")

    def node(self, path: str) -> Node | None:
        """Return what is at a path, None where nothing is."""
        there = self._at(path)
        return None if there is None else there.node

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """Yield all paths that a layer has an entry of, without the slash at the beginning, each with what is there."""
        waiting = [("", self._root)]
        for folder, there in waiting:
            for name, place in there.entries.items():
                if place.node is not _UNSTATED:
                    yield f"{folder}{name}", place.node
                if isinstance(place, _Folder):
                    waiting.append((f"{folder}{name}/", place))

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none where there is no folder."""
        there = self._at(path)
        return sorted(there.entries) if isinstance(there, _Folder) else []

    def can_read(self, path: str) -> bool:
        """Tell whether the bytes of a file were kept."""
        return self.sha256(path) in self._data

    def read(self, path: str) -> bytes:
        """Return the bytes of a file that describes what is installed, or of a module."""
        if not self.can_read(path):
            raise broken(self._where, f"`{path}` is too large, or no file")
        return zlib.decompress(self._data[self.sha256(path)])

    def sha256(self, path: str) -> str:
        """Return the hex sha256 of a file, empty for anything else."""
        there = self._at(path)
        return there.node.sha256 if there else ""

    def md5(self, path: str) -> str:
        """Return the hex md5 of a file, empty where none was asked for."""
        return self._md5.get(self.sha256(path), "")

    def _at(self, path: str) -> _Place | None:
        there: _Place | None = self._root
        for part in filter(None, path.split("/")):
            there = there.entries.get(part) if isinstance(there, _Folder) else None
        return there

    def _add(self, tar: Tar, entry: Entry) -> None:
        *parents, name = self._parts(entry.path) or [""]
        if not name and entry.kind != "folder":
            raise broken(self._where, f"the root of its layer {self._layers} is not a folder")
        path = "/".join([*parents, name])
        if not name or (path.startswith(OF_DRIVERS) and path != OPAQUE):
            return  # the root, or what a storage driver keeps there for itself
        folder = self._folder(parents)
        if name == OPAQUE:
            folder.prune(self._layers)
        elif name.startswith(WHITEOUT):
            self._take(folder, name.removeprefix(WHITEOUT), entry.path)
        elif entry.kind == "folder":
            there = folder.entries.get(name)
            if not isinstance(there, _Folder):
                there = self._made(folder, name)
            there.layer, there.node = self._layers, _node(entry)
        else:
            self._put(tar, entry, folder, name, parents)

    def _put(self, tar: Tar, entry: Entry, folder: _Folder, name: str, parents: list[str]) -> None:
        """Put what is not a folder in place of what is there."""
        if isinstance(folder.entries.get(name), _Folder):
            self._replaced.add((folder, name))
        sha256 = self._read(tar, entry, name, parents) if entry.kind == "file" else ""
        node = self._linked(entry.target) if entry.kind == "hard link" else _node(entry, sha256)
        folder.entries[name] = _Place(self._layers, node)

    def _take(self, folder: _Folder, name: str, path: str) -> None:
        """Take away what lower layers put under a name.

        What its own layer has put there stays by the specification; engines take it away as well, or fail.
        """
        if name in ("", ".", ".."):
            raise broken(self._where, f"its layer {self._layers} deletes a path that can't be determined: `{path}`")
        if isinstance(folder.entries.get(name), _Folder):
            self._replaced.add((folder, name))
        folder.take(name, self._layers)
        if name in folder.entries:
            raise broken(self._where, f"its layer {self._layers} brings what it takes away: `{path}`")

    def _made(self, folder: _Folder, name: str) -> _Folder:
        """Return a new folder.

        Where the layer has replaced one before, engines that mount layers over one another (overlayfs) show what was
        in that too.
        """
        if (folder, name) in self._replaced:
            raise broken(self._where, f"its layer {self._layers} takes away a folder and makes it again: `{name}`")
        self._folders += 1
        if self._folders > _MOST_FOLDERS:
            raise broken(self._where, f"its layers have more than {_MOST_FOLDERS} folders")
        made = folder.entries[name] = _Folder(self._layers)
        return made

    def _parts(self, path: str) -> list[str]:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise broken(self._where, f"a path in its layer {self._layers} leads out of it: `{path}`")
        if len(parts) > _DEEPEST:
            raise broken(self._where, f"a path in its layer {self._layers} has more than {_DEEPEST} parts")
        if _bytes(path) > LONGEST_NAME and max(map(_bytes, parts)) > LONGEST_NAME:
            raise broken(self._where, f"no system takes a name in its layer {self._layers}: `{path[:60]}...`")
        return parts

    def _folder(self, parts: list[str]) -> _Folder:
        """Return a folder by its path, made where it is not there; links of the same layer are followed.

        Of those of lower layers, engines that unpack each layer on its own know nothing, and make folders that hide
        them; others follow them.
        """
        there = self._root
        for depth, part in enumerate(parts):
            below = there.entries.get(part)
            if below and below.node.kind == "link":
                path = "/".join(["", *parts[: depth + 1]])
                if below.layer != self._layers:
                    raise broken(self._where, f"its layer {self._layers} has files behind `{path}`, a link below it")
                place = resolve(self, path)
                below = None if place is None else self._at(place)
            if below is None and part not in there.entries:
                below = self._made(there, part)
            if not isinstance(below, _Folder):
                raise broken(self._where, f"its layer {self._layers} has files below what is not a folder: `{part}`")
            there = below
        return there

    def _linked(self, path: str) -> Node:
        """Return what a hard link gives another name to."""
        *parents, name = self._parts(path) or [""]
        there = self._folder(parents).entries.get(name)
        if there is None or isinstance(there, _Folder):
            raise broken(self._where, f"a hard link in its layer {self._layers} leads to nothing: `{path}`")
        return there.node

    def _read(self, tar: Tar, entry: Entry, name: str, parents: list[str]) -> str:
        """Read a file, keep it as far as it describes what is installed or is a module, and return its sha256."""
        describes = self._describes(name, parents)
        keep = entry.size <= _LARGEST_KEPT and (describes or (self._modular and _is_module(name, parents)))
        if describes and keep:
            self._kept += entry.size
        if self._kept > _MOST_KEPT:
            raise broken(self._where, f"what describes its packages is larger than {_MOST_KEPT} bytes")
        digest, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False) if self._debian else None
        kept = []
        for chunk in tar.content():
            digest.update(chunk)
            if md5:
                md5.update(chunk)
            if keep:
                kept.append(chunk)
        sha256 = digest.hexdigest()
        if md5:
            self._md5[sha256] = md5.hexdigest()
        if keep and sha256 not in self._data:
            data = zlib.compress(b"".join(kept), 1)
            self._modules += 0 if describes else len(data)
            if describes or self._modules <= _MOST_MODULES:
                self._data[sha256] = data
        return sha256


def _bytes(path: str) -> int:
    return len(path.encode("utf-8", "surrogateescape"))


def _node(entry: Entry, sha256: str = "") -> Node:
    attributes = entry.attributes and {name: value for name, value in entry.attributes.items() if name != _OF_MACHINE}
    return Node(entry.kind, entry.target, entry.mode, entry.owner, attributes, sha256)


def _describes(name: str, parents: Sequence[str]) -> bool:
    if name == "pyvenv.cfg" or name.endswith(".egg-info"):
        return True
    return name in _KEPT and bool(parents) and parents[-1].endswith((".dist-info", ".egg-info"))


def _describes_all(name: str, parents: Sequence[str]) -> bool:
    """Tell whether a file describes what is installed, Debian packages included (dpkg(1), "Files")."""
    if parents[:3] == ["var", "lib", "dpkg"]:
        return name in ("status", "diversions") or name.endswith(".md5sums")
    return parents[:2] == ["etc", "dpkg"] or _describes(name, parents)


def _is_module(name: str, parents: list[str]) -> bool:
    return name.endswith((".py", ".pyc")) and not {"site-packages", "dist-packages"}.isdisjoint(parents)
