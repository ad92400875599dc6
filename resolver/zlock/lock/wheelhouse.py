"""The files of a lock as a wheelhouse holds them: by their names, or where the lock has none, by what they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import InvalidLock
from zlock.lock.requirements import files_of
from zlock.model.page import version_text
from zlock.model.versions import parse_version
from zlock.redact import redact


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedFile:
    """A wheel or sdist of an index that a lock names.

    Attributes:
        package: The package that it is a file of.
        version: That one's version.
        sha256: Its digest.
        filename: Its name; empty where the lock has only the hash, as for what sdists are built with.
        size: Its bytes, or -1 where the lock does not say.
        url: Its URL, or empty.
        path: Its path from the lock's folder, or empty.
    """

    package: NormalizedName
    version: str
    sha256: str
    filename: str = ""
    size: int = -1
    url: str = ""
    path: str = ""

    def check_name(self) -> None:
        """Hold its name against its package: it becomes a name in a folder, and installers go by it.

        Raises:
            InvalidLock: It is that of another project or version, or no plain name.
        """
        name = self.filename
        stated = version_text(self.package, name)
        is_plain = PurePosixPath(name).name == name and "\\" not in name and name.isprintable()
        if not is_plain or stated is None or parse_version(unquote(stated)) != parse_version(self.version):
            raise InvalidLock(
                f"`{redact(name)}` is no file of {self.package} {self.version}",
                hint="delete the lock and run `zlock resolve`",
            )


def locked_files(tree: Mapping[str, Any], uv: Mapping[str, Any] | None) -> Iterator[LockedFile]:
    """Return what a lock installs from indexes, what sdists of it are built with, and the uv that installs it.

    Args:
        tree: The lock.
        uv: What it says of uv, see `uv_of`; None where pip installs it.
    """
    for package in tree["packages"]:
        yield from _of_package(package)
    if uv is not None:
        yield from _of_package({"name": "uv", **uv})
    for build in tree["tool"]["zlock"].get("builds", ()):
        for line in build["requirements"]:
            yield from _of_line(line)


def with_wheels(tree: Mapping[str, Any], is_one: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """Return a lock with archives as what an index lists: a wheel of a wheelhouse is found by its name.

    Args:
        tree: The lock.
        is_one: Tells of a package whether its archive is such a wheel.
    """
    packages = [
        {**{key: value for key, value in row.items() if key != "archive"}, "wheels": [row["archive"]]}
        if is_one(row)
        else row
        for row in tree["packages"]
    ]
    return {**tree, "packages": packages}


def leads_into(wheelhouse: Path, lock_folder: Path, path: str) -> bool:
    """Return whether a path of a lock leads into the wheelhouse; others lead to files of the project."""
    return (lock_folder / path).resolve().parent == wheelhouse.resolve()


def file_name(place: str) -> str:
    """Return the file name that a URL or path ends with, that of a URL with its escapes undone once."""
    is_url = "://" in place
    name = PurePosixPath(urlsplit(place).path if is_url else place).name
    return unquote(name) if is_url else name


def _of_package(package: Mapping[str, Any]) -> Iterator[LockedFile]:
    for file in files_of(package):
        url, path = file.get("url", ""), file.get("path", "")
        yield LockedFile(
            package=canonicalize_name(package["name"]),
            version=package["version"],
            sha256=file["hashes"]["sha256"],
            filename=file.get("name") or file_name(url or path),
            size=file.get("size", -1),
            url=url,
            path=path,
        )


def _of_line(line: str) -> Iterator[LockedFile]:
    """Return the wheels that a line of a build's requirements admits."""
    pin, *hashes = line.split(" ")
    name, _, version = pin.partition("==")
    for one in hashes:
        digest = one.removeprefix("--hash=sha256:")
        yield LockedFile(package=canonicalize_name(name), version=version, sha256=digest)
