"""`zlock init`."""

from __future__ import annotations

import argparse
from pathlib import Path

from zlock.cli.layout import Screen
from zlock.settings.load import plain
from zlock.workflow.deliver.init import write_configuration


def run_init(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    written = write_configuration(parsed.project or Path.cwd(), parsed.origin)
    files, (first, *others) = written.files, written.pipelines or [""]
    following = "zlock resolve"
    if others:
        screen.note(f"`pipeline` in {files[0].name} names the first of {len(others) + 1} pipelines, `{first}`")
        following = f"zlock resolve {' '.join([first, *others])}"
    if written.is_plain:
        screen.note(plain(str(parsed.origin)))
    screen.json({"configuration": files[0], "written": files})
    if not parsed.json:
        screen.say(f"wrote {' and '.join(path.name for path in files)}; next: `{following}`")
