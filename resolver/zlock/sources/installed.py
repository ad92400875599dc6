"""Ask the project's interpreter what its zenml requires.

zenml is imported in a child process only: the import takes seconds, prints, and may fail.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.version import Version

from zlock.errors import CommandFailed
from zlock.model.machine import SYSTEMS
from zlock.model.requirement import parsed
from zlock.process import run_command
from zlock.regular import read_regular

Cell = tuple[str, str, str]
"""Python version, `platform.system()` and `platform.machine()`."""

Answered = TypedDict("Answered", {"for": list[Cell], "requirements": list[str]})
"""What an integration requires, and for which Pythons and machines it said so."""

IntegrationData = TypedDict(
    "IntegrationData",
    {
        "requirements": list[str],
        "apt-packages": list[str],
        "flavors": list[tuple[str, str]],
        "error": NotRequired[str],
    },
)
"""What is known of an integration, in the shape of `catalogue.json`, or why an installed zenml does not know it."""

CatalogueData = TypedDict(
    "CatalogueData",
    {"zenml": str, "integrations": dict[str, IntegrationData], "builtin-flavors": list[tuple[str, str]]},
)
"""What a version of zenml says of its integrations, in the shape of `catalogue.json`."""

_PROGRAM = Path(__file__).with_name("zenml_registry.py")
_TIME_LIMIT = 120.0
_QUIET = {"ZENML_ANALYTICS_OPT_IN": "false", "ZENML_LOGGING_VERBOSITY": "ERROR"}
_HINTS = {
    "version": "give the project a Python 3.8 or later that runs",
    "registry": "run `import zenml.integrations.registry` in it to see why; without a zenml in it, "
    "the built-in catalogue is used",
}
_SYS_PLATFORM = {one.platform_system: one.sys_platform for one in SYSTEMS}


def read_version(interpreter: str) -> str | None:
    """Ask for the version of the zenml that an interpreter has; None where it has none.

    Cheap: the metadata of the installation is read and zenml is not imported.

    Raises:
        CommandFailed: The interpreter can't be run.
    """
    found = ask(interpreter, "version")
    return None if found is None else str(found)


def read_registry(interpreter: str) -> CatalogueData:
    """Ask for all that the zenml of an interpreter says, in the shape of `catalogue.json`.

    Requirements that zenml makes depend on the Python version or the machine carry markers for it, so that the
    answer holds for every target. Requirements that don't parse are left as they are.

    Raises:
        CommandFailed: zenml can't be imported, or gives no answer in time.
    """
    answer = ask(interpreter, "registry")
    for entry in answer["integrations"].values():
        entry["requirements"] = join_answers(entry.pop("answers"))
    found: CatalogueData = answer
    return found


def same_version(one: str, other: str) -> bool:
    """Tell whether two versions are equal as PEP 440 sees them."""
    try:
        return Version(one) == Version(other)
    except ValueError:
        return one == other


def ask(interpreter: str, question: str, *, timeout: float = _TIME_LIMIT) -> Any:
    """Run the program `zenml_registry.py` in an interpreter and return its answer.

    It works in an empty folder that serves as zenml's configuration too, so that the user's stays as it is.
    """
    with tempfile.TemporaryDirectory(prefix="zlock-", ignore_cleanup_errors=True) as folder:
        answer, environ = Path(folder, "answer"), {**os.environ, **_QUIET, "ZENML_CONFIG_PATH": f"{folder}/zenml"}
        command = [interpreter, str(_PROGRAM), question, str(answer)]
        try:
            run_command(command, cwd=Path(folder), timeout=timeout, environ=environ)
            return json.loads(read_regular(answer))
        except (CommandFailed, OSError, ValueError) as error:
            what = "the project's interpreter can't say what its zenml requires"
            said = [f"`{interpreter}` ended without an answer"]
            if isinstance(error, CommandFailed):
                said = [error.message, *error.context]
            raise CommandFailed(what, context=said, hint=_HINTS[question]) from error


def join_answers(answers: Sequence[Answered]) -> list[str]:
    """Join the requirements asked for several Pythons and machines into one list, with markers where they differ.

    Order and spelling are those of the first answer that holds a requirement; repeated ones count once.
    """
    everywhere: set[Cell] = set()
    stated: dict[str, set[Cell]] = {}
    for answer in answers:
        cells = {(python, system, machine) for python, system, machine in answer["for"]}
        everywhere |= cells
        for text in answer["requirements"]:
            stated.setdefault(text, set()).update(cells)
    return [_marked(text, _marker(cells, everywhere)) for text, cells in stated.items()]


def _marked(text: str, marker: str) -> str:
    """Add a marker to a requirement (PEP 508), beside one that it may have."""
    try:
        requirement = parsed(text)
    except InvalidRequirement:
        return text
    if marker:
        both = f"({requirement.marker}) and ({marker})" if requirement.marker else marker
        requirement.marker = Marker(both)
    return str(requirement)


def _marker(cells: set[Cell], everywhere: set[Cell]) -> str:
    """Write the marker that is true for some of the cells; empty where it is true for all."""
    pythons = sorted({python for python, _, _ in everywhere}, key=Version)
    groups: dict[frozenset[tuple[str, str]], list[str]] = {}
    for python in pythons:
        machines = frozenset((system, machine) for each, system, machine in cells if each == python)
        groups.setdefault(machines, []).append(python)
    machines_everywhere = frozenset((system, machine) for _, system, machine in everywhere)
    parts = [
        _all_of(_python_marker(group, pythons), _machine_marker(machines, machines_everywhere))
        for machines, group in groups.items()
        if machines
    ]
    return _any_of(parts)


def _python_marker(group: Sequence[str], pythons: Sequence[str]) -> str:
    """Write the marker for some of the Python versions; the oldest and the newest stand for all beyond them."""
    parts = []
    for first, last in _runs([pythons.index(python) for python in group]):
        lower = f'python_version >= "{pythons[first]}"' if first else ""
        upper = f'python_version < "{pythons[last + 1]}"' if last + 1 < len(pythons) else ""
        parts.append(_all_of(lower, upper))
    return _any_of(parts)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Split ascending places into runs without a gap: first and last of each."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] + 1 == place:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _machine_marker(machines: frozenset[tuple[str, str]], everywhere: frozenset[tuple[str, str]]) -> str:
    """Write the marker for some machines; one that is true on all machines of a system names only the system."""
    if machines == everywhere:
        return ""
    parts = []
    for system in sorted({system for system, _ in machines}):
        on_system = f'sys_platform == "{_SYS_PLATFORM[system]}"'
        inside = sorted(machine for each, machine in machines if each == system)
        whole = len(inside) == sum(each == system for each, _ in everywhere)
        named = "" if whole else _any_of([f'platform_machine == "{machine}"' for machine in inside])
        parts.append(_all_of(on_system, named))
    return _any_of(parts)


def _all_of(*conditions: str) -> str:
    inside = [f"({each})" if " or " in each else each for each in conditions if each]
    return " and ".join(inside)


def _any_of(conditions: Sequence[str]) -> str:
    """Join conditions; an empty one is always true, and so is then the whole."""
    if not all(conditions) or len(conditions) == 1:
        return conditions[0] if len(conditions) == 1 else ""
    return " or ".join(f"({each})" if " and " in each else each for each in conditions)
