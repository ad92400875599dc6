"""What the arguments that commands share say, as one value."""

from __future__ import annotations

import argparse
from typing import Any

from zlock.workflow.project.workspace import Options


def options_of(parsed: argparse.Namespace, **others: Any) -> Options:
    """Return the options of a command that takes steps, and mostly a pipeline, with those of its own."""
    return Options(
        project=parsed.project,
        pipeline=getattr(parsed, "pipeline", None),
        config=getattr(parsed, "config", None),
        steps=tuple(getattr(parsed, "step", ())),
        offline=parsed.offline,
        cache_dir=parsed.cache_dir,
        index_url=parsed.index_url,
        exclude_newer=parsed.exclude_newer,
        reporter=parsed.reporter,
        **others,
    )
