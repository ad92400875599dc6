"""How this machine reaches the network, and what comes back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import IO

from msgspec import Struct

from zlock.errors import IndexFailed

CONNECTIONS = 24
"""How many connections there are to one server at the most."""


class Answer(Struct, frozen=True):
    """A whole answer: its status, its headers by lower-case name, its body, and the URL that gave it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Request(Struct, frozen=True):
    """What is sent beside URL and headers.

    Attributes:
        method: "GET", "HEAD", "POST" or "PUT".
        body: What is sent, or what opens a file with it, once for each attempt.
    """

    method: str = "GET"
    body: bytes | Callable[[], IO[bytes]] | None = None


class Limit(Struct, frozen=True):
    """How much of an answer is taken, as a server may send without end.

    Attributes:
        size: Bytes, after decoding.
        seconds: From the first request to the last byte, retries and redirects included.
    """

    size: int
    seconds: float


WHOLE = Limit(4 << 30, 600.0)
"""For files; what is larger does not fit into memory either."""
PAGE = Limit(256 << 20, 60.0)
"""For a page of an index: the largest there are have some 30 MB."""
METADATA = Limit(16 << 20, 60.0)
"""For the metadata of one file."""


class Network(Struct, frozen=True):
    """How this machine reaches the network.

    Attributes:
        timeout: Seconds without data after which a request is given up.
        retries: How often a request is tried again.
        proxies: Scheme to proxy URL; under "no" the hosts that need none.
        certificate: A file or folder of certificates to trust instead of the system's, or None.
        client_certificate: A file with a client's certificate and key, or None.
    """

    timeout: float = 30.0
    retries: int = 3
    proxies: Mapping[str, str] | None = None
    certificate: str | None = None
    client_certificate: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], pip: Mapping[str, str]) -> Network:
        """Read what uv and pip read: `UV_*`, `PIP_*`, pip's configuration, proxy and certificate variables."""

        def first(*names: str) -> str | None:
            return next((environ[name] for name in names if environ.get(name)), None)

        proxy = first("PIP_PROXY") or pip.get("proxy")
        proxies = {"http": proxy, "https": proxy} if proxy else _proxies(environ)
        return cls(
            timeout=_number(first("UV_HTTP_TIMEOUT", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT") or pip.get("timeout"), 30.0)
            or 30.0,
            retries=int(_number(first("UV_HTTP_RETRIES", "PIP_RETRIES") or pip.get("retries"), 3)),
            proxies=proxies,
            certificate=first("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") or pip.get("cert"),
            client_certificate=first("SSL_CLIENT_CERT", "PIP_CLIENT_CERT") or pip.get("client-cert"),
        )


def not_cached(what: str) -> IndexFailed:
    """Return the error for what has to be fetched, where nothing may be."""
    return IndexFailed(f"{what}, and --offline leaves the network alone", hint="run once without --offline")


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies of `HTTP_PROXY` and its like; the lower-case spelling wins.

    A web server that runs zlock has `HTTP_PROXY` from a request's header, so there it does not count.
    """
    found = {}
    for key in sorted(environ, key=str.islower):
        if key.lower().endswith("_proxy") and not (key == "HTTP_PROXY" and "REQUEST_METHOD" in environ):
            found[key.lower().removesuffix("_proxy")] = environ[key]
    return {scheme: value for scheme, value in found.items() if value}


def _number(text: str | None, default: float) -> float:
    """Return a number that makes sense as a limit, else the default."""
    try:
        number = float(text) if text else default
    except ValueError:
        return default
    return number if math.isfinite(number) and number >= 0 else default
