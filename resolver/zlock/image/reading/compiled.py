"""Compiled modules, `.pyc` files: which source each was compiled from (PEP 3147)."""

from __future__ import annotations

import posixpath
import re

from zlock.image.reading.tree import FileTree, resolve

_CACHED = re.compile(r"(?P<module>.+)\.(?P<tag>[^.]+)(?:\.opt-(?P<level>[^.]+))?\.pyc")
CACHE = "__pycache__"
"""The folder in which Python keeps what it has compiled; it runs only what has a source beside that folder."""


def source_of(tree: FileTree, path: str) -> str:
    """Return the source of a compiled file, empty where there is none: then it is in no cache, or nothing runs it."""
    folder, name = posixpath.split(path)
    above, cache = posixpath.split(folder)
    match = _CACHED.fullmatch(name)
    if cache != CACHE or match is None:
        return ""
    place = resolve(tree, f"{above}/{match['module']}.py")
    node = tree.node(place) if place else None
    return place if place and node and node.kind == "file" else ""
