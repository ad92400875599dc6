"""Ask the project's interpreter what its zenml requires.

zenml is imported in a child process only: the import takes seconds, prints, and may fail.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from zlock.errors import CommandFailed
from zlock.interrupts import interrupts_postponed
from zlock.redact import redact

Cell = tuple[str, str, str]
"""Python version, `platform.system()` and `platform.machine()`."""

Answered = TypedDict("Answered", {"for": list[Cell], "requirements": list[str]})
"""What an integration requires, and for which Pythons and machines it said so."""

IntegrationData = TypedDict(
    "IntegrationData", {"requirements": list[str], "apt-packages": list[str], "flavors": list[tuple[str, str]]}
)
"""What is known of an integration, in the shape of `catalogue.json`."""

CatalogueData = TypedDict(
    "CatalogueData",
    {"zenml": str, "integrations": dict[str, IntegrationData], "builtin-flavors": list[tuple[str, str]]},
)
"""What a version of zenml says of its integrations, in the shape of `catalogue.json`."""

_PROGRAM = Path(__file__).with_name("zenml_registry.py")
_TIME_LIMIT = 120.0
_SIZE_LIMIT = 16 * 1024 * 1024
_LAST_LINES = 10
_HINTS = {
    "version": "give the project a Python 3.8 or later that runs",
    "registry": "run `import zenml.integrations.registry` in it to see why; without a zenml in it, "
    "the built-in catalogue is used",
}
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SYS_PLATFORM = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}


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


def ask(interpreter: str, question: str, *, time_limit: float = _TIME_LIMIT, size_limit: int = _SIZE_LIMIT) -> Any:
    """Run the program `zenml_registry.py` in an interpreter and return its answer.

    What the child prints goes to a file of its own, of which the last lines are shown if it fails. The child
    works in an empty folder that serves as zenml's configuration too, so that the user's stays as it is.
    """
    with tempfile.TemporaryDirectory(prefix="zlock-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        printed, answer = folder / "printed", folder / "answer"
        # The child works in another folder; a bare name is looked up on PATH.
        program = os.path.abspath(interpreter) if os.path.dirname(interpreter) else interpreter  # noqa: PTH100, PTH120  pathlib drops `./`
        try:
            with _child([program, str(_PROGRAM), question, str(answer)], folder, printed) as process:
                _wait(process, (printed, answer), time_limit=time_limit, size_limit=size_limit)
            if not answer.exists():
                raise _Stopped("it ended without an answer")  # noqa: TRY301  told like all the other failures
            return json.loads(answer.read_bytes())
        except (OSError, ValueError, _Stopped) as error:
            raise CommandFailed(
                f"the project's interpreter can't say what its zenml requires: {_reason(error)}",
                context=(f"interpreter: {interpreter}", *_last_lines(printed)),
                hint=_HINTS[question],
            ) from error


class _Stopped(Exception):
    """The child did not end well; says how."""


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    return redact(str(error).partition("\n")[0])


@contextlib.contextmanager
def _child(command: Sequence[str], folder: Path, printed: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a session of its own; where it has not ended by then, all of that is killed."""
    environment = {
        **os.environ,
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_CONFIG_PATH": str(folder / "zenml"),
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "NO_COLOR": "1",
    }
    process = None
    try:
        with printed.open("wb") as stream, interrupts_postponed():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        yield process
    finally:
        if process is not None and process.poll() is None:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _wait(process: subprocess.Popen[bytes], files: Sequence[Path], *, time_limit: float, size_limit: int) -> None:
    """Wait until the child has ended; raise where it fails, hangs, or writes too much into one of the files."""
    deadline = time.monotonic() + time_limit
    while process.returncode is None:
        if time.monotonic() >= deadline:
            raise _Stopped(f"no answer within {time_limit:g} seconds")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
        if any(file.exists() and file.stat().st_size > size_limit for file in files):
            raise _Stopped(f"it wrote more than {size_limit} bytes")
    if process.returncode != 0:
        raise _Stopped(f"it ended with status {process.returncode}")


def _last_lines(printed: Path) -> list[str]:
    """Read the last lines that a child printed, without colours and credentials."""
    if not printed.exists():
        return []
    with printed.open("rb") as stream:
        stream.seek(max(0, printed.stat().st_size - 8192))
        text = stream.read().decode("utf-8", errors="replace")
    lines = [redact(line.rstrip()) for line in _ANSI.sub("", text).splitlines()]
    return [line for line in lines if line][-_LAST_LINES:]


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
        requirement = Requirement(text)
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
