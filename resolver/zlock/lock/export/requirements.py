"""A requirements file with hashes, for any pip and uv."""

from __future__ import annotations

from collections.abc import Iterator

from zlock.lock.export import Exported, refuse, refuse_local_archives, with_wheelhouse
from zlock.lock.requirements import direct_requirements, extras_needed, hashed_requirements
from zlock.model.indexes import Index
from zlock.wording import listed


def export(source: Exported) -> str:
    """Return a requirements file; pip checks the hashes of all its lines.

    Raises:
        InvalidInput: The lock has a repository, a folder or a local archive: nothing with a hash and a URL.
    """
    refuse(source, {"vcs": "a repository, which has no hash", "directory": "a folder"}, "a file with hashes")
    refuse_local_archives(source, "a file with hashes")
    options = "".join(f"{line}\n" for index in source.routing.indexes for line in _option(source, index))
    packages = with_wheelhouse(source).packages
    return (
        _head(source)
        + options
        + hashed_requirements(packages, extras_needed(packages))
        + direct_requirements(source.lock.packages)
    )


def _option(source: Exported, index: Index) -> Iterator[str]:
    """Yield the option that names an index, and before it what no option can say."""
    locked = {package.name for package in source.lock.packages}
    routed = sorted(name for name, to in source.routing.sources.items() if to == index.name and name in locked)
    if routed:
        yield f"# By `index-sources`, {listed(routed)} is of this index alone; here, the hashes see to it."
    yield f"{'--index-url' if index.default else '--extra-index-url'} {index.url}"


def _head(source: Exported) -> str:
    """Return a comment on how to install what does not hold all that its packages' metadata asks for; else nothing."""
    policy = source.lock.facts.policy
    stated = [f"`{key}`" for key in ("exclude", "overrides") if policy.get(key)]
    if not stated:
        return ""
    return (
        f"# The configuration has {' and '.join(stated)}, so install it with `--no-deps`: pip would ask for the rest.\n"
    )
