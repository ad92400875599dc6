"""A tree of files that is looked into and never run: a folder, or the layers of an image.

Paths are absolute, `/` is the root of the tree, and no link leads out of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from zlock.image.reading.tar import Kind
from zlock.regular import read_regular

_MOST_LINKS = 40  # as Linux has it


class Node(NamedTuple):
    """What is at a path, a link not followed.

    Attributes:
        kind: What it is; pipes and the like count as devices.
        target: Where a link leads to.
        mode: Its permissions; these and what follows are of files of images alone.
        owner: The numbers of the user and the group whose it is.
        attributes: Its extended attributes, but for those that a machine gives.
        sha256: Of a file.
    """

    kind: Kind
    target: str = ""
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    attributes: Mapping[str, str] = MappingProxyType({})
    sha256: str = ""


class FileTree(Protocol):
    """What the readers of installed distributions ask of files; every path they ask for has no links in it."""

    def node(self, path: str) -> Node | None:
        """Return what is at a path, None where nothing is."""

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none where there is no folder."""

    def can_read(self, path: str) -> bool:
        """Tell whether the bytes of a file can be had."""

    def read(self, path: str) -> bytes:
        """Return the bytes of a file that describes others, or is a module."""

    def sha256(self, path: str) -> str:
        """Return the hex sha256 of a file."""

    def md5(self, path: str) -> str:
        """Return the hex md5 of a file, for what was written down with that; empty where it is not kept."""


class FolderTree:
    """The files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)

    def node(self, path: str) -> Node | None:
        """Return what is at a path, None where nothing is."""
        place = self._place(path)
        try:
            mode = os.lstat(place).st_mode
            if stat.S_ISLNK(mode):
                return Node("link", os.readlink(place))  # noqa: PTH115 - the place is text
        except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for what can't be in a path
            return None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return None
            raise
        return Node("folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "device")

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none where there is no folder."""
        try:
            return sorted(os.listdir(self._place(path)))  # noqa: PTH208 - as above
        except (FileNotFoundError, NotADirectoryError):
            return []

    def can_read(self, path: str) -> bool:
        """Tell whether the bytes of a file can be had."""
        return os.path.isfile(self._place(path))  # noqa: PTH113 - as above

    def read(self, path: str) -> bytes:
        """Return the bytes of a file."""
        return read_regular(self._place(path))

    def sha256(self, path: str) -> str:
        """Return the hex sha256 of a file, empty for anything else."""
        return self._digest(path, hashlib.sha256)

    def md5(self, path: str) -> str:
        """Return the hex md5 of a file, empty for anything else."""
        return self._digest(path, lambda: hashlib.md5(usedforsecurity=False))

    def _digest(self, path: str, algorithm: Callable[[], hashlib._Hash]) -> str:
        if not self.can_read(path):
            return ""
        with open(self._place(path), "rb") as stream:  # noqa: PTH123 - the path is text
            return hashlib.file_digest(stream, algorithm).hexdigest()

    def _place(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))  # noqa: PTH118 - asked for every file


def resolve(tree: FileTree, path: str) -> str | None:
    """Return a path with all links followed inside the tree, None where it leads to nothing or in a circle."""
    ahead = deque(path.split("/"))
    behind: list[str] = []
    links = 0
    while ahead:
        part = ahead.popleft()
        if part in ("", "."):
            continue
        if part == "..":
            del behind[-1:]
            continue
        node = tree.node("/".join(["", *behind, part]))
        if node is None:
            return None
        if node.kind != "link":
            behind.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        if node.target.startswith("/"):
            behind.clear()
        ahead.extendleft(reversed(node.target.split("/")))
    return "/" + "/".join(behind)


def is_folder(tree: FileTree, path: str) -> bool:
    """Tell whether a path leads to a folder."""
    place = resolve(tree, path)
    node = tree.node(place) if place else None
    return node is not None and node.kind == "folder"


def file_at(tree: FileTree, path: str) -> str | None:
    """Return the path of the file that a path leads to, links followed; None where it leads to none."""
    place = resolve(tree, path)
    node = tree.node(place) if place else None
    return place if node and node.kind == "file" else None


def read_at(tree: FileTree, path: str) -> bytes:
    """Return the bytes of the file that a path leads to; none where it leads to none, or they can't be had."""
    place = resolve(tree, path)
    return tree.read(place) if place and tree.can_read(place) else b""


def text_at(tree: FileTree, path: str) -> str:
    """Return the text of the file that a path leads to, see `read_at`."""
    return read_at(tree, path).decode("utf-8", "replace")


def names_in(tree: FileTree, path: str) -> list[str]:
    """Return the names in the folder that a path leads to, sorted; none where it leads to none."""
    place = resolve(tree, path)
    return tree.names(place) if place else []
