"""Which engine builds: the one that is named, or the first that answers."""

from __future__ import annotations

from collections.abc import Mapping

from zlock.errors import OutsideFailed
from zlock.image.builders.buildctl import Buildctl
from zlock.image.builders.builder import Builder
from zlock.image.builders.containers import Buildah, Podman
from zlock.image.builders.docker import Docker

BUILDERS = {kind.name: kind for kind in (Docker, Podman, Buildah, Buildctl)}
"""The engines, in the order in which they are tried."""


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
        builder: Builder = BUILDERS[each](environ, network)
        trouble = builder.trouble()
        if not trouble:
            return builder
        troubles.append(f"{each}: {trouble}")
    raise OutsideFailed(
        f"`{name}` can't build" if name else "there is nothing to build with",
        context=troubles,
        hint="start or install one, or write the build contexts with `zlock dockerfile` and build them elsewhere",
    )
