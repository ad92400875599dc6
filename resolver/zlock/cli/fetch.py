"""`zlock fetch`."""

from __future__ import annotations

import argparse
from collections import Counter

from zlock.cli.failed import end_with_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.wording import counted
from zlock.workflow.fetching.fetch import Fetched, fetch


def run_fetch(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    fetched, report = fetch(options_of(parsed), parsed.wheelhouse)
    for name, status in fetched.files.items():
        if status == "replaced":
            screen.note(f"`{name}` in the wheelhouse was another file, and is replaced")
    screen.json({"wheelhouse": fetched.folder, "received": fetched.received, "files": fetched.files})
    if not parsed.json and (fetched.files or not (report.disregarded or report.failures.of_steps)):
        screen.say(_line(fetched))
        if fetched.with_builds:
            screen.say(f"with `--no-index`, sdists and folders need `--find-links {fetched.folder}` to be built")
    end_with_failures(report, screen)


def _line(fetched: Fetched) -> str:
    counts = Counter[str](fetched.files.values())
    words = {"fetched": "fetched", "replaced": "replaced", "kept": "already there"}
    said = ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])
    files = counted(len(fetched.files), "file")
    return f"{files} ({said or 'nothing to fetch'}), {fetched.received / 1e6:.1f} MB -> {fetched.folder}"
