"""`zlock schema`."""

from __future__ import annotations

import argparse
import json

from zlock.cli.layout import Screen
from zlock.lock.store import replace_text
from zlock.settings.schema import schema


def run_schema(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    text = json.dumps(schema(), indent=2) + "\n"
    if parsed.output is not None:
        replace_text(parsed.output, text)
        screen.say(f"wrote {parsed.output}; beside it, `zlock.toml` begins with `#:schema ./{parsed.output.name}`")
    if parsed.output is None or parsed.json:
        screen.data(text)
    return 0
