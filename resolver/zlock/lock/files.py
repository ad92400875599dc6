"""The files of a lock: wheels, sdists and archives, as PEP 751 has them."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.utils import canonicalize_name

from zlock.lock.forms import Count, FileName, FileUrl, Hashes, Path, PathInside, Time
from zlock.model.form import Misstated, read
from zlock.model.page import version_text
from zlock.model.versions import parse_version


class PackageFile(Struct, frozen=True, kw_only=True):
    """A wheel or an sdist.

    Attributes:
        name: Its name, where that is not what its URL or path ends with.
        upload_time: When it was uploaded, where the index says that.
        url: Where it is; empty where it has a path.
        path: Its path from the lock's folder; empty where it has a URL.
        size: Its bytes, None where the index does not say.
        hashes: Its digests by algorithm.
    """

    name: FileName = ""
    upload_time: Time | None = None
    url: FileUrl = ""
    path: Path = ""
    size: Count | None = None
    hashes: Hashes

    @property
    def filename(self) -> str:
        """Its name."""
        return self.name or file_name(self.url or self.path)

    @property
    def sha256(self) -> str:
        """Its sha256."""
        return self.hashes["sha256"]


class PackageArchive(Struct, frozen=True, kw_only=True):
    """A wheel or an archive of a project that a source names by its place; see `PackageFile`.

    Attributes:
        subdirectory: Where the project is in it; empty for its top.
    """

    path: Path = ""
    url: FileUrl = ""
    size: Count | None = None
    hashes: Hashes
    subdirectory: PathInside = ""

    @property
    def filename(self) -> str:
        """Its name."""
        return file_name(self.url or self.path)

    @property
    def sha256(self) -> str:
        """Its sha256."""
        return self.hashes["sha256"]


def check_file(file: PackageFile | PackageArchive, package: str, version: str) -> None:
    """Hold the name of a file against the release that it is listed under: installers go by it.

    Raises:
        Misstated: It is that of another project or version, or no plain name.
    """
    name = read(FileName, file.filename)
    stated = version_text(canonicalize_name(package), name)
    if stated is None or parse_version(unquote(stated)) != parse_version(version):
        raise Misstated(f"{name!r} is not a file of {package} {version}")


def file_name(place: str) -> str:
    """Return the file name that a URL or path ends with, that of a URL with its escapes undone once."""
    is_url = "://" in place
    name = (urlsplit(place).path if is_url else place).rpartition("/")[2]
    return unquote(name) if is_url else name
