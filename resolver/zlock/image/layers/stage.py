"""A base image with what an engine has put on it: the base image's layers stay as they are, and one more is on top."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import IO, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from zlock.image.layers.assemble import descriptor_of, stage_config
from zlock.image.layers.blob import Layer
from zlock.image.layers.difference import WRITTEN, write_difference
from zlock.image.layers.store import LayerStore
from zlock.image.reading.sources import OpenImage
from zlock.image.registry.manifest import Configuration, FoundImage, broken
from zlock.process import Watch


class WantedLayer(NamedTuple):
    """A layer that an image has: what a person calls it, what it depends on, and what makes it."""

    name: str
    key: str
    write: Callable[[IO[bytes]], Layer]


class Stage(Struct, frozen=True, kw_only=True):
    """A base image with a layer of what an engine has changed on it.

    Attributes:
        base: The base image, as its registry has it.
        wanted: The layer.
        config: The configuration of both as one image, which says the same whichever engine it was.
        found: Both as one image.
    """

    base: OpenImage
    wanted: WantedLayer
    config: bytes
    found: FoundImage

    @classmethod
    def of(cls, base: OpenImage, made: OpenImage, labels: Mapping[str, str], store: LayerStore, watch: Watch) -> Stage:
        """Return a base image with what an engine has made of it.

        Args:
            base: The base image.
            made: What the engine has made.
            labels: What it is labelled with, beside the base image's labels.
            store: Keeps the layer.
            watch: Ends it.

        Raises:
            RegistryFailed: It was made on something else, or is damaged.
            NoAnswer: A device is among what has changed.
            CommandStopped: The watch ended it.
        """
        below, ids = base.found.config.diff_ids, made.found.config.diff_ids
        if ids[: len(below)] != below:
            raise broken(f"`{made.found.name}`", f"it was not made on `{base.found.name}`")
        key = hashlib.sha256(" ".join(["difference", str(WRITTEN), str(len(below)), *ids]).encode()).hexdigest()
        write = partial(write_difference, made, len(below), watch=watch)
        layer = store.recall(key) or store.make(key, write)
        config = stage_config(base.found.config, [layer.diff_id], labels)
        manifest = replace(base.found.manifest, layers=(*base.found.layers, descriptor_of(layer)))
        read = Configuration.parse(config, made.found.name)
        return cls(
            base=base,
            wanted=WantedLayer("its Debian packages", key, write),
            config=config,
            found=replace(base.found, config=read, manifest=manifest),
        )

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer of the base image as a file that the caller closes."""
        return self.base.open_layer(position)
