"""Docker settings that no image can be made with: one answer for `resolve`, `--check` and all that makes images."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from zlock.errors import Collector, InvalidConfiguration, Located, NoAnswer, ZlockError, raise_all
from zlock.model.paths import real
from zlock.settings.config import Project
from zlock.settings.docker import DockerSettings
from zlock.settings.location import Location, spelled
from zlock.wording import listed
from zlock.workflow.project.workspace import Step, Workspace

_CARRIED = (
    "python_package_installer_args",
    "environment",
    "runtime_environment",
    "parent_image",
    "local_project_install_command",
)


def note_setting(workspace: Workspace, step: Step, name: str, what: str) -> None:
    """Say what a step has that one of its settings states, and where that is."""
    place = step.settings.where(name)
    workspace.note(f"step `{step.name}` has {what}" + (f"; it is stated in {place}" if place else ""))


def check_settings(workspace: Workspace, steps: Iterable[Step]) -> None:
    """Refuse settings that no image could be made with.

    Raises:
        InvalidConfiguration: A mistake; several come as `Problems`.
    """
    raise_all(error for error, _ in mistakes(workspace, steps))


def mistakes(workspace: Workspace, steps: Iterable[Step]) -> list[tuple[ZlockError, list[str]]]:
    """Return what no image could be made with in the settings of steps: each mistake once, with the steps that have it.

    A step without a Linux platform has no image, so nothing of it is refused.
    """
    found: dict[str, tuple[ZlockError, list[str]]] = {}
    for step in steps:
        platforms = step.platforms or workspace.project.platforms
        if any(platform.startswith("linux/") for platform in platforms):
            for error in _mistakes(workspace, step):
                found.setdefault(error.laid_out(), (error, []))[1].append(step.name)
    for error, (first, *others) in found.values():
        error.of(step=first).context += (f"likewise for {listed(others)}",) if others else ()
    return list(found.values())


def _mistakes(workspace: Workspace, step: Step) -> list[ZlockError]:
    problems = Collector()
    settings, project = step.settings, workspace.project
    if any(getattr(settings, name) for name in _CARRIED):
        from zlock.image.context import settings as carried  # most checks have nothing to ask it

        with problems:
            carried.check_settings(settings)
    with problems:
        _check_parent(settings, is_musl=project.musllinux is not None, python=step.python or project.python or "X.Y")
    with problems:
        _check_repository(workspace, settings)
    return problems.errors


def _check_parent(settings: DockerSettings, *, is_musl: bool, python: str) -> None:
    """Refuse parents that can't be right."""
    if settings.dockerfile is not None and settings.parent_image:
        raise InvalidConfiguration(
            "`dockerfile`: there are both a `dockerfile` and a "
            f"`{spelled('parent_image', settings.where('parent_image'))}`",
            context=[
                Located(f"`{spelled(name, place)}` is stated in {place}", place)
                for name in ("dockerfile", "parent_image")
                if (place := settings.where(name))
            ],
            hint="name the image in the `FROM` of the Dockerfile",
        )
    if settings.dockerfile is None and not settings.parent_image and is_musl:
        raise InvalidConfiguration(
            "`parent_image`: the step is locked for musl, and the default base image has glibc",
            hint=f'name one with musl: `parent-image = "python:{python}-alpine"`',
        )


def unbuilt(project: Project, name: str, folder: Path) -> NoAnswer | None:
    """Return why a folder is not built for images: its code may run if it is the project's own, or by its name."""
    allowed = project.build_sdists
    if allowed is None or name in allowed or folder.is_relative_to(real(project.folder)):
        return None
    return NoAnswer(
        f"`{name}` is a folder outside of the project, which zlock builds only if `build-sdists` names it",
        hint=f"write `build-sdists = {json.dumps(sorted({*allowed, name}))}`: its code then runs when locks and images "
        "are made",
    )


def _check_repository(workspace: Workspace, settings: DockerSettings) -> None:
    """Refuse a place for images that is none."""
    project = workspace.project
    registry, target = project.registry, settings.target_repository
    if not registry and not target:
        return
    from zlock.model.reference import join_repository

    try:
        join_repository(registry, target)
    except InvalidConfiguration as error:
        own = Location(str(project.file), project.lines.line_of_key(("registry",))) if registry else None
        places = {"registry": own, "target_repository": settings.where("target_repository")}
        stated = [(name, place) for name, place in places.items() if place]
        error.context = tuple(
            Located(f"`{spelled(name, place)}` is stated in {place}", place) for name, place in stated
        )
        raise
