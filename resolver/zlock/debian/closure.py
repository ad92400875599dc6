"""The Debian packages that a base image lacks for those that are asked for: apt's answer as checked values."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from msgspec.structs import replace

from zlock.debian.apt import Apt
from zlock.debian.base import Base
from zlock.debian.control import Paragraph, names_of, paragraphs
from zlock.errors import NoAnswer, OutsideFailed
from zlock.model.debian import DebianPackage, bare_name
from zlock.model.form import Misstated, read
from zlock.wording import listed

_FILE = r"[^\s_]+_[^\s_]+_[^\s_]+\.deb"
_URI = re.compile(rf"'(?P<url>\S+)' (?P<file>{_FILE}) (?P<size>[0-9]+) SHA256:(?P<sha256>[0-9a-f]{{64}})")
_REMOVED = re.compile(r"^The following packages will be REMOVED:\n((?:  .*\n)+)", re.MULTILINE)
_QUOTED = re.compile(r"'\S+' ")


_Key = tuple[str, str, str]
"""The name, the version and the architecture of a package."""


def find_closure(
    base: Base,
    apt: Apt,
    names: Sequence[str],
    kept: Sequence[DebianPackage] = (),
    note: Callable[[str], object] = str,
) -> tuple[DebianPackage, ...]:
    """Return all packages that a base image lacks for some, sorted by name; recommended ones are left out.

    Args:
        base: The base image.
        apt: apt on the base image, its indexes fetched.
        names: What is asked for, as apt-get(8) takes it.
        kept: Packages whose versions are to stay, as far as an archive has them and they go with the rest.
        note: Hears what a person should know.

    Raises:
        NoAnswer: They can't be installed there.
        OutsideFailed: What an archive says of a package can't be locked.
    """
    try:
        printed = apt.uris(names, _preferring(kept, base.architecture))
    except NoAnswer:
        if not kept:
            raise
        printed = apt.uris(names, "")
    if gone := _REMOVED.search(printed):
        what = listed(gone[1].replace("*", "").split())
        note(
            f"installing {listed(names)} takes {what} away from the base image `{base.image}`, with which it conflicts"
        )
    found = dict(_parse(printed))
    asked = [f"{name}:{architecture}={version}" for name, version, architecture in found]
    shown = {(p["package"], p["version"], p["architecture"], p["sha256"]): p for p in _complete(apt.show(asked))}
    suites = _suites(apt.madison([f"{name}:{architecture}" for name, _, architecture in found]))
    stated = {key: shown.get((*key, one["sha256"]), {}) for key, one in found.items()}
    needs = _Needs(stated)
    for name in map(bare_name, names):  # apt takes a name that no package has for a pattern
        if not needs.knows(name) and not base.provides(name):
            raise NoAnswer(
                f"no archive of the base image `{base.image}` has a package `{name}`",
                hint="correct its name; a version may have `*`, a name may not",
            )
    own = {one.sha256: one for one in kept}  # of what only this machine has, the lock says where it was
    packages = [
        replace(own[one["sha256"]], needs=tuple(needs.of(key)), platforms=())
        if one["sha256"] in own
        else _package(key, one, stated[key], suites, needs)
        for key, one in found.items()
    ]
    return tuple(sorted(packages, key=_order))


def _order(package: DebianPackage) -> tuple[str, str]:
    return package.name, package.architecture


def _preferring(kept: Iterable[DebianPackage], architecture: str) -> str:
    """Return what makes apt prefer versions, see apt_preferences(5)."""
    return "".join(
        f"Package: {one.named_on(architecture)}\nPin: version {one.version}\nPin-Priority: 1000\n\n" for one in kept
    )


def _parse(printed: str) -> Iterator[tuple[_Key, re.Match[str]]]:
    """Yield the packages that `apt-get --print-uris` names, each with what `_URI` finds of it."""
    for line in printed.splitlines():
        match = _URI.fullmatch(line)
        if match:
            name, version, architecture = map(unquote, match["file"].removesuffix(".deb").split("_"))
            yield (name, version, architecture), match
        elif _QUOTED.match(line):
            raise _strange(line)


def _complete(printed: str) -> Iterator[Paragraph]:
    wanted = {"package", "version", "architecture", "sha256", "filename"}
    return (one for one in paragraphs(printed) if wanted <= one.keys())


def _suites(printed: str) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return by name and version the archives that have it, each with the suite: rows of `apt-cache madison`."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for line in printed.splitlines():
        name, version, place = (part.strip() for part in [*line.split("|"), "", ""][:3])
        uri, _, rest = place.partition(" ")
        words = rest.split()
        if words:
            suite = words[0] if words[0].endswith("/") else words[0].rpartition("/")[0] or words[0]
            found.setdefault((name.partition(":")[0], version), []).append((uri.rstrip("/") + "/", suite))
    return found


def _package(
    key: _Key,
    found: re.Match[str],
    stated: Paragraph,
    suites: Mapping[tuple[str, str], list[tuple[str, str]]],
    needs: _Needs,
) -> DebianPackage:
    """Return a package; where it is comes from the signed index, and has to be what the URL ends with."""
    name, version, architecture = key
    path = posixpath.normpath(stated.get("filename", ""))
    url = unquote(found["url"])
    table = {
        "name": name,
        "version": version,
        "architecture": architecture,
        "suite": next((suite for uri, suite in suites.get((name, version), []) if unquote(uri) + path == url), ""),
        "path": path,
        "size": int(found["size"]),
        "sha256": found["sha256"],
        "needs": needs.of(key),
    }
    try:
        return read(DebianPackage, table)
    except Misstated as error:
        raise _strange(f"{name} {version}: {error}") from error


class _Needs:
    """Which of the packages need which: as far as the base image lacks what they depend on."""

    def __init__(self, stated: Mapping[_Key, Paragraph]) -> None:
        self._stated = stated
        self._by_name: dict[str, list[_Key]] = {}
        for key, fields in stated.items():
            provided = [name for names in names_of(fields.get("provides", "")) for name in names]
            for name in (key[0], *provided):
                self._by_name.setdefault(name, []).append(key)

    def knows(self, name: str) -> bool:
        """Tell whether one of the packages has a name, or provides it."""
        return name in self._by_name

    def of(self, key: _Key) -> list[str]:
        """Return the names of what a package needs, sorted; with the architecture where that is another one."""
        fields = self._stated[key]
        groups = [*names_of(fields.get("pre-depends", "")), *names_of(fields.get("depends", ""))]
        found = set()
        for group in groups:
            providers = [one for name in group for one in self._by_name.get(name, []) if one != key]
            fitting = [one for one in providers if one[2] in (key[2], "all") or key[2] == "all"]
            if one := next(iter([*fitting, *providers]), None):
                found.add(one[0] if one in fitting else f"{one[0]}:{one[2]}")
        return sorted(found)


def _strange(line: str) -> OutsideFailed:
    return OutsideFailed(
        "apt names a package that can't be locked",
        context=[line[:300]],
        hint="ask whoever keeps its archive, or for another version; apt itself has to be 2.0 or later",
    )
