"""`zlock init`."""

from __future__ import annotations

import argparse
from pathlib import Path

from zlock.cli.layout import Screen
from zlock.workflow.deliver.init import write_configuration


def run_init(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    written = write_configuration(parsed.project or Path.cwd(), parsed.origin)
    if parsed.json:
        screen.json({"configuration": str(written[0]), "written": list(map(str, written))})
    else:
        screen.say(f"wrote {' and '.join(path.name for path in written)}; next: `zlock resolve`")
    return 0
