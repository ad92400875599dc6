"""Images by what a person calls them: in a layout, in a store of this machine, in a registry."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from zlock.errors import CommandFailed, NoAnswer
from zlock.image.reading.sources import OpenImage, RegistryImage, find_in_layout
from zlock.image.reading.stores import find_stores, take_out
from zlock.image.registry.registry import Registry
from zlock.model.ports import Progress
from zlock.model.reference import ImageReference
from zlock.workflow.workspace import Workspace


class ImageFinder:
    """Finds images; what it takes out of stores is gone once it is left.

    Attributes:
        registry: The registries.
        where: What was found last, and where.
    """

    def __init__(self, workspace: Workspace, progress: Progress) -> None:
        self._environ = workspace.environ
        self._offline = workspace.options.offline
        self._progress = progress
        self._stack = ExitStack()
        self.registry = Registry(workspace.environ)
        self.where = ""
        self._closed_stores: list[str] = []

    def __enter__(self) -> Self:
        self._stack.callback(self.registry.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def find(self, image: str, platforms: Sequence[str]) -> tuple[str, OpenImage]:
        """Return an image, and its platform: the first for which there is one.

        A reference is looked for in the stores of this machine first, as it would be to run it.

        Args:
            image: A reference, `oci:DIR` or `oci:DIR:TAG`.
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
        if kind == "oci" and rest:
            return self._in_layout(image, rest, platform)
        reference = ImageReference.parse(image)
        return self._in_stores(image, platform) or self._elsewhere(reference, platform)

    def _elsewhere(self, reference: ImageReference, platform: str) -> OpenImage | None:
        return None if reference.is_local else self._in_registry(reference, platform)

    def parent(self, reference: ImageReference, platform: str) -> OpenImage | None:
        """Return a parent image as its registry has it, None where it has none of that platform, or offline."""
        return None if self._offline else self._in_registry(reference, platform)

    def _in_layout(self, image: str, rest: str, platform: str) -> OpenImage | None:
        self.where = image
        if ":" in rest and not Path(rest).is_dir():
            folder, _, tag = rest.rpartition(":")
            return find_in_layout(Path(folder), tag, platform)
        return find_in_layout(Path(rest), "", platform)

    def _in_stores(self, image: str, platform: str) -> OpenImage | None:
        for store in find_stores(self._environ):
            self._progress(f"looking for `{image}` in {store.name}")
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="zlock-")))
            try:
                found = take_out(store, image, platform, folder, self._environ)
            except CommandFailed as error:  # an engine that is not running has no image either
                self._closed_stores.append(": ".join([error.message, *error.context[-1:]]))
                continue
            if found:
                self.where = f"{image} in {store.name}"
                return found
        return None

    def _in_registry(self, reference: ImageReference, platform: str) -> OpenImage | None:
        if self._offline:
            raise NoAnswer(
                f"no store of this machine has `{reference}`", context=self._closed_stores, hint="leave out `--offline`"
            )
        self._progress(f"asking the registry for `{reference}`")
        found = self.registry.find(reference, platform)
        if found is None:
            return None
        self.where = f"{reference.name}@{found.tagged} in its registry"
        return RegistryImage(registry=self.registry, reference=reference, found=found)
