"""What the readers of JSON and HTML pages share."""

from __future__ import annotations

from urllib.parse import urljoin

from zlock.errors import IndexFailed
from zlock.index.auth import split_login
from zlock.index.network import Answer
from zlock.model.link import shown


def no_page(answer: Answer, why: str) -> IndexFailed:
    """Make the error for what is not a page of the simple API."""
    return IndexFailed(
        f"`{shown(answer.url)}` is not a page of the simple API: {why}",
        context=[begin_of(answer)],
        hint="an index URL usually ends in `/simple/`",
    )


def begin_of(answer: Answer) -> str:
    """Say for a message how an answer begins."""
    start = answer.body[:60].decode("utf-8", "replace")
    return f"it begins: {start!r}" if start else "it is empty"


def check_version(version: str, answer: Answer) -> None:
    """Refuse a page of another major version, whose keys may mean anything (PEP 629)."""
    if version.partition(".")[0] != "1":
        raise IndexFailed(
            f"`{shown(answer.url)}` speaks version {version} of the simple API; zlock knows 1",
            hint="a newer zlock may know it",
        )


def joined(base: str, url: str) -> str:
    """Return an absolute URL without credentials and fragment; "" for what is not a URL."""
    try:
        return split_login(urljoin(base, url))[0].partition("#")[0]
    except ValueError:  # such as an unclosed bracket, or a host that turns into another one
        return ""
