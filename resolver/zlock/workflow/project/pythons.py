"""The Python of a step, and those that what it installs is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from packaging.specifiers import SpecifierSet

from zlock.errors import InvalidConfiguration, InvalidRequirements
from zlock.model.origin import Origin, Source
from zlock.model.requirement import Gathered
from zlock.model.target import Target
from zlock.workflow.project.workspace import Step, Workspace


def note_other_pythons(workspace: Workspace, step: Step, gathered: list[Gathered], targets: Iterable[Target]) -> None:
    """Say that a project is required, or is this one, whose `requires-python` leaves the step's Python out."""
    python = next(iter(targets)).python
    stated = [one.requires_python for one in gathered if one.requires_python and one.source is not Source.SCRIPT]
    for wanted, origin in stated or _own_pythons(workspace):
        if not _holds(wanted, python):
            workspace.note(
                f"step `{step.name}` is for Python {python} ({workspace.python_stated(step)}), and the project for "
                f'`requires-python = "{wanted}"` ({origin})'
            )


def check_scripts(workspace: Workspace, step: Step, gathered: list[Gathered], targets: Iterable[Target]) -> None:
    """Refuse to lock a script for a Python that it is not for (PEP 723, script runners).

    Raises:
        InvalidConfiguration: The step's Python is not among those of `requires-python` in the script.
    """
    python = next(iter(targets)).python
    for one in gathered:
        if one.source is Source.SCRIPT and one.requires_python and not _holds(one.requires_python[0], python):
            wanted, origin = one.requires_python
            raise InvalidConfiguration(
                f'step `{step.name}` is for Python {python}, and its script for `requires-python = "{wanted}"`',
                context=[origin.located, workspace.python_stated(step)],
                hint=_way(workspace, step, wanted, python),
            )


def _way(workspace: Workspace, step: Step, wanted: SpecifierSet, python: str) -> str:
    """Say where a Python that a script is for can be stated, and where there is no configuration yet, which."""
    folder = workspace.project.folder
    if workspace.project.file is not None:
        where = f"`python` for `[steps.{step.name}]`" if len(workspace.steps) > 1 else "`python`"
        return f"set {where} in the configuration to a Python that the script is for"
    is_beside = workspace.pipeline is not None and Path(workspace.pipeline.file).parent == folder
    place = "beside the script" if is_beside else f"in `{folder}`"
    minor = int(python.split(".")[1])
    near = sorted((f"3.{one}" for one in range(2 * minor)), key=lambda one: abs(int(one[2:]) - minor))
    stated = next((f'python = "{one}"' for one in near if _holds(wanted, one)), "python")
    return f"write `{stated}` into a `zlock.toml` {place}"


def _own_pythons(workspace: Workspace) -> Iterator[tuple[SpecifierSet, Origin]]:
    """Yield the Pythons that the project itself is for; who asks its file for more finds what is wrong with it."""
    from zlock.pyproject.document import Document  # a check asks nothing of it

    path = workspace.project.folder / "pyproject.toml"
    with suppress(InvalidRequirements):
        if path.is_file() and (stated := Document.read(path, root=workspace.project.folder).pythons):
            yield stated


def _holds(wanted: SpecifierSet, python: str) -> bool:
    """Tell whether a Python is among those that are wanted; "3.12" is an image with any 3.12."""
    releases = (python,) if python.count(".") > 1 else (f"{python}.0", f"{python}.99")
    return any(wanted.contains(version, prereleases=True) for version in releases)
