"""`zlock stack`."""

from __future__ import annotations

import argparse

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.wording import counted
from zlock.workflow.deliver.stack import import_stack


def run_stack(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    stack, file = import_stack(options_of(parsed))
    screen.json({**stack._asdict(), "file": file})
    if not parsed.json:
        screen.lines([*stack.requirements, *(f"{package} (Debian)" for package in stack.apt_packages)])
        counts = counted(len(stack.requirements), "requirement"), counted(len(stack.apt_packages), "Debian package")
        screen.say(f"stack `{stack.name}`: {', '.join(counts)} -> {file.name}")
