"""How what was locked is installed: from facts to commands.

The environment is a venv without pip, so it holds what the lock holds and nothing else; installers work from outside.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from zlock.image.context.dockerfile import Action, Command, Python, Run, Shell
from zlock.image.context.installation import INDEXES, OWN, SECRET, Built, Installation, Way
from zlock.image.context.pip import EPOCH, QUIET, Pip, pip_cache, pip_install
from zlock.image.context.uv import Uv
from zlock.model import installer
from zlock.model.image import FOLDER

WAYS: Mapping[str, Way] = {installer.PIP.name: Pip(), installer.UV.name: Uv()}
"""By name, all the installers there are."""
_BUILD, _WHEELS, _BUILT = "/tmp/zlock-build", "/tmp/zlock-wheels", "/tmp/zlock-built"  # noqa: S108 - of the image
_SEED = {"PYTHONHASHSEED": "0"}
_UNASKED = {"GIT_TERMINAL_PROMPT": "0"}  # a login that is missing ends the build


def index_variables(default: str | None, others: Sequence[str]) -> bytes:
    """Return the variables of all installers that name indexes, as a shell reads them.

    Every file is checked against the lock, so it does not matter which index gives it.

    Args:
        default: The URL of the default index, credentials in it; None for the installer's own.
        others: Those of the other indexes.
    """
    variables = [row for way in WAYS.values() for row in way.index_variables(default, others).items()]
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables if value).encode()


def install(facts: Installation) -> Run:
    """Return the command that makes the environment and installs what was locked."""
    commands: list[Action] = [*_check_git(facts)]
    if facts.venv:
        commands.append(Command(("python3", "-m", "venv", "--without-pip", facts.venv)))
    if not (facts.files or facts.own or facts.sdists):
        return Run(tuple(commands))
    way = WAYS[facts.installer.name]
    commands += [*_indexes(facts), *way.install(facts), *_own(facts), *_build(facts)]
    commands += [_compile(facts)] if facts.bytecode else []
    return Run(tuple(commands), facts.mounts)


def _check_git(facts: Installation) -> Sequence[Shell]:
    """Return what stops the build early where repositories can't be cloned."""
    if not any(one.is_repository for one in facts.sdists):
        return ()
    missing = "zlock: packages come from git repositories, and there is no git: add it to apt_packages"
    return (Shell(f"command -v git > /dev/null || \\\n        {{ echo '{missing}' >&2; exit 1; }}"),)


def install_project(facts: Installation, command: str | tuple[str, ...]) -> Run:
    """Return the command that installs the project itself; what it fetches, it fetches for itself.

    `pip` and `uv` install into the environment, though neither is in it.
    """
    argv = ("/bin/sh", "-c", command) if isinstance(command, str) else command
    return Run((*_indexes(facts), *WAYS[facts.installer.name].run(facts, argv)), facts.mounts)


def _indexes(facts: Installation) -> tuple[Shell, ...]:
    """Return what says where packages come from: variables for this command, and nowhere else."""
    if facts.wheelhouse:
        offline = {**WAYS[installer.PIP.name].offline, **WAYS[facts.installer.name].offline}
        return (Shell(f"export {' '.join(f'{name}={value}' for name, value in offline.items())}"),)
    file = f"/run/secrets/{SECRET}" if facts.secret else f"{FOLDER}/{INDEXES}" if facts.indexes else ""
    return (Shell(f"set -a; . {file}; set +a"),) if file else ()


def _own(facts: Installation) -> list[Command]:
    """Return what installs the wheels of the project's folders: by pip alone, as uv would record times of files."""
    return [pip_install(facts, "--no-index", "--requirement", f"{FOLDER}/{OWN}")] if facts.own else []


def _build(facts: Installation) -> list[Action]:
    """Return what builds wheels, each with what was locked for it, and installs them.

    Of a repository pip records the commit (PEP 610) only if it finds the wheel in its cache, by the URL.
    """
    if not facts.sdists:
        return []
    # Tools of a build are found after the parent's own, whose `python3` has the pip.
    commands: list[Action] = [Shell(f'export PATH="$PATH:{_BUILD}/bin"')]
    for one in facts.sdists:
        commands += _wheel(facts, one)
    pins = [f"{one.name}=={one.version}" for one in facts.sdists if not one.is_repository]
    if pins:
        commands.append(pip_install(facts, "--no-index", "--find-links", _WHEELS, *pins))
    repositories = [word for one in facts.sdists if one.is_repository for word in ("--requirement", one.source)]
    if repositories:
        # What would not be in the cache could not be built here, so nothing comes in that was not locked.
        commands.append(pip_install(facts, "--no-build-isolation", *repositories, cache=("--cache-dir", _BUILT)))
    return [*commands, Command(("rm", "-rf", _WHEELS, _BUILT))]


def _wheel(facts: Installation, one: Built) -> list[Command]:
    """Return what builds one wheel: never taken from a cache that is kept, as it may be built with something else."""
    pip = ("python3", "-m", "pip", "--python", f"{_BUILD}/bin/python")
    checked = () if one.is_repository else ("--require-hashes",)
    environ = {**EPOCH, **_SEED, **(_UNASKED if one.is_repository else {})}
    away = ("--cache-dir", _BUILT, "--no-deps", *checked, "--no-build-isolation", "--wheel-dir", _WHEELS)
    needs = ("--no-deps", "--require-hashes", "--no-compile", "--requirement", one.needs)
    return [
        Command(("python3", "-m", "venv", "--without-pip", _BUILD)),
        *([] if one.is_bare else [Command((*pip, "install", *QUIET, *pip_cache(facts), *needs))]),
        Command((*pip, "wheel", *QUIET, *away, "--requirement", one.source), environ),
        Command(("rm", "-rf", _BUILD)),
    ]


def _compile(facts: Installation) -> Python:
    """Return what compiles all modules: the same bytes each time, and none is compiled or checked at a start (PEP 552).

    Packages may hold files that are no Python of this version: the log names them, and the build goes on.
    """
    program = (
        "import compileall, py_compile, sysconfig",
        "unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH",
        "folders = {sysconfig.get_path(kind) for kind in ('purelib', 'platlib')}",
        "[compileall.compile_dir(one, quiet=1, force=True, invalidation_mode=unchecked) for one in folders]",
    )
    return Python(facts.python, program, {"PYTHONHASHSEED": "0"})
