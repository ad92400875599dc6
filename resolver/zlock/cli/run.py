"""The entry point: parses arguments, runs one command, lays out errors, ends with the right code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from zlock.cli.arguments import parse
from zlock.errors import ZlockError

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with the code of the documentation."""
    code = run(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    parsed = parse(arguments)
    from zlock.cli.layout import Screen

    screen = Screen(color=parsed.color, quiet=parsed.quiet, verbose=parsed.verbose)
    _interrupt_on_terminate()
    try:
        return int(parsed.run(parsed, screen))
    except ZlockError as error:
        return screen.fail(error)
    except KeyboardInterrupt:
        screen.interrupted()
        return _INTERRUPTED
    finally:
        screen.close()


def _interrupt_on_terminate() -> None:
    """Let SIGTERM end a run as Ctrl-C does, so that children end and nothing is left half done."""

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
