"""A `requirements_lock` as `pip.parse` of rules_python reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zlock.lock.export import Exported, refuse, refuse_local_archives, with_wheelhouse
from zlock.lock.requirements import hashed_requirements

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
    tree = with_wheelhouse(source)
    return head + hashed_requirements(tree) + "".join(_archives(tree))


def _archives(tree: Mapping[str, Any]) -> Iterator[str]:
    for package in tree["packages"]:
        if "archive" in package:
            archive = package["archive"]
            marker = f" ; {package['marker']}" if "marker" in package else ""
            yield f"{package['name']} @ {archive['url']}{marker} \\\n    --hash=sha256:{archive['hashes']['sha256']}\n"
