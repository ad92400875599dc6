"""A package index on the loopback, real to the socket: right by default, and wrong in every way a test asks for."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import chain, cycle, repeat
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self, Unpack
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from support import pages
from support.pages import HTML_TYPE, JSON_TYPE, TEXT_TYPE, CoreMetadata, File, Listing
from support.protocol import Compression, Ranges, compressed, negotiate, sliced, with_validators
from support.serve import NO_HEADERS, Call, LoopbackServer, Reply, Request
from support.wheels import Sdist, SdistOptions, Wheel, WheelOptions

Format = Literal["json", "html"]
FaultKind = int | Literal["truncate", "reset", "hang", "stall", "garbage-json", "login-page"]
FROM_FILE = "as the file says"
"""Stands for what the metadata inside a file says."""

_PAGE = re.compile(r"(?P<prefix>.*)/simple/(?P<name>[^/]+)(?P<slash>/?)")
_FILE = re.compile(r".*/(?P<location>files/[0-9a-f]{8}/[^/]+?)(?P<sidecar>\.metadata)?")
_FAULTY_BODIES: Mapping[FaultKind, Reply] = {
    "garbage-json": Reply(body=b'{"meta": {"api-version": "1.0"}, "files": [', headers={"Content-Type": JSON_TYPE}),
    "login-page": Reply(
        body=b"<!DOCTYPE html><html><body><form action=login><input name=user></form></body></html>",
        headers={"Content-Type": "text/html; charset=utf-8"},
    ),
}


class StaticIndex(NamedTuple):
    """An index in a folder: the `file://` URL of its pages, and a flat folder for `--find-links`."""

    url: str
    find_links: Path


@dataclass(slots=True)
class _Fault:
    pattern: str
    kinds: Iterator[FaultKind]
    headers: Mapping[str, str]


@dataclass(kw_only=True, eq=False)
class TinyIndex:
    """An index as a context manager; each option may also be set while it runs.

    Attributes:
        formats: What pages are there as.
        heed_accept: False: whatever is accepted, pages are HTML if there is HTML; else 406 where nothing fits.
        api_version: Of the pages; at "1.0" there are no versions, sizes or times.
        ranges: How range requests of files are answered.
        etag: Pages and files have an ETag, and If-None-Match is answered.
        cache_control: The header of pages; None: no such header.
        compression: Whether pages are compressed with gzip.
        auth: User and password, for pages and files alike.
        base_href: Of the HTML pages of projects.
        absolute_urls: Links of files with scheme and host; relative ones otherwise.
        redirect: Where project pages are: a path on this server ("/mirror") or the root of another one.
        latency: Seconds before each answer.
    """

    formats: Collection[Format] = ("json", "html")
    heed_accept: bool = True
    api_version: str = "1.4"
    ranges: Ranges = True
    etag: bool = True
    cache_control: str | None = None
    compression: Compression = False
    auth: tuple[str, str] | None = None
    base_href: str | None = None
    absolute_urls: bool = False
    redirect: str | None = None
    latency: float = 0
    _listings: dict[str, Listing] = field(init=False, default_factory=dict)
    _faults: list[_Fault] = field(init=False, default_factory=list)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _server: LoopbackServer = field(init=False)

    def __enter__(self) -> Self:
        self._server = LoopbackServer(self._answer).__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def root(self) -> str:
        """The URL of the server, without a slash at its end."""
        return self._server.root

    @property
    def url(self) -> str:
        """The URL of the index: `http://127.0.0.1:PORT/simple/`."""
        return f"{self.root}/simple/"

    @property
    def url_with_credentials(self) -> str:
        """The URL with user and password in it."""
        user, password = self.auth or ("", "")
        return self.url.replace("http://", f"http://{user}:{password}@")

    @property
    def requests(self) -> list[Request]:
        """What was asked so far, as it was answered; tests may clear it."""
        return self._server.requests

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return self._server.connections

    def add(
        self,
        path: Path,
        *,
        project: str | None = None,
        yanked: bool | str = False,
        upload_time: str | None = None,
        requires_python: str | None = FROM_FILE,
        hashes: str | Mapping[str, str] | None = "sha256",
        size: int | bool = True,
        core_metadata: CoreMetadata | None = None,
    ) -> File:
        """List a file, and return how it is listed.

        Args:
            path: The file; it is read now.
            project: The name to list it under, if not the one in its name.
            yanked: True, or the reason.
            upload_time: As in JSON pages: "2024-01-01T00:00:00Z".
            requires_python: As on the page, by default what the file's metadata says.
            hashes: An algorithm, none, or what the page is to claim.
            size: Whether the page has it, or what the page is to claim.
            core_metadata: How the metadata is offered, by default truly for wheels and not at all for sdists.
        """
        listed = self._file(path.name, path.read_bytes())
        listed.yanked, listed.upload_time = yanked, upload_time
        if requires_python != FROM_FILE:
            listed.requires_python = requires_python
        listed.hashes = _hashes(listed.content, hashes)
        if size is not True:
            listed.size = None if size is False else size
        if core_metadata is not None:
            listed.core_metadata = core_metadata
        return self._list(project or path.name.partition("-")[0], listed)

    def wheel(self, name: str, version: str, **options: Unpack[WheelOptions]) -> File:
        """Make a wheel, list it, and return how it is listed, to be changed at will."""
        wheel = Wheel(name=name, version=version, **options)
        return self._list(name, self._file(wheel.filename, wheel.content()))

    def sdist(self, name: str, version: str, **options: Unpack[SdistOptions]) -> File:
        """Make an sdist, list it, and return how it is listed, to be changed at will."""
        sdist = Sdist(name=name, version=version, **options)
        return self._list(name, self._file(sdist.filename, sdist.content()))

    def listing(self, name: str) -> Listing:
        """Return what is known under a name, which from then on is known; to be changed at will."""
        normalized = canonicalize_name(name)
        return self._listings.setdefault(normalized, Listing(name=normalized))

    def status(self, name: str, status: str, reason: str | None = None) -> None:
        """Give a project a status: archived, quarantined, deprecated (PEP 792)."""
        listing = self.listing(name)
        listing.status, listing.reason = status, reason

    def raw(self, name: str, body: bytes, content_type: str = "text/html; charset=utf-8") -> None:
        """Serve this body as the page of a project."""
        self.listing(name).raw = (content_type, body)

    def remove(self, name: str) -> None:
        """Forget a project, or a file by its name; the page of a project without files stays."""
        if self._listings.pop(canonicalize_name(name), None) is None:
            for listing in self._listings.values():
                listing.files = [file for file in listing.files if file.filename != name]

    def fault(
        self,
        path_pattern: str,
        *kinds: FaultKind,
        times: int | None = 1,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Answer the next requests whose path matches with these faults, one each.

        Args:
            path_pattern: A pattern as in `fnmatch`, of the whole path: "/simple/a/", "*.whl", "*".
            kinds: A status code, or what is wrong with the answer.
            times: How often the row of faults comes; None for without end.
            headers: Of answers with a status code: Retry-After, Location.
        """
        row = cycle(kinds) if times is None else chain.from_iterable(repeat(kinds, times))
        with self._lock:
            self._faults.append(_Fault(path_pattern, row, headers))

    def write_static(self, folder: Path) -> StaticIndex:
        """Write the same index as files, HTML only: pages with an `index.html` each, and a flat folder of files."""
        simple, flat = folder / "simple", folder / "flat"
        flat.mkdir(parents=True)
        _write(simple / "index.html", pages.root_html(sorted(self._listings)))
        everything = [file for listing in self._listings.values() for file in listing.offered]
        for listing in self._listings.values():
            _write(simple / listing.name / "index.html", self._project_html(listing))
        for file in everything:
            _write(folder / file.location, file.content)
            _write(flat / file.filename, file.content)
            if file.sidecar is not None:
                _write(folder / f"{file.location}.metadata", file.sidecar)
        _write(flat / "index.html", pages.flat_html(everything))
        return StaticIndex(url=f"{simple.as_uri()}/", find_links=flat)

    def _file(self, filename: str, content: bytes) -> File:
        metadata = pages.read_metadata(filename, content)
        return File(
            filename=filename,
            content=content,
            metadata=metadata,
            requires_python=pages.requires_python_of(metadata),
            hashes=_hashes(content, "sha256"),
            size=len(content),
            core_metadata=filename.endswith(".whl") and metadata is not None,
        )

    def _list(self, name: str, file: File) -> File:
        self.listing(name).files.append(file)
        return file

    def _answer(self, call: Call) -> Reply:
        if self.latency:
            self._server.closing.wait(self.latency)
        path = unquote(urlsplit(call.path).path)
        kind, headers = self._next_fault(path)
        if isinstance(kind, int):
            return Reply(status=kind, body=b"as the test asked\n", headers={"Content-Type": "text/plain", **headers})
        if kind == "garbage-json" or kind == "login-page":  # noqa: PLR1714 - narrows the type
            return _FAULTY_BODIES[kind]
        reply = self._right_answer(call, path)
        return reply if kind is None else replace(reply, ending=kind)

    def _next_fault(self, path: str) -> tuple[FaultKind | None, Mapping[str, str]]:
        with self._lock:
            for fault in self._faults:
                if fnmatchcase(path, fault.pattern):
                    kind = next(fault.kinds, None)
                    if kind is not None:
                        return kind, fault.headers
        return None, NO_HEADERS

    def _right_answer(self, call: Call, path: str) -> Reply:
        if not self._is_allowed(call):
            return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="tiny"'})
        if call.method not in {"GET", "HEAD"}:
            return Reply(status=405, headers={"Allow": "GET, HEAD"})
        if path.endswith("/simple/"):
            return self._root_page(call)
        if page := _PAGE.fullmatch(path):
            return self._project_page(call, page)
        if file := _FILE.fullmatch(path):
            return self._download(call, file["location"], sidecar=bool(file["sidecar"]))
        return Reply(status=404)

    def _is_allowed(self, call: Call) -> bool:
        if self.auth is None:
            return True
        expected = base64.b64encode(":".join(self.auth).encode()).decode()
        return call.headers.get("authorization") == f"Basic {expected}"

    def _root_page(self, call: Call) -> Reply:
        names = sorted(self._listings)
        return self._page(call, lambda: pages.root_json(names, self.api_version), lambda: pages.root_html(names))

    def _project_page(self, call: Call, page: re.Match[str]) -> Reply:
        name = canonicalize_name(page["name"])
        if name != page["name"] or not page["slash"]:
            return Reply(status=301, headers={"Location": f"{page['prefix']}/simple/{name}/"})
        if self.redirect is not None and page["prefix"] != self.redirect:
            return Reply(status=302, headers={"Location": f"{self.redirect}{call.path}"})
        listing = self._listings.get(name)
        if listing is None:
            return Reply(status=404)
        if listing.raw is not None:
            return self._cacheable_page(call, *listing.raw)
        return self._page(call, lambda: self._project_json(listing), lambda: self._project_html(listing))

    def _project_json(self, listing: Listing) -> bytes:
        return pages.project_json(listing, self._link_base, self.api_version)

    def _project_html(self, listing: Listing) -> bytes:
        return pages.project_html(listing, self._link_base, self.api_version, base_href=self.base_href)

    @property
    def _link_base(self) -> str:
        return f"{self.root}/" if self.absolute_urls else "../../"

    def _page(self, call: Call, as_json: Callable[[], bytes], as_html: Callable[[], bytes]) -> Reply:
        offered = [JSON_TYPE] if "json" in self.formats else []
        offered += [HTML_TYPE, TEXT_TYPE] if "html" in self.formats else []
        kind = negotiate(call.headers.get("accept"), offered) if self.heed_accept else offered[-1]
        if kind is None:
            return Reply(status=406)
        return self._cacheable_page(call, kind, as_json() if kind == JSON_TYPE else as_html())

    def _cacheable_page(self, call: Call, content_type: str, body: bytes) -> Reply:
        reply = Reply(body=body, headers={"Content-Type": content_type, "Vary": "Accept"})
        reply = compressed(call, reply, self.compression)
        return with_validators(call, reply, etag=self.etag, cache_control=self.cache_control)

    def _download(self, call: Call, location: str, *, sidecar: bool) -> Reply:
        files: Sequence[File] = [file for listing in self._listings.values() for file in listing.offered]
        found = next((file for file in files if file.location == location), None)
        body = None if found is None else found.sidecar if sidecar else found.content
        if body is None:
            return Reply(status=404)
        reply = Reply(body=body, headers={"Content-Type": "application/octet-stream"})
        forever = None if self.cache_control is None else "max-age=31536000, immutable"
        return sliced(call, with_validators(call, reply, etag=self.etag, cache_control=forever), self.ranges)


def _hashes(content: bytes, wanted: str | Mapping[str, str] | None) -> Mapping[str, str]:
    if isinstance(wanted, str):
        return {wanted: hashlib.new(wanted, content).hexdigest()}
    return wanted or {}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
