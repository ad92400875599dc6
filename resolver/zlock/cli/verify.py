"""`zlock verify`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.image.reading.installed import Altered
from zlock.image.verify import Comparison, Differences
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
    debian = verdict.debian.get(platform)
    said += f", {counted(debian.packages, 'Debian package')}, {debian.files} of their files" if debian else ""
    is_equal = comparison.is_equal and (debian is None or debian.is_equal)
    result = "as locked" if is_equal else "not as locked"
    yield f"{verdict.name}: {result} for `{verdict.step}` on {platform} ({said} checked)"
    yield from (f"  missing: {name} {version}".rstrip() for name, version in comparison.missing.items())
    yield from (f"  not locked: {name} {version}" for name, version in comparison.extra.items())
    yield from (f"  {name}: {wanted} is locked, {there} is there" for name, (wanted, there) in comparison.moved.items())
    yield from (f"  {name}: {how}" for name, how in comparison.elsewhere.items())
    yield from _altered(comparison.altered, verbose=verbose)
    if debian:
        yield from (f"  missing: {name} {version}, a Debian package" for name, version in debian.missing.items())
        yield from (f"  not locked: {name} {version}, a Debian package" for name, version in debian.extra.items())
        yield from (f"  {name}: {wanted} is locked, {there} is there" for name, (wanted, there) in debian.moved.items())
        yield from _altered(debian.altered, verbose=verbose)
    yield from (f"  of no package: {path}" for path in comparison.stray)
    yield from (f"  the environment: {name} is {how}" for name, how in comparison.environment.items())
    bills = verdict.bills.get(platform, ())
    yield from (f"  bill of materials: {one.format}, {one.digest}" for one in bills)
    yield from (f"  the project itself: {name} {version}" for name, version in comparison.local.items())
    yield from (f"  to install with: {name} {version}" for name, version in comparison.installers.items())
    if verbose:
        yield from (f"  of the base image: {name} {version}" for name, version in comparison.inherited.items())


def _altered(altered: Mapping[str, Sequence[Altered]], *, verbose: bool) -> Iterator[str]:
    for name, files in altered.items():
        yield from (f"  {name}: {file.path} is {file.why}" for file in files[: None if verbose else _SHOWN])
        if len(files) > _SHOWN and not verbose:
            yield f"  {name}: and {len(files) - _SHOWN} more files"


def _plain(verdict: Verdict, notes: list[str]) -> dict[str, object]:
    return {
        "image": verdict.name,
        "disregarded": not verdict.step,
        "notes": notes,
        "step": verdict.step,
        "equal": verdict.is_equal,
        "platforms": {
            platform: {
                **_compared(one),
                **(
                    {"bills": {a.digest: a.format for a in verdict.bills[platform]}}
                    if verdict.bills.get(platform)
                    else {}
                ),
                **({"debian": _compared(verdict.debian[platform])} if platform in verdict.debian else {}),
            }
            for platform, one in verdict.comparisons.items()
        },
    }


def _compared(comparison: Differences) -> dict[str, object]:
    altered = {name: {file.path: file.why for file in files} for name, files in comparison.altered.items()}
    return {**structs.asdict(comparison), "altered": altered}
