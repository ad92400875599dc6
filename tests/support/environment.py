"""The environment that commands of tests run in: nothing of the machine's own settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

KEPT = ("PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
"""What finds programs and folders; PYTHONPATH is there when the tests run on sources that are not installed."""


def clean_environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment with a home of its own and no word about indexes, proxies or active environments."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "HOME": str(home), "USERPROFILE": str(home), "LANG": "C.UTF-8", **(more or {})}
