"""The files of a lock as a wheelhouse holds them: by their names, or where the lock has none, by what they are of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import InvalidLock
from zlock.lock.identity import own_begin
from zlock.lock.requirements import files_of
from zlock.model.page import version_text
from zlock.model.versions import parse_version
from zlock.redact import redact

_FILE = re.compile(r'^(?:    |sdist = )\{(?:[^"\n]*, )?path = "([^"\n]*)"', re.MULTILINE)
_FILE_OR_ARCHIVE = re.compile(r'^(?:    |sdist = |archive = )\{(?:[^"\n]*, )?path = "([^"\n]*)"', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedFile:
    """A wheel or sdist that a lock names.

    Attributes:
        package: The package that it is a file of.
        version: That one's version.
        sha256: Its digest.
        filename: Its name; empty where the lock has only the hash, as for what sdists are built with.
        size: Its bytes, or -1 where the lock does not say.
        url: Its URL, or empty.
        path: Its path from the lock's folder, or empty.
        is_archive: Whether a source states its URL: its name need not be that of a release then.
    """

    package: NormalizedName
    version: str
    sha256: str
    filename: str = ""
    size: int = -1
    url: str = ""
    path: str = ""
    is_archive: bool = False

    def check_name(self) -> None:
        """Hold its name against its package: it becomes a name in a folder, and installers go by it.

        Raises:
            InvalidLock: It is that of another project or version, or no plain name.
        """
        name = self.filename
        is_plain = PurePosixPath(name).name == name and "\\" not in name and name.isprintable()
        if not is_plain or not (self.is_archive or self._is_named_after_its_release()):
            raise InvalidLock(
                f"`{redact(name)}` is no file of {self.package} {self.version}",
                hint="delete the lock and run `zlock resolve`",
            )

    def _is_named_after_its_release(self) -> bool:
        stated = version_text(self.package, self.filename)
        return stated is not None and parse_version(unquote(stated)) == parse_version(self.version)


def locked_files(tree: Mapping[str, Any], uv: Mapping[str, Any] | None) -> Iterator[LockedFile]:
    """Return what a lock installs from indexes or out of a wheelhouse, what that is built with, and uv.

    Args:
        tree: The lock.
        uv: What it says of the uv that installs it, see `uv_of`; None where pip does.
    """
    for package in tree["packages"]:
        yield from _of_package(package)
    if uv is not None:
        yield from _of_package({"name": "uv", **uv})
    for build in tree["tool"]["zlock"].get("builds", ()):
        yield from files_of_build(build["requirements"])


def files_of_build(requirements: Iterable[str]) -> Iterator[LockedFile]:
    """Return the wheels that the lines of a build's requirements admit."""
    for line in requirements:
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


def with_sdists(tree: Mapping[str, Any], place: str, is_one: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """Return a lock with archives that are built under the URL that they have where a wheelhouse is.

    Args:
        tree: The lock.
        place: The folder in which the wheelhouse will be, absolute.
        is_one: Tells of a package whether its archive is such an sdist.
    """

    def moved(archive: Mapping[str, Any]) -> dict[str, Any]:
        found = {key: value for key, value in archive.items() if key not in ("url", "path")}
        return {**found, "url": f"file://{place}/{quote(_name_of(archive))}"}

    packages = [{**row, "archive": moved(row["archive"])} if is_one(row) else row for row in tree["packages"]]
    return {**tree, "packages": packages}


def archive_name(filename: str, sha256: str) -> str:
    """Return what an archive of a URL is called in a wheelhouse: names as `v1.0.tar.gz` are those of many projects."""
    return filename if filename.endswith(".whl") else f"{sha256[:12]}-{filename}"


def _name_of(archive: Mapping[str, Any]) -> str:
    """Return the name that an archive has in a wheelhouse."""
    if "path" in archive:
        return file_name(archive["path"])
    return archive_name(file_name(archive["url"]), archive["hashes"]["sha256"])


def wheelhouse_in(text: str) -> str:
    """Return the folder that a portable lock has its files in, as it stands there; empty where it has none.

    An archive counts where the lock says nothing of local ones, whose paths lead elsewhere.
    """
    begin = own_begin(text)
    rows = _FILE if "\nlocal = " in text[begin:] else _FILE_OR_ARCHIVE
    match = rows.search(text, 0, begin)
    return str(PurePosixPath(match[1]).parent) if match else ""


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
        yield _of_file(package, file)
    archive = package.get("archive", {})
    if archive.get("url", "").startswith("file:"):  # see `with_sdists`
        yield replace(_of_file(package, archive), is_archive=True)


def _of_file(package: Mapping[str, Any], file: Mapping[str, Any]) -> LockedFile:
    url, path = file.get("url", ""), file.get("path", "")
    return LockedFile(
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
