"""The simple repository API: pages in HTML (PEP 503) and JSON (PEP 691), with PEP 592, 658, 700, 714 and 792."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
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
_WEB = ("https://", "http://")
_ODD = (*":?#;@[\\ \t\r\n", "/.", "//")  # in a path that is more than names
_FILE: Callable[[Any], File] = partial(tuple.__new__, File)  # as `File._make`, whose check of the length takes longer
_HEAD = re.compile(r"/?(?:\.\.?/)*")
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
        listed = _json_files(answer.url, data["files"])
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


def _json_files(base: str, rows: Sequence[dict[str, Any]]) -> tuple[File, ...]:
    """Return the files as a page has them, but for those whose URL or name nobody should touch; by columns too."""
    names, urls = [row["filename"] for row in rows], _absolute(base, [row["url"] for row in rows])
    yanked = [row.get("yanked") for row in rows]
    columns = zip(
        names,
        urls,
        [tuple(row["hashes"].items()) for row in rows],
        [row.get("requires-python") or "" for row in rows],
        [None if said is None or said is False else "" if said is True else str(said) for said in yanked],
        [row.get("upload-time") or "" for row in rows],
        [-1 if (size := row.get("size")) is None else size for row in rows],
        ["" if row.get("core-metadata") is True else _metadata(row) for row in rows],
        strict=True,
    )
    files, text = tuple(map(_FILE, columns)), "".join(names)
    if all(urls) and "/" not in text and "\\" not in text:
        return files
    return tuple([file for file in files if file.url and "/" not in file.filename and "\\" not in file.filename])


def _metadata(row: dict[str, Any]) -> str | None:
    """Return what a page says of metadata beside a file; PEP 714: `core-metadata` wins, older keys are read else."""
    said = row.get("core-metadata", row.get("dist-info-metadata", row.get("data-dist-info-metadata", False)))
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
