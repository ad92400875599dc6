"""A `requirements_lock` as `pip.parse` of rules_python reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zlock.lock.export import Exported, refuse, refuse_local_archives, with_wheelhouse
from zlock.lock.package import Package
from zlock.lock.requirements import extras_needed, hashed_line, hashed_requirements

_HEAD = "# requirements_lock of step `{step}` for {targets}\n"


def export(source: Exported) -> str:
    """Return a requirements file of `name==version`, markers and hashes.

    `pip.parse` takes everything behind the last `/` of a URL for a file's name, so hashes of archives stand beside it.

    Raises:
        InvalidInput: The lock has a repository, a folder or a local archive, which `pip.parse` does not fetch.
    """
    refuse(source, {"vcs": "a repository", "directory": "a folder"}, "a `requirements_lock`")
    refuse_local_archives(source, "a `requirements_lock`")
    head = _HEAD.format(step=source.step, targets="; ".join(map(str, source.targets)))
    packages = with_wheelhouse(source).packages
    return head + hashed_requirements(packages, extras_needed(packages)) + "".join(_archives(packages))


def _archives(packages: Iterable[Package]) -> Iterator[str]:
    for one in packages:
        if one.archive:
            yield hashed_line(f"{one.name} @ {one.archive.url}", [one.archive.sha256], one.marker) + "\n"
