"""What an index says of a project: its files, and the core metadata of one file."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from packaging.utils import NormalizedName

from zlock.model.indexes import Route

SDIST_ENDINGS = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
"""How the names of sdists end, the commonest first."""


class Dependency(NamedTuple):
    """One `Requires-Dist` (PEP 508), taken apart once so that no solve parses it again.

    Attributes:
        name: The normalized name.
        extras: The extras asked for, normalized and sorted.
        specifier: The version specifier's text; empty for any version.
        marker: The marker's text, or empty.
        url: The URL of a direct reference, or empty.
    """

    name: NormalizedName
    extras: tuple[str, ...]
    specifier: str
    marker: str
    url: str

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        where = f" @ {self.url}" if self.url else self.specifier
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}{extras}{where}{marker}"


class Metadata(NamedTuple):
    """The part of a file's core metadata that resolution reads.

    Attributes:
        name: The normalized name the file gives itself.
        version: The version it gives itself, normalized.
        requires_python: A specifier's text, or empty.
        dependencies: What it requires, extras' requirements included.
        extras: The extras it provides, normalized.
    """

    name: NormalizedName
    version: str
    requires_python: str
    dependencies: tuple[Dependency, ...]
    extras: tuple[str, ...]


class File(NamedTuple):
    """One file of a release, as an index lists it (PEP 503, 592, 658, 691, 700).

    Attributes:
        filename: Its name; it carries the version and, for a wheel, the tags.
        url: Where it is, absolute.
        hashes: Pairs of algorithm and hex digest.
        requires_python: A specifier's text, or empty.
        yanked: The reason it was yanked, "" for none given; None where it is not yanked.
        upload_time: RFC 3339 text, or empty.
        size: Bytes, or -1 where the index does not say.
        metadata: The sha256 of the metadata served beside it (PEP 658), "" for none given; None where there is none.
    """

    filename: str
    url: str
    hashes: tuple[tuple[str, str], ...]
    requires_python: str
    yanked: str | None
    upload_time: str
    size: int
    metadata: str | None

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel (PEP 427)."""
        return self.filename.endswith(".whl")

    @property
    def sha256(self) -> str:
        """The sha256 digest, or empty where the index gives none."""
        return next((digest for algorithm, digest in self.hashes if algorithm == "sha256"), "")


class Reference(Struct, frozen=True):
    """A direct reference, brought here: one file or folder that is the only candidate of its name.

    Attributes:
        requested: The URL as requirements name it, without credentials and fragment.
        kind: "archive" (a wheel or sdist by URL or path), "vcs" or "directory".
        metadata: The core metadata of what it builds or is.
        url: Without credentials; empty where `path` is given.
        path: For local ones: from the project folder, or absolute where it was stated so and lies outside; with `/`.
        subdirectory: Inside the archive or repository, or empty.
        hashes: Of the archive: pairs of algorithm and digest.
        size: Of the archive in bytes, or -1.
        requested_revision: What was asked for, or empty.
        commit: The full commit id.
        filename: The archive's file name, or empty.
        build_requires: What building a wheel of it requires, sorted; empty for a wheel.
        routes: Packages that one index alone serves, as the project says.
    """

    requested: str
    kind: str
    metadata: Metadata
    url: str = ""
    path: str = ""
    subdirectory: str = ""
    hashes: tuple[tuple[str, str], ...] = ()
    size: int = -1
    requested_revision: str = ""
    commit: str = ""
    filename: str = ""
    build_requires: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()

    @property
    def is_built(self) -> bool:
        """Whether it has to be built wherever it is installed."""
        return self.kind != "archive" or not self.filename.lower().endswith(".whl")


class LockedReference(Struct, frozen=True):
    """What a lock says of a direct reference.

    Attributes:
        url: Without credentials; empty for what has a path.
        requested_revision: What was asked of a repository, or empty.
        commit: The full commit id, or empty for what is not a repository.
        sha256: Of an archive, or empty.
    """

    url: str
    requested_revision: str
    commit: str
    sha256: str
