"""What images on disk are made of: files by their path, in a folder or in an archive."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from msgspec import Struct

from zlock.errors import InvalidInput
from zlock.image.reading.compression import telling_damage, unpacked
from zlock.image.reading.tar import Entry, Readable, Tar
from zlock.image.registry.manifest import broken

_CHUNK = 1 << 20
_MOST_LINKS = 40


class Files(Protocol):
    """Files by their path."""

    def has(self, path: str) -> bool:
        """Tell whether there is a file."""

    def open(self, path: str) -> IO[bytes]:
        """Return a file at its beginning, which the caller closes.

        Raises:
            RegistryFailed: It is not there, or can't be read.
        """


class FolderFiles(Struct, frozen=True):
    """The files of a folder."""

    folder: Path

    def has(self, path: str) -> bool:
        """Tell whether there is a file."""
        return (self.folder / path).is_file()

    def open(self, path: str) -> IO[bytes]:
        """Return a file at its beginning, which the caller closes."""
        if not self.has(path):
            raise broken(f"`{self.folder}`", f"it has no `{path}`")
        return (self.folder / path).open("rb")


class _Place(NamedTuple):
    start: int
    size: int


class ArchiveFiles(Struct, frozen=True):
    """The files of a tar archive, which may be compressed.

    Attributes:
        archive: The archive.
        places: Where in it each file is, or the path that a link leads to.
    """

    archive: Path
    places: Mapping[str, _Place | str]

    @classmethod
    def read(cls, archive: Path) -> ArchiveFiles:
        """Look through an archive.

        Raises:
            InvalidInput: There is no such file.
            RegistryFailed: It is not an archive, or has a file twice, of which engines take one or the other.
        """
        if not archive.is_file():
            raise InvalidInput(f"`{archive}` is not a file", hint="name an archive, as `docker save` writes it")
        places: dict[str, _Place | str] = {}
        with archive.open("rb") as file, telling_damage(f"`{archive}`", "it"):
            tar = Tar(unpacked(file))
            for entry in tar:
                path = posixpath.normpath(entry.path).lstrip("/")
                if entry.kind == "folder":
                    continue
                if path in places:
                    raise broken(f"`{archive}`", f"it has `{path}` twice")
                places[path] = _target(entry) if entry.target else _Place(tar.position, entry.size)
        return cls(archive, places)

    def has(self, path: str) -> bool:
        """Tell whether there is a file."""
        return path in self.places

    def open(self, path: str) -> IO[bytes]:
        """Return a file at its beginning, which the caller closes; links inside the archive are followed."""
        place: _Place | str | None = posixpath.normpath(path)
        for _ in range(_MOST_LINKS):
            if not isinstance(place, str):
                break
            place = self.places.get(place)
        if not isinstance(place, _Place):
            raise broken(f"`{self.archive}`", f"it has no `{path}`")
        copy = tempfile.TemporaryFile(prefix="zlock-layer-")  # noqa: SIM115 - the caller closes it
        with self.archive.open("rb") as file:
            stream = unpacked(file)
            if stream is file:
                file.seek(place.start)
            else:
                _copy(stream, place.start, None)
            _copy(stream, place.size, copy)
        copy.seek(0)
        return copy


def _target(entry: Entry) -> str:
    """Return where a link leads to: a hard link from the root of the archive, any other from its folder."""
    folder = "" if entry.kind == "hard link" else posixpath.dirname(entry.path)
    return posixpath.normpath(posixpath.join(folder, entry.target)).lstrip("/")


def _copy(stream: Readable, size: int, file: IO[bytes] | None) -> None:
    """Pass bytes on to a file, or over."""
    while size and (chunk := stream.read(min(size, _CHUNK))):
        size -= len(chunk)
        if file is not None:
            file.write(chunk)
