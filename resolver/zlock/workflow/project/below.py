"""The projects below a folder, as in a repository with several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zlock.regular import read_regular

_SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist", "site-packages"})


def projects_in(folder: Path, *, levels: int | None = None) -> Iterator[Path]:
    """Yield the folders with a configuration; hidden folders and environments are passed over.

    Args:
        folder: Where to look, itself included.
        levels: How far down; None for all the way.
    """
    for place, inner, files in os.walk(folder):
        is_last = levels is not None and len(Path(place).relative_to(folder).parts) >= levels
        inner[:] = [] if is_last else sorted(one for one in inner if not one.startswith(".") and one not in _SKIPPED)
        if "pyvenv.cfg" in files:
            inner.clear()
        elif "zlock.toml" in files or ("pyproject.toml" in files and _is_configured(Path(place, "pyproject.toml"))):
            yield Path(place)


def _is_configured(file: Path) -> bool:
    try:
        return b"[tool.zlock" in read_regular(file)
    except OSError:
        return False
