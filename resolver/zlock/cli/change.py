"""`zlock add` and `zlock remove`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

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
    changes, report, left = remove(options_of(parsed), parsed.packages)
    return _tell(changes, report, parsed, screen, left)


def _tell(
    changes: Sequence[Change],
    report: Report,
    parsed: argparse.Namespace,
    screen: Screen,
    left: Mapping[str, Sequence[str]] | None = None,
) -> int:
    left = left or {}
    code = 1 if left else 0
    if parsed.json:
        still = {"still-stated": left} if left else {}
        changed = [_plain(one) for one in changes if one.before != one.after]
        screen.json({"changes": changed, **still, **plain_report(report, screen.notes)})
        return code
    for one in changes:
        screen.say(_line(one))
    for step in report.steps:
        for line in lines_of(step, verbose=screen.verbose):
            screen.say(line)
    for name, places in left.items():
        screen.say(f"`{name}` is still required, where zlock does not remove it: by {', by '.join(places)}")
    return code


def _line(change: Change) -> str:
    if change.before == change.after:
        return f"nothing to change: `{change.after}` is in {change.place} already"
    if not change.before:
        return f"added `{change.after}` to {change.place}"
    if not change.after:
        return f"removed `{change.before}` from {change.place}"
    gone = "; its `--hash` was for the version stated before, and is removed" if change.lost_hashes else ""
    return f"replaced `{change.before}` by `{change.after}` in {change.place}{gone}"


def _plain(change: Change) -> dict[str, object]:
    return {
        "file": change.place.named,
        "list": getattr(change.place, "address", ()),
        "before": redact(change.before) or None,
        "after": redact(change.after) or None,
    }
