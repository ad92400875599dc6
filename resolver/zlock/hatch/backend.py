"""A PEP 517 backend: hatchling's, with the build hook of zlock on, whether or not it is configured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hatchling import build
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

_Settings = Mapping[str, object] | None


def __getattr__(name: str) -> object:
    """Return what else hatchling's backend has; that differs from frontend to frontend."""
    found: object = getattr(build, name)
    return found


def build_sdist(sdist_directory: str, config_settings: _Settings = None) -> str:  # noqa: ARG001 - PEP 517 names it
    """Build an sdist (PEP 517, `build_sdist`)."""
    return _build(SdistBuilder(str(Path.cwd())), sdist_directory, "standard")


def build_wheel(
    wheel_directory: str,
    config_settings: _Settings = None,  # noqa: ARG001 - PEP 517 names it
    metadata_directory: str | None = None,  # noqa: ARG001 - PEP 517 names it
) -> str:
    """Build a wheel (PEP 517, `build_wheel`)."""
    return _build(WheelBuilder(str(Path.cwd())), wheel_directory, "standard")


def build_editable(
    wheel_directory: str,
    config_settings: _Settings = None,  # noqa: ARG001 - PEP 660 names it
    metadata_directory: str | None = None,  # noqa: ARG001 - PEP 660 names it
) -> str:
    """Build an editable wheel (PEP 660, `build_editable`)."""
    return _build(WheelBuilder(str(Path.cwd())), wheel_directory, "editable")


def _build(builder: SdistBuilder | WheelBuilder, directory: str, version: str) -> str:
    builder.build_config.setdefault("hooks", {}).setdefault("zlock", {})
    (artifact,) = builder.build(directory=directory, versions=[version])
    return Path(artifact).name
