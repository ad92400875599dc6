"""`zlock add` and `zlock remove`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.cli.resolve import lines_of, plain_report
from zlock.redact import redact
from zlock.workflow.deliver.change import Change, add, remove
from zlock.workflow.project.report import Report


def run_add(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    return _tell(*add(options_of(parsed), parsed.requirements, parsed.bounds), parsed, screen)


def run_remove(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    return _tell(*remove(options_of(parsed), parsed.packages), parsed, screen)


def _tell(changes: Sequence[Change], report: Report, parsed: argparse.Namespace, screen: Screen) -> int:
    if parsed.json:
        screen.json({"changes": [_plain(one) for one in changes], **plain_report(report, screen.notes)})
        return 0
    for one in changes:
        screen.say(_line(one))
    if not changes:
        screen.say("nothing to change: it is stated already")
    for step in report.steps:
        for line in lines_of(step, verbose=screen.verbose):
            screen.say(line)
    return 0


def _line(change: Change) -> str:
    if not change.before:
        return f"added `{change.after}` to {change.place}"
    if not change.after:
        return f"removed `{change.before}` from {change.place}"
    return f"replaced `{change.before}` by `{change.after}` in {change.place}"


def _plain(change: Change) -> dict[str, object]:
    return {
        "file": str(change.place.path),
        "list": list(getattr(change.place, "address", ())),
        "before": redact(change.before) or None,
        "after": redact(change.after) or None,
    }
