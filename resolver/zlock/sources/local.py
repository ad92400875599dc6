"""The local environment as a source: what a freeze command prints, made fit for an image."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import cast

from msgspec import Struct
from msgspec.structs import replace
from packaging.requirements import InvalidRequirement
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import Collector, CommandFailed, InvalidConfiguration, InvalidRequirements
from zlock.model import plain
from zlock.model.controls import CONTROLS
from zlock.model.origin import Origin
from zlock.model.paths import real
from zlock.model.requirement import Gathered, parsed
from zlock.model.toml import parse_toml
from zlock.process import CommandExited, CommandNotFound, Completed, find_uv, quoted, run_command
from zlock.redact import redact
from zlock.regular import read_regular
from zlock.sources.environment import Environment, ask
from zlock.sources.printed import Entry, Printed, read_printed
from zlock.sources.requirements import read_text

_ZLOCK = canonicalize_name("zlock")
_POETRY_EXPORT = ("poetry", "export", "--format=requirements.txt", "--without-hashes")

_PYTHONS = ("bin/python", "bin/python3", "Scripts/python.exe", "bin/python.exe")
_NO_PIP = re.compile(r"No module named '?pip'?\s*$", re.MULTILINE)
_NO_EXPORT = re.compile(r"command \"?export\"? does not exist|No module named 'poetry_plugin_export'")
_STALE = re.compile(r"poetry\.lock is not (?:consistent|up to date)|changed significantly since poetry\.lock")
_UNPRINTABLE = re.compile(rf"(?![\t\n])[{CONTROLS}\ufffd]")
_CONDA = re.compile(r"/croot/|conda-bld|feedstock_root|/tmp/build/")

_Run = Callable[[Sequence[str]], Completed]


class _Listing(Struct, frozen=True, kw_only=True):
    """What a command listed.

    Attributes:
        text: What it printed.
        described: The command as a person types it.
        installed: It lists what the interpreter finds installed.
        notes: What a person should know about how it was had.
    """

    text: str
    described: str
    installed: bool = False
    notes: tuple[str, ...] = ()


def project_interpreter(project: Path, environ: Mapping[str, str]) -> Path:
    """Find the project's interpreter: that of `$VIRTUAL_ENV`, else of `.venv`, else zlock's own.

    The environment that pre-commit made for a hook is active there, and is not the project's.
    Links are not followed: what is installed depends on the path by which an interpreter is called.

    Raises:
        InvalidConfiguration: `$VIRTUAL_ENV` or `.venv` holds no interpreter.
    """
    active = environ.get("VIRTUAL_ENV", "")
    if active and not _is_of_hook(environ):
        hint = "activate an environment that exists, or unset `VIRTUAL_ENV`"
        return _interpreter_in(Path(active).absolute(), f"`$VIRTUAL_ENV` is `{active}`", hint)
    if (project / ".venv").is_dir():
        hint = "make it again, or remove it"
        return _interpreter_in((project / ".venv").absolute(), "the project has a folder `.venv`", hint)
    if not sys.executable:
        raise InvalidConfiguration("no Python interpreter was found", hint="make a virtual environment `.venv`")
    return Path(sys.executable)


def gather_local(
    how: bool | str | Sequence[str],
    *,
    project: Path,
    interpreter: Path,
    origin: Origin,
    timeout: float,
    environ: Mapping[str, str],
    exclude: Collection[str] = (),
) -> Gathered:
    """Read the requirements that the local environment amounts to.

    zlock itself, what only it needs, and the project itself are left out, with a note. Editable installs
    from version control become pins of their commit.

    Args:
        how: True or "pip_freeze", "uv_freeze", "poetry_export", or a command as a list.
        project: The folder in which the command runs.
        interpreter: The project's interpreter.
        origin: The origin of everything found here; the command and the line are added to it.
        timeout: Seconds that each command may take.
        environ: The environment variables; the interpreter's folder comes first on their `PATH`.
        exclude: Names that are left out where they stand for a local path.

    Raises:
        InvalidRequirements: Lines point to paths on this machine.
        CommandFailed: The command failed, hung, or printed what are no requirements.
    """
    project = project.absolute()
    active = _activated(environ, interpreter)
    run = partial(run_command, cwd=project, timeout=timeout, environ=active)
    listing = _list(how, project=project, interpreter=interpreter, run=run)
    environment = Environment()
    if listing.installed:
        environment = ask(interpreter, project=project, timeout=timeout, environ=active)
    printed = _read(listing, project, environment)
    origin = replace(origin, detail=f"`{listing.described}`")
    left_out, refused = _sift(printed, project=project, environment=environment, exclude=exclude)
    unread = [*chain(*left_out.values()), *refused]
    problems = Collector()
    if refused:
        problems.add(_refusal(refused, origin))
    gathered = Gathered(source=origin.source, described=listing.described)
    if len(unread) < len(printed.entries):
        with problems, _as_failure(listing.described):
            gathered = read_text(
                printed.without(unread),
                root=project,
                origin=origin,
                environ=environ,
                described=listing.described,
            )
    problems.raise_if_any()
    if not gathered.requirements and not unread:  # options of pip alone, as those of poetry's sources, are nothing too
        hint = "install the project's packages into its environment, or turn `replicate_local_python_environment` off"
        raise CommandFailed(f"`{listing.described}` printed no requirement", context=listing.notes, hint=hint)
    if not gathered.requirements and interpreter == Path(sys.executable) and _is_of_hook(environ):
        message = "listed the environment of the hook, as the project has none that is known here"
        hint = "make a virtual environment `.venv` in the project"
        raise InvalidConfiguration(f"`{listing.described}` {message}", hint=hint)
    return replace(gathered, recorded=True, notes=(*listing.notes, *_notes(listing, left_out), *gathered.notes))


@contextmanager
def _as_failure(described: str) -> Iterator[None]:
    """Turn what is wrong with the text of a command into its failure: whoever runs zlock did not write that text."""
    problems = Collector()
    with problems:
        yield
    failures = Collector()
    for one in problems.errors:
        hint = one.hint or f"let `{described}` print requirements alone"
        failures.add(CommandFailed(one.message, context=one.context, hint=hint))
    failures.raise_if_any()


def descriptions(how: bool | str | Sequence[str], project: Path) -> tuple[str, ...]:
    """Return how what `gather_local` reads may be described, most likely first; runs nothing."""
    if how is True:
        return ("pip freeze", "uv pip freeze")
    named = {"pip_freeze": "pip freeze", "uv_freeze": "uv pip freeze", "poetry_export": shlex.join(_POETRY_EXPORT)}
    return (named[str(how)] if isinstance(how, (str, bool)) else _described(how, project.absolute()),)


def _is_of_hook(environ: Mapping[str, str]) -> bool:
    """Return whether the active environment is the one that pre-commit installed zlock into: it sets both variables."""
    active = environ.get("VIRTUAL_ENV", "")
    return bool(active and environ.get("PRE_COMMIT")) and real(Path(active)) == real(Path(sys.prefix))


def _notes(listing: _Listing, left_out: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    for why, entries in left_out.items():
        names = ", ".join(f"`{entry.name or redact(entry.text)}`" for entry in entries)
        yield f"left out of `{listing.described}`: {names} ({why})"


def _interpreter_in(folder: Path, found: str, hint: str) -> Path:
    for name in _PYTHONS:
        if (folder / name).is_file():
            return folder / name
    raise InvalidConfiguration(f"{found}, but there is no Python interpreter in it", hint=hint)


def _activated(environ: Mapping[str, str], interpreter: Path) -> dict[str, str]:
    """Make `python` and `pip` mean the project's, as activating its environment does."""
    folder = interpreter.parent
    active = {name: value for name, value in environ.items() if name not in {"VIRTUAL_ENV", "PYTHONHOME"}}
    active["PATH"] = os.pathsep.join([str(folder), environ.get("PATH", os.defpath)])
    if (folder.parent / "pyvenv.cfg").is_file():
        active["VIRTUAL_ENV"] = str(folder.parent)
    return active


def _list(how: bool | str | Sequence[str], *, project: Path, interpreter: Path, run: _Run) -> _Listing:
    if how is True:
        return _list_with_either(interpreter, run)
    if how == "pip_freeze":
        return _list_with_pip(interpreter, run)
    if how == "uv_freeze":
        return _list_with_uv(interpreter, run)
    if how == "poetry_export":
        return _list_with_poetry(project, run)
    return _list_with_command(cast("Sequence[str]", how), project=project, interpreter=interpreter, run=run)


def _list_with_either(interpreter: Path, run: _Run) -> _Listing:
    try:
        return _list_with_pip(interpreter, run)
    except _PipMissing:
        note = "the project's environment has no pip; it was listed with `uv pip freeze`"
        return replace(_list_with_uv(interpreter, run), notes=(note,))


class _PipMissing(CommandFailed):
    """The interpreter has no pip."""


def _list_with_pip(interpreter: Path, run: _Run) -> _Listing:
    printed = _run_with_pip((str(interpreter), "-m", "pip", "freeze"), run)
    return _Listing(text=printed, described="pip freeze", installed=True)


def _run_with_pip(argv: Sequence[str], run: _Run) -> str:
    try:
        return run(argv).stdout
    except CommandExited as error:
        if _NO_PIP.search(error.completed.stderr):
            hint = "use `uv_freeze`, which needs no pip in the environment, or install pip there"
            raise _PipMissing("the project's environment has no pip", context=error.context, hint=hint) from None
        raise


def _list_with_uv(interpreter: Path, run: _Run) -> _Listing:
    printed = run((find_uv(), "pip", "freeze", "--python", str(interpreter))).stdout
    return _Listing(text=printed, described="uv pip freeze", installed=True)


def _list_with_command(argv: Sequence[str], *, project: Path, interpreter: Path, run: _Run) -> _Listing:
    """List with a person's own command, whose `python` and `pip` are the project's.

    An environment may have no pip: then the first on `PATH` would be that of another one.
    """
    own = {"python": (), "python3": (), "pip": ("-m", "pip"), "pip3": ("-m", "pip")}
    program, *arguments = argv
    command = [str(interpreter), *own[program], *arguments] if program in own else argv
    return _Listing(text=_run_with_pip(command, run), described=_described(argv, project))


def _list_with_poetry(project: Path, run: _Run) -> _Listing:
    _check_poetry_lock(project)
    try:
        completed = run(_POETRY_EXPORT)
    except CommandNotFound as error:
        hint = "install poetry with its plugin `poetry-plugin-export`, or list the environment with another command"
        raise CommandNotFound(error.message, context=error.context, hint=hint) from None
    except CommandExited as error:
        if _NO_EXPORT.search(error.completed.stderr):
            raise CommandFailed(
                "`poetry` has no command `export`",
                context=error.context,
                hint="`poetry self add poetry-plugin-export`, or `pipx inject poetry poetry-plugin-export`",
            ) from None
        if _STALE.search(error.completed.stderr):
            raise _stale_poetry_lock(error.context) from None
        raise
    if _STALE.search(
        completed.stderr
    ):  # before 2.0 this was a warning, and what was printed an answer to old questions
        raise _stale_poetry_lock(completed.stderr.strip().splitlines())
    return _Listing(text=completed.stdout, described=shlex.join(_POETRY_EXPORT))


def _check_poetry_lock(project: Path) -> None:
    """Refuse to have poetry make the missing lock: it would write one, and print that among the requirements."""
    folders = (project, *project.absolute().parents)
    root = next((folder for folder in folders if (folder / "pyproject.toml").is_file()), None)
    if root is not None and not (root / "poetry.lock").is_file():
        raise InvalidRequirements("there is no `poetry.lock` to export", hint="run `poetry lock`")


def _stale_poetry_lock(context: Sequence[str]) -> CommandFailed:
    return CommandFailed(
        "`poetry.lock` does not fit `pyproject.toml`",
        context=[redact(line) for line in context],
        hint="run `poetry lock`",
    )


def _described(argv: Sequence[str], project: Path) -> str:
    """Write a command as a person types it, with no path that only this machine has."""
    return quoted([_portable(argument, project) for argument in argv])


def _portable(argument: str, project: Path) -> str:
    option, equals, value = argument.partition("=")
    if equals and option.startswith("-"):
        return f"{option}={_portable(value, project)}"
    path = Path(argument)
    if not path.is_absolute():
        return argument
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else path.name


def _read(listing: _Listing, project: Path, environment: Environment) -> Printed:
    if found := _UNPRINTABLE.search(listing.text):
        line = listing.text.count("\n", 0, found.start()) + 1
        raise CommandFailed(
            f"`{listing.described}` printed what is not a string (line {line})",
            hint="let the command print requirements as text",
        )
    names = {one.url: one.name for one in environment.packages.values() if one.url}
    return read_printed(listing.text, project=project, names=names)


def _sift(
    printed: Printed, *, project: Path, environment: Environment, exclude: Collection[str]
) -> tuple[dict[str, list[Entry]], list[Entry]]:
    """Return the entries that are left out, by why, and those that are refused."""
    own, declared = _project_names(project)
    tools = {_ZLOCK} | environment.needed_only_by(_ZLOCK, declared=declared)
    excluded = {canonicalize_name(name) for name in exclude}
    groups: dict[str, list[Entry]] = {}
    refused: list[Entry] = []
    for entry in printed.entries:
        if entry.name in tools:
            groups.setdefault("zlock, or needed only by it", []).append(entry)
        elif entry.name in own or entry.is_inside(project):
            groups.setdefault("the project itself", []).append(entry)
        elif entry.place is not None and entry.name in excluded:
            groups.setdefault("a local path, excluded", []).append(entry)
        elif entry.place is not None:
            refused.append(entry)
    return groups, refused


def _project_names(project: Path) -> tuple[set[NormalizedName], set[NormalizedName]]:
    """Read from `pyproject.toml` the project's own names and those of the packages it says it needs."""
    file = project / "pyproject.toml"
    try:
        stated = parse_toml(read_regular(file).decode())
    except FileNotFoundError:
        return set(), set()
    except (OSError, ValueError) as error:
        raise InvalidConfiguration(
            f"`pyproject.toml` can't be read: {error}", hint="correct that file, or let your user read it"
        ) from None
    table = plain.table(stated, "project")
    poetry = plain.table(stated, "tool", "poetry")
    own = {canonicalize_name(name) for name in (table.get("name"), poetry.get("name")) if isinstance(name, str)}
    lists = [
        table.get("dependencies"),
        *plain.table(table, "optional-dependencies").values(),
        *plain.table(stated, "dependency-groups").values(),
    ]
    lines = [line for one in lists if isinstance(one, list) for line in one if isinstance(line, str)]
    declared = {canonicalize_name(name) for name in plain.table(poetry, "dependencies")}
    for line in lines:
        with suppress(InvalidRequirement):
            declared.add(canonicalize_name(parsed(line).name))
    return own, declared


def _refusal(entries: Sequence[Entry], origin: Origin) -> InvalidRequirements:
    hint = (
        "publish it to an index, name it by VCS URL, or leave it out with `exclude`; "
        "the project itself is installed by `local_project_install_command`"
    )
    if any(_CONDA.search(entry.text) for entry in entries):
        hint += '; what conda built is listed by version with the command `["pip", "list", "--format=freeze"]`'
    return InvalidRequirements(
        "packages of the local environment were installed from paths that only this machine has",
        context=[f"{replace(origin, line=entry.number)}: {entry}" for entry in entries],
        hint=hint,
    )
