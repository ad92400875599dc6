"""How messages look: notes, errors with their context and hint, one line of progress."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from types import MappingProxyType

from zlock.errors import Problems, ZlockError, on_one_line
from zlock.model.controls import CONTROLS
from zlock.redact import redact

_RED, _GREEN, _YELLOW, _CYAN, _BOLD, _OFF = (f"\033[{code}m" for code in ("31", "32", "33", "36", "1", "0"))
_QUOTED = re.compile("`[^`]*`")
_QUIET_SECONDS = 1.0  # work that is done sooner needs no progress
_TERMINAL_SECONDS = (0.1, 1.0)  # until other progress is shown, and until the same is again
_LINE_SECONDS = (5.0, 30.0)  # likewise where each is a line of its own
_LONGEST = 1000  # characters of one line; only a mistake has more
# What would move the cursor, colour the screen or turn the direction of writing; all but tab and newline.
_CONTROL = re.compile(rf"(?![\t\n])[{CONTROLS}\u202a-\u202e\u2066-\u2069]")
_PLAIN = str.maketrans("├└─│", "|`-|")  # trees, where the encoding has no lines to draw with

TYPE_CHECKING = False  # `typing` is not needed for --help
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import TextIO


class Screen:
    """Standard error for people; standard output carries data only."""

    def __init__(self, *, color: str, quiet: bool, verbose: bool, json: bool = False) -> None:
        self.is_terminal = sys.stderr.isatty()
        self._color = color == "always" or (color == "auto" and _wants_color(self.is_terminal))
        self._color_of_data = color == "always" or (color == "auto" and _wants_color(sys.stdout.isatty()))
        self._quiet = quiet
        self.verbose = verbose
        self.notes: list[str] = []
        self._json = json
        self._document: Mapping[str, object] | None = None
        self._began = self._shown_at = time.monotonic()
        self._doing: object = None
        self._shown: object = None
        self._text: Callable[[], str] = str
        self._lines = 0  # of progress, that are on the screen
        self._over = False
        self._told: list[str] = []  # errors, as far as they were shown
        self._writing: AbstractContextManager[object] = nullcontext()  # a lock, once there are threads

    def _paint(self, text: str, *codes: str) -> str:
        return f"{''.join(codes)}{text}{_OFF}" if self._color else text

    def live(self, doing: object, text: Callable[[], str], *, at_once: bool = False) -> None:
        """Once the run takes over a second, show a text of one line or, on a terminal, of several, kept up to date.

        Args:
            doing: What it tells of; other things are shown sooner than the same again.
            text: Returns it as it is now.
            at_once: It also stays as a line of its own, from now on.
        """
        if self._quiet or self._over:
            return
        if at_once:
            self.say(text())
            self._shown, self._shown_at = doing, time.monotonic()
        self._begin_ticking()
        self._doing, self._text = doing, text
        self._show()

    def _begin_ticking(self) -> None:
        if isinstance(self._writing, nullcontext):
            import threading

            self._writing = threading.Lock()
            threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while not self._over:
            time.sleep(_QUIET_SECONDS)
            with suppress(OSError):  # the work will notice itself
                self._show()

    def _show(self) -> None:
        with self._writing:
            now = time.monotonic()
            anew, again = _TERMINAL_SECONDS if self.is_terminal else _LINE_SECONDS
            wait = again if self._doing == self._shown else anew
            if self._doing is None or self._over or now - self._began < _QUIET_SECONDS:
                return
            if self._shown and now - self._shown_at < wait:
                return
            self._shown, self._shown_at = self._doing, now
            lines = presentable(self._text()).split("\n")
            if self.is_terminal:
                from shutil import get_terminal_size

                width = get_terminal_size().columns - 1
                write(sys.stderr, self._wiped() + "\n".join(line[:width] for line in lines))
            else:
                write(sys.stderr, "".join(f"{line}\n" for line in lines))
            self._lines = len(lines)

    def _wiped(self) -> str:
        """Return what takes the progress off a terminal."""
        return f"\033[{self._lines - 1}A\r\033[J" if self._lines > 1 else "\r\033[K"

    def _clear(self) -> None:
        if self._lines and self.is_terminal:
            write(sys.stderr, self._wiped())
            self._lines = 0
        self._doing = None

    def say(self, message: str) -> None:
        """Say something that is not data."""
        self._say(presentable_line(message))

    def note(self, message: str) -> None:
        """Say what a person should know, and keep it."""
        self.notes.append(message)
        self._say(f"{self._paint('note:', _YELLOW)} {presentable_line(message)}")

    def _say(self, shown: str) -> None:
        if not (self._quiet or self._over):
            with self._writing:
                self._clear()
                write(sys.stderr, f"{shown}\n")

    def data(self, text: str) -> None:
        """Write the result."""
        with self._writing:
            self._clear()
            write(sys.stdout, text)

    def lines(self, lines: Iterable[str], *, in_colors: bool = False) -> None:
        """Write the result as lines for people; what is foreign in them moves no cursor.

        Args:
            lines: The lines.
            in_colors: Where the result is shown in colours, what begins a block, came, went or is quoted has one.
        """
        shown = map(presentable_line, lines)
        painted = map(_painted, shown) if in_colors and self._color_of_data else shown
        self.data("".join(f"{line}\n" for line in painted))

    def json(self, values: Mapping[str, object], *, is_asked: bool = False) -> None:
        """Keep a part of the result, to write it as JSON at the end where that is asked for."""
        if self._json or is_asked:
            self._document = {**(self._document or {}), **values}

    def result(self, values: Callable[[], Mapping[str, object]], lines: Iterable[str]) -> None:
        """Write a result: as JSON where that is asked for, else as lines in colours."""
        if self._json:
            self.json(values())
        else:
            self.lines(lines, in_colors=True)

    def text(self, text: str, output: Path | None, **more: object) -> None:
        """Write a result that is a text, unless it is in a file already; with `more` of it in JSON."""
        if self._json:
            self.json({**more, "output": output, "text": text})
        elif output is None:
            self.data(text)
        else:
            self.say(f"wrote {output}")

    def _write_document(self) -> None:
        if self._document is not None:
            import json

            from msgspec import to_builtins

            document, self._document = to_builtins(self._document, enc_hook=_plain), None
            self.data(json.dumps(document, indent=2) + "\n")

    def succeed(self) -> None:
        """Write what is left of the result, and take the progress away."""
        self._write_document()
        self.close()

    def fail(self, error: ZlockError, folder: Path) -> int:
        """Show an error, or several, each once; return the exit code, which counts even where nothing can be shown.

        Args:
            error: What is wrong.
            folder: The project folder, from which files count that it names.
        """
        with suppress(OSError):
            self.json({"errors": plain_errors(error, folder)})
            self._write_document()
        self._last("".join(self._untold(one.laid_out()) for one in error.each))
        return error.worst if isinstance(error, Problems) else error.exit_code

    def fail_early(self, text: str) -> None:
        """Show an error that the run will end with, laid out as far as it is known by now."""
        with self._writing:
            self._clear()
            write(sys.stderr, self._untold(text))

    def _untold(self, text: str) -> str:
        """Return of an error what was not shown yet, as it is shown; an equal one is shown once."""
        known = max((told for told in self._told if f"{text}\n".startswith(f"{told}\n")), key=len, default="")
        apart = "\n" if self._told and not known else ""
        self._told.append(text)
        shown = presentable(text[len(known) :].lstrip("\n"))
        for label, codes in (("error:", (_RED, _BOLD)), ("hint:", (_CYAN,))):
            shown = re.sub(f"^{label}", self._paint(label, *codes), shown, flags=re.MULTILINE)
        return f"{apart}{shown}\n" if shown else ""

    def interrupted(self, left: Sequence[str] = ()) -> None:
        """Say that a run was ended from outside, and what could not be cleaned up then."""
        lines = [f"interrupted: {one}" for one in left or ["nothing is left half-written"]]
        self._last("".join(f"{line}\n" for line in map(on_one_line, lines)))

    def _last(self, text: str) -> None:
        with suppress(OSError):
            self.close()
            write(sys.stderr, text)

    def close(self) -> None:
        """Take away what is left of the progress; there is no more of it."""
        with self._writing:
            self._over = True
            self._clear()


def _plain(value: object) -> object:
    """Return as JSON has it what is no value of its own there: a path, or a mapping that can't be changed."""
    return dict(value) if isinstance(value, MappingProxyType) else str(value)


def _painted(line: str) -> str:
    """Return a line of a result in colours."""
    for begin, code in (("  + ", _GREEN), ("  - ", _RED)):
        if line.startswith(begin):
            return f"{code}{line}{_OFF}"
    line = _QUOTED.sub(lambda found: f"{_CYAN}{found[0]}{_OFF}", line)
    head, colon, rest = line.partition(":")
    return f"{_BOLD}{head}{_OFF}{colon}{rest}" if colon and head[:1].isalnum() else line


def plain_errors(error: ZlockError, folder: Path) -> list[dict[str, object]]:
    """Return errors as values that JSON has: what a person reads, and the place that it is about."""
    return [
        {
            "id": one.id,
            "step": one.step or None,
            "message": presentable_line(str(one)),
            "context": list(map(presentable_line, one.context)),
            "hint": presentable_line(one.hint) or None,
            "file": str(folder / one.place.file) if one.place else None,
            "line": one.place.line if one.place else None,
        }
        for one in error.each
    ]


def write(stream: TextIO, text: str) -> None:
    """Write and flush; a reader who has gone does not end the work, nor do characters it could not show.

    Raises:
        OSError: It can't be written; whatever else is written there gets lost.
    """
    try:
        if text:  # some devices refuse even nothing
            stream.write(_encodable(text, stream.encoding or "ascii"))
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return text


def presentable(text: str) -> str:
    """Return a text as it may be shown: without credentials, no longer than a person reads, and never as a command."""
    text = redact(text)
    lines = [
        f"{line[: _LONGEST * 3 // 4]} [...] {line[-_LONGEST // 4 :]}" if len(line) > _LONGEST else line
        for line in text.split("\n")
    ]
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), "\n".join(lines))


def presentable_line(text: str) -> str:
    """Return a text as one line, as it may be shown."""
    return presentable(on_one_line(text))


def _wants_color(terminal: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (terminal and os.environ.get("TERM") != "dumb")
