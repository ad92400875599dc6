"""How messages look: notes, errors with their context and hint, one line of progress."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TextIO

from zlock.errors import Problems, ZlockError
from zlock.redact import redact

_RED, _CYAN, _YELLOW, _BOLD, _OFF = "\033[31m", "\033[36m", "\033[33m", "\033[1m", "\033[0m"
_QUIET_SECONDS = 1.0  # work that is done sooner needs no progress
_LINE_SECONDS = 5.0  # between two lines of progress where the line can't be rewritten


class Screen:
    """Standard error for people; standard output carries data only."""

    def __init__(self, *, color: str, quiet: bool, verbose: bool) -> None:
        self._terminal = sys.stderr.isatty()
        self._color = color == "always" or (color == "auto" and _wants_color(self._terminal))
        self._quiet = quiet
        self.verbose = verbose
        self._began = time.monotonic()
        self._shown_at = self._began
        self._line = False

    def _paint(self, text: str, *codes: str) -> str:
        return f"{''.join(codes)}{text}{_OFF}" if self._color else text

    def progress(self, message: str) -> None:
        """Show what is being done, once it takes over a second."""
        now = time.monotonic()
        wait = 0.1 if self._terminal else _LINE_SECONDS
        if self._quiet or now - self._began < _QUIET_SECONDS or (self._line and now - self._shown_at < wait):
            return
        self._shown_at = now
        self._line = True
        shown = redact(message)
        _write(sys.stderr, f"\r\033[K{shown[: self._width()]}" if self._terminal else f"{shown}\n")

    def _width(self) -> int:
        return shutil.get_terminal_size().columns - 1

    def _clear(self) -> None:
        if self._line and self._terminal:
            _write(sys.stderr, "\r\033[K")
            self._line = False

    def say(self, message: str) -> None:
        """Say something that is not data."""
        if not self._quiet:
            self._clear()
            _write(sys.stderr, f"{message}\n")

    def log(self, message: str) -> None:
        """Show each line of what is being done."""
        self.say(redact(message))

    def note(self, message: str) -> None:
        """Say what a person should know."""
        self.say(f"{self._paint('note:', _YELLOW)} {redact(message)}")

    def data(self, text: str) -> None:
        """Write the result."""
        self._clear()
        _write(sys.stdout, text)

    def fail(self, error: ZlockError) -> int:
        """Show an error, or several, each once; return the exit code."""
        self._clear()
        shown = error.laid_out(error=self._paint("error:", _RED, _BOLD), hint=self._paint("hint:", _CYAN))
        _write(sys.stderr, f"{redact(shown)}\n")
        return error.worst if isinstance(error, Problems) else error.exit_code

    def interrupted(self) -> None:
        """Say that a run was ended from outside."""
        self._clear()
        _write(sys.stderr, "interrupted: nothing is left half done\n")

    def close(self) -> None:
        """Take away what is left of the progress."""
        self._clear()


def _write(stream: TextIO, text: str) -> None:
    """Write and flush; a reader who has gone does not end the work, nor do characters it could not show."""
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _wants_color(terminal: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (terminal and os.environ.get("TERM") != "dumb")
