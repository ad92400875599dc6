"""Where images go that are put together here: registries, a layout or an archive on disk, the store of an engine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import InvalidInput, NoAnswer
from zlock.image.builders.builder import Builder, Image, Store
from zlock.image.layers.assemble import Assembled
from zlock.image.layers.target import Known, LayerSink, Layout, LayoutTarget, RegistryTarget, write_archive
from zlock.image.plan import KEY_LABEL, ImagePlan
from zlock.image.reading.files import FolderFiles
from zlock.image.reading.sources import find_in_layout
from zlock.image.registry.registry import Registry
from zlock.index.cache import Cache
from zlock.model.image import LAYOUT
from zlock.model.reference import ImageReference
from zlock.process import Watch
from zlock.reporting import Activity, Doing

ARCHIVE = "docker-archive:"
"""How the name of an archive of images begins; the path follows."""


class Destination(Protocol):
    """Takes the images of a run."""

    def stores(self, plan: ImagePlan, far: Sequence[Store]) -> list[Store]:
        """Return what may have a plan's image already, what is asked first last; `far` is its registry, if any."""

    def target(self, plan: ImagePlan) -> LayerSink:
        """Return what takes all of an image but its manifest."""

    def keep(self, plan: ImagePlan, image: Assembled, watch: Watch) -> Image:
        """Take an image of which the target has all."""


class InRegistries:
    """Each image goes to its repository, but is there only once it is told to be, see `finish`.

    Args:
        registry: The registries.
        cache: This machine's cache.
    """

    def __init__(self, registry: Registry, cache: Cache) -> None:
        self._registry = registry
        self._known = Known(cache)
        self._waiting: dict[str, Assembled] = {}

    def stores(self, plan: ImagePlan, far: Sequence[Store]) -> list[Store]:  # noqa: ARG002 - it is one for all
        """Return its registry."""
        return [*far]

    def target(self, plan: ImagePlan) -> LayerSink:
        """Return the image's repository."""
        return RegistryTarget(self._registry, ImageReference.parse(plan.reference), self._known)

    def keep(self, plan: ImagePlan, image: Assembled, watch: Watch) -> Image:  # noqa: ARG002 - nothing is sent
        """Remember the manifest."""
        self._waiting[plan.reference] = image
        return Image(digest=image.digest, key=plan.key, place="", built=True)

    def finish(self, plan: ImagePlan, watch: Watch) -> Image:
        """Write the manifest under the tag, and with that the image is there."""
        watch.reporter(Doing(Activity.PUSHING))
        image = self._waiting[plan.reference]
        self.target(plan).finish(image, plan.platform)
        return Image(digest=image.digest, key=plan.key, place="registry", built=True)


class InLayout:
    """All images are in one layout, each by its tag.

    Args:
        folder: The layout.
        shown: What a person calls that folder.
        is_asked: Whether images are to be there, so that it is of no use that a registry has them.
    """

    def __init__(self, folder: Path, shown: str, *, is_asked: bool) -> None:
        self._is_asked = is_asked
        self._layout = Layout(folder)
        self._place = f"{LAYOUT}{shown}"

    def stores(self, plan: ImagePlan, far: Sequence[Store]) -> list[Store]:
        """Return the layout, for the image's platform, and the registry that may spare it."""
        near = LayoutStore(self._layout.folder, self._place, plan.platform)
        return [near] if self._is_asked else [*far, near]

    def target(self, plan: ImagePlan) -> LayerSink:
        """Return the image's place in the layout."""
        return LayoutTarget(self._layout, plan.tag, plan.reference)

    def keep(self, plan: ImagePlan, image: Assembled, watch: Watch) -> Image:  # noqa: ARG002 - it is quick
        """Name the image in the index of the layout."""
        self.target(plan).finish(image, plan.platform)
        return Image(digest=image.digest, key=plan.key, place=self._place, built=True)


class LayoutStore(Struct, frozen=True):
    """The images of one platform in a layout, as a store."""

    folder: Path
    place: str
    platform: str

    def find(self, reference: str) -> Image | None:
        """Return what is under the tag of a name, or None."""
        if not (self.folder / "index.json").is_file():
            return None
        tag = ImageReference.parse(reference).tag
        try:
            found = find_in_layout(FolderFiles(self.folder), self.place, tag, self.platform)
        except InvalidInput:  # it has others
            return None
        if found is None:
            return None
        label = found.found.config.labels.get(KEY_LABEL, "")
        return Image(digest=found.found.digest, key=label, place=self.place)


def _folder(opened: ExitStack) -> Path:
    return Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="zlock-")))


class InArchive:
    """All images are in one archive, which is written in the end.

    Args:
        file: The archive.
        shown: What a person calls it.
        opened: What the run leaves in the end.
    """

    def __init__(self, file: Path, shown: str, opened: ExitStack) -> None:
        self._file = file
        self._place = f"{ARCHIVE}{shown}"
        self._layout = Layout(_folder(opened))
        self._images: dict[str, Assembled] = {}
        opened.callback(self._write)

    def stores(self, plan: ImagePlan, far: Sequence[Store]) -> list[Store]:  # noqa: ARG002 - the archive is new
        """Return nothing: all images are to be in it."""
        return []

    def target(self, plan: ImagePlan) -> LayerSink:
        """Return the image's place in the archive."""
        return LayoutTarget(self._layout, plan.tag, plan.reference)

    def keep(self, plan: ImagePlan, image: Assembled, watch: Watch) -> Image:  # noqa: ARG002 - the end takes long
        """Remember the image."""
        self.target(plan).finish(image, plan.platform)
        self._images[plan.reference] = image
        return Image(digest=image.described.digest, key=plan.key, place=self._place, built=True)

    def _write(self) -> None:
        """Write the archive, if there is anything to be in it; where the disk refuses, the one that was there stays."""
        if self._images:
            write_archive(self._layout.folder, sorted(self._images.items(), key=lambda one: one[0]), self._file)


class InEngine:
    """The images are in the store of an engine."""

    def __init__(self, engine: Builder, opened: ExitStack) -> None:
        self._engine = engine
        self._opened = opened
        self._layouts: dict[str, Layout] = {}

    def stores(self, plan: ImagePlan, far: Sequence[Store]) -> list[Store]:  # noqa: ARG002 - it is one for all
        """Return the engine, and the registry that may spare it."""
        return [*far, self._engine]

    def target(self, plan: ImagePlan) -> LayerSink:
        """Return a layout for the image alone."""
        layout = self._layouts.setdefault(plan.reference, Layout(_folder(self._opened)))
        return LayoutTarget(layout, plan.tag, plan.reference)

    def keep(self, plan: ImagePlan, image: Assembled, watch: Watch) -> Image:
        """Have the engine load the image."""
        name = plan.reference
        watch.reporter(Doing(Activity.LOADING, place=f"the store of {self._engine.name}"))
        archive = self._layouts[name].folder / "archive.tar"
        write_archive(self._layouts[name].folder, [(name, image)], archive)
        found = self._engine.load(archive, name, watch)
        if found.digest not in (image.described.digest, image.digest):  # as which containerd knows it
            raise NoAnswer(f"{self._engine.name} has another image under `{name}` than it was given", hint="run again")
        return replace(found, key=plan.key)


def on_disk(output: str, opened: ExitStack) -> InLayout | InArchive:
    """Return where `--output` says.

    Raises:
        InvalidInput: It says nothing of the kind.
    """
    kind, _, path = output.partition(":")
    place = Path.cwd() / path
    if path and f"{kind}:" == LAYOUT:
        if place.exists() and not place.is_dir():
            raise InvalidInput(f"`{path}` is a file, and a layout is a folder", hint="name a folder")
        return InLayout(place, path, is_asked=True)
    if path and f"{kind}:" == ARCHIVE:
        if place.exists() and not place.is_file():  # a device or a pipe is not to be replaced either
            raise InvalidInput(f"`{path}` is not a file, and an archive is one", hint="name a file")
        return InArchive(place, path, opened)
    raise InvalidInput(f"`{output}` is not a place for images", hint="write `oci:DIR` or `docker-archive:FILE`")
