"""A command as the command line knows it: a name, words and arguments; its code is loaded once it runs."""

from __future__ import annotations

import argparse
from functools import partial
from operator import methodcaller
from pathlib import Path

TYPE_CHECKING = False  # `typing` is not needed for --help
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from zlock.cli.layout import Screen

    Argument = Callable[[argparse.ArgumentParser], object]

argument = partial(methodcaller, "add_argument")
"""Makes what adds an argument to a parser, of what `add_argument` of argparse takes."""


class Command:
    """A command.

    Args:
        name: Its name.
        summary: A few words, for the list of commands.
        arguments: Its own ones, in the order of the help.
        example: A command line.
        description: What it does, in lines; the summary without it.
        home: The module of `zlock.cli` with its code, `run_NAME`; the one of its name without it. The code returns the
            exit code, or nothing for 0.
    """

    __slots__ = ("_arguments", "_description", "_example", "_home", "name", "summary")

    def __init__(
        self, name: str, summary: str, *arguments: Argument, example: str, description: str = "", home: str = ""
    ) -> None:
        self.name, self.summary, self._arguments = name, summary, arguments
        self._example, self._home = example, home or name
        self._description = description or f"{summary[0].upper()}{summary[1:]}."

    def add_to(self, commands: argparse._SubParsersAction[Any], *, is_bare: bool) -> None:
        """Add it to the commands of a parser; a bare one gets no arguments."""
        parser = commands.add_parser(
            self.name,
            help=self.summary,
            description=self._description,
            epilog=f"example: {self._example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if is_bare:
            return
        for add in self._arguments:
            add(parser)
        common = parser.add_argument_group("common options")
        for add in _COMMON:
            add(common)
        parser.set_defaults(run=self._run, options=parser._option_string_actions)  # noqa: SLF001

    def _run(self, parsed: argparse.Namespace, screen: Screen) -> int:
        from importlib import import_module

        module = import_module(f"zlock.cli.{self._home.replace('-', '_')}")
        code: int | None = getattr(module, f"run_{self.name.replace('-', '_')}")(parsed, screen)
        return code or 0


def one_of(*arguments: Argument, required: bool = False) -> Argument:
    """Return what adds arguments of which only one may be given."""

    def add(parser: argparse.ArgumentParser) -> None:
        group = parser.add_mutually_exclusive_group(required=required)
        for each in arguments:
            each(group)  # type: ignore[arg-type]  # a group adds arguments as a parser does

    return add


def path(text: str) -> Path:
    """Return a path; an empty one, as of a variable that is not set, would be the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("a path, not an empty text")
    return Path(text)


def filled(text: str) -> str:
    """Return a text; an empty one, as of a variable that is not set, would count as if none were given."""
    if not text:
        raise argparse.ArgumentTypeError("not an empty text")
    return text


def _time(text: str) -> datetime:
    from zlock.errors import InvalidConfiguration
    from zlock.settings.rules import time

    try:
        return time(text, "")
    except InvalidConfiguration as error:
        raise argparse.ArgumentTypeError(f"a time such as 2026-11-01T12:00:00Z, or a date, not `{text}`") from error


def output_file(text: str) -> Path | None:
    """Return where to write; None for standard output."""
    return None if text == "-" else path(text)


STEP = argument("--step", action="append", default=[], metavar="NAME", help="only this step; may be repeated")
CONFIG = argument("--config", type=path, metavar="FILE", help="the YAML file of the run, for a ZenML pipeline")
_A_PIPELINE = "`file.py`, `file.py:name` or a script (default: the configured one)"
PIPELINE = argument("pipeline", nargs="?", type=filled, metavar="PIPELINE", help=_A_PIPELINE)
OF_LOCKS = (argument("--pipeline", type=filled, metavar="PIPELINE", help=_A_PIPELINE), CONFIG, STEP)
"""What a command takes that starts from locks."""

OUTPUT = argument(
    "-o",
    "--output",
    type=output_file,
    metavar="FILE",
    help="where to write it (default, and `-`: standard output)",
)

_COMMON = (
    argument("--project", type=path, metavar="DIR", help="the project folder (default: the nearest configured one)"),
    argument("--offline", action="store_true", help="leave the network alone, use the cache"),
    argument("--cache-dir", type=path, metavar="DIR", help="where pages and metadata are kept"),
    argument(
        "--index-url",
        type=filled,
        metavar="URL",
        help="the default index, in place of the configured one and of the machine's",
    ),
    argument(
        "--exclude-newer",
        type=_time,
        metavar="TIME",
        help="ignore files uploaded after this time (RFC 3339, or a date)",
    ),
    argument("--json", action="store_true", help="write the result to standard output as JSON"),
    argument("-q", "--quiet", action="store_true", help="only show errors"),
    argument("-v", "--verbose", action="store_true", help="show details"),
    argument("--color", choices=("auto", "always", "never"), default="auto", help="colours in messages"),
)
