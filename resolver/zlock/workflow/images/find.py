"""Images by what a person calls them: in a layout, in a store of this machine, in a registry."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from zlock.errors import CommandFailed, InvalidInput, NoAnswer
from zlock.image.builders.builder import Builder
from zlock.image.builders.choose import STORES, engine_of, engines_with_stores
from zlock.image.reading.files import ArchiveFiles, FolderFiles
from zlock.image.reading.sources import OpenImage, RegistryImage, find_in_archive, find_in_layout
from zlock.model.image import OCI
from zlock.model.reference import ImageReference
from zlock.reporting import Activity, Doing
from zlock.workflow.project.workspace import Workspace

_FORMS = (
    "`oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`, `docker-daemon:NAME`, `containers-storage:NAME`, "
    "`docker://NAME`, `dir:DIR`, `env:PYTHON`"
)
_ON_DISK = (OCI, "oci-archive", "docker-archive")
_REGISTRY = "docker://"


class ImageFinder:
    """Finds images; what it takes out of stores is gone at the end of the run.

    Attributes:
        where: What was found last, and where.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.where = ""
        self._closed_stores: list[str] = []

    def find(self, image: str, platforms: Sequence[str]) -> tuple[str, OpenImage]:
        """Return an image, and its platform: the first for which there is one.

        A reference is looked for in the stores of this machine first, as it would be to run it.

        Args:
            image: A reference, a layout, an archive, or an image in a store, in the words of skopeo.
            platforms: `linux/amd64`.

        Raises:
            NoAnswer: There is none of these platforms.
            InvalidInput: It names no image.
            OutsideFailed: A registry or an engine failed.
        """
        found = next(((platform, one) for platform in platforms if (one := self._find(image, platform))), None)
        if found is None:
            raise NoAnswer(
                f"there is no image `{image}` for {' or '.join(platforms)}",
                context=self._closed_stores,
                hint="build it, or check its name",
            )
        return found

    def _find(self, image: str, platform: str) -> OpenImage | None:
        kind, _, rest = image.partition(":")
        if kind in _ON_DISK and rest:
            self.where = image
            return _on_disk(image, kind, rest, platform)
        if kind in STORES and rest:
            return self._in_one_store(kind, rest, platform)
        if image.startswith(_REGISTRY):
            return self._in_registry(ImageReference.parse(image.removeprefix(_REGISTRY)), platform)
        try:
            reference = ImageReference.parse(image)
        except InvalidInput as error:
            raise InvalidInput(
                error.message, context=["what can be verified: a reference, " + _FORMS], hint=error.hint
            ) from error
        found = self._in_stores(image, platform)
        return found or (None if reference.is_local else self._in_registry(reference, platform))

    def parent(self, reference: ImageReference, platform: str) -> OpenImage | None:
        """Return a parent image as its registry has it, None where it has none of that platform, or offline."""
        return None if self._workspace.options.offline else self._in_registry(reference, platform)

    def _in_stores(self, image: str, platform: str) -> OpenImage | None:
        for engine in engines_with_stores(self._workspace.environ):
            try:
                found = self._in_store(engine, image, platform)
            except CommandFailed as error:  # an engine that is not running has no image either
                self._closed_stores.append(": ".join([error.message, *error.context[-1:]]))
                continue
            if found:
                return found
        return None

    def _in_one_store(self, kind: str, image: str, platform: str) -> OpenImage | None:
        ImageReference.parse(image)
        engine = next(engines_with_stores(self._workspace.environ, [kind]), None)
        if engine is None:
            raise CommandFailed(
                f"there is no program to look for `{kind}:{image}`", hint=f"install {' or '.join(STORES[kind])}"
            )
        return self._in_store(engine, image, platform)

    def in_store_of(self, engine: str, image: str, platform: str) -> OpenImage | None:
        """Return an image as an engine keeps it, None where it has none of that platform.

        Raises:
            CommandFailed: The engine failed.
        """
        return self._in_store(engine_of(engine, self._workspace.environ), image, platform)

    def _in_store(self, engine: Builder, image: str, platform: str) -> OpenImage | None:
        store = f"{engine.name}'s store"
        self._workspace.reporter(Doing(Activity.LOOKING_IN_STORE, image, store))
        folder = Path(self._workspace.opened.enter_context(tempfile.TemporaryDirectory(prefix="zlock-")))
        found = engine.take_out(image, platform, folder)
        if found:
            self.where = f"{image} in {store}"
        return found

    def _in_registry(self, reference: ImageReference, platform: str) -> OpenImage | None:
        if self._workspace.options.offline:
            raise NoAnswer(
                f"no store of this machine has `{reference}`", context=self._closed_stores, hint="leave out `--offline`"
            )
        self._workspace.reporter(Doing(Activity.ASKING_REGISTRY, str(reference)))
        registry = self._workspace.registry
        found = registry.find(reference, platform)
        if found is None:
            return None
        self.where = f"{reference.name}@{found.tagged} in its registry"
        return RegistryImage(registry=registry, reference=reference, found=found)


def _on_disk(image: str, kind: str, rest: str, platform: str) -> OpenImage | None:
    """Return an image in a layout or an archive; what follows its path names one of several."""
    ends = [place for place, letter in enumerate(rest) if letter == ":"]
    end = next((one for one in [len(rest), *ends] if Path(rest[:one]).exists()), len(rest))
    path, tag = Path(rest[:end]), rest[end + 1 :]
    files = FolderFiles(path) if kind == OCI else ArchiveFiles.read(path)
    find = find_in_archive if kind == "docker-archive" else find_in_layout
    return find(files, image, tag, platform)
