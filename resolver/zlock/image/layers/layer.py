"""Layers of wheels: what makes one, and what it came to the last time on this machine."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import InvalidInput
from zlock.image.layers.blob import Layer, write_blob
from zlock.image.layers.bytecode import compile_modules
from zlock.image.layers.entry import Entry, Packed
from zlock.image.layers.packing import Wheel
from zlock.image.layers.parent import ParentFacts
from zlock.image.layers.wheel import Environment, open_wheel
from zlock.image.reading.compilers import Compiler
from zlock.model.image import whiteout_in
from zlock.process import Watch

LAYOUT = 3
"""The version of what a wheel becomes; another one is another layer, and another image."""

_GONE = "leave the package out (`exclude`), or tell its authors; an engine puts the same file into the image"

Find = Callable[[Wheel], Path]
"""Returns a wheel's file, by its own name and checked."""


class LayerMaker(Struct, frozen=True, kw_only=True):
    """Makes the layers of one environment.

    Attributes:
        environment: Where packages go.
        compiler: What compiles modules; None where images hold sources only.
    """

    environment: Environment
    compiler: Compiler | None

    def key(self, wheels: Sequence[Wheel]) -> str:
        """Return what a layer depends on, as 64 hex digits."""
        compiler = self.compiler and self.compiler.version
        parts = [[one.filename, one.sha256, dict(one.origin)] for one in wheels]
        row = [LAYOUT, list(self.environment), compiler, parts]
        return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()

    def make(self, wheels: Sequence[Wheel], find: Find, target: IO[bytes], watch: Watch) -> Layer:
        """Write a layer; of a path in two of its wheels, the later one's counts.

        Raises:
            InvalidInput: A wheel can't be installed, or not beside the others.
            OutsideFailed: A wheel can't be had, or nothing compiles it.
        """
        with self._entries(wheels, find, watch) as (entries, files):
            layer = write_blob(entries, target, watch)
        return replace(layer, files=files)

    @contextmanager
    def _entries(
        self, wheels: Sequence[Wheel], find: Find, watch: Watch
    ) -> Iterator[tuple[list[Entry], dict[str, dict[str, int]]]]:
        found: dict[str, Entry] = {}
        files: dict[str, dict[str, int]] = {}
        with ExitStack() as stack:
            for wheel in wheels:
                opened = stack.enter_context(open_wheel(find(wheel), self.environment, wheel.origin))
                files[wheel.name] = {entry.path: _crc(entry) for entry in opened}
                found |= {entry.path: entry for entry in opened}
            check_places([files])
            compiled = []
            if self.compiler is not None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zlock-modules-")))
                compiled = compile_modules(self.compiler, found.values(), self.environment.site, folder, watch)
            yield [*found.values(), *compiled], files


def check_places(layers: Sequence[Mapping[str, Mapping[str, int]]]) -> list[tuple[str, str, str]]:
    """Return each path that two wheels have with different content, and both packages, the later one last.

    Args:
        layers: The files of layers, in their order, see `Layer.files`.

    Raises:
        InvalidInput: What is a file of one is a folder of another, or a path means something else in a layer.
    """
    owners: dict[str, tuple[str, int]] = {}
    doubles = []
    for name, files in ((name, files) for layer in layers for name, files in layer.items()):
        for path, crc in files.items():
            if gone := whiteout_in(path):
                what = f"the wheel of `{name}` has `/{path}`, which takes away {gone} in an image"
                raise InvalidInput(what, hint=_GONE)
            other, before = owners.get(path, (name, crc))
            if before != crc:
                doubles.append((path, other, name))
            owners[path] = name, crc
    folders = {str(folder): path for path in owners for folder in PurePosixPath(path).parents}
    for path in sorted(folders.keys() & owners.keys()):
        raise InvalidInput(
            f"`/{path}` is a file of `{owners[path][0]}` and a folder of `{owners[folders[path]][0]}`",
            hint="no installer can have both: leave one of the packages out (`exclude`)",
        )
    return doubles


def _crc(entry: Entry) -> int:
    return entry.content.info.CRC if isinstance(entry.content, Packed) else zlib.crc32(b"".join(entry.chunks()))


class Assembly(Struct, frozen=True, kw_only=True):
    """What an image is put together of.

    Attributes:
        maker: Makes its layers.
        facts: What its parent is.
        wheels: What is installed.
        locked: What it says that was locked.
        environment: Variables that are set first.
        later: Variables that are set last.
        user: Who runs in it; empty for whoever the base image has.
        project: The project's own files, by their path in the folder in which a container runs.
        owner: Whose that folder is, as `chown` takes it; empty for root's.
        any_user: Whether everybody may write into that folder.
    """

    maker: LayerMaker
    facts: ParentFacts
    wheels: tuple[Wheel, ...]
    locked: str
    environment: Mapping[str, str]
    later: Mapping[str, str]
    user: str
    project: Mapping[str, bytes]
    owner: str
    any_user: bool
