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
from pathlib import Path, PurePosixPath
from typing import IO

from zlock.errors import NoAnswer
from zlock.image.layers.blob import Layer, write_blob
from zlock.image.layers.entry import Entry, Part
from zlock.image.reading.layers import LayerTree
from zlock.image.reading.sources import OpenImage, add_layers
from zlock.image.reading.tar import Entry as Member
from zlock.image.reading.tar import Tar
from zlock.image.reading.tree import Node
from zlock.image.registry.manifest import broken
from zlock.model.image import FOLDER, WHITEOUT
from zlock.process import CommandStopped, Watch
from zlock.replacing import telling_where

WRITTEN = 1
"""The version of how a difference is written; another one is another layer."""
# What engines put into a container while a command runs in it; the last is where commands of zlock have files mounted.
_ENGINES = (
    *(".dockerenv", "etc/hosts", "etc/hostname", "etc/mtab", "etc/resolv.conf", "run/.containerenv", "run/secrets"),
    *("dev", "proc", "sys", FOLDER.lstrip("/")),
)


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
    name, folder = made.found.name, Path(tempfile.gettempdir())
    with telling_where(folder), tempfile.TemporaryFile(prefix="zlock-stage-", dir=folder) as file:
        tree = _Tree(name, file, watch)
        add_layers(tree, made, range(below), watch.reporter)
        base = dict(tree.nodes())
        tree.keeps = True
        add_layers(tree, made, range(below, len(made.found.layers)), watch.reporter)
        return write_blob(_differing(base, tree, name), target, watch)


class _Tree(LayerTree):
    """The files of an image.

    Attributes:
        keeps: Whether the content of what comes may be written: then nothing of engines counts.
        contents: What was kept, by digest.
    """

    def __init__(self, name: str, file: IO[bytes], watch: Watch) -> None:
        super().__init__(name)
        self._file = file
        self._watch = watch
        self.keeps = False
        self.contents: dict[str, Part] = {}

    def _add(self, tar: Tar, entry: Member) -> None:
        if self._watch.stop.is_set():
            raise CommandStopped("the run ended before a layer was read", hint="run again")
        if not (self.keeps and _is_of_engine(posixpath.normpath(f"/{entry.path}").lstrip("/"))):
            super()._add(tar, entry)

    def _read(self, tar: Tar, entry: Member, name: str, parents: list[str]) -> str:  # noqa: ARG002 - all content counts
        digest, start = hashlib.sha256(), self._file.tell()
        for chunk in tar.content():
            digest.update(chunk)
            if self.keeps:
                self._file.write(chunk)
        if self.keeps:
            self.contents[digest.hexdigest()] = Part(self._file, start, entry.size)
        return digest.hexdigest()


def _is_of_engine(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in _ENGINES)


def _differing(base: Mapping[str, Node], tree: _Tree, name: str) -> Iterator[Entry]:
    """Yield what is to be laid over the first files to have the second ones, folders above included."""
    made = dict(tree.nodes())
    changed = {path for path, node in made.items() if base.get(path) != node}
    gone = [path for path in base.keys() - made.keys() if _is_topmost(path, base, made)]
    above = {str(folder) for path in (*changed, *gone) for folder in PurePosixPath(path).parents}
    first: dict[int, str] = {}
    for path in sorted(changed | (above & made.keys())):
        yield _entry(path, made[path], first.setdefault(id(made[path]), path), tree, name)
    for path in gone:
        folder, last = posixpath.split(path)
        yield Entry.file(posixpath.join(folder, f"{WHITEOUT}{last}"), b"", 0)


def _is_topmost(path: str, base: Mapping[str, Node], made: Mapping[str, Node]) -> bool:
    """Tell whether a path that is gone has to be taken away: else what is above it is gone, or no folder any more."""
    folder = posixpath.dirname(path)
    there = made.get(folder)
    return folder not in base if there is None else there.kind == "folder"


def _entry(path: str, node: Node, first: str, tree: _Tree, name: str) -> Entry:
    """Return an entry of a layer; `first` is the path before it that has the same file, or its own."""
    if node.kind == "device":
        raise NoAnswer(
            f"`/{path}` of `{name}` is a device or a pipe, which no layer of zlock's has",
            hint="build with an engine: `--builder docker`",
        )
    if node.kind == "file" and first != path:
        return Entry(path, "hard link", first, 0, node.mode, node.owner, node.attributes)
    content = tree.contents.get(node.sha256)
    if node.kind == "file" and content is None:
        raise broken(f"`{name}`", f"the content of `/{path}` is not in what was built")
    size = content.size if content else 0
    return Entry(path, node.kind, content or node.target, size, node.mode, node.owner, node.attributes)
