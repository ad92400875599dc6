"""What differs between two locks of one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct
from packaging.version import Version

from zlock.lock.lock import Lock
from zlock.lock.package import Package
from zlock.lock.selection import with_wheels_for
from zlock.model.debian import DebianPackage, version_key
from zlock.model.target import Target

Kind = Literal["added", "removed", "major", "minor", "patch", "commit", "version", "files", "same"]
# What of a lock's own table enters its image; the packages do by their identity.
_IMAGE = ("apt", "apt_packages", "installer", "parent_digest", "parent_image", "parent_user", "platforms", "python")
_YEAR = 365.25 * 24 * 3600  # seconds


class Change(Struct, frozen=True, kw_only=True):
    """What became of one package.

    Attributes:
        name: The package.
        kind: "added", "removed"; the first part of the version that differs: "major", "minor", "patch" (and what is
            finer); "commit" of a repository; "version" of a Debian package; "files": other files of the same version;
            "same": only places differ.
        before: Its version, or the beginning of its commit; empty where it was not there.
        after: Likewise.
        is_older: It went to an older version.
        libyears: Years between the uploads of the two releases, below 0 for an older one; None where that is not known.
        index: The URLs of the indexes it came and comes from, where they differ.
        hosts: The places its files came and come from, where there are other ones: scheme and host, joined by commas.
    """

    name: str
    kind: Kind
    before: str = ""
    after: str = ""
    is_older: bool = False
    libyears: float | None = None
    index: tuple[str, str] | None = None
    hosts: tuple[str, str] | None = None


class StepDiff(Struct, frozen=True, kw_only=True):
    """What differs between two locks of one step.

    Attributes:
        step: The step.
        status: "added" or "removed" where one of the locks is not there, else "changed" or "same"; what only asks
            differently, or in other files, is the same.
        changes: By package, sorted by name.
        debian: Those of Debian packages, `name:architecture` each, sorted.
        image: What makes the step's image another one: "packages" where the identity differs, else the keys; None where
            another tool's lock says nothing of images.
        libyears: The sum over the packages that moved.
    """

    step: str
    status: Literal["added", "removed", "changed", "same"]
    changes: tuple[Change, ...]
    debian: tuple[Change, ...]
    image: tuple[str, ...] | None
    libyears: float


def compare(step: str, before: Lock | None, after: Lock | None) -> StepDiff:
    """Return what differs between two locks of a step; None stands for one that is not there."""
    old, new = by_name(before), by_name(after)
    for name, rows in _on_shared_platforms(before, after).items():
        old[name], new[name] = rows
    with_folders = not any(
        lock.facts.is_portable for lock in (before, after) if lock
    )  # of their files they say only where they will be
    found = [_change(name, old.get(name), new.get(name), with_folders=with_folders) for name in sorted({*old, *new})]
    changes = tuple(one for one in found if one is not None)
    image = _image(before, after)
    status: Literal["added", "removed", "changed", "same"] = "changed" if changes or image else "same"
    if before is None or after is None:
        status = "added" if before is None else "removed"
    years = sum(one.libyears for one in changes if one.libyears is not None)
    debian = tuple(_debian(_debian_packages(before), _debian_packages(after)))
    return StepDiff(step=step, status=status, changes=changes, debian=debian, image=image, libyears=years)


def _debian_packages(lock: Lock | None) -> dict[str, DebianPackage]:
    """Return the Debian packages of a lock by name and architecture."""
    apt = lock.facts.apt if lock else None
    return {f"{one.name}:{one.architecture}": one for one in apt.packages} if apt else {}


def _debian(before: Mapping[str, DebianPackage], after: Mapping[str, DebianPackage]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            kind: Kind = "added" if old is None else "removed"
            yield Change(name=name, kind=kind, before=old.version if old else "", after=new.version if new else "")
        elif old.version != new.version:
            is_older = version_key(new.version) < version_key(old.version)
            yield Change(name=name, kind="version", before=old.version, after=new.version, is_older=is_older)
        elif old.sha256 != new.sha256:
            yield Change(name=name, kind="files", before=old.version, after=new.version)


def compare_with_foreign(step: str, before: Mapping[str, Rows], after: Lock) -> StepDiff:
    """Return what differs between the packages of another tool's lock and a lock of a step.

    Of files that one of them lists for more machines than the other, one in common is enough.
    """
    old, new = dict(before), by_name(after, after.facts.targets)
    found = [
        _change(name, old.get(name), new.get(name), with_folders=False)
        for name in sorted({*old, *new})
        if name not in old or name not in new or not _is_same(old[name], new[name])
    ]
    changes = tuple(one for one in found if one is not None)
    years = sum(one.libyears for one in changes if one.libyears is not None)
    return StepDiff(
        step=step, status="changed" if changes else "same", changes=changes, debian=(), image=None, libyears=years
    )


def _is_same(old: Rows, new: Rows) -> bool:
    """Return whether a release is the same as far as both sides say."""
    return _shown(old) == _shown(new) and (
        not _digests(old) or not _digests(new) or bool(_digests(old) & _digests(new))
    )


Rows = Sequence[Package]
"""The entries of one package: several where platforms have different versions."""


def by_name(lock: Lock | None, targets: Sequence[Target] | None = None) -> dict[str, Rows]:
    """Return the entries of a lock by package; with targets, only what any of those installs."""
    found: dict[str, list[Package]] = {}
    for row in lock.packages if lock else ():
        if targets is None:
            found.setdefault(row.name, []).append(row)
        elif on := [target for target in targets if target.holds(row.marker)]:
            found.setdefault(row.name, []).append(with_wheels_for(row, on))
    return dict(found)


def _on_shared_platforms(before: Lock | None, after: Lock | None) -> dict[str, tuple[Rows, Rows]]:
    """Return the entries of packages as platforms have them that both locks are for, where the locks differ in those.

    What goes or comes with a platform is not a move of a release that others have.
    """
    was, now = ({target.platform: target for target in lock.facts.targets} if lock else {} for lock in (before, after))
    if was.keys() == now.keys():
        return {}
    shared = was.keys() & now.keys()
    old = by_name(before, [was[platform] for platform in shared])
    new = by_name(after, [now[platform] for platform in shared])
    return {name: (old[name], new[name]) for name in old.keys() & new.keys()}


def _change(name: str, old: Rows | None, new: Rows | None, *, with_folders: bool) -> Change | None:
    """Return what became of a package; None where nothing did.

    Args:
        name: Its name.
        old: Its entries before.
        new: Its entries after.
        with_folders: Whether a folder counts as a place that files come from.
    """
    if not old:
        return Change(name=name, kind="added", after=_shown(new or ()))
    if not new:
        return Change(name=name, kind="removed", before=_shown(old))
    before, after = _shown(old), _shown(new)
    kind = _kind(old, new)
    index = _differing(_indexes(old), _indexes(new))
    hosts = _differing(_hosts(old, with_folders=with_folders), _hosts(new, with_folders=with_folders))
    if kind == "same" and not index and not hosts:
        return None
    return Change(
        name=name,
        kind=kind,
        before=before,
        after=after,
        is_older=kind in ("major", "minor", "patch") and _newest(new) < _newest(old),
        libyears=_libyears(old, new) if before != after else None,
        index=index,
        hosts=hosts,
    )


def _shown(rows: Rows) -> str:
    """Return what a person takes for the version."""
    return ", ".join(dict.fromkeys(row.shown for row in rows))


def _newest(rows: Rows) -> Version:
    return max(Version(row.version) for row in rows)


def _kind(old: Rows, new: Rows) -> Kind:
    if _shown(old) == _shown(new):
        return "same" if _digests(old) == _digests(new) else "files"
    if not all(row.version for row in (*old, *new)):
        return "commit"
    was, now = _newest(old), _newest(new)
    if (was.epoch, was.major) != (now.epoch, now.major):
        return "major"
    return "minor" if was.minor != now.minor else "patch"


def _digests(rows: Rows) -> set[str]:
    return {f"{name}:{digest}" for row in rows for file in row.hashed for name, digest in file.hashes.items()}


def _libyears(old: Rows, new: Rows) -> float | None:
    times = [_uploaded(old), _uploaded(new)]
    if times[0] is None or times[1] is None:
        return None
    return round((times[1] - times[0]).total_seconds() / _YEAR, 2)


def _uploaded(rows: Rows) -> datetime | None:
    """Return when the first file of a release was uploaded."""
    return min((file.upload_time for row in rows for file in row.files if file.upload_time), default=None)


def _differing(before: set[str], after: set[str]) -> tuple[str, str] | None:
    """Return both sides where the second has something that the first has not, and neither is empty."""
    return (", ".join(sorted(before)), ", ".join(sorted(after))) if before and after - before else None


def _indexes(rows: Rows) -> set[str]:
    return {row.index for row in rows if row.index}


def _hosts(rows: Rows, *, with_folders: bool) -> set[str]:
    places = [place for row in rows for place in row.placed]
    urls = [urlsplit(place.url) for place in places if place.url]
    folders = {str(PurePosixPath(place.path).parent) for place in places if place.path}
    return {f"{url.scheme}://{url.netloc.rpartition('@')[2]}" for url in urls} | (folders if with_folders else set())


def _image(before: Lock | None, after: Lock | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ()
    old, new = before.facts, after.facts
    found = ["packages"] if old.identity != new.identity else []
    return (*found, *(key.replace("_", "-") for key in _IMAGE if getattr(old, key) != getattr(new, key)))
