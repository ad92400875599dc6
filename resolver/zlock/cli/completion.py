"""`zlock completion`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from zlock.cli.arguments import parser_of
from zlock.cli.command import output_file, path
from zlock.cli.commands import COMMANDS
from zlock.cli.layout import Screen


def run_completion(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    import shtab

    parser = parser_of(COMMANDS)
    for action in _actions(parser):
        if action.type in (path, output_file) or action.metavar in ("PIPELINE", "REV|FILE"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # which shtab reads
    script = shtab.complete(parser, shell=parsed.shell, root_prefix="zlock_completion")
    screen.data(f"{script.rstrip()}\n")


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - as shtab itself does
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for inner in action.choices.values():
                yield from _actions(inner)
