"""ZenML's docker settings in the words of zlock's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zlock.settings.place import Place

_PATHS = ("requirements", "pyproject_path", "dockerfile", "build_context_root")
_LEFT_OUT = (
    "image_tag",
    "parent_image_build_config",
    "skip_build",
    "disable_automatic_requirements_detection",
    "pyproject_export_command",
    "install_deployment_requirements",
    "build_config",
    "allow_including_files_in_images",
    "allow_download_from_code_repository",
    "allow_download_from_artifact_store",
    "build_options",
    "dockerignore",
    "copy_files",
    "copy_global_config",
    "source_files",
    "required_hub_plugins",
)


def translated(stated: Mapping[str, Any], place: Place, notes: list[str]) -> dict[str, Any]:
    """Return zlock's settings for those that ZenML has checked; what is left out is noted."""
    values = {name: value for name, value in stated.items() if value is not None and name not in _LEFT_OUT}
    left = [name for name in stated if name in _LEFT_OUT]
    notes.extend(f"`{name}` of ZenML's `DockerSettings` is left out" for name in left)
    for name in _PATHS:
        if isinstance(values.get(name), str):
            values[name] = _found(values[name], place)
    return values


def _found(stated: str, place: Place) -> str:
    """Return a path as ZenML finds it, from the folder that a run begins in, or one beside the file that states it."""
    from_project = Path.cwd() / stated
    beside = (place.folder or Path.cwd()) / stated
    return str(beside if not from_project.exists() and beside.exists() else from_project)
