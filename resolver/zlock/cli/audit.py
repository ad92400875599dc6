"""`zlock audit`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from msgspec import structs

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.wording import counted
from zlock.workflow.explain.audit import Audit, Finding, audit


def run_audit(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code: 1 where something is found that is not ignored."""
    found = audit(options_of(parsed), parsed.osv)
    screen.result(lambda: _plain(found, screen.notes), (line for one in found.findings for line in _lines(one)))
    if not parsed.json:
        screen.say(_summary(found))
    return int(bool(found.counting))


def _lines(one: Finding) -> Iterator[str]:
    known = one.vulnerability
    names = f"{known.id} ({', '.join(known.aliases)})" if known.aliases else known.id
    yield f"{one.package} {one.version}: {names}{f': {known.summary}' if known.summary else ''}"
    yield f"  in {', '.join(one.steps)}; {'fixed in ' + ', '.join(one.fixed) if one.fixed else 'no fix is known'}"
    if one.ignored:
        yield f"  ignored until {one.ignored.until:%Y-%m-%d}: {one.ignored.reason}"


def _summary(found: Audit) -> str:
    count = len(found.counting)
    known = f"{count} known vulnerabilit{'y' if count == 1 else 'ies'}" if count else "no known vulnerability"
    ignored = len(found.findings) - count
    more = f", {ignored} ignored" if ignored else ""
    return f"{known}{more} in {counted(found.packages, 'release')}, by {counted(found.records, 'record')}"


def _plain(found: Audit, notes: list[str]) -> dict[str, object]:
    return {
        "packages": found.packages,
        "records": found.records,
        "vulnerabilities": [
            {
                "package": one.package,
                "version": one.version,
                "steps": one.steps,
                "id": one.vulnerability.id,
                "aliases": one.vulnerability.aliases,
                "summary": one.vulnerability.summary,
                "fixed": one.fixed,
                "ignored": one.ignored and {**structs.asdict(one.ignored), "until": one.ignored.until.isoformat()},
            }
            for one in found.findings
        ],
        "notes": notes,
    }
