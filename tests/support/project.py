"""A project of a user: its files, and zlock run on it as a command."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import TracebackType
from typing import Any, Self

import tomli_w

from support.environment import clean_environment
from support.forks import can_fork, run_forked


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a command ended with."""

    code: int
    stdout: str
    stderr: str


class Project:
    """A folder with a project in it; beside it are a home and a cache that nothing else uses.

    Attributes:
        folder: The project's folder, made if it is not there.
        home: The home folder of commands.
        cache: The cache folder of zlock.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder.parent / f"{folder.name}-home"
        self.cache = folder.parent / f"{folder.name}-cache"
        for each in (self.folder, self.home):
            each.mkdir(parents=True, exist_ok=True)

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the project, text dedented, and return its path."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else dedent(text).lstrip("\n").encode())
        return target

    def configure(self, settings: Mapping[str, Any]) -> Path:
        """Write `zlock.toml`; the keys are as they stand there."""
        return self.write("zlock.toml", tomli_w.dumps(settings).encode())

    def pipeline(self, text: str, file: str = "pipeline.py") -> Path:
        """Write a pipeline file."""
        return self.write(file, text)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Result:
        """Run zlock in the project's folder to its end; it fails the test if that takes longer than the timeout."""
        if can_fork(env):
            whole = [*arguments, *self._cache_option(arguments)]
            environ = clean_environment(self.home, env)
            code, stdout, stderr = run_forked(whole, cwd=self.folder, env=environ, timeout=timeout)
            return Result(code=code, stdout=stdout, stderr=stderr)
        with self.start(*arguments, env=env) as process:
            stdout, stderr = process.communicate(timeout=timeout)
        return Result(code=process.returncode, stdout=stdout, stderr=stderr)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, stderr: int = subprocess.PIPE) -> Running:
        """Start zlock in the project's folder, a process group of its own, for tests that interrupt it.

        The cache folder is appended to a command that says none. The project's folder is not put on the path of
        modules, as it is not for the installed script either.
        """
        return Running(
            [sys.executable, "-P", "-m", "zlock", *arguments, *self._cache_option(arguments)],
            cwd=self.folder,
            env=clean_environment(self.home, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            start_new_session=True,
        )

    def call(self, *command: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> Result:
        """Run any program in the project's folder to its end."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment(self.home, env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        return Result(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def lock_path(self, step: str, folder: str = "lockfiles") -> Path:
        """Return where the lock of a step is."""
        return self.folder / folder / f"pylock.{step}.toml"

    def lock(self, step: str) -> dict[str, Any]:
        """Return the lock of a step as TOML says it."""
        return tomllib.loads(self.lock_path(step).read_text(encoding="utf-8"))

    def locked(self, step: str) -> dict[str, str]:
        """Return name and version of each package in the lock of a step."""
        return {package["name"]: package.get("version", "") for package in self.lock(step).get("packages", [])}

    def _cache_option(self, arguments: tuple[str, ...]) -> list[str]:
        is_command = bool(arguments) and not arguments[0].startswith("-")
        is_said = any(argument.partition("=")[0] == "--cache-dir" for argument in arguments)
        return ["--cache-dir", str(self.cache)] if is_command and not is_said else []


class Running(subprocess.Popen[str]):
    """A command that runs: killed with what it has started if the block fails, or doesn't end in ten minutes."""

    def __enter__(self) -> Self:
        self._timer = threading.Timer(600, kill_group, [self])
        self._timer.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            kill_group(self)
        super().__exit__(kind, error, traceback)
        self._timer.cancel()


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill the command and what it has started, so that no pipe stays open."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
