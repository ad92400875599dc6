"""The simple repository API: pages in HTML (PEP 503) and JSON (PEP 691), with PEP 592, 658, 700, 714 and 792."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec import DecodeError, Struct
from msgspec.json import Decoder
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import IndexFailed
from zlock.index.listed import check_version, joined, no_page, usable_files
from zlock.index.network import Answer
from zlock.model.distribution import File
from zlock.model.json import check_values
from zlock.model.link import shown
from zlock.model.page import Page

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.1, */*; q=0.01"
)
_WEB = ("https://", "http://")
_ODD = (*":?#;@[\\ \t\r\n", "/.", "//")  # in a path that is more than names
_FILE: Callable[[Any], File] = partial(tuple.__new__, File)  # as `File._make`, whose check of the length takes longer
_HEAD = re.compile(r"/?(?:\.\.?/)*")
_GZIP = b"\x1f\x8b"
_HTML_TYPES = frozenset({"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"})


_Beside = bool | str | dict[str, str] | None
"""What a page says of metadata beside a file."""


class _Row(Struct, rename="kebab", gc=False):
    """A file as JSON has it; other keys are passed over."""

    filename: str
    url: str
    hashes: dict[str, str]
    requires_python: str | None = None
    yanked: bool | str | None = None
    upload_time: str | None = None
    size: int | None = None
    core_metadata: _Beside = None
    dist_info_metadata: _Beside = None
    data_dist_info_metadata: _Beside = None


class _Meta(Struct, frozen=True, rename="kebab"):
    api_version: str | float = "1.0"


class _Versioned(Struct):
    meta: _Meta = _Meta()


class _Status(Struct):
    """A project's status and why it has it; PEP 792 names the key `status`, its prose once said `state`."""

    status: str | None = None
    state: str = "active"
    reason: str | None = None


class _Listing(_Versioned, rename="kebab", kw_only=True):
    files: list[_Row]
    name: str | None = None
    project_status: _Status | None = None


_VERSIONED, _LISTING = Decoder(_Versioned), Decoder(_Listing)


def parse_page(name: NormalizedName, index: str, answer: Answer) -> Page:
    """Read a page by the type the server gives it, whatever was asked for.

    Raises:
        IndexFailed: It is neither a JSON nor an HTML page of this project.
    """
    if answer.body.startswith(_GZIP):
        raise IndexFailed(
            f"the page of `{name}` is compressed more often than its server says: `{shown(answer.url)}`",
            hint="tell the index's owner",
        )
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.endswith("json"):
        return _parse_json(name, index, answer)
    if kind in _HTML_TYPES or (not kind and answer.body.lstrip()[:1] == b"<"):
        from zlock.index.html import parse_html  # most indexes have no need of it

        return parse_html(name, index, answer)
    raise no_page(answer, f"content type `{kind or 'none'}`")


def _parse_json(name: NormalizedName, index: str, answer: Answer) -> Page:
    try:
        listing = _listing(answer)
        files, unusable = usable_files(_json_files(answer.url, listing.files), answer.url)
    except (ValueError, AttributeError, RecursionError) as error:
        raise IndexFailed(
            f"the index returned invalid JSON for `{name}`: `{shown(answer.url)}`: {error}",
            hint="run again later, or tell the index's owner",
        ) from error
    if listing.name is not None and canonicalize_name(listing.name) != name:
        raise IndexFailed(
            f"`{shown(answer.url)}` is the page of `{listing.name}`, not of `{name}`", hint="tell the index's owner"
        )
    said = listing.project_status or _Status()
    return Page.of(name, index, files, said.status or said.state, said.reason or "", unusable=unusable)


def _listing(answer: Answer) -> _Listing:
    check_values(answer.body)
    try:
        found = _LISTING.decode(answer.body)
    except DecodeError:  # another version may have another shape
        _check_version(_VERSIONED.decode(answer.body), answer)
        raise
    _check_version(found, answer)
    return found


def _check_version(found: _Versioned, answer: Answer) -> None:
    check_version(str(found.meta.api_version), answer)


def _json_files(base: str, rows: Sequence[_Row]) -> tuple[File, ...]:
    """Return the files as a page has them, but for those whose URL or name nobody should touch; by columns."""
    names, urls = [row.filename for row in rows], _absolute(base, [row.url for row in rows])
    yanked = [row.yanked for row in rows]
    columns = zip(
        names,
        urls,
        [tuple(row.hashes.items()) for row in rows],
        [row.requires_python or "" for row in rows],
        [None if said is None or said is False else "" if said is True else said for said in yanked],
        [row.upload_time or "" for row in rows],
        [-1 if (size := row.size) is None else size for row in rows],
        ["" if row.core_metadata is True else _metadata(row) for row in rows],
        strict=True,
    )
    files, text = tuple(map(_FILE, columns)), "".join(names)
    if all(urls) and "/" not in text and "\\" not in text:
        return files
    return tuple([file for file in files if file.url and "/" not in file.filename and "\\" not in file.filename])


def _metadata(row: _Row) -> str | None:
    """Return what a page says of metadata beside a file; PEP 714: `core-metadata` wins, older keys are read else."""
    stated = (row.core_metadata, row.dist_info_metadata, row.data_dist_info_metadata)
    said = next((one for one in stated if one is not None), None)
    return None if not said else said.get("sha256", "") if isinstance(said, dict) else ""


def _absolute(base: str, urls: Sequence[str]) -> list[str]:
    """Return absolute URLs without credentials; to join is slow, so what plain paths count from is joined once."""
    text = "\n".join(urls)
    if text.isascii() and not any(mark in text for mark in "@[") and all(url.startswith(_WEB) for url in urls):
        return list(urls)
    rests = [url.lstrip("./") for url in urls]
    heads = [url[: len(url) - len(rest)] for url, rest in zip(urls, rests, strict=True)]
    starts = {head: joined(base, head or ".") for head in set(heads)}
    paths = "/".join(rests)
    if paths.isascii() and not any(odd in paths for odd in _ODD) and all(map(_HEAD.fullmatch, starts)):
        return [starts[head] and starts[head] + rest for head, rest in zip(heads, rests, strict=True)]
    return [
        url if url.startswith(_WEB) and url.isascii() and "@" not in url and "[" not in url else joined(base, url)
        for url in urls
    ]
