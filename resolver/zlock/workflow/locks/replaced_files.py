"""What changed under its name since it was locked: the hash of a release must not change without anyone's knowledge."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from zlock.errors import Collector, IndexFailed
from zlock.lock.diff import is_portable

_SHOWN = 3


def note_replaced(before: Mapping[str, Any], after: Mapping[str, Any], *, let_go: Collection[str]) -> list[str]:
    """Compare the releases that two locks of a step share, and return what a person should know.

    Args:
        before: The lock that there is.
        after: The one that is to take its place.
        let_go: Names whose pins may move, and their hashes with them.

    Raises:
        IndexFailed: The same index serves another file under the name of one that was locked.
    """
    if not before:
        return []
    problems = Collector()
    notes: list[str] = []
    moved: dict[tuple[str, str], list[str]] = {}
    no_index = is_portable(after)  # it does not say which
    place_of = _index if no_index or is_portable(before) else _index_or_folder
    for old, new in _shared(before, after):
        was, now = place_of(old), place_of(new)
        files = sorted(name for name, digest in _files(new).items() if _files(old).get(name, digest) != digest)
        if new["name"] in let_go:
            # To let go of a version is not to expect that the same version is another file.
            notes += map(_another, sorted({*files, *_remote_archive(old, new)}))
            continue
        if was and now and was != now:
            moved.setdefault((was, now), []).append(new["name"])
        elif files and (_index(new) or no_index):
            problems.add(_replaced(files[0], old, new))
        elif files:
            notes.append(_another(files[0]))
    problems.raise_if_any()
    return notes + [_moved(names, *places) for places, names in moved.items()]


def _index(package: Mapping[str, Any]) -> str:
    return str(package.get("index", ""))


def _index_or_folder(package: Mapping[str, Any]) -> str:
    """Return the index that a release comes from, or the folder that is one: it has the files' paths only."""
    row: Mapping[str, Any] = package.get("sdist") or next(iter(package.get("wheels", ())), {})
    return _index(package) or (str(PurePosixPath(row["path"]).parent) if "path" in row else "")


def _shared(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    known = {(package["name"], package.get("version")): package for package in before.get("packages", ())}
    for package in after["packages"]:
        old = known.get((package["name"], package.get("version")))
        if old is not None:
            yield old, package


def _files(package: Mapping[str, Any]) -> dict[str, str]:
    """Return the sha256 of each file of a release; a remote one that is required by its URL is compared before."""
    archive = package.get("archive", {})
    rows = [*package.get("wheels", ()), *filter(None, [package.get("sdist"), archive if "path" in archive else None])]
    return {_name(row): row["hashes"]["sha256"] for row in rows}


def _remote_archive(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the name of an archive that is required by its URL, where that serves another one now."""
    was, now = old.get("archive", {}), new.get("archive", {})
    is_another = "url" in now and was.get("url") == now["url"] and was["hashes"] != now["hashes"]
    return [_name(now)] if is_another else []


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or unquote((row.get("url") or row["path"]).rpartition("/")[2]))


def _replaced(file: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> IndexFailed:
    return IndexFailed(
        f"`{file}` is not the file that was locked",
        context=[
            f"index `{new['index']}`" if "index" in new else "an index of the configuration",
            f"locked sha256 {_files(old)[file]}",
            f"listed sha256 {_files(new)[file]}",
        ],
        hint=f"if the change is meant: `zlock resolve --upgrade-package {new['name']}`",
    )


def _another(file: str) -> str:
    return f"`{file}` is another file than was locked; the lock has its present hash"


def _moved(names: list[str], was: str, now: str) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more} came from `{was}` when locked, and from `{now}` now"
