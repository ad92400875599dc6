"""`zlock merge-driver`."""

from __future__ import annotations

import argparse
from pathlib import Path

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.errors import ZlockError
from zlock.workflow.solving.merge import Sides, merge_locks


def run_merge_driver(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code: 1 for whatever went wrong, which git takes for a conflict."""
    try:
        merge_locks(options_of(parsed), Sides(parsed.base, parsed.ours, parsed.theirs), parsed.path)
    except ZlockError as error:
        screen.fail(error, Path.cwd())
        return 1
    screen.json({"merged": parsed.path, "notes": screen.notes})
    return 0
