"""Reads the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from zlock._version import __version__
from zlock.cli.commands import COMMANDS
from zlock.cli.layout import presentable, write
from zlock.errors import InvalidInput
from zlock.wording import did_you_mean, way_of_file

TYPE_CHECKING = False  # `typing` is not needed for --help
if TYPE_CHECKING:
    from typing import NoReturn

_EPILOG = """\
environment variables:
  ZLOCK_CACHE_DIR             where pages, metadata and environments are kept
  NO_COLOR, FORCE_COLOR       no colours, or colours in any case
  VIRTUAL_ENV                 the environment that pipeline files and the local environment are read with
  PIP_INDEX_URL, UV_DEFAULT_INDEX
                              the default index where the configuration names none
  UV_INDEX_NAME_USERNAME, UV_INDEX_NAME_PASSWORD
                              the login of the index called `NAME`
  NETRC, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, DOCKER_CONFIG
                              as other programs read them

example: zlock resolve pipeline.py
documentation: docs/index.md in the repository of zlock; docs/commands.md has every option"""


_ELSEWHERE = {
    "compile": "resolve",
    "install": "sync",
    "list": "tree",
    "lock": "resolve",
    "push": "build --push",
    "shell": "run",
    "show": "tree",
    "update": "resolve --upgrade",
    "upgrade": "resolve --upgrade",
    "version": "--version",
}
"""What other tools call commands, and what that is here."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse arguments; `run` of the result is the command. Ends the program for --help.

    Raises:
        InvalidInput: There is a mistake in them.
    """
    if arguments[:1] == ["help"]:  # as other programs have it
        arguments = [*arguments[1:], "--help"]
    chosen = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    # The arguments of one command take half a millisecond; without one, their names and summaries will do.
    parser = parser_of([chosen]) if chosen else parser_of(COMMANDS, is_bare=True)
    named = next((one for one in arguments if one in COMMANDS), "")
    if named and not chosen:
        parser.hint = f"options come after the command: `zlock {named} {presentable(arguments[0])}`"
    elif arguments and not (chosen or arguments[0].startswith("-")):
        known = _ELSEWHERE.get(arguments[0])
        parser.hint = f"that is `zlock {known}` here" if known else did_you_mean(arguments[0], COMMANDS)
    parsed, others = parser.parse_known_args(arguments)
    if others:
        parser.prog = f"zlock {chosen}".rstrip()
        options = getattr(parsed, "options", ())
        if "--step" in options and not others[0].startswith("-"):
            parser.hint = parser.hint or f"a step is named by `--step {presentable(others[0])}`"
        if chosen == "add" and others[0] in ("-r", "--requirement", "--requirements"):
            parser.hint = way_of_file("requirements.txt")
        parser.hint = parser.hint or did_you_mean(others[0], options, cutoff=0.7)
        parser.error(f"unrecognized arguments: {' '.join(others if chosen else others[:1])}")
    return parsed


def parser_of(names: Iterable[str], *, is_bare: bool = False) -> _Parser:
    """Return what reads the arguments of some commands; a bare one knows no common options."""
    parser = _Parser(
        prog="zlock",
        description="Lock the requirements of a pipeline's steps, every source solved together.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"zlock {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    for name in names:
        COMMANDS[name].add_to(commands, is_bare=is_bare)
    return parser


class _Parser(argparse.ArgumentParser):
    """Mistakes are errors as all others are.

    Attributes:
        hint: The way out, where it is known before anything is wrong.
    """

    hint = ""

    def error(self, message: str) -> None:  # type: ignore[override]  # argparse says NoReturn, exit is one
        hint = self.hint or f"`{self.prog} --help` shows what there is"
        raise InvalidInput(message.replace("'", "`"), hint=hint)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Look for what was meant, as the message alone lists all that there is."""
        if action.choices and value not in action.choices:
            self.hint = self.hint or did_you_mean(str(value), map(str, action.choices))
        super()._check_value(action, value)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the program once what was printed has left it, which can fail."""
        write(sys.stderr, message or "")
        write(sys.stdout, "")
        raise SystemExit(status)
