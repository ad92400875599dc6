"""HTTP as indexes need it: many requests at once, retries, redirects, proxies, certificates, credentials."""

from __future__ import annotations

import random
import re
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment

import urllib3

from zlock._version import __version__
from zlock.errors import IndexFailed
from zlock.index.auth import Credentials, origin_of, split_login

_RETRIED = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
_LONGEST_WAIT = 30.0  # seconds; a longer Retry-After is cut to this
_DEADLINE = 600.0  # seconds for one answer, so that a trickle can't hold a run for ever
CONNECTIONS = 24


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its status, its headers by lower-case name, its body, and the URL that gave it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Network:
    """How this machine reaches the network.

    Attributes:
        timeout: Seconds without data after which a request is given up.
        retries: How often a request is tried again.
        proxies: Scheme to proxy URL.
        certificate: A file of certificates to trust instead of the system's, or None.
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
        proxies = {"http": proxy, "https": proxy} if proxy else getproxies_environment()
        return cls(
            timeout=_number(first("UV_HTTP_TIMEOUT", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT") or pip.get("timeout"), 30.0),
            retries=int(_number(first("UV_HTTP_RETRIES", "PIP_RETRIES") or pip.get("retries"), 3)),
            proxies=proxies,
            certificate=first("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") or pip.get("cert"),
            client_certificate=first("SSL_CLIENT_CERT", "PIP_CLIENT_CERT") or pip.get("client-cert"),
        )


def _number(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        return default


class Client:
    """A pool of connections that every part of a run shares; safe between threads."""

    def __init__(self, network: Network, credentials: Credentials) -> None:
        self._network = network
        self.credentials = credentials
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        self.requests = 0

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch a URL, following redirects and trying again where that can help.

        Any status but those worth a retry is an answer: it is the caller's to judge 404, 401 and the rest.

        Raises:
            IndexFailed: No whole answer could be had.
        """
        for _ in range(_MOST_REDIRECTS):
            answer = self._get_once(url, headers or {})
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            target = urljoin(url, answer.headers["location"])
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise IndexFailed(f"`{show(url)}` redirects to a place without encryption: `{show(target)}`")
            # Credentials inside a redirect are its sender's, not the user's.
            url = split_login(target)[0]
        raise IndexFailed(f"`{show(url)}` redirects without end")

    def _get_once(self, url: str, headers: Mapping[str, str]) -> Answer:
        for attempt in range(self._network.retries + 1):
            last = attempt == self._network.retries
            try:
                answer = self._send(url, headers)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if last or _is_final(error):
                    raise IndexFailed(f"could not fetch `{show(url)}`: {_cause(error)}", hint=_hint(error)) from error
                _wait(attempt, None)
                continue
            if answer.status == 401 and self.credentials.ask_keyring(url):  # noqa: PLR2004 - an HTTP status
                continue
            if answer.status not in _RETRIED:
                return answer
            if last:
                limited = answer.status == 429  # noqa: PLR2004 - an HTTP status
                raise IndexFailed(
                    f"`{show(url)}` answered {answer.status} {'(too many requests) ' if limited else ''}"
                    f"{self._network.retries + 1} times",
                    hint="wait, then run again; what was fetched is kept" if limited else "run again later",
                )
            _wait(attempt, answer.headers.get("retry-after"))
        raise IndexFailed(f"`{show(url)}` keeps asking for other credentials")

    def _send(self, url: str, headers: Mapping[str, str]) -> Answer:
        sent = {"User-Agent": f"zlock/{__version__}", "Accept-Encoding": "gzip, deflate", **headers}
        login = self.credentials.header(url)
        if login:
            sent["Authorization"] = login
        self.requests += 1
        response = self._pool(url).request(
            "GET",
            url,
            headers=sent,
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=self._network.timeout,
        )
        try:
            body = _read(response)
        finally:
            response.release_conn()
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, body, url)

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxies = self._network.proxies or {}
        bypass = proxy_bypass_environment(parts.netloc, dict(proxies)) if proxies else False
        proxy = "" if bypass else proxies.get(parts.scheme) or proxies.get("all", "")
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._make_pool(proxy)
            return self._pools[proxy]

    def _make_pool(self, proxy: str) -> urllib3.PoolManager:
        options = {"maxsize": CONNECTIONS, "num_pools": 16, "ssl_context": self._context()}
        if not proxy:
            return urllib3.PoolManager(**options)
        bare, login = split_login(proxy if "://" in proxy else f"http://{proxy}")
        headers = urllib3.make_headers(proxy_basic_auth=":".join(login)) if login else None
        return urllib3.ProxyManager(bare, proxy_headers=headers, **options)

    def _context(self) -> ssl.SSLContext:
        certificate = self._network.certificate
        try:
            context = ssl.create_default_context(cafile=certificate)
            if self._network.client_certificate:
                context.load_cert_chain(self._network.client_certificate)
        except (OSError, ssl.SSLError) as error:
            raise IndexFailed(
                f"the certificates this machine names can't be read: `{certificate or self._network.client_certificate}`: {error}",
                hint="correct SSL_CERT_FILE, PIP_CERT or REQUESTS_CA_BUNDLE",
            ) from error
        return context

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.clear()


def show(url: str) -> str:
    """Return a URL as messages may show it: no credentials, no query, no fragment."""
    parts = urlsplit(split_login(url)[0])
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def same_origin(first: str, second: str) -> bool:
    """Return whether two URLs have the same scheme, host and port."""
    return origin_of(first) == origin_of(second)


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read a body to its end within the deadline; a short one is an error, urllib3 sees to that."""
    deadline = time.monotonic() + _DEADLINE
    chunks = []
    while chunk := response.read(1 << 20, decode_content=True):
        chunks.append(chunk)
        if time.monotonic() > deadline:
            raise TimeoutError(f"not complete after {_DEADLINE:.0f} s")
    return b"".join(chunks)


def _wait(attempt: int, retry_after: str | None) -> None:
    seconds = 0.4 * 2**attempt * (1 + random.random() / 4)  # noqa: S311 - jitter, not a secret
    if retry_after:
        seconds = min(_retry_after(retry_after, seconds), _LONGEST_WAIT)
    time.sleep(seconds)


def _retry_after(value: str, default: float) -> float:
    if re.fullmatch(r"\d+", value.strip()):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return default


def _is_final(error: Exception) -> bool:
    """Return whether trying again can't help: a certificate that is not trusted, a name that makes no URL."""
    return isinstance(error, (urllib3.exceptions.SSLError, urllib3.exceptions.LocationParseError, ssl.SSLError))


def _cause(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _cause(reason)
    if isinstance(error, urllib3.exceptions.IncompleteRead):
        return f"incomplete download, {error.partial} bytes of {error.partial + (error.expected or 0)}"
    text = str(error)
    if isinstance(error, urllib3.exceptions.ProtocolError) and error.args:
        inner = error.args[-1]
        return _cause(inner) if isinstance(inner, BaseException) else str(inner)
    # urllib3 puts the connection's repr before its message
    return re.sub(r"^<[^>]*>: |^HTTPS?Connection(Pool)?\([^)]*\): ", "", text) or type(error).__name__


def _hint(error: BaseException) -> str:
    if _is_final(error):
        return "if the index has a certificate of your own, name it in SSL_CERT_FILE"
    return "check the network, the proxy variables and the index's URL"
