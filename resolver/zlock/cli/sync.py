"""`zlock sync`, and `zlock run` in the environment that it makes."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from zlock.cli.failed import end_with_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.errors import InvalidInput, OutsideFailed
from zlock.wording import counted
from zlock.workflow.deliver.sync import SyncedStep, environment_to_run_in, scripts_of, sync

_INSTALLERS = ("pip", "pip3")


def run_sync(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    found, report = sync(options_of(parsed))
    screen.json({"disregarded": report.disregarded, "environments": list(map(_plain, found))})
    if not parsed.json:
        width = max((len(one.step) for one in found), default=0)
        screen.lines(f"{one.step:{width}}  {one.folder}" for one in found)
        for one in found:
            screen.say(f"{one.step}: {counted(one.packages, 'package')}, {'made' if one.made else 'there already'}")
    end_with_failures(report, screen)


def _plain(one: SyncedStep) -> dict[str, object]:
    return {
        "step": one.step,
        "environment": one.folder,
        "scripts": one.scripts,
        "identity": one.identity,
        "packages": one.packages,
        "made": one.made,
    }


def run_run(parsed: argparse.Namespace, screen: Screen) -> int:
    """Become the command that is run; return the exit code where there is none."""
    command = parsed.command[1:] if parsed.command[:1] == ["--"] else parsed.command
    if not command:
        raise InvalidInput("there is no command to run", hint="`zlock run --step train -- python train.py`")
    _refuse_file(command)
    folder = environment_to_run_in(options_of(parsed), make=not parsed.no_sync)
    if folder is None:
        return 0
    environ = _activated(folder, os.environ)
    program = shutil.which(command[0], path=environ["PATH"])
    if program is None:
        raise InvalidInput(
            f"the program `{command[0]}` was not found",
            context=[f"neither in `{scripts_of(folder)}` nor on `PATH`"],
            hint="correct its name, or add the package that brings it to the step's requirements",
        )
    if Path(program).name in _INSTALLERS and not Path(program).is_relative_to(scripts_of(folder)):
        screen.say(f"note: `{program}` is not of this environment, which has no pip and is not to be changed by hand")
    screen.close()
    return _become(program, command, environ)


def _refuse_file(command: Sequence[str]) -> None:
    """Refuse a path that is no program, and a Python file, before an environment is made for it."""
    name = command[0]
    is_python = name.endswith(".py") and Path(name).is_file()
    if shutil.which(name) or not (os.path.dirname(name) or is_python):  # noqa: PTH120 - `./name` has a folder
        return
    hint = "correct the path, which counts from the working folder"
    if Path(name).is_file():
        hint = f"let the interpreter run it: `python {name}`" if is_python else f"make it one: `chmod +x {name}`"
    raise InvalidInput(f"`{name}` is not a program that can be started", hint=hint)


def _activated(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a command in an environment, as its `activate` would set them."""
    kept = {name: value for name, value in environ.items() if name not in ("PYTHONHOME", "CONDA_PREFIX")}
    path = os.pathsep.join([str(scripts_of(folder)), kept.get("PATH", os.defpath)])
    return {**kept, "VIRTUAL_ENV": str(folder), "PATH": path}


def _become(program: str, command: Sequence[str], environ: Mapping[str, str]) -> int:
    if sys.platform == "win32":
        import subprocess

        return subprocess.run([program, *command[1:]], env=environ, check=False).returncode
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, which the command would inherit
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(program, list(command), environ)  # noqa: S606 - a list, and no shell
    except OSError as error:
        raise OutsideFailed(
            f"`{command[0]}` could not be started: {error.strerror}", hint="check that it is a program of this machine"
        ) from error
