"""`zlock verify`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.image.verify import Comparison
from zlock.wording import counted
from zlock.workflow.images.verify import Verdict, verify

_SHOWN = 5  # files of one package; the rest is counted


def run_verify(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    verdict = verify(options_of(parsed), parsed.image)
    if parsed.json:
        screen.json(_plain(verdict, screen.notes))
    else:
        for platform, comparison in verdict.comparisons.items():
            for line in _lines(verdict, platform, comparison, verbose=screen.verbose):
                screen.say(line)
    return 0 if verdict.is_equal else 1


def _lines(verdict: Verdict, platform: str, comparison: Comparison, *, verbose: bool) -> Iterator[str]:
    said = f"{counted(comparison.packages, 'package')}, {comparison.files} files"
    said += f", {comparison.compiled} .pyc files" if comparison.compiled else ""
    result = "as locked" if comparison.is_equal else "not as locked"
    yield f"{verdict.name}: {result} for `{verdict.step}` on {platform} ({said} checked)"
    yield from (f"  missing: {name} {version}".rstrip() for name, version in comparison.missing.items())
    yield from (f"  not locked: {name} {version}" for name, version in comparison.extra.items())
    yield from (f"  {name}: {wanted} is locked, {there} is there" for name, (wanted, there) in comparison.moved.items())
    yield from (f"  {name}: {how}" for name, how in comparison.elsewhere.items())
    for name, files in comparison.altered.items():
        yield from (f"  {name}: {file.path} is {file.why}" for file in files[: None if verbose else _SHOWN])
        if len(files) > _SHOWN and not verbose:
            yield f"  {name}: and {len(files) - _SHOWN} more files"
    yield from (f"  of no package: {path}" for path in comparison.stray)
    yield from (f"  the environment: {name} is {how}" for name, how in comparison.environment.items())
    yield from (f"  the project itself: {name} {version}" for name, version in comparison.local.items())
    yield from (f"  to install with: {name} {version}" for name, version in comparison.installers.items())
    if verbose:
        yield from (f"  the parent's: {name} {version}" for name, version in comparison.inherited.items())


def _plain(verdict: Verdict, notes: list[str]) -> dict[str, object]:
    return {
        "image": verdict.name,
        "disregarded": not verdict.step,
        "notes": notes,
        "step": verdict.step,
        "equal": verdict.is_equal,
        "platforms": {platform: _compared(one) for platform, one in verdict.comparisons.items()},
    }


def _compared(comparison: Comparison) -> dict[str, object]:
    altered = {name: {file.path: file.why for file in files} for name, files in comparison.altered.items()}
    return {**asdict(comparison), "altered": altered}
