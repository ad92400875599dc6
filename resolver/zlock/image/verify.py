"""What is installed, compared with what a lock installs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name, canonicalize_version

from zlock.image.reading.installed import Altered, Distribution, check_files
from zlock.image.reading.tree import FileTree
from zlock.redact import redact


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How an environment differs from a lock; by name, sorted.

    Attributes:
        packages: How many the lock installs.
        files: How many files were held against their RECORD.
        missing: Locked and not there, with the locked version.
        extra: There and not locked, with the version.
        moved: Of another version: the locked one, and what is there.
        elsewhere: Of the locked version but not from where the lock says; how.
        altered: Files that are not as their RECORD has them.
        stray: Files and folders beside the packages that belong to none.
        inherited: There and not locked, but the parent's own; no difference.
        local: There and not locked, but the project itself; no difference.
    """

    packages: int
    files: int
    missing: Mapping[str, str]
    extra: Mapping[str, str]
    moved: Mapping[str, tuple[str, str]]
    elsewhere: Mapping[str, str]
    altered: Mapping[str, tuple[Altered, ...]]
    stray: Sequence[str]
    inherited: Mapping[str, str]
    local: Mapping[str, str]

    @property
    def is_equal(self) -> bool:
        """Whether what is installed is what the lock says."""
        return not (self.missing or self.extra or self.moved or self.elsewhere or self.altered or self.stray)


def compare(
    locked: Iterable[Mapping[str, Any]],
    installed: Sequence[Distribution],
    tree: FileTree,
    *,
    is_local: Callable[[Distribution], bool],
    is_inherited: Callable[[Distribution], bool],
    stray: Sequence[str] = (),
) -> Comparison:
    """Compare an environment with the packages of a lock.

    Args:
        locked: The packages that the lock installs on the platform.
        installed: What is there, in the order in which Python looks; of one name twice, both count.
        tree: The files, whose hashes are compared with those of RECORD.
        is_local: Tells the project's own distribution.
        is_inherited: Tells what the parent brought.
        stray: What belongs to no package.
    """
    wanted = {canonicalize_name(package["name"]): package for package in locked}
    there: dict[NormalizedName, list[Distribution]] = {}
    for one in installed:
        there.setdefault(one.name, []).append(one)
    beyond = [one for name in sorted(there.keys() - wanted.keys()) for one in there[name]]
    local: dict[str, str] = {one.name: one.version for one in beyond if is_local(one)}
    inherited: dict[str, str] = {one.name: one.version for one in beyond if one.name not in local and is_inherited(one)}
    moved: dict[str, tuple[str, str]] = {}
    elsewhere: dict[str, str] = {}
    altered: dict[str, tuple[Altered, ...]] = {}
    files = 0
    for name in sorted(wanted.keys() & there.keys()):
        first, *shadowed = there[name]
        found = [first, *(one for one in shadowed if not is_inherited(one))]
        versions = ", ".join(one.version or "unknown" for one in found)
        version = wanted[name].get("version")
        if len(found) > 1 or (version and not _is_same(version, found[0].version)):
            moved[name] = (version or found[0].version, versions)
        elif how := _other_source(wanted[name], found[0].direct_url):
            elsewhere[name] = how
        for one in found:
            differing, checked = check_files(tree, one)
            files += checked
            if differing:
                altered[name] = (*altered.get(name, ()), *differing)
    return Comparison(
        packages=len(wanted),
        files=files,
        missing={name: wanted[name].get("version", "") for name in sorted(wanted.keys() - there.keys())},
        extra={one.name: one.version for one in beyond if one.name not in local and one.name not in inherited},
        moved=moved,
        elsewhere=elsewhere,
        altered=altered,
        stray=stray,
        inherited=inherited,
        local=local,
    )


def _is_same(locked: str, found: str) -> bool:
    return canonicalize_version(locked) == canonicalize_version(found)


def _other_source(package: Mapping[str, Any], direct_url: Mapping[str, Any]) -> str:
    """Say how the recorded source of what is installed (PEP 610) contradicts a lock; empty where it does not."""
    came_from = f"it came from `{redact(str(direct_url.get('url', '')))}`"
    if "vcs" in package:
        commit = _table(direct_url, "vcs_info").get("commit_id")
        wanted = package["vcs"]["commit-id"]
        return "" if commit == wanted else f"commit {wanted} is locked, {commit or 'none'} was installed"
    if "vcs_info" in direct_url or ("dir_info" in direct_url and "directory" not in package):
        return came_from
    archive = _table(direct_url, "archive_info")
    digest = _table(archive, "hashes").get("sha256") or str(archive.get("hash", "")).removeprefix("sha256=")
    return came_from if digest and digest not in _hashes(package) else ""


def _hashes(package: Mapping[str, Any]) -> set[str]:
    files = [*package.get("wheels", ()), *(package[key] for key in ("sdist", "archive") if key in package)]
    return {file["hashes"].get("sha256", "") for file in files}


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    return value if isinstance(value, Mapping) else {}
