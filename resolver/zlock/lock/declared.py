"""The digest `declared`: over the bytes of the files that ask, so that a build can compare them without running any."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def declared_digest(files: Iterable[Path], project: Path) -> str:
    """Return the digest of files by their place in the project and their bytes.

    Files outside the project count by their bytes and their name alone: where they are is the machine's affair.
    """
    rows = set()
    for file in files:
        try:
            data = file.read_bytes()
        except OSError:
            continue  # it was read before, or its absence is reported by who needs it
        inside = file.resolve().is_relative_to(project.resolve())
        name = file.resolve().relative_to(project.resolve()).as_posix() if inside else file.name
        rows.add(f"{name}\0{hashlib.sha256(data).hexdigest()}")
    return "sha256:" + hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()
