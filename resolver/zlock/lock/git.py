"""git, as a command in the repository that locks are in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from zlock.errors import CommandFailed
from zlock.index.sdist import child_environment
from zlock.model.paths import real
from zlock.process import CommandExited, run_command

_TIMEOUT = 600.0  # seconds for one command: a checkout may be large


class GitRepository(NamedTuple):
    """A repository and its files.

    Attributes:
        top: The folder of its files.
        environ: Leads git to it, wherever git keeps what it knows: of a submodule, of a linked worktree and with
            `GIT_DIR` that is elsewhere.
    """

    top: Path
    environ: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path) -> GitRepository:
        """Return the repository that a folder is in.

        What git exports to hooks and drivers, or a person does, leads to it only where the folder is among the files of
        that; any other has its own.

        Raises:
            CommandExited: It is in none.
            CommandFailed: git is not there, did not end, or keeps it where no text says.
        """
        with suppress(CommandExited):
            found = cls._found(Path.cwd(), os.environ)
            if real(folder).is_relative_to(found.top):
                return found
        return cls._found(folder, child_environment(os.environ))

    @classmethod
    def _found(cls, folder: Path, environ: Mapping[str, str]) -> GitRepository:
        arguments = ["git", "rev-parse", "--show-toplevel", "--absolute-git-dir"]
        printed = run_command(arguments, cwd=folder, timeout=_TIMEOUT, environ=environ).stdout
        top, _, place = printed.rstrip("\n").rpartition("\n")
        if "\N{REPLACEMENT CHARACTER}" in printed:
            raise CommandFailed(f"the path of the repository `{top}` is not valid UTF-8", hint="rename its folder")
        return cls(real(Path(top)), {**environ, "GIT_DIR": place, "GIT_WORK_TREE": top})

    def git(self, *arguments: str, **variables: str) -> str:
        """Return what a command of git prints that runs at the top.

        Raises:
            CommandExited: It ended with another code than 0.
            CommandFailed: git is not there, or did not end.
        """
        environ = {**self.environ, **variables}
        return run_command(["git", *arguments], cwd=self.top, timeout=_TIMEOUT, environ=environ).stdout
