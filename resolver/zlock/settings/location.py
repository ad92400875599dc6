"""Locations in files: where a setting, a step or a pipeline is stated."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

_OWN = ("zlock.settings.", "dataclasses", "functools")


class Location(NamedTuple):
    """A file and a line in it.

    Attributes:
        file: The file, absolute where it is known; `<stdin>` and the like where there is none.
        line: Its line, from 1; None where only the file is known (TOML).
    """

    file: str
    line: int | None

    def __str__(self) -> str:
        shown = display(self.file)
        return shown if self.line is None else f"{shown}:{self.line}"

    @property
    def folder(self) -> Path | None:
        """The folder of the file, from which its relative paths count."""
        return None if self.file.startswith("<") else _folder_of(self.file)


_folder_of = cache(lambda file: Path(file).parent)


def caller() -> Location | None:
    """Find the nearest call that comes from outside this package.

    Walks up the frames by module name, so it holds however many of our own functions lie between.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # `inspect.stack` reads every file on the way
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_OWN):
        frame = frame.f_back
    return Location(frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


def spelled(name: str, place: Location | None) -> str:
    """Return the name of a setting as the file spells it that states it: with `-` in TOML, else as Python has it."""
    return name.replace("_", "-") if place and place.file.endswith(".toml") else name


def display(file: str) -> str:
    """Show a file relative to the working folder where it is inside it."""
    try:
        return Path(file).relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return file
