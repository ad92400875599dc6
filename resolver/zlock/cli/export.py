"""`zlock export`."""

from __future__ import annotations

import argparse

from zlock.cli.failed import end_with_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.workflow.deliver.bake import export_bake
from zlock.workflow.deliver.export import export_lock


def run_export(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    options = options_of(parsed)
    if parsed.format == "bake":
        text, report = export_bake(options, parsed.platform, parsed.output)
    else:
        text, report = export_lock(options, parsed.format, parsed.platform, parsed.output)
    if text or parsed.json or not (report.disregarded or report.failures.of_steps):
        screen.text(text, parsed.output, format=parsed.format)
    end_with_failures(report, screen)
