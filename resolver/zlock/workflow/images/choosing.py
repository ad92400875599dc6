"""What builds, what puts images together, and where these go: as the command line says, or as this machine has it."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from msgspec import Struct

from zlock.errors import OutsideFailed
from zlock.image.builders.builder import Builder
from zlock.image.builders.choose import choose_builder
from zlock.index.cache import Cache
from zlock.model.image import OCI
from zlock.workflow.images.destinations import Destination, InEngine, InLayout, InRegistries, on_disk
from zlock.workflow.images.layering import Layering
from zlock.workflow.images.registries import Registries
from zlock.workflow.project.workspace import Workspace

"""The layout in the folder of what builds write, for machines without an engine."""


class Choices(Struct, frozen=True, kw_only=True):
    """How to build.

    Attributes:
        builder: "oci" for images that are put together, or the engine's name; None for what is best for each step.
        output: Where images go that are put together, `oci:DIR` or `docker-archive:FILE`; empty for an engine's store.
        push: Send the images to their repositories.
        attach: The format of bills of materials that are put beside the images, see `zlock.model.bills.BILLS`; empty
            for none.
        jobs: How many are built at a time.
        network: What builds see of the network, as the engine has it; empty for its own default.
        force: Build every image anew, as with `prevent_build_reuse`.
        shard: Which part of the images is built, and of how many parts; others may be built elsewhere meanwhile.
    """

    builder: str | None = None
    output: str = ""
    push: bool = False
    attach: str = ""
    jobs: int = 1
    network: str = ""
    force: bool = False
    shard: tuple[int, int] = (1, 1)


class ChosenEngine:
    """The engine that builds, looked for once; a call returns it.

    Args:
        name: Which one; None for the first that can.
        environ: The environment of the engines' clients.
        network: What builds see of the network, see `Choices`.
    """

    def __init__(self, name: str | None, environ: Mapping[str, str], network: str = "") -> None:
        self.network = network
        self._asked = name, environ
        self._turn = Lock()
        self._found: Builder | OutsideFailed | None = None

    def __call__(self) -> Builder:
        """Return it.

        Raises:
            OutsideFailed: There is none.
        """
        with self._turn:
            if self._found is None:
                try:
                    self._found = choose_builder(*self._asked, self.network)
                except OutsideFailed as error:
                    self._found = error
            found = self._found
        if isinstance(found, OutsideFailed):
            raise OutsideFailed(found.message, context=found.context, hint=found.hint)
        return found

    @property
    def that_stores(self) -> Builder | None:
        """It, if it is there and keeps images on this machine."""
        try:
            found = self()
        except OutsideFailed:
            return None
        return found if found.stores else None


def engine_of(workspace: Workspace, builder: str | None, network: str = "") -> ChosenEngine:
    """Return the engine that `--builder` means.

    Raises:
        OutsideFailed: The one that is named can't build.
    """
    engine = ChosenEngine(None if builder == OCI else builder, workspace.environ, network)
    if builder not in (None, OCI):
        engine()
    return engine


def layering_of(workspace: Workspace, builder: str | None) -> Layering | None:
    """Return what plans images that are put together, unless an engine is named."""
    return Layering(workspace, is_named=builder == OCI) if builder in (None, OCI) else None


def destination_of(choices: Choices, engine: ChosenEngine, registries: Registries, workspace: Workspace) -> Destination:
    """Return where images go that are put together.

    Raises:
        InvalidInput: `--output` names no place.
    """
    if choices.push:
        return InRegistries(registries.registry, Cache(workspace.cache_folder))
    if choices.output:
        return on_disk(choices.output, workspace.opened)
    stores = engine.that_stores
    return InEngine(stores, workspace.opened) if stores else own_layout(workspace)


def own_layout(workspace: Workspace) -> InLayout:
    """Return the layout of a project, for machines without an engine."""
    folder = workspace.output_folder / OCI
    return InLayout(folder, folder.relative_to(workspace.project.folder).as_posix(), is_asked=False)
