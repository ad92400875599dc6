"""Debian packages that are installed, compared with those of a lock: dpkg's status, and its sums of their files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase

from zlock.debian.base import installed_in
from zlock.image.reading.installed import Altered
from zlock.image.reading.tree import FileTree, names_in, resolve, text_at
from zlock.image.verify import Differences
from zlock.model.debian import DebianPackage

_DPKG = "/var/lib/dpkg"
_FILTERS = {"path-exclude": True, "path-include": False}


def has_dpkg(tree: FileTree) -> bool:
    """Tell whether there are Debian packages."""
    return resolve(tree, f"{_DPKG}/status") is not None


def compare_debian(
    locked: Sequence[DebianPackage], tree: FileTree, base: Collection[tuple[str, str]] | None
) -> Differences:
    """Compare the Debian packages of a lock with what is installed, by `name:architecture`.

    dpkg's sums are md5: they tell of damage and of carelessness, not of somebody who changed both. What the image
    has of its base image is not looked at.

    Args:
        locked: The packages of the lock.
        tree: The image's files.
        base: What its base image has, by name and architecture; None where that is not known, so that nothing is
            known to be extra.
    """
    there = installed_in(text_at(tree, f"{_DPKG}/status"))
    wanted = {f"{one.name}:{one.architecture}": one for one in locked}
    found = {name: there.get((one.name, one.architecture)) for name, one in wanted.items()}
    files = _Files(tree)
    altered = {name: files.altered(one) for name, one in wanted.items() if found[name] == one.version}
    return Differences(
        packages=len(wanted),
        files=files.checked,
        extra={}
        if base is None
        else {
            f"{name}:{architecture}": version
            for (name, architecture), version in sorted(there.items())
            if (name, architecture) not in base and f"{name}:{architecture}" not in wanted
        },
        missing={name: wanted[name].version for name, version in found.items() if version is None},
        moved={
            name: (wanted[name].version, version)
            for name, version in found.items()
            if version is not None and version != wanted[name].version
        },
        altered={name: differing for name, differing in altered.items() if differing},
    )


class _Files:
    """Holds files against the sums that dpkg keeps.

    Attributes:
        checked: How many were.
    """

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree
        self._filters = tuple(_filters(tree))
        self._diverted = dict(_diversions(tree))
        self.checked = 0

    def altered(self, package: DebianPackage) -> tuple[Altered, ...]:
        """Return the files of a package that are not as they were."""
        names = (f"{package.name}:{package.architecture}", package.name)
        sums = next((text for name in names if (text := text_at(self._tree, f"{_DPKG}/info/{name}.md5sums"))), "")
        found = []
        for line in sums.splitlines():
            digest, _, path = line.partition("  ")
            to, by = self._diverted.get(f"/{path}", ("", ""))
            place = resolve(self._tree, to if by not in ("", package.name) else f"/{path}")
            if place is None and self._is_left_out(f"/{path}"):
                continue
            self.checked += 1
            if place is None or self._tree.md5(place) != digest:
                found.append(Altered(path=f"/{path}", why="gone" if place is None else "changed"))
        return tuple(found)

    def _is_left_out(self, path: str) -> bool:
        """Tell whether dpkg was told not to unpack a file, as in slim images (dpkg(1), `--path-exclude`)."""
        verdicts = [excludes for pattern, excludes in self._filters if fnmatchcase(path, pattern)]
        return bool(verdicts) and verdicts[-1]


def _filters(tree: FileTree) -> Iterator[tuple[str, bool]]:
    folder = "/etc/dpkg/dpkg.cfg.d"
    for place in (*(f"{folder}/{name}" for name in names_in(tree, folder)), "/etc/dpkg/dpkg.cfg"):
        for line in text_at(tree, place).splitlines():
            key, _, pattern = line.strip().removeprefix("--").partition("=")
            if key in _FILTERS:
                yield pattern, _FILTERS[key]


def _diversions(tree: FileTree) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the paths that dpkg unpacks elsewhere, each with that, and the package whose own file stays."""
    lines = text_at(tree, f"{_DPKG}/diversions").splitlines()
    for start in range(0, len(lines) - 2, 3):
        yield lines[start], (lines[start + 1], lines[start + 2])
