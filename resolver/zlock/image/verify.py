"""What is installed, compared with what a lock installs."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name, canonicalize_version

from zlock.image.reading.compiled import judge
from zlock.image.reading.compilers import Compilers
from zlock.image.reading.environment import Installed
from zlock.image.reading.installed import Altered, Distribution, check_files, compiled_files
from zlock.lock.package import Package
from zlock.model import plain
from zlock.redact import redact

_INSTALLERS = frozenset({"pip", "setuptools", "wheel"})


class Differences(Struct, frozen=True, kw_only=True):
    """How what is installed differs from what a lock installs; by name, sorted.

    Attributes:
        packages: How many the lock installs.
        files: How many files were held against what is recorded of them.
        missing: Locked and not there, with the locked version.
        extra: There and not locked, with the version.
        moved: Of another version: the locked one, and what is there.
        altered: Files that are not as they were recorded.
    """

    packages: int
    files: int
    missing: Mapping[str, str]
    extra: Mapping[str, str]
    moved: Mapping[str, tuple[str, str]]
    altered: Mapping[str, tuple[Altered, ...]]

    @property
    def is_equal(self) -> bool:
        """Whether what is installed is what the lock says."""
        return not (self.missing or self.extra or self.moved or self.altered)


class Comparison(Differences, frozen=True, kw_only=True):
    """How an environment differs from a lock.

    Attributes:
        compiled: How many compiled files were held against their sources.
        unchecked: How many compiled files could not be held against their sources.
        elsewhere: Of the locked version but not from where the lock says; how.
        stray: Files and folders that belong to no package.
        environment: Settings and links of the environment that are not as they were made, and how they are.
        inherited: There and not locked, but the parent's own; no difference.
        local: There and not locked, but the project itself; no difference.
        installers: There and not locked, but pip, setuptools or wheel as they were installed; no difference.
    """

    compiled: int
    unchecked: int
    elsewhere: Mapping[str, str]
    stray: Sequence[str]
    environment: Mapping[str, str]
    inherited: Mapping[str, str]
    local: Mapping[str, str]
    installers: Mapping[str, str]

    @property
    def is_equal(self) -> bool:
        """Whether what is installed is what the lock says."""
        return super().is_equal and not (self.elsewhere or self.stray or self.environment)


def compare(
    locked: Iterable[Package],
    installed: Installed,
    *,
    is_local: Callable[[Distribution], bool],
    compilers: Compilers,
) -> Comparison:
    """Compare an environment with the packages of a lock.

    Args:
        locked: The packages that the lock installs on the platform.
        installed: What is there; of one name twice, both count.
        is_local: Tells the project's own distribution.
        compilers: Compile sources again.
    """
    wanted = {canonicalize_name(package.name): package for package in locked}
    there: dict[NormalizedName, list[Distribution]] = {}
    for one in installed.distributions:
        there.setdefault(one.name, []).append(one)
    matched = {name: _found(there[name], installed) for name in sorted(wanted.keys() & there.keys())}
    moved = dict(_moved(wanted, matched))
    elsewhere = {name: _other_source(wanted[name], found[0].direct_url) for name, found in matched.items()}
    looked_at = [one for found in matched.values() for one in found]
    beyond = [one for name in sorted(there.keys() - wanted.keys()) for one in there[name]]
    local, inherited, extra = _sorted_out(beyond, is_local, installed)
    if installed.may_have_installers:
        looked_at += [one for one in beyond if one.name in extra and one.name in _INSTALLERS]
    files = _check(looked_at, installed, compilers)
    return Comparison(
        packages=len(wanted),
        files=files.checked,
        compiled=sum(verdict is not None for verdict in files.compiled.values()),
        unchecked=sum(verdict is None for verdict in files.compiled.values()),
        missing={name: wanted[name].version for name in sorted(wanted.keys() - there.keys())},
        extra={name: version for name, version in extra.items() if name not in files.whole},
        moved=moved,
        elsewhere={name: how for name, how in elsewhere.items() if how and name not in moved},
        altered=files.altered,
        stray=installed.stray,
        environment=installed.odd,
        inherited=inherited,
        local=local,
        installers={name: version for name, version in extra.items() if name in files.whole},
    )


def _found(there: Sequence[Distribution], installed: Installed) -> list[Distribution]:
    """Return what is there of a locked package: what the parent has of it below does not count."""
    first, *shadowed = there
    return [first, *(one for one in shadowed if not installed.is_inherited(one))]


def _moved(
    wanted: Mapping[NormalizedName, Package], matched: Mapping[NormalizedName, Sequence[Distribution]]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Return by name the locked version of what is there in another one, or twice, and what is there."""
    for name, found in matched.items():
        version = wanted[name].version
        if len(found) > 1 or (version and not _is_same(version, found[0].version)):
            yield name, (version or found[0].version, ", ".join(one.version or "unknown" for one in found))


def _sorted_out(
    beyond: Sequence[Distribution], is_local: Callable[[Distribution], bool], installed: Installed
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return the versions of what is not locked: the project itself, what is the parent's, and all else."""
    local: dict[str, str] = {one.name: one.version for one in beyond if is_local(one)}
    others = [one for one in beyond if one.name not in local]
    inherited: dict[str, str] = {one.name: one.version for one in others if installed.is_inherited(one)}
    return local, inherited, {one.name: one.version for one in others if one.name not in inherited}


class _Files(NamedTuple):
    """What came of the files of distributions.

    Attributes:
        checked: How many were held against their RECORD.
        compiled: By path whether it is what its source compiles to.
        altered: By name, sorted, what is not as it was.
        whole: The names of which all is as it was.
    """

    checked: int
    compiled: Mapping[str, bool | None]
    altered: Mapping[str, tuple[Altered, ...]]
    whole: frozenset[str]


def _check(distributions: Sequence[Distribution], installed: Installed, compilers: Compilers) -> _Files:
    tree = installed.tree
    results = _settled(distributions, [check_files(tree, one) for one in distributions])
    other = {file.path for files, _ in results for file in files}
    # What an altered source compiles to says nothing more.
    caches = [[file for file in compiled_files(tree, one) if file.source not in other] for one in distributions]
    compiled = judge(tree, [file for cache in caches for file in cache], installed.python, compilers)
    altered: dict[str, tuple[Altered, ...]] = {}
    for one, (files, _), cache in zip(distributions, results, caches, strict=True):
        swapped = [Altered(path=file.path, why="changed") for file in cache if compiled[file.path] is False]
        if differing := (*altered.get(one.name, ()), *files, *swapped):
            altered[one.name] = differing
    whole = frozenset(one.name for one in distributions) - altered.keys()
    return _Files(sum(count for _, count in results), compiled, dict(sorted(altered.items())), whole)


def _settled(
    distributions: Sequence[Distribution], results: Sequence[tuple[list[Altered], int]]
) -> list[tuple[list[Altered], int]]:
    """Leave out what is as the RECORD of another distribution has it: of a path in two, one counts."""
    right: set[str] = set()
    for one, (altered, _) in zip(distributions, results, strict=True):
        wrong = {file.path for file in altered}
        right |= {posixpath.normpath(file.path) for file in one.files if file.path not in wrong}
    return [
        ([one for one in altered if posixpath.normpath(one.path) not in right], count) for altered, count in results
    ]


def _is_same(locked: str, found: str) -> bool:
    return canonicalize_version(locked) == canonicalize_version(found)


def _other_source(package: Package, direct_url: Mapping[str, object]) -> str:
    """Say how the recorded source of what is installed (PEP 610) contradicts a lock; empty where it does not."""
    came_from = f"it came from `{redact(str(direct_url.get('url', '')))}`"
    if package.vcs:
        commit = plain.at(direct_url, "vcs_info", "commit_id")
        wanted = package.vcs.commit_id
        return "" if commit == wanted else f"commit {wanted} is locked, {commit or 'none'} was installed"
    if package.directory:  # its content is not locked; images have a wheel of it, from a file
        is_file = str(direct_url.get("url", "file:")).startswith("file:") and "vcs_info" not in direct_url
        return "" if is_file else came_from
    if "vcs_info" in direct_url or "dir_info" in direct_url:
        return came_from
    archive = plain.table(direct_url, "archive_info")
    digest = plain.at(archive, "hashes", "sha256") or str(archive.get("hash", "")).removeprefix("sha256=")
    return came_from if digest and str(digest).lower() not in {file.sha256 for file in package.hashed} else ""
