"""All indexes of a run as one: pages and metadata by name, fetched ahead, cached, each name from one index only."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from packaging.utils import NormalizedName
from packaging.version import InvalidVersion, Version

from zlock.errors import IndexFailed
from zlock.index.archives import RangesUnusable, RemoteFile, sdist_file, wheel_metadata
from zlock.index.cache import Cache
from zlock.index.client import CONNECTIONS, Answer, Client, show
from zlock.index.folder import as_path, file_sha256, folder_page
from zlock.index.metadata import is_static, parse_metadata, read_headers
from zlock.index.pool import Pool
from zlock.index.simple import ACCEPT, parse_page
from zlock.model.distribution import Dependency, File, Metadata, Page
from zlock.model.indexes import Index, Routing
from zlock.model.ports import InvalidMetadata, MetadataBuilder

# Seconds for which a page counts as current where the index does not say; what uv assumes too.
_FRESH = 600
_MAX_AGE = re.compile(r"max-age=(\d+)")


class Repository:
    """What zlock knows of packages: the only place that asks indexes.

    Args:
        routing: Which index serves which name.
        client: The way to the network.
        cache: Where pages and metadata are kept.
        offline: Use only what the cache and local folders hold.
        refresh: Ask for every page again, whatever its age.
        builder: Makes what builds sdists for their metadata.
    """

    def __init__(
        self,
        routing: Routing,
        client: Client,
        cache: Cache,
        *,
        offline: bool = False,
        refresh: bool = False,
        builder: Callable[[], MetadataBuilder],
    ) -> None:
        self._routing = routing
        self._client = client
        self._cache = cache
        self._offline = offline
        self._refresh = refresh
        self._builder = builder
        self._pool = Pool(CONNECTIONS)
        self._lock = threading.Lock()
        self._pages: dict[NormalizedName, Future[Page | None]] = {}
        self._metadata: dict[str, Future[Metadata]] = {}
        self._stored: dict[tuple[str, NormalizedName], dict[str, Any]] = {}
        self._changed: set[tuple[str, NormalizedName]] = set()
        self._urls = {id(index): client.credentials.add_index(index.name, index.url) for index in routing.indexes}

    def page(self, name: NormalizedName) -> Future[Page | None]:
        """See `PackageSource.page`."""
        with self._lock:
            if name not in self._pages:
                self._pages[name] = self._pool.submit(lambda: self._find_page(name))
            return self._pages[name]

    def metadata(self, page: Page, file: File) -> Future[Metadata]:
        """See `PackageSource.metadata`."""
        key = file.sha256 or file.url
        with self._lock:
            if key not in self._metadata:
                self._metadata[key] = self._known_metadata(page, key) or self._pool.submit(
                    lambda: self._find_metadata(page, file, key)
                )
            return self._metadata[key]

    def known_names(self) -> set[str]:
        """Return the names that indexes were seen to know, for close matches."""
        with self._lock:
            seen = {
                name for name, page in self._pages.items() if page.done() and not page.exception() and page.result()
            }
        return seen | self._cache.keys("pages")

    def sha256(self, file: File) -> tuple[str, int]:
        """Return the sha256 and size of a file whose index does not give them, by reading it whole.

        Raises:
            IndexFailed: It can't be had, or differs from the hash its index gives.
        """
        path = as_path(file.url)
        if path is not None:
            return file_sha256(path), path.stat().st_size
        data = self._download(file)
        return hashlib.sha256(data).hexdigest(), len(data)

    def close(self) -> None:
        """Store what was learnt and let go of the network."""
        with self._lock:
            for index, name in self._changed:
                # What another run stored meanwhile is kept.
                stored = (self._cache.read("metadata", index, name) or {}) | self._stored[index, name]
                self._cache.write("metadata", index, name, stored)
            self._changed.clear()
        self._pool.close()
        self._client.close()

    # Pages

    def _find_page(self, name: NormalizedName) -> Page | None:
        for index in self._routing.for_name(name):
            page = self._page_of(index, name)
            if page is not None:
                return page
        return None

    def _page_of(self, index: Index, name: NormalizedName) -> Page | None:
        folder = as_path(self._urls[id(index)])
        if folder is not None:
            return folder_page(name, folder)
        base = self._urls[id(index)].rstrip("/") + "/"
        stored = self._cache.read("pages", base, name)
        if stored and (self._offline or (time.time() < stored["until"] and not self._refresh)):
            return _page_from(stored["page"])
        if self._offline:
            raise IndexFailed(
                f"`{name}` is not in the cache, and --offline leaves the network alone",
                hint="run once without --offline",
            )
        headers = {"Accept": ACCEPT}
        if stored and stored["etag"]:
            headers["If-None-Match"] = stored["etag"]
        if stored and stored["modified"]:
            headers["If-Modified-Since"] = stored["modified"]
        answer = self._client.get(f"{base}{name}/", headers)
        if answer.status == 304 and stored:  # noqa: PLR2004 - an HTTP status
            page = stored["page"]
        elif answer.status == 404:  # noqa: PLR2004 - an HTTP status
            page = None
        else:
            _check_status(answer, index, self._client)
            page = _page_to(parse_page(name, base, answer))
        self._store_page(base, name, answer, page, stored)
        return _page_from(page)

    def _store_page(self, base: str, name: str, answer: Answer, page: Any, stored: Any) -> None:
        control = answer.headers.get("cache-control", "").lower()
        if "no-store" in control or (page is None and stored is None):
            return
        age = _MAX_AGE.search(control)
        seconds = 0 if "no-cache" in control else int(age[1]) if age else _FRESH
        self._cache.write(
            "pages",
            base,
            name,
            {
                "etag": answer.headers.get("etag", (stored or {}).get("etag", "")),
                "modified": answer.headers.get("last-modified", (stored or {}).get("modified", "")),
                "until": time.time() + seconds,
                "page": page,
            },
        )

    # Metadata

    def _known_metadata(self, page: Page, key: str) -> Future[Metadata] | None:
        group = (page.index, page.name)
        if group not in self._stored:
            self._stored[group] = self._cache.read("metadata", *group) or {}
        found = self._stored[group].get(key)
        if found is None:
            return None
        future: Future[Metadata] = Future()
        if isinstance(found, str):
            future.set_exception(InvalidMetadata(found))
        else:
            future.set_result(Metadata(*found[:3], tuple([Dependency(*row) for row in found[3]]), found[4]))
        return future

    def _find_metadata(self, page: Page, file: File, key: str) -> Metadata:
        found: Any
        try:
            metadata = self._read_metadata(file)
            _check_identity(metadata, page.name, file.filename)
        except InvalidMetadata as error:
            found = error.reason
            raise
        else:
            found = (*metadata[:3], tuple(tuple(row) for row in metadata.dependencies), metadata.extras)
            return metadata
        finally:
            if "found" in locals():
                with self._lock:
                    self._stored[page.index, page.name][key] = found
                    self._changed.add((page.index, page.name))

    def _read_metadata(self, file: File) -> Metadata:
        path = as_path(file.url)
        if path is None and self._offline:
            raise IndexFailed(
                f"the metadata of `{file.filename}` is not in the cache, and --offline leaves the network alone",
                hint="run once without --offline",
            )
        if not file.is_wheel:
            return self._sdist_metadata(file)
        if path is not None:
            with path.open("rb") as stream:
                return parse_metadata(wheel_metadata(stream, file.filename))
        beside = self._metadata_beside(file)
        if beside is not None:
            return parse_metadata(beside)
        try:
            return parse_metadata(wheel_metadata(RemoteFile(self._ranges(file.url)), file.filename))
        except RangesUnusable:
            return parse_metadata(wheel_metadata(io.BytesIO(self._download(file)), file.filename))

    def _metadata_beside(self, file: File) -> str | None:
        """Return the metadata served beside a file (PEP 658), or None where there is none after all."""
        if file.metadata is None:
            return None
        answer = self._client.get(file.url + ".metadata")
        if answer.status == 404:  # noqa: PLR2004 - advertised and not there: seen on real indexes, the wheel has it too
            return None
        _check_file_status(answer)
        if file.metadata and hashlib.sha256(answer.body).hexdigest() != file.metadata:
            raise IndexFailed(
                f"the metadata beside `{file.filename}` has the wrong hash: `{show(answer.url)}`",
                context=[
                    f"the index says sha256 {file.metadata}",
                    f"it has       {hashlib.sha256(answer.body).hexdigest()}",
                ],
                hint="the index or something between is broken or hostile; nothing was written",
            )
        return answer.body.decode("utf-8", "replace")

    def _ranges(self, url: str) -> Any:
        def fetch(begin: int, end: int | None) -> tuple[int, bytes, int]:
            asked = f"bytes={begin}" if begin < 0 else f"bytes={begin}-{(end or 0) - 1}"
            answer = self._client.get(url, {"Range": asked, "Accept-Encoding": "identity"})
            if answer.status == 200:  # noqa: PLR2004 - the whole file, in spite of the range
                return 0, answer.body, len(answer.body)
            match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("content-range", ""))
            if answer.status != 206 or not match:  # noqa: PLR2004 - partial content
                if answer.status in (401, 403, 404):
                    _check_file_status(answer)
                raise RangesUnusable
            start, stop, size = (int(group) for group in match.groups())
            expected = max(0, size + begin) if begin < 0 else begin
            if start != expected or stop - start + 1 != len(answer.body):
                raise RangesUnusable
            return start, answer.body, size

        return fetch

    def _sdist_metadata(self, file: File) -> Metadata:
        data = self._download(file)
        text = sdist_file(data, file.filename, "PKG-INFO")
        if text is not None and is_static(read_headers(text)):
            return parse_metadata(text)
        return self._builder().build_archive(data, file.filename)

    def _download(self, file: File) -> bytes:
        path = as_path(file.url)
        data = path.read_bytes() if path is not None else self.fetch(file.url)
        check_hashes(data, file.filename, file.url, file.hashes)
        return data

    def fetch(self, url: str) -> bytes:
        """Return a whole remote file.

        Raises:
            IndexFailed: It can't be had.
        """
        answer = self._client.get(url, {"Accept-Encoding": "identity"})
        _check_file_status(answer)
        return answer.body


def check_hashes(data: bytes, filename: str, url: str, hashes: tuple[tuple[str, str], ...]) -> None:
    """Compare a file with the hashes its index gives.

    Raises:
        IndexFailed: One differs.
    """
    for algorithm, digest in hashes:
        if algorithm in hashlib.algorithms_available:
            found = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
            if found != digest.lower():
                raise IndexFailed(
                    f"`{filename}` has the wrong hash: `{show(url)}`",
                    context=[f"the index says {algorithm} {digest}", f"it has {' ' * 8}{algorithm} {found}"],
                    hint="the index or something between is broken or hostile; nothing was written",
                )


def _check_status(answer: Answer, index: Index, client: Client) -> None:
    if answer.status in (401, 403):
        sent = client.credentials.header(answer.url) is not None
        name = f" `{index.name}`" if index.name else ""
        raise IndexFailed(
            f"the index{name} refused: `{show(answer.url)}` answered {answer.status}",
            hint="its credentials are not accepted"
            if sent
            else "give it credentials: in its URL, netrc, the keyring, or UV_INDEX_<NAME>_USERNAME and _PASSWORD",
        )
    _check_file_status(answer)


def _check_file_status(answer: Answer) -> None:
    if answer.status != 200:  # noqa: PLR2004 - an HTTP status
        raise IndexFailed(f"`{show(answer.url)}` answered {answer.status}")


def _check_identity(metadata: Metadata, name: NormalizedName, filename: str) -> None:
    """Hold a file's metadata against its file name: index and installers go by the name alone."""
    if metadata.name != name:
        raise InvalidMetadata(f"`{filename}` says in its metadata that it is `{metadata.name}`")
    stem = filename.removesuffix(".whl") if filename.endswith(".whl") else filename
    listed = stem.split("-")[1] if filename.endswith(".whl") else None
    try:
        if listed is not None and Version(listed) != Version(metadata.version):
            raise InvalidMetadata(f"`{filename}` says in its metadata that it is version {metadata.version}")
    except InvalidVersion as error:
        raise InvalidMetadata(f"`{filename}` has no valid version") from error


def _page_to(page: Page) -> Any:
    return (page.name, page.index, tuple([tuple(file) for file in page.files]), page.status, page.reason)


def _page_from(row: Any) -> Page | None:
    if row is None:
        return None
    make = File._make
    return Page(row[0], row[1], tuple([make(file) for file in row[2]]), row[3], row[4])
