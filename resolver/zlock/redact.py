"""Credentials are removed from whatever is shown, logged or recorded."""

from __future__ import annotations

import re

_USER_PART = re.compile(
    r"""
    (?P<scheme>[a-z][a-z0-9+.\-]*://)
    (?P<user>
        [^\s/?\#]*                                              # as RFC 3986 has it, up to the last @
      | [^\s/:@\[]+ : (?! \d* (?: [/?\#\s'"`] | $ ) ) [^\s@]*   # a password with an unquoted / ? or #; no port, no IPv6
    )@
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redact(text: str) -> str:
    """Remove `user:password@` from every URL in a text.

    A user without a password goes too, as it may be a token; over ssh it stays, as there it is
    the account's name (`git@`) and no secret.
    """
    return _USER_PART.sub(_without_credentials, text)


def _without_credentials(url: re.Match[str]) -> str:
    account = url["user"].partition(":")[0]
    keeps_account = account and url["scheme"].lower().endswith("ssh://")
    return f"{url['scheme']}{account}@" if keeps_account else url["scheme"]
