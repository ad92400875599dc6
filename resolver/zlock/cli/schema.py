"""`zlock schema`."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from pathlib import Path

from zlock.cli.layout import Screen
from zlock.errors import InvalidInput
from zlock.regular import open_regular
from zlock.replacing import replace_text
from zlock.settings.schema import schema


def run_schema(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    text = json.dumps(schema(), indent=2) + "\n"
    if parsed.output is not None:
        _check_place(parsed.output)
        replace_text(parsed.output, text)
        screen.say(
            f"wrote {parsed.output}; name it in the first line of `zlock.toml`: `#:schema ./{parsed.output.name}`"
        )
    if parsed.output is None or parsed.json:
        screen.data(text)


def _check_place(output: Path) -> None:
    """Refuse to write over what is not a schema."""
    with suppress(OSError):
        with open_regular(output) as stream:
            is_other = b'"$schema"' not in stream.read(100)
        if is_other:
            raise InvalidInput(f"`{output}` is there, and is not a schema", hint="name another file with `--output`")
