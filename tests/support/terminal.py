"""A program on a terminal, to which a person types."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 60.0
"""Seconds that a program has for what is waited for."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00\x07\x08]")


class Terminal:
    """A terminal with a program on it, until the end of a block."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self._own, other = pty.openpty()
        self._program = subprocess.Popen(
            ["setsid", "--ctty", *command], cwd=folder, env=environ, stdin=other, stdout=other, stderr=other
        )
        os.close(other)
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.kill()
        self._program.wait()
        os.close(self._own)

    def type(self, text: str) -> None:
        """Type a text; what was shown before is forgotten."""
        self._shown = ""
        os.write(self._own, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until a text is shown, whatever else is."""
        until = time.monotonic() + PATIENCE
        while text not in _CONTROL.sub("", self._shown):
            assert select.select([self._own], [], [], until - time.monotonic())[0], self._shown
            self._shown += os.read(self._own, 65536).decode(errors="replace")
