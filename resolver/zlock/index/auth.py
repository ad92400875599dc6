"""Credentials for indexes: from the URL, the environment, netrc and the keyring; each for its own origin only."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

Login = tuple[str, str]


def origin_of(url: str) -> tuple[str, str]:
    """Return the scheme and the lower-case host with port: what credentials are bound to."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, f"{(parts.hostname or '').lower()}:{parts.port or default}"


def split_login(url: str) -> tuple[str, Login | None]:
    """Take the credentials out of a URL; return it without them, and them."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, None
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    bare = SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, parts.fragment)
    return urlunsplit(bare), (unquote(user), unquote(password))


class Credentials:
    """Finds the login for a URL; asks the keyring only after a server refused."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: dict[tuple[str, str], Login] = {}
        self._asked: set[tuple[str, str]] = set()

    def add_index(self, name: str | None, url: str) -> str:
        """Remember the login of an index; return its URL without credentials.

        The environment is read as uv does: `UV_INDEX_<NAME>_USERNAME` and `UV_INDEX_<NAME>_PASSWORD`.
        """
        bare, login = split_login(url)
        if name and login is None:
            key = re.sub(r"[^A-Z0-9]", "_", name.upper())
            user = self._environ.get(f"UV_INDEX_{key}_USERNAME")
            password = self._environ.get(f"UV_INDEX_{key}_PASSWORD")
            if user or password:
                login = (user or "", password or "")
        if login:
            self._known[origin_of(bare)] = login
        return bare

    def header(self, url: str) -> str | None:
        """Return the `Authorization` value for a URL, or None."""
        origin = origin_of(url)
        if origin not in self._known:
            found = self._from_netrc(urlsplit(url).hostname or "")
            if found is None:
                return None
            self._known[origin] = found
        user, password = self._known[origin]
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def ask_keyring(self, url: str) -> bool:
        """Ask the keyring for a URL whose server refused; return whether it knew a login."""
        origin = origin_of(url)
        if origin in self._asked:
            return False
        self._asked.add(origin)
        user = self._known.get(origin, ("", ""))[0]
        found = _from_keyring(url, user)
        if found is None:
            return False
        self._known[origin] = found
        return True

    def _from_netrc(self, host: str) -> Login | None:
        import netrc

        named = self._environ.get("NETRC")
        home = Path(self._environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises without one
        for path in [Path(named)] if named else [home / ".netrc", home / "_netrc"]:
            try:
                found = netrc.netrc(path).authenticators(host)
            except (OSError, netrc.NetrcParseError):
                continue
            if found and (found[0] or found[2]):
                return found[0] or "", found[2] or ""
        return None


def _from_keyring(url: str, user: str) -> Login | None:
    """Ask the `keyring` command, as pip's and uv's subprocess providers do: first the URL, then its host."""
    program = shutil.which("keyring")
    if program is None:
        return None
    for service in (url, urlsplit(url).netloc):
        try:
            done = subprocess.run(
                [program, "get", service, user or "oauth2accesstoken"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode == 0 and done.stdout.strip():
            return user or "oauth2accesstoken", done.stdout.strip()
    return None
