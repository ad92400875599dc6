"""The connection to registries: who asks for a login gets that of its own registry, and nobody else's.

A registry may send for a token to another server (the Docker registry's token specification). The login goes there
only if that server belongs to the registry, by its name, and is reached as safely; else it is asked without one.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlencode, urlsplit

from zlock.errors import OutsideFailed, RegistryFailed
from zlock.image.registry.answers import Document
from zlock.image.registry.logins import Login, find_login
from zlock.index.auth import basic
from zlock.index.client import Sink, Transport
from zlock.index.network import WHOLE, Answer, Network, Request
from zlock.model.link import shown
from zlock.model.reference import ImageReference, host_name, is_host, is_loopback

_SCHEME = re.compile(r"(?:^|,)\s*(?P<scheme>basic|bearer)(?:\s+|$)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r'([a-zA-Z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_SHORT_COUNTRY_DOMAIN = re.compile(r"[a-z]{1,3}\.[a-z]{2}")  # `co.uk` and its like are nobody's domain
_UNAUTHORIZED, _OK = 401, 200
_NO_HEADERS: Mapping[str, str] = {}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class RegistryTransport(Transport):
    """Connections to registries; safe between threads."""

    noun: ClassVar[str] = "registry"
    failure: ClassVar[type[OutsideFailed]] = RegistryFailed

    def __init__(self, network: Network, environ: Mapping[str, str], *, writes: bool = False) -> None:
        super().__init__(network)
        self._environ = environ
        self._actions, self._verb = ("pull,push", "write") if writes else ("pull", "read")
        self._headers: dict[str, str] = {}  # by the URL of a repository, or that of a token
        self._asked: dict[str, ImageReference] = {}  # by the URL of a repository: what is read there
        self._files: dict[str, str] = {}  # by the URL of a repository: where the login that is sent there is from
        self._good: set[str] = set()  # headers that were accepted, so that a refusal means they ran out
        self._turn = threading.RLock()

    def download_from(
        self,
        reference: ImageReference,
        url: str,
        sink: Sink,
        headers: Mapping[str, str],
        *,
        seconds: float,
    ) -> Answer:
        """Fetch something of an image's repository, with the login for it where the registry wants one."""
        self._asked[_repository_url(url)] = reference
        return self._noted(url, self.download(url, sink, headers, seconds=seconds))

    def submit_to(
        self,
        reference: ImageReference,
        url: str,
        request: Request,
        headers: Mapping[str, str] = _NO_HEADERS,
        *,
        seconds: float = WHOLE.seconds,
    ) -> Answer:
        """Send something to an image's repository, with the login for it where the registry wants one."""
        self._asked[_repository_url(url)] = reference
        return self._noted(url, self.submit(url, request, headers, seconds=seconds))

    def _noted(self, url: str, answer: Answer) -> Answer:
        used = self.authorization(url)
        if answer.status != _UNAUTHORIZED and used:
            self._good.add(used)
        return answer

    def authorization(self, url: str) -> str | None:
        """Return the header that was got for a repository or a token server; for any other URL there is none."""
        return self._headers.get(_repository_url(url)) or self._headers.get(url)

    def login_file(self, url: str) -> str:
        """Return the file with the login that was sent for a URL, "" where none was, or a token in its place."""
        return self._files.get(_repository_url(url), "")

    def reauthorize(self, answer: Answer, refused: str | None) -> bool:
        """Answer the challenge of a registry, once; a place that it redirected to gets no answer."""
        place = _repository_url(answer.url)
        reference = self._asked.get(place)
        if reference is None:
            return False
        with self._turn:
            if self._headers.get(place) != refused:
                return True  # another thread was here in the meantime
            if refused is not None and refused not in self._good:
                return False
            header = self._header(reference, answer)
            if header is None or header == refused:
                return False
            self._headers[place] = header
            return True

    def _header(self, reference: ImageReference, answer: Answer) -> str | None:
        scheme, parameters = parse_challenge(answer.headers.get("www-authenticate", ""))
        login = find_login(reference, self._environ)
        if scheme == "bearer":
            token = self._token(reference, answer.url, parameters, login)
            return f"Bearer {token}"
        if scheme == "basic" and login and not login.identity_token:
            self._files[_repository_url(answer.url)] = login.file
            return basic(login.user, login.password)
        return None

    def _token(
        self, reference: ImageReference, registry_url: str, parameters: Mapping[str, str], login: Login | None
    ) -> str:
        """Return a token for a repository, got with the login where that is safe."""
        realm = parameters.get("realm", "")
        if not _is_reachable_safely(realm, registry_url):
            raise RegistryFailed(
                f"the registry of `{reference}` sends for a token to a place that is not safe: `{shown(realm)}`",
                hint="tell the registry's owner; it has to be an HTTPS URL",
            )
        scope = parameters.get("scope") or f"repository:{reference.repository}:{self._actions}"
        query = {"service": parameters.get("service", ""), "scope": scope}
        query = {name: value for name, value in query.items() if value}
        trusted = is_same_owner(host_name(urlsplit(realm).netloc), host_name(reference.api_host))
        sink = Document(f"the answer of `{shown(realm)}`")
        if login and login.identity_token and trusted:
            grant = {"grant_type": "refresh_token", "client_id": "zlock", "refresh_token": login.identity_token}
            form = Request("POST", urlencode({**grant, **query}).encode())
            answer = self.download(realm, sink, _FORM, request=form)
        else:
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
            if login and trusted:
                self._headers[url] = basic(login.user, login.password)
            answer = self.download(url, sink)
        token = _token_of(sink.data) if answer.status == _OK else ""
        if not token:
            withheld = login is not None and not trusted
            raise _no_token(reference, answer, realm, login, withheld=withheld, verb=self._verb)
        return token


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """Return the scheme and the parameters of `WWW-Authenticate` (RFC 9110, 11.6.1): bearer, basic or "".

    Of several challenges the one for a token counts, which is worth less than a password.
    """
    found: dict[str, dict[str, str]] = {}
    rest = header
    while match := _SCHEME.search(rest):
        rest = match["rest"]
        own = rest[: later.start()] if (later := _SCHEME.search(rest)) else rest
        parameters = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(own)}
        found.setdefault(match["scheme"].lower(), parameters)
    scheme = next((one for one in ("bearer", "basic") if one in found), "")
    return scheme, found.get(scheme, {})


def is_same_owner(host: str, registry: str) -> bool:
    """Tell whether a host belongs to whoever has the registry, as far as names can say.

    It is the same host, below it, or beside it under a domain that somebody has.
    """
    if host == registry or host.endswith(f".{registry}"):
        return True
    parent = registry.partition(".")[2]
    owned = "." in parent and not parent.replace(".", "").isdecimal() and not _SHORT_COUNTRY_DOMAIN.fullmatch(parent)
    return owned and (host == parent or host.endswith(f".{parent}"))


def _is_reachable_safely(realm: str, registry_url: str) -> bool:
    """Tell whether a token server's URL is one that every parser reads alike, and is as safe as the registry's."""
    try:
        parts = urlsplit(realm)
    except ValueError:
        return False
    # Of `https://evil.example\.registry.example` some readers take the first host, and some the whole.
    if not _VISIBLE.fullmatch(realm) or not is_host(parts.netloc):
        return False
    if parts.scheme == "http":
        return urlsplit(registry_url).scheme == "http" and is_loopback(parts.netloc)
    return parts.scheme == "https"


def _repository_url(url: str) -> str:
    """Return the beginning that all URLs of a repository share, with the slash at its end."""
    return re.split(r"(?<=/)(?:manifests|blobs)/(?:uploads/)?[^/]*$", url.partition("?")[0])[0]


def _token_of(body: bytes) -> str:
    try:
        table = json.loads(body)
        token = table.get("token") or table.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return token if isinstance(token, str) and _VISIBLE.fullmatch(token) else ""


def _no_token(
    reference: ImageReference, answer: Answer, realm: str, login: Login | None, *, withheld: bool, verb: str
) -> RegistryFailed:
    said = "gave none that can be used" if answer.status == _OK else f"answered {answer.status}"
    if login and not withheld and answer.status == _UNAUTHORIZED:
        said = f"refused the login from `{login.file}`"
    context = []
    hint = f"`docker login {reference.host}`, with a user who may {verb} it"
    if withheld:
        context.append(f"it was asked without the login for `{reference.host}`: it is another server's")
        hint = "if that server is the right one, tell the registry's owner to have it under the registry's own domain"
    return RegistryFailed(
        f"no token for `{reference}` could be had: `{shown(realm)}` {said}", context=context, hint=hint
    )
