"""The Python of a step, and those that what it installs is for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.specifiers import SpecifierSet

from zlock.errors import InvalidConfiguration, InvalidRequirements
from zlock.lock.facts import Facts
from zlock.model.origin import Origin, Source
from zlock.model.requirement import Gathered
from zlock.model.target import Target
from zlock.regular import read_regular
from zlock.workflow.project.workspace import Step, Workspace

_VERSION = r"(?m)^version(?:_info)?\s*=\s*(3\.\d+)"


def newest_python(today: date) -> int:
    """Return the newest minor version of Python 3 that anybody may have by then, one that is not released yet.

    3.9 came in October 2020, and one comes each October (PEP 602), with pre-releases in the year before.
    """
    return max(today.year - 2010, sys.version_info.minor)


def note_other_pythons(workspace: Workspace, step: Step, gathered: list[Gathered], targets: Sequence[Target]) -> None:
    """Say that a step's Python is not released, or not among those of a project that is required, or is this one."""
    python = targets[0].python
    if targets[0].minor > (newest := newest_python(datetime.now(UTC).date())):
        workspace.note(
            f"step `{step.name}` is for Python {python} ({_stated(workspace, step)}), which can't be released yet: one "
            f"minor version comes each year, 3.{newest} is the newest that has pre-releases by now"
        )
    stated = [one.requires_python for one in gathered if one.requires_python and one.source is not Source.SCRIPT]
    for wanted, origin in stated or _own_pythons(workspace):
        if not _holds(wanted, python):
            workspace.note(
                f"step `{step.name}` is for Python {python} ({_stated(workspace, step)}), and the project for "
                f'`requires-python = "{wanted}"` ({origin})'
            )


def targets_of(workspace: Workspace, step: Step, gathered: list[Gathered], facts: Facts | None) -> tuple[Target, ...]:
    """Return what a step runs on.

    A Python that nobody set is read back from the step's lock, or is that of the project's interpreter; for a script
    that excludes it, the nearest one that the script is for.

    Raises:
        InvalidConfiguration: The Python is not among those of `requires-python` in a script (PEP 723, script runners).
    """
    project = workspace.project
    scripts = [one.requires_python for one in gathered if one.source is Source.SCRIPT and one.requires_python]
    python = step.python or project.python
    if python is None:
        recorded = facts.python if facts is not None and not workspace.options.upgrade else None
        own = recorded or python_of(workspace.interpreter)
        python = next((one for one in _nearest(own) if all(_holds(wanted, one) for wanted, _ in scripts)), own)
    for wanted, origin in scripts:
        if not _holds(wanted, python):
            raise InvalidConfiguration(
                f'step `{step.name}` is for Python {python}, and its script for `requires-python = "{wanted}"`',
                context=[origin.located, _stated(workspace, step)],
                hint="correct one of the two; `[steps.NAME]` with `python` sets that of a single step",
            )
    floors = {"manylinux": project.manylinux, "musllinux": project.musllinux}
    platforms = sorted(step.platforms or project.platforms)
    return tuple(Target.parse(python, platform, **floors) for platform in platforms)


def _nearest(python: str) -> list[str]:
    """Return minor versions of Python 3, the nearest to one first, a newer one before an older one."""
    minor = int(python.split(".")[1])
    others = sorted(range(2 * minor), key=lambda one: (abs(one - minor), -one))
    return [python, *(f"3.{one}" for one in others)]


def _stated(workspace: Workspace, step: Step) -> str:
    """Say where the Python of a step is stated."""
    project = workspace.project
    stated, address = (step.python, ("steps", step.called, "python")) if step.python else (None, ("python",))
    stated = stated or project.python
    if stated is None:
        return "`python` is not set, so it is that of the project's interpreter"
    line = project.lines.line_of(stated, address)
    return f'`python = "{stated}"` in {project.shown_file}{f":{line}" if line else ""}'


def python_of(interpreter: Path) -> str:
    """Return the minor version of an interpreter, without running it where its environment says so."""
    if interpreter == Path(sys.executable):
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        match = re.search(_VERSION, read_regular(interpreter.parent.parent / "pyvenv.cfg").decode())
    except (OSError, UnicodeDecodeError):
        match = None
    if match:
        return match[1]
    from zlock.process import run_command

    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return run_command([str(interpreter), "-c", program], cwd=Path.cwd(), timeout=60).stdout.strip()


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
