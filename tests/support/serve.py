"""A server on the loopback that answers with values; how an answer goes wrong is part of the value."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, NamedTuple, Self

Ending = Literal["whole", "truncate", "reset", "hang", "stall"]
NO_HEADERS: Mapping[str, str] = {}


class Request(NamedTuple):
    """A request as it was answered; header names are in lower case, the status is 0 where none was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request as it came in; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: The status code.
        body: All of it, also for HEAD and where the ending cuts it short; Content-Length is its length.
        headers: Beside Content-Length, Date and Server.
        ending: `truncate` closes after half of the body, `reset` answers nothing and resets the connection,
            `hang` answers nothing until the server closes, `stall` sends half of the body and then nothing more.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = "whole"


class LoopbackServer:
    """Serves on 127.0.0.1 from threads until it is closed, and keeps what was asked.

    Attributes:
        requests: Each request that was answered, in the order of the answers.
        connections: How many connections were opened.
        closing: Set when the server closes; whatever waits, waits for it.
    """

    def __init__(self, answer: Callable[[Call], Reply]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.connections = 0
        self.closing = threading.Event()
        self._failures: list[BaseException] = []
        self._http = _Server(self)
        self._thread = threading.Thread(target=self._serve, name="loopback-server")

    @property
    def root(self) -> str:
        """The URL of the server, without a slash at its end."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every socket and thread; raise what went wrong in the server itself."""
        self.closing.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self._http.server_port)).close()  # ends the wait for a connection
        self._thread.join()
        self._http.close_connections()
        self._http.server_close()
        if self._failures and error is None:
            raise self._failures[0]

    def failed(self, error: BaseException) -> None:
        """Keep an error of the answering code, which is a mistake in the test or here."""
        self._failures.append(error)

    def _serve(self) -> None:
        while not self.closing.is_set():
            self._http.handle_request()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128

    def __init__(self, owner: LoopbackServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for the name of the loopback, which can take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            self.owner.connections += 1
            if self.owner.closing.is_set():
                _hang_up(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def close_connections(self) -> None:
        """End the threads that wait for the next request of a kept connection."""
        with self._lock:
            for connection in self._open:
                _hang_up(connection)

    def handle_error(self, _request: object, _client_address: object) -> None:
        """Do nothing: the handler has reported what is worth it; a client that went away is not."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        call = Call(method=self.command, path=self.path, headers=self._headers(), body=self._body())
        try:
            reply = self.server.owner.answer(call)
        except Exception as error:
            self.server.owner.failed(error)
            raise
        status = 0 if reply.ending in {"reset", "hang"} else reply.status
        self.server.owner.requests.append(Request(call.method, call.path, call.headers, status))
        self._send(reply)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base class names them

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _send(self, reply: Reply) -> None:
        if reply.ending == "reset":
            self._reset()
        elif reply.ending == "hang":
            self._wait()
        else:
            self._send_head(reply)
            self._send_body(reply)

    def _send_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status not in {204, 304}:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()

    def _send_body(self, reply: Reply) -> None:
        if self.command == "HEAD" or reply.status in {204, 304}:
            return
        if reply.ending == "whole":
            self.wfile.write(reply.body)
            return
        self.wfile.write(reply.body[: len(reply.body) // 2])
        self.close_connection = True
        if reply.ending == "stall":
            self.wfile.flush()
            self._wait()

    def _wait(self) -> None:
        self.close_connection = True
        self.server.owner.closing.wait()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()  # takes effect when the streams on it close: a reset, for nothing lingers


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was first
        connection.shutdown(socket.SHUT_RDWR)
