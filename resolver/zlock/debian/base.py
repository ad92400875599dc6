"""What a base image says of Debian packages: what is installed, where more is from, and which keys are trusted.

It is taken out of the image's layers into a folder, which has the same paths; nothing of the image is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from zlock.debian.control import Paragraph, names_of, paragraphs
from zlock.debian.sources import DebianSource, read_sources
from zlock.errors import InvalidInput
from zlock.image.reading.tree import FileTree, FolderTree, is_folder, names_in, resolve, text_at
from zlock.model.machine import PLATFORMS

_STATUS, _FOREIGN, _APT = "/var/lib/dpkg/status", "/var/lib/dpkg/arch", "/usr/bin/apt-get"
_RELEASE = "/etc/os-release"
_ARCHITECTURE, _MOST_FOREIGN = re.compile("[a-z0-9][a-z0-9-]*"), 64
_ID = re.compile(r"""^ID=["']?([a-z0-9._-]+)["']?\s*$""", re.MULTILINE)
_FILES = (_STATUS, _FOREIGN, _RELEASE, "/etc/apt/sources.list", "/etc/apt/preferences", "/etc/apt/trusted.gpg")
_FOLDERS = (
    *("/etc/apt/sources.list.d", "/etc/apt/preferences.d", "/etc/apt/trusted.gpg.d", "/etc/apt/keyrings"),
    "/usr/share/keyrings",
)
_KEYRINGS = (".gpg", ".asc", ".pgp")
_OTHERS = {
    "/lib/apk/db": "apk's",
    "/var/lib/rpm": "rpm's",
    "/usr/lib/sysimage/rpm": "rpm's",
    "/var/lib/dpkg/status.d": "Debian's, without dpkg and apt",
}


def describes_debian(name: str, parents: Sequence[str]) -> bool:
    """Tell whether a file of an image says something of Debian packages: apt's configuration, dpkg's state, keys."""
    folder = "/" + "/".join(parents)
    is_release = name == "os-release" and folder in ("/etc", "/usr/lib")
    return (
        is_release
        or name.endswith(_KEYRINGS)
        or folder.startswith("/etc/apt")
        or f"{folder}/{name}" in (_STATUS, _FOREIGN)
    )


class Base(Struct, frozen=True, kw_only=True):
    """A base image on which Debian packages are installed.

    Attributes:
        image: Its reference.
        root: A folder with what it says, by the same paths.
        architecture: What dpkg in it is for.
        foreign: Which architectures it takes packages of besides.
        distribution: What its os-release(5) calls itself, `debian` where that says nothing.
        sources: Where it has packages from.
    """

    image: str
    root: Path
    architecture: str
    foreign: tuple[str, ...]
    distribution: str
    sources: tuple[DebianSource, ...]

    @classmethod
    def read(cls, image: str, root: Path, platform: str) -> Base:
        """Read what `take_out` put into a folder.

        Args:
            image: Its reference.
            root: The folder.
            platform: What the image is to be for, `linux/amd64`.

        Raises:
            InvalidInput: It is of another architecture, or its sources can't be read.
        """
        tree = FolderTree(root)
        stated = paragraphs(text_at(tree, _STATUS))
        found = next((one.get("architecture", "") for one in stated if one.get("package") == "dpkg"), "")
        if not found:
            raise _unfit(image, f"its {_STATUS} names no dpkg", hint="name another one")
        _, machine = PLATFORMS[platform]
        if found != machine.debian:
            raise InvalidInput(
                f"dpkg in the base image `{image}` is for `{found}`, and {platform} is Debian's `{machine.debian}`",
                hint=f"name a base image for {platform}",
            )
        foreign = tuple(one for one in text_at(tree, _FOREIGN).split() if one != found)
        if len(foreign) > _MOST_FOREIGN or not all(map(_ARCHITECTURE.fullmatch, foreign)):
            raise _unfit(image, f"its {_FOREIGN} is not a list of architectures", hint="name another one")
        names = ["/etc/apt/sources.list", *_in_folder(tree, "/etc/apt/sources.list.d")]
        stated_in = {name: text_at(tree, name) for name in names if name.endswith((".list", ".sources"))}
        return cls(
            image=image,
            root=root,
            architecture=found,
            foreign=foreign,
            distribution=match[1] if (match := _ID.search(text_at(tree, _RELEASE))) else "debian",
            sources=read_sources(stated_in, image),
        )

    @property
    def installed(self) -> frozenset[tuple[str, str]]:
        """The names of what is installed, each with its architecture."""
        return frozenset(installed_in(text_at(FolderTree(self.root), _STATUS)))

    def provides(self, name: str) -> bool:
        """Tell whether a package that is installed has a name, or provides it."""
        there = _installed(text_at(FolderTree(self.root), _STATUS))
        return any(name == one["package"] or (name,) in names_of(one.get("provides", "")) for one in there)


def installed_in(status: str) -> dict[tuple[str, str], str]:
    """Return what dpkg's status says is installed: the version by name and architecture."""
    return {(one["package"], one.get("architecture", "")): one.get("version", "") for one in _installed(status)}


def _installed(status: str) -> Iterator[Paragraph]:
    return (one for one in paragraphs(status) if "package" in one and one.get("status", "").endswith(" installed"))


def _unfit(image: str, why: str, more: str = "", *, hint: str) -> InvalidInput:
    return InvalidInput(
        f"the base image `{image}` can't install Debian packages: {why}",
        context=[more] if more else [],
        hint=f"{hint}; or leave Debian packages unlocked with `--no-apt`",
    )


def take_out(image: str, tree: FileTree, root: Path) -> None:
    """Put what an image says of Debian packages into a folder.

    Args:
        image: Its reference, for messages.
        tree: Its files.
        root: An empty folder.

    Raises:
        InvalidInput: It has no dpkg, or no apt.
    """
    if resolve(tree, _STATUS) is None:
        others = next((f"its packages are {kind}" for place, kind in _OTHERS.items() if is_folder(tree, place)), "")
        raise _unfit(image, "it has no dpkg", others, hint="name one of Debian or Ubuntu")
    if resolve(tree, _APT) is None:
        raise _unfit(image, "it has no apt", hint="name one that has it")
    _write(root, _APT, b"")
    for path in dict.fromkeys([*_FILES, *(path for folder in _FOLDERS for path in _in_folder(tree, folder))]):
        _copy(tree, path, root)
    for place in ("/etc/apt/sources.list", *_in_folder(tree, "/etc/apt/sources.list.d")):
        for keyring in _keyrings(text_at(tree, place)):
            _copy(tree, keyring, root)


def _copy(tree: FileTree, path: str, root: Path) -> None:
    place = resolve(tree, path)
    if place is not None and tree.can_read(place):
        _write(root, path, tree.read(place))


def _write(root: Path, path: str, data: bytes) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def _in_folder(tree: FileTree, folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in names_in(tree, folder)]


def _keyrings(text: str) -> Iterator[str]:
    """Yield the paths of keyrings that sources name, wherever they are."""
    for word in text.replace("=", " ").replace(",", " ").replace("]", " ").split():
        if word.startswith("/") and word.endswith(_KEYRINGS) and ".." not in word.split("/"):
            yield word
