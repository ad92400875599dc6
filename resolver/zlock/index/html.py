"""Pages in HTML (PEP 503), with what PEP 592, 658, 714 and 792 add to them."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import NormalizedName

from zlock.errors import IndexFailed
from zlock.index.auth import split_login
from zlock.index.listed import begin_of, check_version, joined, no_page, usable_files
from zlock.index.network import Answer
from zlock.model.distribution import File
from zlock.model.link import shown
from zlock.model.page import Page

_ENDINGS = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
_APPLICATION_TAGS = frozenset({"form", "input", "script"})
# What indexes and file servers write on the page of a project, with files or without (PEP 503, PEP 629).
_LISTING_SIGNS = (b"pypi:repository-version", b"pypi:project-status", b"links for ", b"simple index", b"index of ")


class _Anchors(HTMLParser):
    """Collects anchors, leniently: unclosed tags and a missing doctype are common."""

    def __init__(self) -> None:
        super().__init__()
        self.base: str | None = None
        self.meta: dict[str, str] = {}
        self.anchors: list[dict[str, str | None]] = []
        self.is_application = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a page of the simple API is made of."""
        values = dict(attrs)
        if tag == "base" and self.base is None:
            self.base = values.get("href")
        elif tag == "meta" and values.get("name"):
            self.meta[str(values["name"])] = values.get("content") or ""
        elif tag == "a" and values.get("href"):
            self.anchors.append(values)
        elif tag in _APPLICATION_TAGS:
            self.is_application = True


def parse_html(name: NormalizedName, index: str, answer: Answer) -> Page:
    """Read a page; see `parse_page`."""
    parser = _Anchors()
    try:
        parser.feed(answer.body.decode("utf-8", "replace"))
    except (AssertionError, ValueError) as error:  # what the standard library has for markup that is none
        raise no_page(answer, f"invalid HTML: {error}") from error
    check_version(parser.meta.get("pypi:repository-version", "1.0"), answer)
    base = (joined(answer.url, parser.base) if parser.base else "") or answer.url
    listed = tuple([file for values in parser.anchors if (file := _html_file(base, values)) is not None])
    files, unusable = usable_files(listed, answer.url)
    if not listed and parser.is_application:
        raise IndexFailed(
            f"`{shown(answer.url)}` is a page for people without any file on it: a login page, it seems",
            context=[begin_of(answer)],
            hint="give the index credentials: in its URL, netrc, the keyring or the environment; or correct its URL",
        )
    if not parser.anchors and not _is_listing(answer.body):
        raise no_page(answer, "HTML without a link")
    status, reason = parser.meta.get("pypi:project-status", "active"), parser.meta.get("pypi:project-status-reason", "")
    return Page.of(name, index, files, status, reason, unusable=unusable)


def _is_listing(body: bytes) -> bool:
    """Return whether a page without a link says that it lists a project, which has no files then."""
    text = body.lower()
    return any(sign in text for sign in _LISTING_SIGNS)


def _html_file(base: str, values: dict[str, str | None]) -> File | None:
    try:
        url = urljoin(base, values["href"])
        bare, _ = split_login(url.partition("#")[0])
        parts = urlsplit(url)
    except ValueError:  # such as an unclosed IPv6 bracket
        return None
    # Decoded once: what is still encoded after that is part of the name.
    filename = unquote(parts.path.rpartition("/")[2])
    if not filename.endswith(_ENDINGS) or "/" in filename or "\\" in filename:
        return None
    algorithm, _, digest = parts.fragment.partition("&")[0].partition("=")
    hashes = ((algorithm, digest),) if digest and algorithm.startswith(("sha", "md5", "blake")) else ()
    # PEP 714: an attribute without a value, or `true`, says that there is metadata but not its hash.
    said = values.get("data-core-metadata", values.get("data-dist-info-metadata", "false")) or ""
    metadata = None if said == "false" else said.removeprefix("sha256=") if said.startswith("sha256=") else ""
    yanked = values["data-yanked"] or "" if "data-yanked" in values else None
    requires_python = values.get("data-requires-python") or ""
    return File(filename, bare, hashes, requires_python, yanked, "", -1, metadata)
