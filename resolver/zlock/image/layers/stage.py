"""What an engine has put on a base image, taken as layers of their own: the base image's stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO

from zlock.image.layers.assemble import stage_config
from zlock.image.reading.sources import UNPACKED, OpenImage
from zlock.image.registry.manifest import Configuration, Descriptor, FoundImage, broken


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A base image with the layers that an engine has made on it.

    Attributes:
        base: The base image, as its registry has it.
        made: What the engine has made.
        config: The configuration of both as one image, which says the same whichever engine it was.
        found: Both as one image.
    """

    base: OpenImage
    made: OpenImage
    config: bytes
    found: FoundImage

    @classmethod
    def of(cls, base: OpenImage, made: OpenImage, labels: Mapping[str, str]) -> Stage:
        """Return what an engine has made on a base image.

        Raises:
            RegistryFailed: It was made on something else.
        """
        below, ids = base.found.config.diff_ids, made.found.config.diff_ids
        if ids[: len(below)] != below:
            raise broken(f"`{made.found.name}`", f"it was not made on `{base.found.name}`")
        own = tuple(Descriptor(media_type=UNPACKED, digest=one, size=0) for one in ids[len(below) :])
        manifest = replace(base.found.manifest, layers=(*base.found.layers, *own))
        config = stage_config(base.found.config, ids[len(below) :], labels)
        read = Configuration.parse(config, made.found.name)
        return cls(base=base, made=made, config=config, found=replace(base.found, config=read, manifest=manifest))

    def owner(self, position: int) -> OpenImage:
        """Return which of the two has a layer."""
        return self.base if position < len(self.base.found.layers) else self.made

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer as a file that the caller closes; what the engine made is as it keeps it."""
        return self.owner(position).open_layer(position)
