"""What the arguments that commands share say, as one value."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from zlock.errors import InvalidInput
from zlock.workflow.project.workspace import Options


def options_of(parsed: argparse.Namespace, **others: Any) -> Options:
    """Return the options of a command that takes steps, and mostly a pipeline, with those of its own.

    Raises:
        InvalidInput: A value can't be read.
    """
    return Options(
        project=parsed.project,
        pipeline=getattr(parsed, "pipeline", None),
        config=getattr(parsed, "config", None),
        steps=tuple(getattr(parsed, "step", ())),
        offline=parsed.offline,
        cache_dir=parsed.cache_dir,
        index_url=parsed.index_url,
        exclude_newer=_time(parsed.exclude_newer),
        reporter=parsed.reporter,
        **others,
    )


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"`--exclude-newer` is not a time: `{text}`", hint="write `2026-11-01` or `2026-11-01T12:00:00Z`"
        ) from error
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
