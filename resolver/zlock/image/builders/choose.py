"""Which engine builds: the one that is named, or the first that answers."""

from __future__ import annotations

from collections.abc import Mapping
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


OCI = "oci"
"""What puts images together out of layers, and is not an engine."""


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
        module, _, kind = BUILDERS[each].partition(".")
        builder: Builder = getattr(import_module(f"zlock.image.builders.{module}"), kind)(environ, network)
        trouble = builder.trouble()
        if not trouble:
            return builder
        troubles.append(f"{each}: {trouble}")
    raise OutsideFailed(
        f"`{name}` can't build" if name else "no image builder is available",
        context=troubles,
        hint="start or install one, or write the build contexts with `zlock dockerfile` and build them elsewhere",
    )
