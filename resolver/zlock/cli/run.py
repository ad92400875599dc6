"""One command from its arguments to its exit code; errors and interrupts on the way are laid out."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from zlock.cli.arguments import parse
from zlock.cli.layout import Screen
from zlock.errors import ZlockError
from zlock.regular import read_regular

TYPE_CHECKING = False  # `typing` is not needed for --help
if TYPE_CHECKING:
    from typing import NoReturn

_INTERRUPTED = 130
_STREAMS = 3


def run_to_end(arguments: Sequence[str] | None) -> NoReturn:
    """Run a command and end the process with the code of the documentation."""
    try:
        _open_streams()
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # before the command had begun, or after its end; it comes only once
        code = _INTERRUPTED
    atexit._run_exitfuncs()  # noqa: SLF001
    # A plain exit would take the interpreter apart under threads that still wait for a server, which can crash it.
    os._exit(code)


def _run(arguments: Sequence[str]) -> int:
    screen = Screen(color="auto", quiet=False, verbose=False, json=_wants_json(arguments))
    cache = project = None
    try:
        parsed = parse(arguments)
        from zlock.cli.board import Board
        from zlock.interrupts import heed_interrupts, ignore_interrupts
        from zlock.reporting import Once

        heed_interrupts()
        project = parsed.project
        screen = Screen(color=parsed.color, quiet=parsed.quiet, verbose=parsed.verbose, json=parsed.json)
        parsed.reporter = Once(Board(screen).hear)
        cache = parsed.cache_dir
        code = int(parsed.run(parsed, screen))
        screen.succeed()
        ignore_interrupts()
    except SystemExit as end:  # how argparse ends after --help and after a mistake
        return end.code if isinstance(end.code, int) else 0
    except ZlockError as error:
        return screen.fail(error, _folder(project))
    except Exception as error:  # noqa: BLE001 - the last resort
        from zlock.last_resort import as_error

        return screen.fail(as_error(error, ["zlock", *arguments], cache), _folder(project))
    except KeyboardInterrupt as interrupt:
        screen.interrupted(_notes(interrupt))
        return _INTERRUPTED
    return code


def _wants_json(arguments: Sequence[str]) -> bool:
    """Return whether errors are to be JSON too, of arguments that can't be read."""
    return "--json" in arguments[: arguments.index("--") if "--" in arguments else None]


def _folder(project: Path | None) -> Path:
    """Return the project folder as far as it can be told when a run has failed: the nearest that is configured."""
    try:
        start = (project or Path()).absolute()
    except OSError:  # the working folder was removed
        return Path()
    if project is None:
        for folder in (start, *start.parents):
            if (folder / "zlock.toml").is_file() or "[tool.zlock" in _text(folder / "pyproject.toml"):
                return folder
    return start


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _notes(error: BaseException | None) -> list[str]:
    """Return the notes of an interrupt, and of the earlier ones that it cut short."""
    notes: list[str] = []
    while error is not None:
        notes += getattr(error, "__notes__", ())
        error = error.__context__
    return list(dict.fromkeys(notes))


def _open_streams() -> None:
    """Give a standard stream that is closed an end: else the next file that is opened would take its place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < _STREAMS:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # until the end
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
