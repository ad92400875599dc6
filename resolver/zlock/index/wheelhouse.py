"""A folder of files as locks name them: each is fetched once, continued where it broke off, and checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import Struct
from packaging.utils import NormalizedName

from zlock.errors import IndexFailed, OutsideFailed, RegistryFailed
from zlock.index.client import Client, Continued
from zlock.index.files import check_status
from zlock.index.folder import open_file
from zlock.index.network import not_cached
from zlock.model.link import shown
from zlock.model.page import version_text
from zlock.model.paths import as_path
from zlock.model.versions import parse_version

Status = Literal["kept", "fetched", "replaced"]


class WantedFile(Struct, frozen=True, kw_only=True):
    """A file that a wheelhouse is to hold.

    Attributes:
        filename: Its name in the wheelhouse.
        sha256: Its digest.
        size: Its bytes, or -1 where the lock does not say.
        find: Returns its URLs or paths; called only where the file is not there yet. The next one is looked for only
            where the file can't be had from those before.
        hint: The way out where it can't be had from any; empty for what the last one says.
        check: Raises an `IndexFailed` for a file with the right digest that is wrong all the same.
    """

    filename: str
    sha256: str
    size: int
    find: Callable[[], Iterable[str]]
    hint: str = ""
    check: Callable[[Path], None] = lambda _path: None

    def differs(self, path: Path) -> str | None:
        """Return how a file differs from this one, None where it does not."""
        return differs(path, self.size, self.sha256)

    def another(self, place: str, why: str, hint: str) -> IndexFailed:
        """Return the error for another file in a place."""
        return IndexFailed(f"`{self.filename}` is not the file that was locked: `{place}`", context=[why], hint=hint)


class OfflineMiss(IndexFailed):
    """A file is not in a wheelhouse, or is another than was locked, and the network is left alone."""

    def __init__(self, filename: str, *, is_another: bool) -> None:
        self.line = f"`{filename}` is {'another file than was locked' if is_another else 'not in the wheelhouse'}"
        alone = not_cached(self.line)
        super().__init__(alone.message, hint=alone.hint)

    @staticmethod
    def of_all(misses: Sequence[OfflineMiss]) -> IndexFailed:
        """Return one error for one or more files."""
        if len(misses) == 1:
            return misses[0]
        error = not_cached(f"{len(misses)} files are not in the wheelhouse as they were locked")
        error.context = tuple(one.line for one in misses)
        return error


class Wheelhouse:
    """A folder of files.

    Args:
        folder: Where it is; made when something is put into it.
        client: The way to the network.
        offline: Look only at what is there.
        heard: Hears how many bytes came, each time; what it raises ends a download.
    """

    def __init__(
        self, folder: Path, client: Client, *, offline: bool, heard: Callable[[int], object] = lambda _count: None
    ) -> None:
        self._heard = heard
        self._folder = folder
        self._client = client
        self._offline = offline
        self._lock = threading.Lock()
        self.received = 0  # bytes, for a person who waits

    def bring(self, wanted: WantedFile) -> Status:
        """Make sure that a file is there, and is the right one.

        Raises:
            IndexFailed: It can't be had, or what came is another one or not right; what was there is as it was.
            OfflineMiss: It is on no disk of this machine, and the network is left alone.
            OutsideFailed: A folder has its name, or its places can't be told.
        """
        place = self._folder / wanted.filename
        there = os.path.lexists(place)
        if place.is_dir() and not place.is_symlink():
            raise OutsideFailed(
                f"`{wanted.filename}` can't be put into the wheelhouse, where a folder has its name",
                hint=f"remove the folder `{place}`",
            )
        if there and wanted.differs(place) is None:
            return "kept"
        error: IndexFailed = OfflineMiss(wanted.filename, is_another=there)
        try:
            for source in wanted.find():
                if not self._offline or as_path(source) is not None:
                    try:
                        self._take(source, wanted, place)
                    except IndexFailed as failed:
                        error = failed
                    else:
                        return "replaced" if there else "fetched"
        except RegistryFailed as failed:  # which was to have it where nothing else does
            if isinstance(error, OfflineMiss):
                raise
            error.context = (*error.context, failed.message)
        if not isinstance(error, OfflineMiss):
            error.hint = wanted.hint or error.hint
        raise error

    def _take(self, source: str, wanted: WantedFile, place: Path) -> None:
        path = as_path(source)
        with self._partial(wanted) as (partial, stream):
            if path is None:
                self._download(source, wanted, partial, stream)
            else:
                self._copy(path, wanted, partial, stream)
            stream.flush()
            os.fsync(stream.fileno())
        wanted.check(partial)
        partial.replace(place)

    @contextmanager
    def _partial(self, wanted: WantedFile) -> Iterator[tuple[Path, BinaryIO]]:
        """Open what there is of a file, under a name that says which one it becomes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{wanted.filename}.{wanted.sha256[:16]}.part"
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(partial, flags, 0o666), "r+b") as stream:
            yield partial, stream

    def _download(self, url: str, wanted: WantedFile, partial: Path, stream: BinaryIO) -> None:
        """Fetch what is missing; where what was put together turns out to be another file, all of it."""
        sink = Continued(stream, shown(url), wanted.size, str(self._folder), self._hear)
        is_joined = stream.seek(0, os.SEEK_END) > 0
        for is_last in (False, True):
            if wanted.differs(partial) is not None:
                answer = self._client.save(url, sink)
                if answer.status in (404, 410):
                    raise IndexFailed(
                        f"`{wanted.filename}`, which is locked, is gone: `{shown(url)}` answered {answer.status}",
                        hint="put it into the wheelhouse by hand, or move its pin with `--upgrade-package`",
                    )
                if answer.status == 206:  # noqa: PLR2004 - the rest of what was there
                    is_joined = True
                else:
                    check_status(answer, self._client)
                stream.flush()
            why = wanted.differs(partial)
            if why is None:
                return
            sink.restart()
            if is_last or not is_joined:
                hint = "the index or something between is broken or hostile; nothing was written"
                raise wanted.another(shown(url), why, hint)

    def _copy(self, path: Path, wanted: WantedFile, partial: Path, stream: BinaryIO) -> None:
        stream.truncate(0)
        with open_file(path) as source:
            shutil.copyfileobj(source, stream, 1 << 20)
        stream.flush()
        why = wanted.differs(partial)
        if why is not None:
            partial.unlink()
            raise wanted.another(str(path), why, "restore the file, or resolve again")

    def _hear(self, count: int) -> None:
        with self._lock:
            self.received += count
        self._heard(count)


def find_release_file(folder: Path, name: NormalizedName, version: str, sha256: str) -> Path | None:
    """Return the file of a release that has a digest, None where the folder has none."""
    wanted = parse_version(version)
    for path in sorted(folder.glob("*")):
        stated = version_text(name, path.name)
        if stated is not None and parse_version(stated) == wanted and differs(path, -1, sha256) is None:
            return path
    return None


def differs(path: Path, size: int, sha256: str) -> str | None:
    """Return how a file differs from the one of a size and digest, None where it does not.

    Args:
        path: The file.
        size: Bytes, or -1 where nobody knows.
        sha256: The digest.
    """
    if not path.is_file():
        return "it is not a file"
    there = path.stat().st_size
    if 0 <= size != there:
        return f"it has {there} bytes, the lock says {size}"
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return None if found == sha256 else f"it has sha256 {found}, the lock says {sha256}"
