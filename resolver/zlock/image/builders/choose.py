"""Which engine builds: the one that is named, or the first that answers."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module

from zlock.errors import OutsideFailed

TYPE_CHECKING = False  # the command line asks for the names alone
if TYPE_CHECKING:
    from zlock.image.builders.builder import Builder

BUILDERS = {
    "docker": "docker.Docker",
    "podman": "containers.Podman",
    "buildah": "containers.Buildah",
    "buildctl": "buildctl.Buildctl",
}
"""The engines, in the order in which they are tried, each with the class that is imported once it is."""


STORES = {"docker-daemon": ("docker",), "containers-storage": ("podman", "buildah")}
"""The engines that look into a store, by what skopeo and podman call it; podman, buildah and skopeo share one."""


def choose_builder(name: str | None, environ: Mapping[str, str], network: str = "") -> Builder:
    """Return an engine that can be used.

    Args:
        name: One of `BUILDERS`, or None for the first that can.
        environ: The environment of the engines' clients.
        network: What builds see of the network, as the engine has it ("host", "none"); empty for its own default.

    Raises:
        OutsideFailed: None can.
    """
    troubles = []
    for each in (name,) if name else BUILDERS:
        builder = engine_of(each, environ, network)
        trouble = builder.trouble()
        if not trouble:
            return builder
        troubles.append(f"{each}: {trouble}")
    raise OutsideFailed(
        f"`{name}` can't build" if name else "no image builder is available",
        context=troubles,
        hint="start or install one, or write the build contexts with `zlock dockerfile` and build them elsewhere",
    )


def engine_of(name: str, environ: Mapping[str, str], network: str = "") -> Builder:
    """Return an engine by its name, whether it can be used or not."""
    module, _, kind = BUILDERS[name].partition(".")
    builder: Builder = getattr(import_module(f"zlock.image.builders.{module}"), kind)(environ, network)
    return builder


def engines_with_stores(environ: Mapping[str, str], kinds: Collection[str] = STORES) -> Iterator[Builder]:
    """Yield an engine that is installed for each store, or for those of some kinds."""
    for kind in kinds:
        name = next((one for one in STORES[kind] if shutil.which(one, path=environ.get("PATH"))), None)
        if name:
            yield engine_of(name, environ)
