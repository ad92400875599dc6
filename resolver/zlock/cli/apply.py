"""`zlock apply`."""

from __future__ import annotations

import argparse

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.workflow.deliver.apply import apply
from zlock.workflow.project.workspace import Workspace


def run_apply(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    text = apply(Workspace(options_of(parsed)), parsed.builder, parsed.format, parsed.output)
    screen.text(text, parsed.output)
