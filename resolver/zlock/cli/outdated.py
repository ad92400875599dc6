"""`zlock outdated`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from msgspec import structs

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.wording import counted
from zlock.workflow.explain.outdated import OutdatedStep, outdated


def run_outdated(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    found = outdated(options_of(parsed))
    screen.result(lambda: {"steps": list(map(_plain, found))}, (line for step in found for line in _lines(step)))
    return max((step.failed.exit_code for step in found if step.failed), default=0)


def _lines(step: OutdatedStep) -> Iterator[str]:
    have = "has newer releases" if 1 in (len(step.outdated), step.packages) else "have newer releases"
    yield f"{step.step}: {len(step.outdated)} of {counted(step.packages, 'package')} {have}"
    for one in step.outdated:
        moves = f", `--upgrade-package {one.name}` moves it to {one.newer.moves}" if one.newer.moves else ""
        yield f"  {one.name} {one.version}: {one.newer.newest} is out{moves}"
        yield from (f"    {line}" for line in one.newer.reasons)
    yield from (f"  {name}: not known, {why}" for name, why in step.unknown)


def _plain(step: OutdatedStep) -> dict[str, object]:
    return {
        "step": step.step,
        "packages": step.packages,
        "outdated": [{"name": one.name, "version": one.version, **structs.asdict(one.newer)} for one in step.outdated],
        "unknown": dict(step.unknown),
    }
