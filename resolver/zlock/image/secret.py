"""The indexes of a build as variables of pip and uv: its secret, or of public ones a file of its context."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

Login = tuple[str, str]


def with_login(url: str, login: Login | None) -> str:
    """Return a URL with a user and a password in it."""
    if login is None:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{':'.join(quote(part, safe='') for part in login)}@{rest}"


def index_variables(default: str | None, others: Sequence[str]) -> bytes:
    """Return the variables of pip and uv that name indexes, as a shell reads them.

    Every file is checked against the lock, so it does not matter which index gives it: uv may ask all of them, as pip
    does. Plain HTTP is for pip a matter of trust, which whoever configured the index has.

    Args:
        default: The URL of the default index, credentials in it; None for the installer's own.
        others: Those of the other indexes.
    """
    urls = [*([default] if default else []), *others]
    plain = sorted({urlsplit(url).netloc.rpartition("@")[2] for url in urls if urlsplit(url).scheme == "http"})
    variables = {
        "PIP_INDEX_URL": default,
        "PIP_EXTRA_INDEX_URL": " ".join(others),
        "PIP_TRUSTED_HOST": " ".join(plain),
        "UV_DEFAULT_INDEX": default,
        "UV_INDEX": " ".join(others),
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items() if value).encode()
