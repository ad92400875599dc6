"""A requirements file with hashes, for any pip and uv."""

from __future__ import annotations

from zlock.lock.export import Exported, refuse, refuse_local_archives, with_wheelhouse
from zlock.lock.requirements import direct_requirements, hashed_requirements


def export(source: Exported) -> str:
    """Return a requirements file; pip checks the hashes of all its lines.

    Raises:
        InvalidInput: The lock has a repository, a folder or a local archive: nothing with a hash and a URL.
    """
    refuse(source, {"vcs": "a repository, which has no hash", "directory": "a folder"}, "a file with hashes")
    refuse_local_archives(source, "a file with hashes")
    return _head(source) + hashed_requirements(with_wheelhouse(source)) + direct_requirements(source.tree)


def _head(source: Exported) -> str:
    """Return a comment on how to install what does not hold all that its packages' metadata asks for; else nothing."""
    policy = source.tree["tool"]["zlock"].get("policy", {})
    stated = [f"`{key}`" for key in ("exclude", "overrides") if policy.get(key)]
    if not stated:
        return ""
    return (
        f"# The configuration has {' and '.join(stated)}, so install it with `--no-deps`: pip would ask for the rest.\n"
    )
