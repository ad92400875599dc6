"""The simple repository API: pages in HTML (PEP 503) and JSON (PEP 691), with PEP 592, 658, 700, 714 and 792."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import IndexFailed
from zlock.index.listed import usable_files
from zlock.index.network import Answer
from zlock.index.readers import check_version, joined, no_page
from zlock.model.distribution import File
from zlock.model.link import shown
from zlock.model.page import Page

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.1, */*; q=0.01"
)
_PLAIN = re.compile(r"(/|(?:\.\./)*)((?:\w[\w.+~!-]*/)*\w[\w.+~!-]*)", re.ASCII)
_GZIP = b"\x1f\x8b"
_TEXT = frozenset({str})
_MAYBE_TEXT = frozenset({str, type(None)})
_TYPES = (_TEXT, _TEXT, frozenset({tuple}), _TEXT, _MAYBE_TEXT, _TEXT, frozenset({int}), _MAYBE_TEXT)
_HTML_TYPES = frozenset({"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"})


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
        data = json.loads(answer.body)
        check_version(str(data.get("meta", {}).get("api-version", "1.0")), answer)
        join = _joiner(answer.url)
        listed = tuple([file for row in data["files"] if (file := _json_file(join, row)) is not None])
        _check_types(listed)
        files, unusable = usable_files(listed, answer.url)
        status, reason = _project_status(data.get("project-status"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
        raise IndexFailed(
            f"the index returned invalid JSON for `{name}`: `{shown(answer.url)}`: {what}",
            hint="run again later, or tell the index's owner",
        ) from error
    found = data.get("name")
    if isinstance(found, str) and canonicalize_name(found) != name:
        raise IndexFailed(
            f"`{shown(answer.url)}` is the page of `{found}`, not of `{name}`", hint="tell the index's owner"
        )
    return Page.of(name, index, files, status, reason, unusable=unusable)


def _project_status(said: object) -> tuple[str, str]:
    """Return a project's status and why it has it; PEP 792 names the key `status`, its prose once said `state`."""
    if not isinstance(said, dict):
        return "active", ""
    return str(said.get("status", said.get("state", "active"))), str(said.get("reason") or "")


def _check_types(files: tuple[File, ...]) -> None:
    """Refuse values that are not what the specification says; by columns, which takes next to no time."""
    for column, types in zip(zip(*files, strict=True), _TYPES, strict=False):
        wrong = set(map(type, column)) - types
        if wrong:
            raise TypeError(f"a file has a value of the wrong type, {wrong.pop().__name__}")
    "".join([digest for file in files for _, digest in file.hashes])  # raises where one is not a string


def _json_file(join: Callable[[str], str], row: dict[str, Any]) -> File | None:
    """Return a file as a page has it; None for one whose URL or name nobody should touch."""
    url, filename = row["url"], row["filename"]
    if not url.startswith("http") or "@" in url or "[" in url or not url.isascii():
        url = join(url)
    if not url or "/" in filename or "\\" in filename:
        return None
    yanked = row.get("yanked", False)
    # PEP 714: `core-metadata` wins; the older keys are read where it is not there.
    metadata = row.get("core-metadata", row.get("dist-info-metadata", row.get("data-dist-info-metadata", False)))
    size = row.get("size")
    return File(
        filename,
        url,
        tuple(row["hashes"].items()),
        row.get("requires-python") or "",
        None if yanked is False or yanked is None else ("" if yanked is True else str(yanked)),
        row.get("upload-time") or "",
        -1 if size is None else size,
        None if not metadata else (metadata.get("sha256", "") if isinstance(metadata, dict) else ""),
    )


def _joiner(base: str) -> Callable[[str], str]:
    """Return what makes URLs absolute; joining is slow, so what plain paths count from is joined once."""
    starts: dict[str, str] = {}

    def join(url: str) -> str:
        match = _PLAIN.fullmatch(url)
        if match is None:
            return joined(base, url)
        start = match[1]
        if start not in starts:
            starts[start] = joined(base, start or ".")
        return starts[start] and starts[start] + match[2]

    return join
