"""The uv that installs a lock in images: pinned like a package, though it is none of the step's."""

from __future__ import annotations

from collections.abc import Sequence

from zlock.lock.facts import Uv
from zlock.lock.files import PackageFile
from zlock.resolution.solve import Resolved


def uv_of(answers: Sequence[Resolved]) -> Uv | None:
    """Return the uv that was chosen for each target, None where none was; they have one version."""
    if not answers:
        return None
    files = {file.filename: file for one in answers for file in one.candidate.files}
    wheels = [
        PackageFile(name=file.filename, size=file.size if file.size >= 0 else None, hashes={"sha256": file.sha256})
        for _, file in sorted(files.items())
    ]
    return Uv(version=str(answers[0].candidate.version), wheels=tuple(wheels))
