"""Debian packages: how apt is given their names, and one as it is locked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from msgspec import Struct

from zlock.model.form import Line, Misstated, matching
from zlock.model.paths import LONGEST_NAME

_LARGEST = 1 << 50  # bytes; no archive serves a larger file
_NAME = r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.]"
_PATH = r"[A-Za-z0-9+~_.-][A-Za-z0-9+~_.:%/-]*\.deb"
# Debian Policy 5.6.1, with an architecture and a version as apt-get(8) takes them. A dash at the end is none of a
# name: for apt it would mean "remove", and one at the begin an option. A `*` in the version stands for any text.
PACKAGE = re.compile(rf"{_NAME}(?::[a-z0-9]+)?(?:=[A-Za-z0-9.+:~*-]+)?")


def refusal(name: str) -> tuple[str, str] | None:
    """Return why a text names no Debian package, and the way out; None for `name`, `name:arch` and `name=version`."""
    if PACKAGE.fullmatch(name):
        return None
    lower = name.lower()
    if PACKAGE.fullmatch(lower):
        return f"`{name}` is not a valid name of a Debian package", f"write `{lower}`: their names are in lower case"
    hint = "write a name of lower-case letters, digits, `+`, `-` and `.`, with `:arch` or `=version` after it"
    return f"`{name}` is not a valid name of a Debian package", hint


def bare_name(asked: str) -> str:
    """Return the name of the package that apt is given, without architecture and version."""
    return asked.partition("=")[0].partition(":")[0]


def architectures_of(asked: Iterable[str]) -> set[str]:
    """Return the architectures that are stated in what apt is given."""
    return {one.partition("=")[0].partition(":")[2] for one in asked} - {""}


def _inside(path: str) -> str:
    if {"", ".."} & set(path.split("/")):
        raise ValueError(f"{path!r} is not a path inside an archive")
    return path


DebianName = Annotated[str, matching(_NAME, "name of a Debian package")]
DebianVersion = Annotated[str, matching(r"(?:[0-9]+:)?[0-9][A-Za-z0-9.+~:-]*", "version of a Debian package")]
Architecture = Annotated[str, matching(r"[a-z0-9][a-z0-9-]*", "architecture of Debian")]
Suite = Annotated[str, matching(r"[A-Za-z0-9.+~_/-]+", "suite of an archive")]
PoolPath = Annotated[
    str, matching(r"[A-Za-z0-9+~_.-][A-Za-z0-9+~_.:%/-]*\.deb", "path of a package in a pool"), _inside
]
Need = Annotated[str, matching(rf"{_NAME}(?::[a-z0-9-]+)?", "name of a Debian package")]
_Size = Annotated[int, lambda size: size if 0 < size < _LARGEST else _no_size(size)]
_Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "sha256 in lower case")]


def version_key(version: str) -> tuple[int, list[object], list[object]]:
    """Return what orders versions as dpkg does (Debian Policy 5.6.12)."""
    epoch, _, rest = version.rpartition(":") if ":" in version else ("0", "", version)
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return int(epoch), _order(upstream), _order(revision)


def _order(text: str) -> list[object]:
    """Return texts and numbers by turns: a `~` comes before the end of a text, and letters before all else."""
    found: list[object] = []
    for other, digits in re.findall(r"([^0-9]*)([0-9]*)", text):
        ranks = [-1 if one == "~" else ord(one) + (0 if one.isalpha() else 256) for one in other]
        found += [[*ranks, 0], int(digits or 0)]
    return found


class DebianPackage(Struct, frozen=True):
    """A Debian package as it is locked: wherever its bytes come from, they are held to its hash.

    Attributes:
        name: Its name (Debian Policy 5.6.7).
        version: Its version (Debian Policy 5.6.12).
        architecture: What it is for; `all` for every one.
        suite: The suite that had it, as the base image's sources write it.
        path: Where it is in that archive, from the URI of the source.
        size: Its bytes.
        sha256: Their digest.
        needs: Which of the packages locked with it it depends on; `name:arch` where that is of another architecture.
        platforms: For which platforms of the lock it is there; empty for all of them.
    """

    name: DebianName
    version: DebianVersion
    architecture: Architecture
    suite: Suite
    path: PoolPath
    size: _Size
    sha256: _Sha256
    needs: tuple[Need, ...] = ()
    platforms: tuple[Line, ...] = ()

    def check(self) -> None:
        """Hold it to what a file system takes."""
        if len(self.filename) > LONGEST_NAME:
            raise Misstated(f"its file would have a name of more than {LONGEST_NAME} characters")

    @property
    def filename(self) -> str:
        """What apt calls the file: a colon would mean something in a path, so it is escaped."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"

    def named_on(self, architecture: str) -> str:
        """Return its name as apt writes it on a machine of an architecture."""
        is_own = self.architecture in (architecture, "all")
        return self.name if is_own else f"{self.name}:{self.architecture}"


def _no_size(size: int) -> int:
    raise ValueError(f"{size} is not a size of a package")
