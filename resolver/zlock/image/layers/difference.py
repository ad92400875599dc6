"""What has changed on a base image, as one layer: the same whichever engine has run what changed it.

Engines differ in the order of what they write, in files of their own, in marks on folders that are new, and in which
unchanged files they write again. So both trees are read out of their layers, and what is in one and not in the other
is written anew (OCI image spec, "Image Layer Filesystem Changeset").
"""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO

from zlock.errors import NoAnswer
from zlock.image.layers.blob import Layer, write_blob
from zlock.image.layers.entry import Entry, Part
from zlock.image.reading.compression import Hashed, telling_damage, unpacked
from zlock.image.reading.sources import OpenImage
from zlock.image.reading.tar import ATTRIBUTE, Kind, Tar
from zlock.image.reading.tar import Entry as Member
from zlock.image.registry.manifest import broken
from zlock.model.image import FOLDER, OF_DRIVERS, OPAQUE, WHITEOUT
from zlock.process import CommandStopped, Watch
from zlock.replacing import telling_where

WRITTEN = 1
"""The version of how a difference is written; another one is another layer."""
# What engines put into a container while a command runs in it; the last is where commands of zlock have files mounted.
_ENGINES = (
    *(".dockerenv", "etc/hosts", "etc/hostname", "etc/mtab", "etc/resolv.conf", "run/.containerenv", "run/secrets"),
    *("dev", "proc", "sys", FOLDER.lstrip("/")),
)
_OF_MACHINE = f"{ATTRIBUTE}security.selinux"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    """What is at a path, as far as it may differ; hard links share theirs."""

    kind: Kind
    target: str
    mode: int
    owner: tuple[int, int]
    attributes: Mapping[str, str]
    sha256: str = ""
    content: Part | None = field(default=None, compare=False)  # of what an engine has written


_Nodes = dict[str, _Node]


def write_difference(made: OpenImage, below: int, target: IO[bytes], watch: Watch) -> Layer:
    """Write what an engine has changed on a base image.

    Args:
        made: What it has made.
        below: How many layers of that are the base image's.
        target: Where the layer goes.
        watch: Ends it.

    Raises:
        RegistryFailed: A layer can't be had, or is damaged.
        NoAnswer: A device is among what has changed.
        CommandStopped: The watch ended it.
    """
    folder = Path(tempfile.gettempdir())
    with telling_where(folder), tempfile.TemporaryFile(prefix="zlock-stage-", dir=folder) as file:
        tree = _Tree(made, file, watch)
        for position in range(below):
            tree.add(position)
        base = dict(tree.nodes)
        for position in range(below, len(made.found.layers)):
            tree.add(position, keep=True)
        return write_blob(_differing(base, tree.nodes, made.found.name), target, watch)


class _Tree:
    """The files of an image, one layer laid over the other."""

    def __init__(self, image: OpenImage, file: IO[bytes], watch: Watch) -> None:
        self._image = image
        self._file = file
        self._watch = watch
        self._own: set[str] = set()  # of the layer that is being added
        self.nodes: _Nodes = {}

    def add(self, position: int, *, keep: bool = False) -> None:
        """Lay a layer over what is there, its content kept if that may be written; then nothing of engines counts."""
        name = f"`{self._image.found.name}`"
        self._own.clear()
        with self._image.open_layer(position) as layer, telling_damage(name, f"its layer {position + 1}"):
            stream = Hashed(unpacked(layer))
            tar = Tar(stream)
            for member in tar:
                if self._watch.stop.is_set():
                    raise CommandStopped("the run ended before a layer was read", hint="run again")
                path = posixpath.normpath(f"/{member.path}").lstrip("/")
                if path and not (keep and _is_of_engine(path)):
                    self._lay(path, member, tar, keep=keep)
        if stream.digest != self._image.found.config.diff_ids[position]:
            raise broken(name, f"its layer {position + 1} unpacks to {stream.digest}")

    def _lay(self, path: str, member: Member, tar: Tar, *, keep: bool) -> None:
        folder, name = posixpath.split(path)
        if name == OPAQUE:
            self._take(folder, itself=False)
        elif name.startswith(WHITEOUT):
            if not path.startswith(OF_DRIVERS):
                self._take(posixpath.join(folder, name.removeprefix(WHITEOUT)))
        else:
            there = self.nodes.get(path)
            if there and there.kind == "folder" != member.kind:
                self._take(path)
            self.nodes[path] = self._node(path, member, tar, keep=keep)
            self._own.add(path)

    def _take(self, path: str, *, itself: bool = True) -> None:
        """Take away what lower layers have at a path, and below it."""
        gone = [one for one in self.nodes if one.startswith(f"{path}/" if path else "")] + [path] * itself
        for one in gone:
            if one not in self._own:
                self.nodes.pop(one, None)

    def _node(self, path: str, member: Member, tar: Tar, *, keep: bool) -> _Node:
        if member.kind == "hard link":
            there = self.nodes.get(posixpath.normpath(f"/{member.target}").lstrip("/"))
            if there is None:
                raise broken(f"`{self._image.found.name}`", f"the hard link `{path}` leads to nothing")
            return there
        node = _Node(
            kind=member.kind,
            target=member.target,
            mode=member.mode,
            owner=member.owner,
            attributes={name: value for name, value in member.attributes.items() if name != _OF_MACHINE},
        )
        if member.kind != "file":
            return node
        digest, start = hashlib.sha256(), self._file.tell()
        for chunk in tar.content():
            digest.update(chunk)
            if keep:
                self._file.write(chunk)
        return replace(node, sha256=digest.hexdigest(), content=Part(self._file, start, member.size) if keep else None)


def _is_of_engine(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in _ENGINES)


def _differing(base: _Nodes, made: _Nodes, name: str) -> Iterator[Entry]:
    """Yield what is to be laid over the first files to have the second ones, folders above included."""
    changed = {path for path, node in made.items() if base.get(path) != node}
    gone = [path for path in base.keys() - made.keys() if _is_topmost(path, base, made)]
    above = {str(folder) for path in (*changed, *gone) for folder in PurePosixPath(path).parents}
    first: dict[int, str] = {}
    for path in sorted(changed | (above & made.keys())):
        yield _entry(path, made[path], first.setdefault(id(made[path]), path), name)
    for path in gone:
        folder, last = posixpath.split(path)
        yield Entry.file(posixpath.join(folder, f"{WHITEOUT}{last}"), b"", 0)


def _is_topmost(path: str, base: _Nodes, made: _Nodes) -> bool:
    """Tell whether a path that is gone has to be taken away: else what is above it is gone, or no folder any more."""
    folder = posixpath.dirname(path)
    there = made.get(folder)
    return folder not in base if there is None else there.kind == "folder"


def _entry(path: str, node: _Node, first: str, name: str) -> Entry:
    """Return an entry of a layer; `first` is the path before it that has the same file, or its own."""
    if node.kind == "device":
        raise NoAnswer(
            f"`/{path}` of `{name}` is a device or a pipe, which no layer of zlock's has",
            hint="build with an engine: `--builder docker`",
        )
    if node.kind == "file" and first != path:
        return Entry(path, "hard link", first, 0, node.mode, node.owner, node.attributes)
    if node.kind == "file" and node.content is None:
        raise broken(f"`{name}`", f"the content of `/{path}` is not in what was built")
    size = node.content.size if node.content else 0
    return Entry(path, node.kind, node.content or node.target, size, node.mode, node.owner, node.attributes)
