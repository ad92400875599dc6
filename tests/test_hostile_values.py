"""What comes from outside, field by field: a checked value or a clean error, whatever stands there."""

from __future__ import annotations

import contextlib
import html
import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from support.hostile import disturbed, examples, near, texts
from zlock.errors import IndexFailed, InvalidInput
from zlock.image.record import read_record, write_record
from zlock.index.metadata import parse_metadata
from zlock.index.network import Answer
from zlock.index.simple import parse_page
from zlock.model.distribution import Dependency, File
from zlock.model.page import Page
from zlock.model.ports import InvalidMetadata

NAME = canonicalize_name("a")
URL = "https://index.example/simple/a/"
PAGE: dict[str, Any] = {
    "meta": {"api-version": "1.4", "_last-serial": 7},
    "name": "a",
    "versions": ["1", "2"],
    "project-status": {"status": "active", "reason": "none"},
    "files": [
        {"filename": "a-1-py3-none-any.whl", "url": "a-1-py3-none-any.whl", "hashes": {"sha256": "0" * 64}},
        {
            "filename": "a-2-py3-none-any.whl",
            "url": "https://files.example/x/a-2-py3-none-any.whl#y",
            "hashes": {"sha256": "0" * 64, "md5": "1" * 32},
            "requires-python": ">=3.9",
            "yanked": "broken",
            "upload-time": "2026-01-01T00:00:00.000000Z",
            "size": 10,
            "core-metadata": {"sha256": "2" * 64},
            "gpg-sig": False,
        },
    ],
}  # fmt: skip
METADATA = {
    "Metadata-Version": "2.4",
    "Name": "a",
    "Version": "1.0",
    "Requires-Python": ">=3.9",
    "Requires-Dist": "b[x,y]>=1.0,!=1.5; python_version >= '3.9' and extra == 'z'",
    "Requires-Dist ": "b @ https://files.example/b-1.0-py3-none-any.whl#sha256=00 ; sys_platform == 'linux'",
    "Provides-Extra": "z",
    "Dynamic": "Requires-Dist",
}
RECORD: dict[str, Any] = {
    "train": {
        "key": "0" * 64,
        "reference": "registry.example/a:b@sha256:" + "0" * 64,
        "digest": "sha256:" + "0" * 64,
        "platforms": {
            "linux/amd64": {
                "key": "0" * 64,
                "reference": "registry.example/a:b@sha256:" + "0" * 64,
                "digest": "sha256:" + "0" * 64,
                "components": {"package": {"a": "1"}, "parent": {"python": "sha256:" + "0" * 64}},
            }
        },
    }
}


def is_line(text: str) -> bool:
    """Return whether a text is one line for every reader, without characters that can't be seen."""
    return text.replace("\t", " ").isprintable() and len(text.splitlines()) < 2


def hold_file(file: File) -> None:
    """Hold a file of a page to what may be made of it: a name on the disk, a URL, a line of a requirements file."""
    assert re.fullmatch(r"[!-.0-\[\]-~]+", file.filename), "a slash, a space or worse in a name"
    assert re.fullmatch(r"[!-~]+", file.url)
    parts = urlsplit(file.url)
    assert parts.scheme == "https"
    assert "@" not in parts.netloc
    for algorithm, digest in file.hashes:
        assert re.fullmatch(r"[a-z0-9_]+", algorithm)
        assert re.fullmatch(r"[0-9a-f]{32,128}", digest)
    assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256)
    assert -1 <= file.size < 1 << 50
    assert file.metadata is None or re.fullmatch(r"([0-9a-f]{64})?", file.metadata)
    if file.upload_time:
        assert datetime.fromisoformat(file.upload_time).utcoffset() is not None
        assert is_line(file.upload_time)
    assert isinstance(file.requires_python, str)
    assert file.yanked is None or isinstance(file.yanked, str)


def hold_page(page: Page) -> None:
    assert page.name == "a"
    for position, version in enumerate(page.versions):
        assert str(Version(version)) == version
        for file in page.files(position):
            hold_file(file)
            assert Version(file.filename.removesuffix(".whl").split("-")[1]) == Version(version)
    assert all(map(is_line, (*page.strange, *page.unusable)))
    assert isinstance(page.status, str)
    assert isinstance(page.reason, str)


def read(body: str, kind: str) -> Page | None:
    answer = Answer(200, {"content-type": kind}, body.encode("utf-8", "surrogatepass"), URL)
    try:
        return parse_page(NAME, URL, answer)
    except IndexFailed:
        return None


@examples(600)
@given(disturbed(PAGE, places=3))
def test_any_value_in_a_json_page(page: Any) -> None:
    found = read(json.dumps(page), "application/vnd.pypi.simple.v1+json")
    if found is not None:
        hold_page(found)


@examples(300)
@given(disturbed(PAGE["files"][1]))
def test_a_file_that_is_right_is_there_whatever_its_neighbour_is(row: Any) -> None:
    """A value of the wrong type ends the reading of the page; a wrong text only that file's."""
    found = read(json.dumps({**PAGE, "files": [PAGE["files"][0], row]}), "application/vnd.pypi.simple.v1+json")
    assert found is None or "1" in found.versions


@examples(500)
@given(st.sampled_from(["href", "text", "data-requires-python", "data-yanked", "data-core-metadata", "rel"]), st.data())
def test_any_value_in_an_attribute_of_an_html_page(name: str, data: st.DataObject) -> None:
    right = {
        "href": "https://files.example/a-1-py3-none-any.whl#sha256=" + "0" * 64,
        "text": "a-1-py3-none-any.whl",
        "data-requires-python": ">=3.9",
        "data-yanked": "broken",
        "data-core-metadata": "sha256=" + "0" * 64,
        "rel": "internal",
    }
    text = right.pop("text")
    value = data.draw(near(right.get(name, text)))
    attributes = " ".join(f'{key}="{html.escape(value if key == name else kept)}"' for key, kept in right.items())
    body = f'<html><body><a href="a-2-py3-none-any.whl">a</a><a {attributes}>{html.escape(value)}</a></body></html>'
    found = read(body, "text/html")
    assert found is not None
    assert "2" in found.versions
    hold_page(found)


@examples(300)
@given(st.integers(0, 300), texts(), st.sampled_from(["text/html", "application/vnd.pypi.simple.v1+json", ""]))
def test_anything_in_the_midst_of_a_page(begin: int, text: str, kind: str) -> None:
    meta = '<meta name="pypi:repository-version" content="1.0"><base href="https://files.example/">'
    bodies = {"application/vnd.pypi.simple.v1+json": json.dumps(PAGE)}
    body = bodies.get(kind, f'<!DOCTYPE html><head>{meta}</head><a href="a-1-py3-none-any.whl#sha256={"0" * 64}">a</a>')
    found = read(body[:begin] + text + body[begin:], kind)
    if found is not None:
        hold_page(found)


def hold_dependency(one: Dependency) -> None:
    """Hold what a release requires to be one requirement, that reads as it was read."""
    text = str(one)
    assert is_line(text)
    again = Requirement(text)
    assert canonicalize_name(again.name) == one.name
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", one.name)
    assert {canonicalize_name(extra) for extra in again.extras} == set(one.extras)
    assert str(again.specifier) == one.specifier
    assert (again.url or "") == one.url
    assert "secret" not in one.url


@st.composite
def headers(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(METADATA)))
    value = draw(near(METADATA[name]))
    lines = [f"{key.strip()}: {value if key == name else kept}" for key, kept in METADATA.items()]
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), draw(texts()))
    return "\n".join(lines) + "\n\nAbout it.\n"


@examples(600)
@given(headers())
def test_any_value_in_core_metadata(text: str) -> None:
    try:
        found = parse_metadata(text)
    except InvalidMetadata:
        return
    assert str(Version(found.version)) == found.version
    SpecifierSet(found.requires_python)
    assert is_line(found.requires_python)
    for one in found.dependencies:
        hold_dependency(one)


@examples(300)
@given(disturbed(RECORD, places=2))
def test_any_value_in_the_record_of_images(tmp_path_factory: Any, record: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "record" / "images.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    with contextlib.suppress(InvalidInput):
        write_record(path, {}, ["train"], missing=["train"])
        assert read_record(path).keys() <= {"train"}
    assert [each.name for each in path.parent.iterdir()] == ["images.json"]
