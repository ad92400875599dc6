"""HTTP as indexes need it: many requests at once, retries, redirects, proxies, certificates, credentials."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Protocol
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from zlock.errors import IndexFailed, OutsideFailed
from zlock.index.auth import Credentials, split_login
from zlock.index.network import WHOLE, Answer, Limit, Network, Request
from zlock.model.link import shown

if TYPE_CHECKING:
    import urllib3

    from zlock.index.connections import Connections

_RETRIED = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
_LONGEST_WAIT = 30.0  # seconds; a longer Retry-After is cut to this
_NO_HEADERS: Mapping[str, str] = {}
_GET = Request()
_DONE = {"GET": "fetch", "HEAD": "ask", "POST": "ask", "PUT": "write"}  # as messages have it
_MOST_SAID = 1 << 16  # bytes of an answer that is not what was asked for


class Sink(Protocol):
    """Takes a body that is too large to be held, or that must not be larger than was said."""

    def begin(self) -> None:
        """Forget what an attempt that failed has written."""

    def write(self, chunk: bytes, /) -> object:
        """Take the next bytes."""


class _Reader(Struct, frozen=True):
    """How a body is read, and what to send beside the usual headers at each attempt."""

    read: Callable[[urllib3.BaseHTTPResponse], bytes]
    headers: Callable[[], Mapping[str, str]] = dict
    seconds: float = WHOLE.seconds  # of one attempt, to its last byte
    ends: float = math.inf  # of all attempts, on the monotonic clock


class Transport:
    """A pool of connections that every part of a run shares; safe between threads.

    Attributes:
        noun: What kind of server answers, for messages.
        failure: The error that says that it did not.
    """

    noun: ClassVar[str] = "server"
    failure: ClassVar[type[OutsideFailed]] = OutsideFailed

    def __init__(self, network: Network) -> None:
        self._network = network
        self._made: Connections | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._unreached: dict[tuple[str, str], OutsideFailed] = {}  # by scheme and host, which nobody tries again

    def authorization(self, url: str) -> str | None:  # noqa: ARG002 - for those who have logins
        """Return the `Authorization` value for a URL, or None."""
        return None

    def reauthorize(self, answer: Answer, refused: str | None) -> bool:  # noqa: ARG002 - as above
        """Look for another login after a 401; return whether there is one to try."""
        return False

    def get(
        self, url: str, headers: Mapping[str, str] = _NO_HEADERS, *, decode: bool = True, limit: Limit = WHOLE
    ) -> Answer:
        """Fetch a URL, following redirects and trying again where that can help.

        Any status but those worth a retry is an answer: it is the caller's to judge 404, 401 and the rest.

        Args:
            url: What to fetch.
            headers: What to send beside the usual.
            decode: Undo the compression that the server names. Not so for files: servers are known to call
                the compression that is part of an sdist its content encoding.
            limit: How much is taken, and in which time.

        Raises:
            OutsideFailed: No whole answer could be had; a `failure`.
        """

        def read(response: urllib3.BaseHTTPResponse) -> bytes:
            found = bytearray()
            for chunk in _chunks(response, decode=decode):
                found += chunk
                if len(found) > limit.size:  # asking again would not help
                    why = f"it has more than {limit.size >> 20} MiB"
                    raise self.failure(
                        f"the answer of `{shown(url)}` is cut off: {why}", hint=f"tell the {self.noun}'s owner"
                    )
            return bytes(found)

        encoding = "gzip, deflate" if decode else "identity"
        reader = _Reader(read, ends=time.monotonic() + limit.seconds)
        return self._fetch(url, {"Accept-Encoding": encoding, **headers}, reader)

    def download(
        self,
        url: str,
        sink: Sink,
        headers: Mapping[str, str] = _NO_HEADERS,
        *,
        request: Request = _GET,
        seconds: float = WHOLE.seconds,
    ) -> Answer:
        """Fetch a URL as `get` does, but write the body of a 200 into a sink; of others only the beginning is kept.

        What another request than GET sends is sent to nobody else: no redirect is followed.

        Args:
            url: What to fetch.
            sink: Where the body goes.
            headers: What to send beside the usual.
            request: Its method and body.
            seconds: How long one attempt may take.

        Raises:
            OutsideFailed: No whole answer could be had; a `failure`.
        """
        reader = _Reader(partial(_pour, sink=sink), seconds=seconds)
        return self._fetch(url, {"Accept-Encoding": "identity", **headers}, reader, request)

    def save(self, url: str, continued: Continued) -> Answer:
        """Fetch a URL into a file, from where the file ends; its body is not in the answer.

        Raises:
            OutsideFailed: No whole answer could be had; what came is in the file, to be continued.
        """
        return self._fetch(url, {"Accept-Encoding": "identity"}, _Reader(continued.read, continued.headers))

    def submit(
        self, url: str, request: Request, headers: Mapping[str, str], *, seconds: float = WHOLE.seconds
    ) -> Answer:
        """Send a request of any kind, trying again where that can help; of the answer only the beginning is kept.

        Args:
            url: Where to.
            request: Its method and body.
            headers: What to send beside the usual.
            seconds: How long one attempt may take, the sending included.

        Raises:
            OutsideFailed: No whole answer could be had; a `failure`.
        """
        reader = _Reader(_beginning, seconds=seconds)
        return self._fetch(url, {"Accept-Encoding": "identity", **headers}, reader, request)

    def _fetch(self, url: str, headers: Mapping[str, str], reader: _Reader, request: Request = _GET) -> Answer:
        try:
            return self._follow(url, headers, reader, request)
        except ValueError as error:  # urllib.parse and urllib3 have no finer ones for what is not a URL
            raise self.failure(
                f"`{shown(url)}` is not a usable URL, or leads to one: {error}",
                hint=f"correct the {self.noun}'s URL, or tell its owner",
            ) from error

    def _follow(self, url: str, headers: Mapping[str, str], reader: _Reader, request: Request) -> Answer:
        first = url
        for _ in range(_MOST_REDIRECTS):
            answer = self._send(url, headers, reader, request)
            if request is not _GET or answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            target = urljoin(url, answer.headers["location"])
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise self.failure(
                    f"`{shown(url)}` redirects to a place without encryption: `{shown(target)}`",
                    hint=f"tell the {self.noun}'s owner; zlock does not follow",
                )
            # Credentials inside a redirect are its sender's, not the user's.
            url = split_login(target)[0]
        raise self.failure(f"`{shown(first)}` redirects without end", hint=f"check the {self.noun}'s URL")

    def _send(self, url: str, headers: Mapping[str, str], reader: _Reader, request: Request) -> Answer:
        attempt = 0
        connections = self._connections
        server = urlsplit(url)[:2]
        if known := self._unreached.get(server):
            raise known
        while True:
            left = reader.ends - time.monotonic()
            last = attempt == self._network.retries or left < 0
            login = self.authorization(url)
            try:
                sent = {**headers, **reader.headers(), **({"Authorization": login} if login else {})}
                answer = connections.send(url, sent, reader.read, request, seconds=min(max(left, 0.1), reader.seconds))
            except connections.errors as error:
                if last or connections.is_final(error) or time.monotonic() > reader.ends:
                    failed = self.failure(
                        f"could not {_DONE[request.method]} `{shown(url)}`: {connections.cause(error)}",
                        hint=connections.hint(error, self.noun),
                    )
                    if connections.is_unreached(error) and attempt == self._network.retries:
                        failed = self._unreached.setdefault(server, failed)
                    raise failed from error
                self._wait(attempt, None)
            else:
                if answer.status == 401 and self.reauthorize(answer, login):  # noqa: PLR2004 - an HTTP status
                    continue
                if answer.status not in _RETRIED:
                    return answer
                if last:
                    raise self._gave_up(answer, attempt + 1)
                self._wait(attempt, answer.headers.get("retry-after"))
            attempt += 1

    def _wait(self, attempt: int, retry_after: str | None) -> None:
        """Wait before the next attempt; closing the client ends the wait and the request."""
        import random

        seconds: float = 0.4 * 2**attempt * (1 + random.random() / 4)  # noqa: S311 - jitter, not a secret
        if retry_after:
            seconds = min(_retry_after(retry_after, seconds), _LONGEST_WAIT)
        if self._closed.wait(seconds):
            raise self.failure(f"the run ended before the {self.noun} answered", hint="run again")

    def _gave_up(self, answer: Answer, times: int) -> OutsideFailed:
        limited = answer.status == 429  # noqa: PLR2004 - an HTTP status
        said = " (too many requests)" if limited else ""
        wait = "wait, then run again; what was fetched is kept"
        return self.failure(
            f"`{shown(answer.url)}` answered {answer.status}{said}, {times} time{'s' if times > 1 else ''}",
            hint=wait if limited else f"run again later, or ask the {self.noun}'s owner",
        )

    @property
    def _connections(self) -> Connections:
        """What sends requests; a run that finds everything in the cache never loads it."""
        with self._lock:
            if self._made is None:
                from zlock.index.connections import Connections

                self._made = Connections(self._network, self.failure)
            return self._made

    def close(self) -> None:
        """Close every connection, and end what waits."""
        self._closed.set()
        if self._made is not None:
            self._made.close()


class Client(Transport):
    """The connections to indexes, with the logins for them."""

    noun = "index"
    failure = IndexFailed

    def __init__(self, network: Network, credentials: Credentials) -> None:
        super().__init__(network)
        self.credentials = credentials

    def authorization(self, url: str) -> str | None:
        """Return the `Authorization` value for a URL, or None."""
        return self.credentials.header(url)

    def reauthorize(self, answer: Answer, refused: str | None) -> bool:
        """Look for another login after a 401; return whether there is one to try."""
        return self.credentials.find_other(answer.url, refused)


class Continued:
    """A file that a download is written to, and continued in when it breaks off.

    Args:
        stream: The file, open for reading and writing; what it holds already is the beginning.
        source: Where it comes from, for messages.
        limit: The bytes that it may have, or -1 for any number.
        folder: Where it is, for messages.
        on_bytes: Hears how many bytes came.
    """

    def __init__(self, stream: BinaryIO, source: str, limit: int, folder: str, on_bytes: Callable[[int], None]) -> None:
        self._stream = stream
        self._source = source
        self._limit = limit
        self._folder = folder
        self._on_bytes = on_bytes

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for what is missing (RFC 9110, 14.2)."""
        begun = self._stream.seek(0, os.SEEK_END)
        return {"Range": f"bytes={begun}-"} if begun else {}

    def read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """Write the body of an answer, if it is what was asked for; return any other.

        Raises:
            urllib3.exceptions.HTTPError: It broke off, or begins elsewhere; asking again may help.
            IndexFailed: It is longer than it may be.
        """
        begun = self._stream.seek(0, os.SEEK_END)
        is_part = response.status == 206  # noqa: PLR2004 - a part of the file
        if response.status == 416 or (  # noqa: PLR2004 - the file has no such range
            is_part and not response.headers.get("content-range", "").startswith(f"bytes {begun}-")
        ):
            raise self._elsewhere()
        if response.status not in (200, 206):
            return _beginning(response)
        if response.status == 200:  # noqa: PLR2004 - the whole file, whatever was asked for
            self.restart()
        for chunk in _chunks(response):
            self._write(chunk)
            self._on_bytes(len(chunk))
            if 0 <= self._limit < self._stream.tell():
                if is_part:
                    raise self._elsewhere()
                self.restart()
                raise IndexFailed(
                    f"a download has more than the {self._limit} bytes it should have: `{self._source}`",
                    hint="the index or something between is broken or hostile; nothing was written",
                )
        return b""

    def _elsewhere(self) -> Exception:
        """Return the error of a server that sent another part than was asked for; the next attempt asks for all."""
        from urllib3.exceptions import ProtocolError

        self.restart()
        return ProtocolError("the server continued the download elsewhere")

    def _write(self, chunk: bytes) -> None:
        try:
            self._stream.write(chunk)
        except OSError as error:  # not the network's, so trying again won't help
            raise OutsideFailed(
                f"a download can't be written to `{self._folder}`: {error.strerror or error}",
                hint="make room, then run again; what came is continued",
            ) from error

    def restart(self) -> None:
        """Forget what the file holds."""
        self._stream.seek(0)
        self._stream.truncate()


def _pour(response: urllib3.BaseHTTPResponse, *, sink: Sink) -> bytes:
    """Write the body of a 200 into a sink; of others return the beginning, and leave the rest unread."""
    if response.status != 200:  # noqa: PLR2004 - an HTTP status
        return _beginning(response)
    sink.begin()
    for chunk in _chunks(response):
        sink.write(chunk)
    return b""


def _beginning(response: urllib3.BaseHTTPResponse) -> bytes:
    said = response.read(_MOST_SAID, decode_content=False)
    if len(said) == _MOST_SAID:  # what is left must not be read as the next answer
        response.close()
    return said


def _chunks(response: urllib3.BaseHTTPResponse, *, decode: bool = False) -> Iterator[bytes]:
    """Read a body to its end; a short one is an error, urllib3 sees to that."""
    while chunk := response.read1(1 << 18, decode_content=decode):
        yield chunk


def _retry_after(value: str, default: float) -> float:
    if re.fullmatch(r"\d+", value.strip()):
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return default
