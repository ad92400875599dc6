"""The files that indexes list: their metadata by the shortest way, and whole ones, each checked."""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from packaging.utils import NormalizedName, parse_sdist_filename
from packaging.version import Version

from zlock.errors import IndexFailed
from zlock.index.client import Client, Continued
from zlock.index.folder import open_file
from zlock.index.metadata import is_static, parse_metadata, read_headers
from zlock.index.network import METADATA, WHOLE, Answer, Limit, Request, not_cached
from zlock.model.distribution import File, Metadata
from zlock.model.link import shown
from zlock.model.paths import as_path
from zlock.model.ports import InvalidMetadata, MetadataBuilder

_HEAD = Request("HEAD")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_UNSATISFIED_RANGE = re.compile(r"bytes \*/(\d{1,18})")
ASK = "correct the URL where it is required, or ask who serves it"
"""The way out where a file is not there."""
_HOSTILE = "the index or something between is broken or hostile; nothing was written"

Fetch = Callable[[int, int | None], tuple[int, bytes, int]]


class Files:
    """The way to files, on the network and in folders.

    Args:
        client: The way to the network.
        offline: Use only local files.
    """

    def __init__(self, client: Client, *, offline: bool) -> None:
        self._client = client
        self._offline = offline

    def metadata(self, file: File, name: NormalizedName, builder: Callable[[], MetadataBuilder]) -> Metadata:
        """Return the metadata of a file that is listed under a name.

        Args:
            file: The file.
            name: The name.
            builder: Gives what builds an sdist; called for one that does not state its metadata.

        Raises:
            InvalidMetadata: It is broken, or another project's or version's.
            IndexFailed: It can't be had, or its index contradicts it.
        """
        metadata = self._wheel_metadata(file) if file.is_wheel else self._sdist_metadata(file, builder)
        check_identity(metadata, name, file.filename)
        return metadata

    def _wheel_metadata(self, file: File) -> Metadata:
        path = as_path(file.url)
        if path is None:
            self._check_online(f"the metadata of `{file.filename}`")
            beside = self._metadata_beside(file)
            if beside is not None:
                return parse_metadata(beside)
        from zlock.index.archives import RangesUnusable, RemoteFile, wheel_metadata  # few runs need to open any

        if path is not None:
            with open_file(path) as stream:
                return parse_metadata(wheel_metadata(stream, file.filename))
        try:
            text = wheel_metadata(RemoteFile(self._ranges(file)), file.filename)
        except (RangesUnusable, InvalidMetadata):
            # A server may send other ranges than it says; only the whole file is proof that the wheel is broken.
            with self.opened(file) as stream:
                return parse_metadata(wheel_metadata(stream, file.filename))
        return parse_metadata(text)

    def _metadata_beside(self, file: File) -> str | None:
        """Return the metadata served beside a file (PEP 658), or None where there is none after all."""
        if file.metadata is None:
            return None
        answer = self._client.get(file.url + ".metadata", limit=METADATA)
        if answer.status == 404:  # noqa: PLR2004 - advertised and not there: seen on real indexes, the wheel has it too
            return None
        check_status(answer, self._client)
        if file.metadata:
            what = f"the metadata beside `{file.filename}`"
            _check_hash(what, answer.url, io.BytesIO(answer.body), "sha256", file.metadata)
        return answer.body.decode("utf-8", "replace")

    def _ranges(self, file: File) -> Fetch:
        """Return a function for `RemoteFile` that reads parts of a file."""

        def ask(asked: str) -> Answer:
            return self._client.get(file.url, {"Range": f"bytes={asked}"}, decode=False, limit=_sized(file.size))

        def fetch(begin: int, end: int | None) -> tuple[int, bytes, int]:
            answer = ask(str(begin) if end is None else f"{begin}-{end - 1}")
            size = _UNSATISFIED_RANGE.fullmatch(answer.headers.get("content-range", ""))
            if answer.status == 416 and end is None and size:  # noqa: PLR2004 - it knows no last bytes, but tells the size
                begin, end = max(0, int(size[1]) + begin), int(size[1])
                answer = ask(f"{begin}-{end - 1}")
            if answer.status == 200:  # noqa: PLR2004 - the whole file, in spite of the range
                check_file(io.BytesIO(answer.body), file)
                return 0, answer.body, len(answer.body)
            return _part(answer, begin, file, self._client)

        return fetch

    def _sdist_metadata(self, file: File, builder: Callable[[], MetadataBuilder]) -> Metadata:
        from zlock.index.archives import sdist_metadata

        with self.opened(file) as stream:
            text = sdist_metadata(stream, file.filename)
            if text is not None and is_static(read_headers(text)):
                return parse_metadata(text)
            stream.seek(0)
            return builder().build_archive(stream, file.filename)

    def build_requirements(self, file: File, builder: MetadataBuilder) -> list[str]:
        """Return what building a wheel of an sdist requires.

        Raises:
            IndexFailed: It can't be had.
            InvalidMetadata: It is broken.
            BuildFailed: Its backend failed.
        """
        with self.opened(file) as stream:
            return builder.requirements_of_archive(stream, file.filename)

    def sha256(self, file: File, expected: Metadata | None) -> tuple[str, int]:
        """Return the sha256 and size of a file, by reading it whole.

        Raises:
            IndexFailed: It can't be had, or differs from what its index says of it: its hashes, its size, or for a
                wheel the metadata that was expected.
        """
        from zlock.index.archives import wheel_metadata

        with self.opened(file) as stream:
            if (
                file.is_wheel
                and expected is not None
                and parse_metadata(wheel_metadata(stream, file.filename)) != expected
            ):
                raise IndexFailed(
                    f"the metadata beside `{file.filename}` is not that inside it: `{shown(file.url)}`", hint=_HOSTILE
                )
            return _digest(stream, "sha256"), stream.seek(0, io.SEEK_END)

    def stamp(self, url: str) -> str:
        """Return by what a server tells a file from another one with its URL (RFC 9110, 8.8), empty where it does not.

        Raises:
            IndexFailed: It can't be asked.
        """
        if as_path(url) is not None:
            return ""
        answer = self._client.submit(url, _HEAD, {}, seconds=METADATA.seconds)
        said = [answer.headers.get(name, "") for name in ("etag", "last-modified", "content-length")]
        return " ".join(said) if answer.status == 200 and any(said[:2]) else ""  # noqa: PLR2004 - an HTTP status

    @contextmanager
    def opened(self, file: File) -> Iterator[BinaryIO]:
        """Open a whole file, checked against what its index says of it; sdists of some hundred MB stay on the disk.

        Raises:
            IndexFailed: It can't be had, or differs.
        """
        path = as_path(file.url)
        with tempfile.TemporaryFile() if path is None else open_file(path) as stream:
            if path is None:
                self._check_online(f"`{file.filename}`")
                limit = _sized(file.size).size
                sink = Continued(stream, file.filename, limit, tempfile.gettempdir(), lambda _: None)
                answer = self._client.save(file.url, sink)
                if answer.status != 206:  # noqa: PLR2004 - the rest of one that broke off
                    check_status(answer, self._client, way=ASK)
            check_file(stream, file)
            stream.seek(0)
            yield stream

    def _check_online(self, what: str) -> None:
        if self._offline:
            raise not_cached(f"{what} is not in the cache")


def _sized(size: int) -> Limit:
    """Return the limit for a file whose index says how large it is; what is a little larger is compared as it is."""
    return WHOLE if size < 0 else Limit(min(size + (1 << 20), WHOLE.size), WHOLE.seconds)


def way_in(client: Client, url: str) -> str:
    """Return the way out where a URL may not be read."""
    if client.credentials.header(url) is not None:
        return "the credentials it got are not accepted, or not for this package: correct them"
    return f"give it a login: {client.credentials.places(url)}"


def check_status(answer: Answer, client: Client, *, way: str = "check the index's URL, or ask its owner") -> None:
    """Raise for an answer that is not what was asked for, with the way out for what is not there.

    Raises:
        IndexFailed: Its status is another than 200.
    """
    if answer.status in (401, 403):
        raise IndexFailed(f"`{shown(answer.url)}` answered {answer.status}", hint=way_in(client, answer.url))
    if answer.status != 200:  # noqa: PLR2004 - an HTTP status
        raise IndexFailed(f"`{shown(answer.url)}` answered {answer.status}", hint=way)


def check_file(stream: BinaryIO, file: File) -> None:
    """Compare a file with the hashes and the size that its index gives.

    Raises:
        IndexFailed: One differs.
    """
    for algorithm, digest in file.hashes:
        _check_hash(f"`{file.filename}`", file.url, stream, algorithm, digest)
    _check_size(stream.seek(0, io.SEEK_END), file)


def _check_hash(what: str, url: str, stream: BinaryIO, algorithm: str, said: str) -> None:
    if (found := _digest(stream, algorithm)) != said:
        raise IndexFailed(
            f"{what} has the wrong hash: `{shown(url)}`",
            context=[f"the index says {algorithm} {said}", f"it has {' ' * 8}{algorithm} {found}"],
            hint=_HOSTILE,
        )


def _check_size(size: int, file: File) -> None:
    if file.size not in (-1, size):
        raise IndexFailed(
            f"`{file.filename}` has {size} bytes, its index says {file.size}: `{shown(file.url)}`", hint=_HOSTILE
        )


def _digest(stream: BinaryIO, algorithm: str) -> str:
    found = hashlib.new(algorithm, usedforsecurity=False)
    stream.seek(0)
    while chunk := stream.read(1 << 20):
        found.update(chunk)
    return found.hexdigest()


def _part(answer: Answer, begin: int, file: File, client: Client) -> tuple[int, bytes, int]:
    """Return what a server sent for a range, if it is what was asked for.

    Raises:
        RangesUnusable: It is something else.
        IndexFailed: It is refused or gone, or of another size than the index says.
    """
    from zlock.index.archives import RangesUnusable

    if answer.status in (401, 403, 404):
        check_status(answer, client)
    said = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if answer.status != 206 or not said:  # noqa: PLR2004 - partial content
        raise RangesUnusable
    start, stop, size = (int(group) for group in said.groups())
    expected = max(0, size + begin) if begin < 0 else begin
    if start != expected or stop - start + 1 != len(answer.body):
        raise RangesUnusable
    _check_size(size, file)
    return start, answer.body, size


def check_identity(metadata: Metadata, name: NormalizedName, filename: str) -> None:
    """Hold a file's metadata against its file name: index and installers go by the name alone.

    Raises:
        InvalidMetadata: It is that of another project or version.
    """
    if metadata.name != name:
        raise InvalidMetadata(f"`{filename}` says in its metadata that it is `{metadata.name}`")
    try:
        listed = Version(filename.split("-")[1]) if filename.endswith(".whl") else parse_sdist_filename(filename)[1]
    except (ValueError, IndexError):
        return  # who chose the file could read its name; older sdists have endings that this parser does not know
    if listed != Version(metadata.version):
        raise InvalidMetadata(f"`{filename}` says in its metadata that it is version {metadata.version}")
