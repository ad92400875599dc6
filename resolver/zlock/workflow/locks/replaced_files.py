"""What changed under its name since it was locked: the hash of a release must not change without anyone's knowledge."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from zlock.errors import Collector, IndexFailed
from zlock.lock.lock import Lock
from zlock.lock.package import Package

_SHOWN = 3


def compare_files(before: Lock | None, after: Lock, *, let_go: Collection[str]) -> list[str]:
    """Compare the packages that two locks of a step share, and return what a person should know.

    Args:
        before: The lock that there is.
        after: The one that is to take its place.
        let_go: Names whose pins may move, and their hashes with them.

    Raises:
        IndexFailed: The same index serves another file under the name of one that was locked.
    """
    if before is None:
        return []
    problems = Collector()
    notes: list[str] = []
    moved: dict[tuple[str, str], list[str]] = {}
    no_index = after.facts.is_portable  # it does not say which
    place_of = _index if no_index or before.facts.is_portable else _index_or_folder
    for old, new in _shared(before, after):
        was, now = place_of(old), place_of(new)
        is_same = old.version == new.version
        # A newer version elsewhere is how a stranger's package comes in; each version may have a folder of its own.
        is_moved = was and now and was != now and (is_same or old.index or new.index)
        if is_moved:
            moved.setdefault((was, now), []).append(new.name)
        files = sorted(name for name, digest in _files(new).items() if _files(old).get(name, digest) != digest)
        if not is_same:
            continue
        if new.name in let_go:
            # To let go of a version is not to expect that the same version is another file.
            notes += map(_another, sorted({*files, *_remote_archive(old, new)}))
        elif files and not is_moved and (_index(new) or no_index):
            problems.add(_replaced(files[0], old, new))
        elif files and not is_moved:
            notes.append(_another(files[0]))
    problems.raise_if_any()
    return notes + [_moved(names, *places) for places, names in moved.items()]


def _index(package: Package) -> str:
    return package.index


def _index_or_folder(package: Package) -> str:
    """Return the index that a release comes from, or the folder that is one: it has the files' paths only."""
    path = package.files[0].path if package.files else ""
    return package.index or (str(PurePosixPath(path).parent) if path else "")


def _shared(before: Lock, after: Lock) -> Iterator[tuple[Package, Package]]:
    """Yield each package with what it was before: the same release where that was locked, else another one of it."""
    known = {package.name: package for package in before.packages}
    same = {(package.name, package.version): package for package in before.packages}
    for package in after.packages:
        old = same.get((package.name, package.version), known.get(package.name))
        if old is not None:
            yield old, package


def _files(package: Package) -> dict[str, str]:
    """Return the sha256 of each file of a release; a remote one that is required by its URL is compared before."""
    return {file.filename: file.sha256 for file in package.hashed if file.path or file is not package.archive}


def _remote_archive(old: Package, new: Package) -> list[str]:
    """Return the name of an archive that is required by its URL, where that serves another one now."""
    was, now = old.archive, new.archive
    is_another = was and now and now.url and was.url == now.url and was.hashes != now.hashes
    return [now.filename] if now and is_another else []


def _replaced(file: str, old: Package, new: Package) -> IndexFailed:
    return IndexFailed(
        f"`{file}` is not the file that was locked",
        context=[
            f"index `{new.index}`" if new.index else "an index of the configuration",
            f"locked sha256 {_files(old)[file]}",
            f"listed sha256 {_files(new)[file]}",
        ],
        hint=f"if the change is meant: `zlock resolve --upgrade-package {new.name}`",
    )


def _another(file: str) -> str:
    return f"`{file}` is another file than was locked; the lock has its present hash"


def _moved(names: list[str], was: str, now: str) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more} came from `{was}` when locked, and from `{now}` now"
