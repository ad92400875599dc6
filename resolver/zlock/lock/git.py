"""git, as a command in the repository that locks are in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zlock.process import run_command

_TIMEOUT = 600.0  # seconds for one command: a checkout may be large


def run_git(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what a command of git prints.

    Raises:
        CommandExited: It ended with another code than 0.
        CommandFailed: git is not there, or did not end.
    """
    return run_command(["git", *arguments], cwd=folder, timeout=_TIMEOUT, environ=environ).stdout


def top_of(folder: Path) -> Path:
    """Return the top of the repository that a folder is in.

    Raises:
        CommandExited: It is in none.
    """
    return Path(run_git(folder, "rev-parse", "--show-toplevel").rstrip("\n")).resolve()
