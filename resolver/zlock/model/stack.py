"""What a pipeline runs on, as the configuration states it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Stack(Struct, frozen=True, kw_only=True):
    """A stack.

    Attributes:
        components: Component type to flavor, or names of flavors and integrations alone.
        requirements: Its own, beside those of its components.
        apt_packages: Its own Debian packages.
        pipeline_image: Whether its orchestrator runs every pipeline itself in an image, beside its steps.
        remote: False: pipelines run without images, and docker settings are disregarded.
    """

    components: Mapping[str, str] | tuple[str, ...] = {}
    requirements: tuple[str, ...] = ()
    apt_packages: tuple[str, ...] = ()
    pipeline_image: bool = False
    remote: bool = True
