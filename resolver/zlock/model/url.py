"""URLs of files, indexes and repositories, as what is locked may hold them: one form for pages and for locks."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# pip fills in `${NAME}` with a variable of the environment; a fragment would hide what is written behind it.
_NO_URL = re.compile(r"[\s\\#]|\$\{")


def plain_url(text: str, *schemes: str, query: bool = False) -> str:
    """Return a URL that programs read alike, wherever it is written.

    Raises:
        ValueError: It is none, or one with credentials, a fragment, or a query where that is not allowed.
    """
    if _NO_URL.search(text) or not text.isprintable():
        raise ValueError(f"{text!r} holds spaces, control characters, `#`, `\\` or `${{`, as no URL in a lock does")
    parts = urlsplit(text)
    host, _ = parts.hostname or ("" if parts.scheme != "file" else "localhost"), parts.port
    if parts.scheme not in schemes or not host or host.startswith("-"):
        raise ValueError(f"it is not a URL of {' or '.join(schemes)} with a host")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise ValueError("the URL holds credentials")
    if parts.query and not query:
        raise ValueError("the URL holds a query")
    return text
