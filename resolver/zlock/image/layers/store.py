"""Layers that this machine has made, in its cache: what each came to, and its bytes as long as they are there."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import IO

from zlock.image.layers.blob import Layer
from zlock.index.cache import Cache
from zlock.model.form import Misstated, plain, read
from zlock.model.reference import is_digest
from zlock.replacing import telling_where

_KIND = "layers"


def holds(path: Path, digest: str) -> bool:
    """Tell whether a file is there and has a digest: what was cut short or damaged is as good as gone."""
    try:
        with path.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}" == digest
    except OSError:
        return False


class LayerStore:
    """Layers by what they are made of; whoever loses the folder makes them again.

    Args:
        folder: The folder of this machine's cache.
    """

    def __init__(self, folder: Path) -> None:
        self._cache = Cache(folder)
        self._blobs = folder / "layers"
        self._turns: dict[str, Lock] = {}
        self._lock = Lock()

    @contextmanager
    def turn(self, key: str) -> Iterator[None]:
        """Let one thread at a time deal with a layer: what the first has made, the others find."""
        with self._lock:
            lock = self._turns.setdefault(key, Lock())
        with lock:
            yield

    def recall(self, key: str) -> Layer | None:
        """Return what a layer came to before, None where this machine has not made it yet."""
        stored = self._cache.read(_KIND, "", key)
        try:
            layer = read(Layer, stored)
        except Misstated:
            return None
        return layer if is_digest(layer.digest) and is_digest(layer.diff_id) else None

    def path(self, layer: Layer) -> Path:
        """Return where the bytes of a layer are, if they are there."""
        return self._blobs / layer.digest.partition(":")[2]

    def has(self, layer: Layer) -> bool:
        """Tell whether the bytes of a layer are there, and are still what was put there."""
        return holds(self.path(layer), layer.digest)

    def make(self, key: str, write: Callable[[IO[bytes]], Layer]) -> Layer:
        """Make a layer and keep it.

        Raises:
            OSError: The disk refused; nothing half made is left.
        """
        self._blobs.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._blobs, prefix=".new-")
        try:
            with telling_where(self._blobs), os.fdopen(handle, "wb") as stream:
                layer = write(stream)
            Path(name).replace(self.path(layer))
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        self._cache.write(_KIND, "", key, plain(layer))
        return layer
