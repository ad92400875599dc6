"""`zlock init`."""

from __future__ import annotations

import argparse
from pathlib import Path

from zlock.cli.layout import Screen
from zlock.workflow.deliver.init import write_configuration


def run_init(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    written = write_configuration(parsed.project or Path.cwd(), parsed.origin)
    files, (first, *others) = written.files, written.pipelines or [""]
    following = "zlock resolve"
    if others:
        screen.note(f"`pipeline` in {files[0].name} names the first of {len(others) + 1} pipelines, `{first}`")
        following = f"zlock resolve {' '.join([first, *others])}"
    if written.script:
        screen.note(
            f"`{parsed.origin}` is a script and not a pipeline: it is the step `{written.script}`, whose requirements "
            f"are listed in {files[0].name}"
        )
        following = f"zlock add --step {written.script} PACKAGE"
    screen.json({"configuration": files[0], "written": files})
    if not parsed.json:
        screen.say(f"wrote {' and '.join(path.name for path in files)}; next: `{following}`")
