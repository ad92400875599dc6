"""Stages: base images with locked Debian packages on them, found or made once, for all images that need them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from zlock.errors import OutsideFailed, ZlockError
from zlock.image.builders.builder import AGAIN, Builder, Image
from zlock.image.plan import KEY_LABEL, ImagePlan
from zlock.image.reading.sources import OpenImage, RegistryImage
from zlock.image.reuse import check_key
from zlock.model.reference import ImageReference
from zlock.process import Watch
from zlock.workflow.images.assembler import Assembler
from zlock.workflow.images.find import ImageFinder
from zlock.workflow.images.registries import Registries

Make = Callable[[ImagePlan, Watch], Image]
"""Has an engine make the image of a plan, unless it has it."""


class DebianStages:
    """The stages of a run.

    Args:
        registries: The registries, which may have them.
        engine: Returns what makes them; raises `OutsideFailed` where there is none.
        make: Has it make one, whose Debian packages are kept before that where it is pushed.
        finder: Takes them out of its store.
    """

    def __init__(self, registries: Registries, engine: Callable[[], Builder], make: Make, finder: ImageFinder) -> None:
        self._registries = registries
        self._engine = engine
        self._make = make
        self._finder = finder
        self._turns: dict[str, Lock] = {}
        self._open: dict[tuple[str, str], OpenImage | ZlockError] = {}  # or why it can't be made, which is tried once
        self._lock = Lock()

    def open(self, stage: ImagePlan, assembler: Assembler, watch: Watch) -> OpenImage:
        """Return a stage: of its registry, or of an engine; the first one that asks has it made and pushed.

        What can't be made is tried once, too: all others hear the same error.

        Raises:
            NoAnswer: The base image is not there.
            OutsideFailed: It can't be made, or what is under its name is something else.
        """
        with self._lock:  # of all repositories: what an engine makes for one, it has for the next
            turn = self._turns.setdefault(stage.key, Lock())
        with turn:
            place = stage.repository, stage.key
            if place not in self._open:
                try:
                    found = None if stage.rebuild else self._in_registry(stage)
                    self._open[place] = found or self._made(stage, assembler, watch)
                except ZlockError as error:
                    self._open[place] = error
            opened = self._open[place]
        if isinstance(opened, ZlockError):
            raise opened
        return opened

    def _in_registry(self, stage: ImagePlan) -> OpenImage | None:
        if self._registries.store_of(stage) is None:
            return None
        reference = ImageReference.parse(stage.reference)
        registry = self._registries.registry
        found = self._registries.ask(reference, lambda: registry.find(reference, stage.platform))
        if found is None:
            return None
        label = found.config.labels.get(KEY_LABEL, "")
        check_key(Image(digest=found.digest, key=label, place="registry"), str(reference), stage.key)
        return RegistryImage(registry=registry, reference=reference, found=found)

    def _made(self, stage: ImagePlan, assembler: Assembler, watch: Watch) -> OpenImage:
        name, engine = stage.reference, self._engine()
        self._make(stage, watch)
        # An engine without a store has put it into the registry.
        made = (
            self._finder.in_store_of(engine.name, name, stage.platform) if engine.stores else self._in_registry(stage)
        )
        if made is None:
            raise OutsideFailed(f"{engine.name} built `{name}` and does not have it", hint=AGAIN)
        return assembler.stage(stage, made, watch)
