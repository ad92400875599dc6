"""How messages look: notes, errors with their context and hint, one line of progress."""

from __future__ import annotations

import os
import sys
import time

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
        if self._terminal:
            sys.stderr.write(f"\r\033[K{message}")
        else:
            sys.stderr.write(f"{message}\n")
        self._line = True
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._line and self._terminal:
            sys.stderr.write("\r\033[K")
            self._line = False

    def say(self, message: str) -> None:
        """Say something that is not data."""
        if not self._quiet:
            self._clear()
            sys.stderr.write(f"{message}\n")

    def note(self, message: str) -> None:
        """Say what a person should know."""
        self.say(f"{self._paint('note:', _YELLOW)} {redact(message)}")

    def data(self, text: str) -> None:
        """Write the result."""
        self._clear()
        sys.stdout.write(text)

    def fail(self, error: ZlockError) -> int:
        """Show an error, or several; return the exit code."""
        self._clear()
        if isinstance(error, Problems):
            for position, one in enumerate(error.errors):
                if position:
                    sys.stderr.write("\n")
                self._show(one)
            return error.worst
        self._show(error)
        return error.exit_code

    def _show(self, error: ZlockError) -> None:
        lines = [f"{self._paint('error:', _RED, _BOLD)} {error.message}"]
        lines += [f"  {line}" for line in error.context]
        if error.hint:
            lines.append(f"{self._paint('hint:', _CYAN)} {error.hint}")
        sys.stderr.write(redact("\n".join(lines)) + "\n")

    def interrupted(self) -> None:
        """Say that a run was ended from outside."""
        self._clear()
        sys.stderr.write("interrupted: everything is as it was\n")

    def close(self) -> None:
        """Take away what is left of the progress."""
        self._clear()
        sys.stderr.flush()


def _wants_color(terminal: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (terminal and os.environ.get("TERM") != "dumb")
