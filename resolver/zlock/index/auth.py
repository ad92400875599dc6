"""Credentials for indexes: from the URL, the environment, netrc and the keyring; each for its own server only."""

from __future__ import annotations

import base64
import re
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from zlock.model.paths import home_of

Login = tuple[str, str]
Server = tuple[str, str]
"""A scheme, and a host with its port."""

_KEYRING_TIMEOUT = 30  # seconds
_TOKEN_USER = "oauth2accesstoken"  # noqa: S105 - the user that token services' keyrings expect, no secret


def server_of(url: str) -> Server:
    """Return the scheme and the lower-case host with port: what credentials are bound to."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, f"{(parts.hostname or '').lower()}:{parts.port or default}"


def basic(user: str, password: str) -> str:
    """Return the `Authorization` value of a login (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def split_login(url: str) -> tuple[str, Login | None]:
    """Take the credentials out of a URL; return it without them, and them."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, None
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    bare = SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, parts.fragment)
    return urlunsplit(bare), (unquote(user), unquote(password))


def with_login(url: str, login: Login | None) -> str:
    """Return a URL with a user and a password in it."""
    if login is None:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{':'.join(quote(part, safe='') for part in login)}@{rest}"


def login_places(name: str | None) -> str:
    """Say where the login of an index is looked for, but for its URL, which others may read.

    The variables are those of uv.
    """
    if name:
        return f"{' and '.join(_variables(name))}, netrc or the keyring"
    return "netrc, the keyring, or, for an index with a name, UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD"


def _variables(name: str) -> tuple[str, str]:
    key = re.sub(r"[^A-Z0-9]", "_", name.upper())
    return f"UV_INDEX_{key}_USERNAME", f"UV_INDEX_{key}_PASSWORD"


class Credentials:
    """Finds the login for a URL; asks the keyring only after a server refused. Safe between threads.

    Two indexes on one host may have a login each: a URL gets that of the index whose path it shares most of.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._indexes: dict[Server, list[str]] = {}
        self._names: dict[str, str | None] = {}
        self._logins: dict[Server, list[tuple[str, Login]]] = {}
        self._netrc: dict[Server, Login | None] = {}
        self._asked: set[str] = set()
        self._lock = threading.Lock()

    def add_index(self, name: str | None, url: str) -> str:
        """Remember the login of an index; return its URL without credentials.

        Raises:
            ValueError: It is not a URL.
        """
        bare, login = split_login(url)
        if name and login is None:
            user, password = (self._environ.get(variable, "") for variable in _variables(name))
            login = (user, password) if user or password else None
        server = server_of(bare)
        self._indexes.setdefault(server, []).append(bare)
        self._names.setdefault(bare, name)
        if login:
            self._logins.setdefault(server, []).append((bare, login))
        return bare

    def places(self, url: str) -> str:
        """Say where a login for a URL is looked for."""
        index = _nearest(url, self._indexes.get(server_of(url), []))
        return login_places(self._names[index] if index else None)

    def header(self, url: str) -> str | None:
        """Return the `Authorization` value for a URL, or None."""
        login = self.login(url)
        return basic(*login) if login else None

    def find_other(self, url: str, refused: str | None) -> bool:
        """Look for another login than the one a server refused; return whether there is one to try.

        Each index's keyring entry is asked for once; who comes while another thread asks waits for its answer.
        """
        with self._lock:
            if self.header(url) != refused:
                return True
            service = _nearest(url, self._indexes.get(server_of(url), [])) or url
            if service in self._asked:
                return False
            self._asked.add(service)
            user = (self.login(url) or ("", ""))[0]
            found = _from_keyring(service, user, self._environ)
            if found is None:
                return False
            self._logins.setdefault(server_of(url), []).insert(0, (service, found))
            return True

    def login(self, url: str) -> Login | None:
        """Return the user and password for a URL, None where none is known without asking the keyring."""
        server = server_of(url)
        logins = self._logins.get(server)
        if not logins:
            return self._from_netrc(server, "")
        nearest = _nearest(url, [index for index, _ in logins])
        user, password = next(login for index, login in logins if index == nearest)
        if user and not password:
            return self._from_netrc(server, user) or (user, "")
        return user, password

    def _from_netrc(self, server: Server, user: str) -> Login | None:
        if server not in self._netrc:
            self._netrc[server] = self._read_netrc(server[1].rpartition(":")[0])
        found = self._netrc[server]
        return found if found and (not user or found[0] == user) else None

    def _read_netrc(self, host: str) -> Login | None:
        import netrc

        named, home = self._environ.get("NETRC"), home_of(self._environ)
        for path in [Path(named)] if named else [home / ".netrc", home / "_netrc"]:
            try:
                found = netrc.netrc(path).authenticators(host)
            except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
                continue
            if found and (found[0] or found[2]):
                return found[0] or "", found[2] or ""
        return None


def _nearest(url: str, indexes: list[str]) -> str | None:
    """Return the index URL that shares the longest path with a URL; the first of equals."""
    if len(indexes) < 2:  # noqa: PLR2004 - nothing to choose
        return indexes[0] if indexes else None
    parts = urlsplit(url).path.split("/")

    def shared(index: str) -> int:
        pairs = zip(parts, urlsplit(index).path.split("/"), strict=False)
        return next((depth for depth, (one, other) in enumerate(pairs) if one != other), len(parts))

    return max(indexes, key=shared)


def _from_keyring(url: str, user: str, environ: Mapping[str, str]) -> Login | None:
    """Ask the `keyring` command, as pip and uv do: first for the index's URL, then for its host."""
    program = shutil.which("keyring", path=environ.get("PATH"))
    if program is None:
        return None
    for service in (url, urlsplit(url).netloc):
        if not user:
            # Newer versions of the command tell the user's name too.
            lines = _keyring_says([program, "get", service, "--mode", "creds"], environ).splitlines()
            if len(lines) == 2:  # noqa: PLR2004 - a user and a password
                return lines[0], lines[1]
        password = _keyring_says([program, "get", service, user or _TOKEN_USER], environ)
        if password:
            return user or _TOKEN_USER, password
    return None


def _keyring_says(command: list[str], environ: Mapping[str, str]) -> str:
    """Return what the command prints, "" where it knows nothing or can't be run."""
    from zlock.process import printed_by

    return printed_by(command, environ=environ, timeout=_KEYRING_TIMEOUT).strip()
