"""The uv that installs a lock in images: pinned like a package, though it is none of the step's."""

from __future__ import annotations

from collections.abc import Sequence

from zlock.lock.toml import Inline
from zlock.model.distribution import File
from zlock.resolution.solve import Resolved


def uv_table(answers: Sequence[Resolved]) -> Inline | None:
    """Return the table of the uv that was chosen for each target, None where none was; they have one version."""
    if not answers:
        return None
    files = {file.filename: file for one in answers for file in one.candidate.files}
    wheels = [_wheel(file) for _, file in sorted(files.items())]
    return Inline({"version": str(answers[0].candidate.version), "wheels": wheels})


def _wheel(file: File) -> Inline:
    size = {"size": file.size} if file.size >= 0 else {}
    return Inline({"name": file.filename, **size, "hashes": Inline({"sha256": file.sha256})})
