"""ZenML's docker settings in the words of zlock's.

Each of ZenML's fields is here or has the same name and meaning in zlock; [the page](../../../../docs/zenml.md) has a
row for each. This module needs the standard library alone, on Python 3.10 too.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zlock.settings.location import Location, display
from zlock.settings.reader import Replaced, SettingsDocument, Stated

DEFAULTS: Stated = {
    "venv": "/opt/zlock/venv",  # ZenML's own images, which may be parents, have one in `/opt/venv`
    "any_user": True,
    "runtime_environment": {
        "ZENML_CONFIG_PATH": "/app/.zenconfig",
        "ZENML_CONTAINER": "1",
        "ZENML_ENABLE_REPO_INIT_WARNINGS": "False",
    },
}
"""What images need that ZenML runs."""

_PATHS = ("requirements", "pyproject_path", "dockerfile", "build_context_root")

_ASKING = ("requirements", "pyproject_path", "replicate_local_python_environment")
"""Where none of these is set, ZenML may look for files that ask."""

_FOUND = {"requirements.txt": "requirements", "pyproject.toml": "pyproject_path"}
"""What ZenML looks for in its source root, in this order, and the setting that the first one found is for."""

_SILENT = (
    "disable_automatic_requirements_detection",
    "install_deployment_requirements",
    "allow_including_files_in_images",
    "allow_download_from_code_repository",
    "allow_download_from_artifact_store",
    "copy_files",
    "copy_global_config",
    "source_files",
)
"""What changes nothing here: it is acted upon otherwise, or is about what zlock never builds."""

_IGNORED = {
    "image_tag": "images are tagged with the beginning of their key, and runs name them by digest",
    "build_config": "its options are those of one engine, and most images are made without one; `.dockerignore` of the "
    "project counts",
    "parent_image_build_config": "its options are those of one engine; `ARG` in the Dockerfile may have a default "
    "value, and `.dockerignore` beside it counts",
    "build_options": "ZenML deprecates it, and options of builds are not passed on",
    "dockerignore": "ZenML deprecates it; `.dockerignore` of the project counts",
    "required_hub_plugins": "ZenML deprecates it, and its hub is gone",
}
"""What is left out, and why."""


LISTS = ("requirements", "required_integrations", "apt_packages")
"""What is asked for in lists (or the file of one), where a step's own takes the place of its pipeline's."""


def replaced(around: SettingsDocument, own: SettingsDocument) -> list[Replaced]:
    """Return what a pipeline's settings ask for in vain for a step."""
    above, values = around.values, own.values
    names = [name for name in LISTS if above.get(name) and values.get(name) and above[name] != values[name]]
    return [Replaced(name, above[name], around.places[name], own.places[name]) for name in names]


def translated(
    stated: Stated,
    *,
    detects: bool,
    place: Location,
    notes: list[str],
    places: Mapping[str, Location] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return zlock's settings for those that ZenML has checked.

    Args:
        stated: The fields that are set, as JSON has them.
        detects: Whether ZenML looks for files that ask where no setting names one.
        place: Where the step is.
        notes: What is left out is added here.
        places: Where each setting is stated, or the step is that it is for.
    """
    notes.extend(
        f"`{name}` of ZenML's settings ({places.get(name, place)}) is left out: {why}"
        for name, why in _IGNORED.items()
        if stated.get(name)
    )
    left = {*_SILENT, *_IGNORED}
    values = {name: value for name, value in stated.items() if value is not None and name not in left}
    values = {name: value for name, value in values.items() if value != "" or name not in _PATHS}  # none to ZenML
    if detects and not any(values.get(name) for name in _ASKING):
        values |= _detected(notes)
    for name in _PATHS:
        if isinstance(values.get(name), str):
            values[name] = _found(values[name], place)
    if command := values.pop("pyproject_export_command", None):
        values |= _exported(command, values, notes)
    if "dockerfile" in values and values.pop("parent_image", None):
        notes.append("`parent_image` of ZenML's settings is left out: a `dockerfile` is set too, which counts in ZenML")
    if "python_package_installer_cache_mount" in values:
        values["python_package_installer_cache_mount"] = bool(values["python_package_installer_cache_mount"])
    # ZenML asks the artifact store first; a code repository is of its server, which is not asked here.
    if stated.get("allow_download_from_artifact_store") is False:
        values["include_project"] = bool(stated.get("allow_including_files_in_images", True))
    for name in ("environment", "runtime_environment"):
        if name in values:
            values[name] = {key.upper(): str(value) for key, value in values[name].items()}
    return values


def _exported(command: Sequence[str], values: dict[str, Any], notes: list[str]) -> dict[str, object]:
    """Return the setting that runs a command for what a `pyproject.toml` asks, in place of the file itself."""
    if not values.get("pyproject_path") or values.get("replicate_local_python_environment"):
        beside = "it stands beside `replicate_local_python_environment`"
        why = beside if values.get("pyproject_path") else "no file is set"
        notes.append(f"`pyproject_export_command` of ZenML's settings is left out: {why}")
        return {}
    folder = str(Path(values.pop("pyproject_path")).parent)
    words = [word.replace("{directory}", folder) for word in shlex.split(" ".join(command))]
    return {"replicate_local_python_environment": words}


def _detected(notes: list[str]) -> dict[str, str]:
    """Return the setting for the first file that ZenML would find in its source root."""
    root = next((one for one in (Path.cwd(), *Path.cwd().parents) if (one / ".zen").is_dir()), Path.cwd())
    for name, setting in _FOUND.items():
        if (root / name).is_file():
            notes.append(
                f"`{display(str(root / name))}` is installed, as `disable_automatic_requirements_detection` is false"
            )
            return {setting: str(root / name)}
    return {}


def _found(stated: str, place: Location) -> str:
    """Return a path as ZenML finds it, from the folder that a run begins in, or one beside the file that states it."""
    from_project = Path.cwd() / stated
    beside = (place.folder or Path.cwd()) / stated
    return str(beside if not from_project.exists() and beside.exists() else from_project)
