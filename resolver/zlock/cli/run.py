"""One command from its arguments to its exit code; errors and interrupts on the way are laid out."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence

from zlock.cli.arguments import parse
from zlock.errors import OutsideFailed, ZlockError

TYPE_CHECKING = False  # `typing` is not needed for --help
if TYPE_CHECKING:
    from typing import NoReturn, TextIO

_INTERRUPTED = 130


def run_to_end(arguments: Sequence[str] | None) -> NoReturn:
    """Run a command and end the process with the code of the documentation."""
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
    except KeyboardInterrupt:  # before the command had begun, or after its end; it comes only once
        code = _INTERRUPTED
    atexit._run_exitfuncs()  # noqa: SLF001
    # A plain exit would take the interpreter apart under threads that still wait for a server, which can crash it.
    os._exit(code)


def _run(arguments: Sequence[str]) -> int:
    try:
        parsed = parse(arguments)
    except SystemExit as end:  # how argparse ends after --help and after a mistake
        return end.code if isinstance(end.code, int) else 0
    from zlock.cli.layout import Screen
    from zlock.interrupts import heed_interrupts, ignore_interrupts

    screen = Screen(color=parsed.color, quiet=parsed.quiet, verbose=parsed.verbose)
    heed_interrupts()
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
        ignore_interrupts()


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except BrokenPipeError:  # whoever read it has seen enough; Python flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
