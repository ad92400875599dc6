"""The files of a lock as a wheelhouse holds them: by their names, or where the lock has none, by what they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from zlock.lock.facts import Build, LockedInstaller
from zlock.lock.files import PackageArchive, PackageFile
from zlock.lock.lock import Lock
from zlock.lock.package import Package
from zlock.model.paths import real


class LockedFile(Struct, frozen=True, kw_only=True):
    """A wheel or sdist that a lock names.

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


def locked_files(
    packages: Iterable[Package], installer: LockedInstaller | None, builds: Iterable[Build]
) -> Iterator[LockedFile]:
    """Return what a lock installs from indexes or out of a wheelhouse, what that is built with, and the installer.

    Args:
        packages: Its packages.
        installer: What has to be fetched to install it.
        builds: What packages are built with.
    """
    for package in packages:
        for file in package.files:
            yield _of_file(package.name, package.version, file)
        if package.archive and package.archive.url.startswith("file:"):  # see `with_sdists`
            yield _of_file(package.name, package.version, package.archive)
    if installer:
        yield from (_of_file(installer.name, installer.version, wheel) for wheel in installer.wheels)
    for build in builds:
        yield from files_of_build(build.requirements)


def files_of_build(requirements: Iterable[str]) -> Iterator[LockedFile]:
    """Return the wheels that the lines of a build's requirements admit."""
    for line in requirements:
        pin, *hashes = line.split(" --hash=sha256:")
        name, _, version = pin.partition("==")
        for digest in hashes:
            yield LockedFile(package=canonicalize_name(name), version=version, sha256=digest)


def with_wheels(lock: Lock, is_one: Callable[[Package], bool]) -> Lock:
    """Return a lock with archives as what an index lists: a wheel of a wheelhouse is found by its name.

    Args:
        lock: The lock.
        is_one: Tells of a package whether its archive is such a wheel.
    """
    packages = (
        replace(one, archive=None, wheels=_as_wheel(one.archive)) if is_one(one) else one for one in lock.packages
    )
    return replace(lock, packages=tuple(packages))


def with_sdists(lock: Lock, place: str, is_one: Callable[[Package], bool]) -> Lock:
    """Return a lock with archives that are built under the URL that they have where a wheelhouse is.

    Args:
        lock: The lock.
        place: The folder in which the wheelhouse will be, absolute.
        is_one: Tells of a package whether its archive is such an sdist.
    """

    def moved(archive: PackageArchive | None) -> PackageArchive | None:
        return archive and replace(archive, path="", url=f"file://{place}/{quote(_name_of(archive))}")

    packages = (replace(one, archive=moved(one.archive)) if is_one(one) else one for one in lock.packages)
    return replace(lock, packages=tuple(packages))


def _as_wheel(archive: PackageArchive | None) -> tuple[PackageFile, ...]:
    if archive is None:
        return ()
    return (PackageFile(url=archive.url, path=archive.path, size=archive.size, hashes=archive.hashes),)


def archive_name(filename: str, sha256: str) -> str:
    """Return what an archive of a URL is called in a wheelhouse: names as `v1.0.tar.gz` are those of many projects."""
    return filename if filename.endswith(".whl") else f"{sha256[:12]}-{filename}"


def _name_of(archive: PackageArchive) -> str:
    """Return the name that an archive has in a wheelhouse."""
    return archive.filename if archive.path else archive_name(archive.filename, archive.sha256)


def leads_into(wheelhouse: Path, lock_folder: Path, path: str) -> bool:
    """Return whether a path of a lock leads into the wheelhouse; others lead to files of the project."""
    return real(lock_folder / path).parent == real(wheelhouse)


def _of_file(package: str, version: str, file: PackageFile | PackageArchive) -> LockedFile:
    return LockedFile(
        package=canonicalize_name(package),
        version=version,
        sha256=file.sha256,
        filename=file.filename,
        size=-1 if file.size is None else file.size,
        url=file.url,
        path=file.path,
    )
