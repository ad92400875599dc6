"""How requests reach the network: pools of connections, proxies and certificates, by urllib3."""

from __future__ import annotations

import http.client
import io
import ipaddress
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import urllib3

from zlock._version import __version__
from zlock.errors import OutsideFailed
from zlock.index.auth import split_login
from zlock.index.network import CONNECTIONS, Answer, Network, Request

_FINAL = (urllib3.exceptions.SSLError, urllib3.exceptions.LocationValueError, ssl.SSLError)
_limit = threading.local()
"""`ends`: when the answer that a thread waits for has to be whole, on the monotonic clock."""


class _Timed(io.RawIOBase):
    """What comes until a time: timeouts are of one read each, and a byte of a header now and then would never end."""

    def __init__(self, raw: io.RawIOBase, connected: socket.socket) -> None:
        self._raw = raw
        self._connected = connected
        self._pause = connected.gettimeout() or 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            if (left := _limit.ends - time.monotonic()) > 0:
                self._connected.settimeout(min(self._pause, left))
                return self._raw.readinto(buffer)
        except TimeoutError:
            if time.monotonic() < _limit.ends:
                raise
        raise OSError("it takes too long")

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock))


class _Plain(urllib3.connection.HTTPConnection):
    response_class = _Response


class _Secure(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


class Connections:
    """Connections that all threads share.

    Args:
        network: How this machine reaches the network.
        failure: The error for what this machine is configured for and can't be read.

    Attributes:
        errors: What `send` raises where no whole answer could be had.
    """

    errors = (urllib3.exceptions.HTTPError, OSError)

    def __init__(self, network: Network, failure: type[OutsideFailed]) -> None:
        self._network = network
        self._failure = failure
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        read: Callable[[urllib3.BaseHTTPResponse], bytes],
        request: Request,
        *,
        seconds: float,
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        Args:
            url: Where to.
            headers: What to send beside the usual.
            read: Reads the body.
            request: Its method and body.
            seconds: How long it may take until the last byte.
        """
        _limit.ends = time.monotonic() + seconds
        with ExitStack() as stack:
            body = stack.enter_context(request.body()) if callable(request.body) else request.body
            response = self._pool(url).request(
                request.method,
                url,
                body=body,
                headers={"User-Agent": f"zlock/{__version__}", **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=min(self._network.timeout, seconds),
            )
        try:
            said = read(response)
        except BaseException:
            response.close()  # what is left of the answer must not be read as the next one
            raise
        finally:
            response.release_conn()
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, said, url)

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxies = self._network.proxies or {}
        direct = not proxies or _is_direct(parts.hostname or "", parts.port, proxies.get("no", ""))
        proxy = "" if direct else proxies.get(parts.scheme) or proxies.get("all", "")
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._make_pool(proxy)
            return self._pools[proxy]

    def _make_pool(self, proxy: str) -> urllib3.PoolManager:
        context = self._context()
        if proxy:
            bare, login = split_login(proxy if "://" in proxy else f"http://{proxy}")
            headers = urllib3.make_headers(proxy_basic_auth=":".join(login)) if login else None
            pool: urllib3.PoolManager = urllib3.ProxyManager(
                bare, 16, proxy_headers=headers, maxsize=CONNECTIONS, ssl_context=context
            )
        else:
            pool = urllib3.PoolManager(16, maxsize=CONNECTIONS, ssl_context=context)
        pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return pool

    def _context(self) -> ssl.SSLContext:
        """Return what servers' certificates are checked with; one that can't be read is an error."""
        certificate, own = self._network.certificate, self._network.client_certificate
        try:
            if certificate and os.path.isdir(certificate):  # noqa: PTH112 - as text in, so text out
                context = ssl.create_default_context(capath=certificate)
            else:
                context = ssl.create_default_context(cafile=certificate)
            if own:
                context.load_cert_chain(own)
        except (OSError, ssl.SSLError) as error:
            raise self._failure(
                f"the certificates this machine names can't be read: `{certificate or own}`: {error.strerror or error}",
                hint="correct SSL_CERT_FILE, PIP_CERT, REQUESTS_CA_BUNDLE or SSL_CLIENT_CERT",
            ) from error
        return context

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.clear()

    @staticmethod
    def is_unreached(error: BaseException) -> bool:
        """Return whether no connection to the server was made at all."""
        return isinstance(error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))

    @staticmethod
    def is_final(error: BaseException) -> bool:
        """Return whether trying again can't help: a certificate that is not trusted, a name that makes no URL."""
        return isinstance(error, _FINAL)

    @classmethod
    def cause(cls, error: BaseException) -> str:
        """Return what went wrong, in the words of whoever noticed it first."""
        if isinstance(error, urllib3.exceptions.ProxyError):
            return f"no connection through the proxy: {cls.cause(error.original_error)}"
        reason = getattr(error, "reason", None)
        if isinstance(reason, BaseException):
            return cls.cause(reason)
        if isinstance(error, urllib3.exceptions.IncompleteRead):
            return f"incomplete download, {error.partial} bytes of {error.partial + (error.expected or 0)}"
        text = str(error)
        if isinstance(error, urllib3.exceptions.ProtocolError) and error.args:
            inner = error.args[-1]
            return cls.cause(inner) if isinstance(inner, BaseException) else str(inner)
        # urllib3 puts the connection's repr before its message
        return re.sub(r"^<[^>]*>: |^\w+\([^)]*\): ", "", text) or type(error).__name__

    @staticmethod
    def hint(error: BaseException, noun: str) -> str:
        """Return the way out, for a kind of server."""
        if isinstance(error, (urllib3.exceptions.SSLError, ssl.SSLError)):
            return f"if the {noun} has a certificate of your own, name it in SSL_CERT_FILE"
        return f"check the network, the proxy variables and the {noun}'s URL"


def _is_direct(host: str, port: int | None, exceptions: str) -> bool:
    """Return whether `NO_PROXY` names a host: itself, a domain it is in, with or without a port, or a network."""
    for entry in filter(None, (part.strip().lower() for part in exceptions.split(","))):
        if entry == "*":
            return True
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            named, _, own_port = entry.lstrip("*").lstrip(".").rpartition(":")
            if not own_port.isdecimal():
                named, own_port = entry.lstrip("*").lstrip("."), ""
            if own_port in ("", str(port)) and (host == named or host.endswith(f".{named}")):
                return True
    return False
