"""Credentials are removed from whatever is shown, logged or recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping

_USER_PART = re.compile(
    r"""
    (?P<ssh>ssh)? ://
    (?P<user>
        [^\s/?\#]*                                              # as RFC 3986 has it, up to the last @
      | [^\s/:@\[]+ : (?! \d* (?: [/?\#\s'"`] | $ ) )         # a password with an unquoted / ? or #; no port, no IPv6
        [^\s@]{0,4096}+                                        # with an end, as a text can hold many of its beginnings
    )@
    """,
    re.VERBOSE | re.IGNORECASE,
)

_BARE_LOGIN = r"(?:(?<![\w/])|(?<=^//)|(?<=[\s='\"]//))(?!mailto:)[\w.%+~-]+:[^\s/@]+@(?!sha\d+:)[\w\[]"

_SECRET_PARAMETER = re.compile(
    r"token(?!iz)|secret|passw|pwd|api_?key|^key$|auth(?!or|source|mechanism)|credential|^sig$|signature|jwt",
    re.IGNORECASE,
)

_PARAMETER = re.compile(r"(?<=[?&])([^\s=&#]{1,100})=([^\s&#'\"`]+)")
_QUERY = re.compile(r"://[^\s?#'\"`]*(\?[^\s#'\"`]*)")
_SHORTEST_SECRET = 4  # characters; what is shorter would be found in any text
_SECRET_VARIABLE = rf"(?i)^(?!(?:OLD)?PWD$)(?:.*(?:{_SECRET_PARAMETER.pattern}|(?<![a-z])key(?![a-z])))"


def redact(text: str) -> str:
    """Remove `user:password@` from every URL in a text.

    A user without a password goes too, as it may be a token; over ssh it stays, as there it is
    the account's name (`git@`) and no secret.
    """
    return _USER_PART.sub(_without_credentials, text)


def _without_credentials(url: re.Match[str]) -> str:
    account = url["user"].partition(":")[0]
    scheme = f"{url['ssh'] or ''}://"
    return f"{scheme}{account}@" if url["ssh"] and account else scheme


def holds_login(text: str) -> bool:
    """Tell whether a text holds credentials.

    That is `user:password@host`, in a URL or not, and a parameter of a URL that is named like a secret;
    `tag@sha256:`, addresses of mail and `?token=$TOKEN` are none.
    """
    parameters = (one for query in _QUERY.findall(text) for one in _PARAMETER.findall(query))
    return (
        redact(text) != text
        or re.search(_BARE_LOGIN, text) is not None
        or any(_SECRET_PARAMETER.search(name) and not value.startswith("$") for name, value in parameters)
    )


def secret_parameter(url: str) -> str | None:
    """Return the name of a parameter in a URL's query that is named like a secret; None where there is none."""
    query = url.partition("#")[0].partition("?")[2]
    names = (part.partition("=")[0] for part in query.split("&"))
    return next((name for name in names if _SECRET_PARAMETER.search(name)), None)


def redact_all(text: str, environ: Mapping[str, str]) -> str:
    """Remove what may be a secret from a text that a person will send on.

    Beside the logins in URLs these are those without a scheme, the values of parameters that are named like secrets,
    and those of environment variables that are.
    """
    named = (value for name, value in environ.items() if re.search(_SECRET_VARIABLE, name))
    for value in sorted(named, key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "****")
    text = re.sub(_BARE_LOGIN, lambda login: f"****@{login[0][-1]}", redact(text))
    return _PARAMETER.sub(lambda one: f"{one[1]}=****" if _SECRET_PARAMETER.search(one[1]) else one[0], text)
