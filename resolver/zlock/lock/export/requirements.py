"""A requirements file with hashes, for any pip and uv."""

from __future__ import annotations

from zlock.lock.export import Exported, refuse
from zlock.lock.requirements import direct_requirements, hashed_requirements


def export(source: Exported) -> str:
    """Return a requirements file; pip checks the hashes of all its lines.

    Raises:
        InvalidInput: The lock has a repository, a folder or a local archive: nothing with a hash and a URL.
    """
    local = [row for row in source.tree["packages"] if "path" in row.get("archive", {})]
    refuse(source, {"vcs": "a repository, which has no hash", "directory": "a folder"}, "a file with hashes")
    if local:
        refuse(source, {"archive": "a file of the project"}, "a file with hashes")
    return hashed_requirements(source.tree) + direct_requirements(source.tree)
