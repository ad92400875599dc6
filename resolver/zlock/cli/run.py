"""The entry point: parses arguments, runs one command, lays out errors, ends with the right code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn, TextIO

from zlock.cli.arguments import parse
from zlock.errors import OutsideFailed, ZlockError

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with the code of the documentation."""
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
    except SystemExit as end:  # how argparse ends after --help and after a mistake
        code = end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:  # before the command had begun
        code = _INTERRUPTED
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    _interrupt_on_terminate()
    parsed = parse(arguments)
    from zlock.cli.layout import Screen

    screen = Screen(color=parsed.color, quiet=parsed.quiet, verbose=parsed.verbose)
    try:
        return int(parsed.run(parsed, screen))
    except ZlockError as error:
        return screen.fail(error)
    except OSError as error:
        where = f": `{error.filename}`" if error.filename else ""
        return screen.fail(
            OutsideFailed(
                f"the system refused{where}: {error.strerror or error}",
                hint="check its place, its rights and the space that is left, then run again",
            )
        )
    except KeyboardInterrupt:
        screen.interrupted()
        return _INTERRUPTED
    finally:
        screen.close()


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except BrokenPipeError:  # whoever read it has seen enough; Python flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _interrupt_on_terminate() -> None:
    """Let SIGTERM end a run as Ctrl-C does, so that children end and nothing is left half done."""

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
