"""The indexes of a build as variables of installers: its secret, or of public ones a file of its context."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from urllib.parse import quote

from zlock.image.context.installers import WAYS

Login = tuple[str, str]


def with_login(url: str, login: Login | None) -> str:
    """Return a URL with a user and a password in it."""
    if login is None:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{':'.join(quote(part, safe='') for part in login)}@{rest}"


def index_variables(default: str | None, others: Sequence[str]) -> bytes:
    """Return the variables of all installers that name indexes, as a shell reads them.

    Every file is checked against the lock, so it does not matter which index gives it.

    Args:
        default: The URL of the default index, credentials in it; None for the installer's own.
        others: Those of the other indexes.
    """
    variables = [row for way in WAYS.values() for row in way.index_variables(default, others).items()]
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables if value).encode()
