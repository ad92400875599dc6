"""The simple repository API: pages in HTML (PEP 503) and JSON (PEP 691), with PEP 592, 658, 700, 714 and 792."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import IndexFailed
from zlock.index.auth import split_login
from zlock.index.client import Answer, show
from zlock.model.distribution import File, Page

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.1, */*; q=0.01"
)
_HTML_TYPES = frozenset({"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"})


def parse_page(name: NormalizedName, index: str, answer: Answer) -> Page:
    """Read a page by the type the server gives it, whatever was asked for.

    Raises:
        IndexFailed: It is neither a JSON nor an HTML page of this project.
    """
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.endswith("json"):
        return _parse_json(name, index, answer)
    if kind in _HTML_TYPES or (not kind and answer.body.lstrip()[:1] == b"<"):
        return _parse_html(name, index, answer)
    start = answer.body[:60].decode("utf-8", "replace")
    raise IndexFailed(
        f"`{show(answer.url)}` is no page of the simple API: content type `{kind or 'none'}`",
        context=[f"it begins: {start!r}"],
        hint="an index URL usually ends in `/simple/`",
    )


def _parse_json(name: NormalizedName, index: str, answer: Answer) -> Page:
    try:
        data = json.loads(answer.body)
        version = str(data.get("meta", {}).get("api-version", "1.0"))
        rows = data["files"]
        files = tuple([_json_file(answer.url, row) for row in rows])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexFailed(
            f"the index returned invalid JSON for `{name}`: `{show(answer.url)}`: {type(error).__name__}: {error}"
        ) from error
    if version.split(".", maxsplit=1)[0] != "1":
        raise IndexFailed(f"`{show(answer.url)}` speaks version {version} of the simple API; zlock knows 1")
    _check_name(name, data.get("name"), answer)
    status = data.get("project-status")
    if isinstance(status, dict):
        # PEP 792 names the key `status`; its prose once said `state`.
        return Page(
            name, index, files, str(status.get("status", status.get("state", "active"))), status.get("reason") or ""
        )
    return Page(name, index, files)


def _check_name(name: NormalizedName, found: object, answer: Answer) -> None:
    if isinstance(found, str) and canonicalize_name(found) != name:
        raise IndexFailed(f"`{show(answer.url)}` is the page of `{found}`, not of `{name}`")


def _json_file(base: str, row: dict[str, Any]) -> File:
    url = row["url"]
    if not url.startswith("http"):
        url = urljoin(base, url)
    yanked = row.get("yanked", False)
    # PEP 714: `core-metadata` wins; the older keys are read where it is not there.
    metadata = row.get("core-metadata", row.get("dist-info-metadata", row.get("data-dist-info-metadata", False)))
    return File(
        row["filename"],
        url,
        tuple(row["hashes"].items()),
        row.get("requires-python") or "",
        None if yanked is False or yanked is None else ("" if yanked is True else str(yanked)),
        row.get("upload-time") or "",
        row.get("size", -1) if row.get("size") is not None else -1,
        None if not metadata else (metadata.get("sha256", "") if isinstance(metadata, dict) else ""),
    )


class _Anchors(HTMLParser):
    """Collects anchors, leniently: unclosed tags and a missing doctype are common."""

    def __init__(self) -> None:
        super().__init__()
        self.base: str | None = None
        self.meta: dict[str, str] = {}
        self.anchors: list[tuple[dict[str, str | None], list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "base" and self.base is None:
            self.base = values.get("href")
        elif tag == "meta" and values.get("name"):
            self.meta[str(values["name"])] = values.get("content") or ""
        elif tag == "a" and values.get("href"):
            self.anchors.append((values, []))

    def handle_data(self, data: str) -> None:
        if self.anchors:
            self.anchors[-1][1].append(data)


def _parse_html(name: NormalizedName, index: str, answer: Answer) -> Page:
    parser = _Anchors()
    parser.feed(answer.body.decode("utf-8", "replace"))
    version = parser.meta.get("pypi:repository-version", "1.0")
    if version.split(".")[0] != "1":
        raise IndexFailed(f"`{show(answer.url)}` speaks version {version} of the simple API; zlock knows 1")
    base = urljoin(answer.url, parser.base) if parser.base else answer.url
    files = tuple(file for values, _ in parser.anchors if (file := _html_file(base, values)) is not None)
    if not files and b"<form" in answer.body.lower():
        raise IndexFailed(
            f"`{show(answer.url)}` is a page with a form and no files: a login page, it seems",
            hint="give the index credentials: in its URL, netrc, the keyring or the environment",
        )
    return Page(
        name,
        index,
        files,
        parser.meta.get("pypi:project-status", "active"),
        parser.meta.get("pypi:project-status-reason", ""),
    )


def _html_file(base: str, values: dict[str, str | None]) -> File | None:
    try:
        url = urljoin(base, values["href"])
        parts = urlsplit(url)
    except ValueError:  # such as an unclosed IPv6 bracket
        return None
    filename = unquote(parts.path.rpartition("/")[2])
    if not filename.endswith((".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")) or "/" in filename:
        return None
    algorithm, _, digest = parts.fragment.partition("=")
    hashes = (
        ((algorithm, digest.partition("&")[0]),) if digest and algorithm.startswith(("sha", "md5", "blake")) else ()
    )
    # PEP 714: an attribute without a value, or `true`, says that there is metadata but not its hash.
    said = values.get("data-core-metadata", values.get("data-dist-info-metadata", "false")) or ""
    metadata = None if said == "false" else said.removeprefix("sha256=") if said.startswith("sha256=") else ""
    yanked = values["data-yanked"] or "" if "data-yanked" in values else None
    return File(
        filename,
        split_login(url.partition("#")[0])[0],
        hashes,
        values.get("data-requires-python") or "",
        yanked,
        "",
        -1,
        metadata,
    )
