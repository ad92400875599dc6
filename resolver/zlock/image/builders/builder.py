"""The protocol of builders, and the values that go in and come out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from zlock.errors import OutsideFailed
from zlock.image.reading.sources import OpenImage
from zlock.process import Watch

AGAIN = "something else changed its store meanwhile: run again"
"""The way out where an engine no longer knows what it has just done."""

EPOCH = "0"
"""SOURCE_DATE_EPOCH of every build: when an image and its files were made, as far as an engine lets that be said."""


class Recipe(Struct, frozen=True, kw_only=True):
    """One build, as an engine needs it.

    Attributes:
        folder: The build context.
        dockerfile: The Dockerfile; it need not be in the context.
        reference: The name and tag that the image gets.
        platform: OCI's name of the platform.
        labels: What the image is labelled with.
        secrets: The file of each secret, by the id that the Dockerfile mounts.
        fresh: Build every layer anew.
    """

    folder: Path
    dockerfile: Path
    reference: str
    platform: str
    labels: Mapping[str, str] = {}
    secrets: Mapping[str, Path] = {}
    fresh: bool = False


class Image(Struct, frozen=True, kw_only=True):
    """An image that is there.

    Attributes:
        digest: `sha256:...`: of its manifest where it is in a registry, of its configuration (what engines call
            the image's id) where only an engine has it.
        key: The label with its key, empty if it has none.
        place: What has it: the name of an engine, or "registry".
        built: Whether it was built just now.
    """

    digest: str
    key: str
    place: str
    built: bool = False


class Store(Protocol):
    """Something that keeps images under names."""

    def find(self, reference: str) -> Image | None:
        """Return what is under a name; None only where nothing is.

        Raises:
            OutsideFailed: It can't be told.
        """


class Builder(Store, Protocol):
    """An engine.

    Attributes:
        name: As `--builder` has it.
        stores: Whether what it builds stays in a store of its own, from where it can be pushed later.
    """

    name: str
    stores: bool

    def trouble(self) -> str:
        """Return why it can't be used, or empty."""

    def build(self, recipe: Recipe, watch: Watch) -> Image:
        """Build an image and keep it under its name.

        Raises:
            ImageBuildFailed: It could not be built.
            CommandStopped: The watch stopped it; nothing half built is left.
        """

    def push(self, reference: str, watch: Watch) -> Image:
        """Send an image to the registry that its name says.

        Raises:
            OutsideFailed: It could not be sent; no tag was written.
        """

    def load(self, archive: Path, reference: str, watch: Watch) -> Image:
        """Take an image out of an archive that names it, if the engine stores images.

        Raises:
            OutsideFailed: It could not be taken.
        """

    def take_out(self, reference: str, platform: str, folder: Path) -> OpenImage | None:
        """Return the image that its store has under a reference, None where it has none for the platform.

        Args:
            reference: What the image is called; the caller has held it to the form of a reference.
            platform: `linux/amd64`.
            folder: An empty folder, in which the image stays while it is read.

        Raises:
            CommandFailed: The store can't be looked into.
            RegistryFailed: What it gave is not an image.
        """


class ImageBuildFailed(OutsideFailed):
    """An image could not be built: its context holds the end of the log."""
