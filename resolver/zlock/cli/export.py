"""`zlock export`."""

from __future__ import annotations

import argparse

from zlock.cli.failed import end_with_failures, plain_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.workflow.deliver.bake import export_bake
from zlock.workflow.deliver.export import export_lock


def run_export(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    options = options_of(parsed)
    if parsed.format == "bake":
        text, report = export_bake(options, parsed.platform, parsed.output)
    else:
        text, report = export_lock(options, parsed.format, parsed.platform, parsed.output)
    if parsed.json:
        output = str(parsed.output) if parsed.output else None
        table = {"format": parsed.format, "output": output, "text": text, "failed": plain_failures(report)}
        screen.json(table)
    elif parsed.output is None:
        screen.data(text)
    elif text or not (report.disregarded or report.failures.of_steps):
        screen.say(f"wrote {parsed.output}")
    return end_with_failures(report, screen)
