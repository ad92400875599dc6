"""Pages of projects as indexes serve them: rightly in every form, and wrongly in every way."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from support.index import Format, TinyIndex
from support.pages import JSON_TYPE
from support.repository import asking, listed
from zlock.errors import IndexFailed, InvalidConfiguration
from zlock.index.network import Answer
from zlock.index.simple import parse_page
from zlock.model.indexes import Index
from zlock.model.page import Page

_FORMATS: tuple[Collection[Format], ...] = (["html"], ["json"])


def json_page(**more: Any) -> bytes:
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "a", "files": [], **more}).encode()


def json_file(**more: Any) -> dict[str, Any]:
    return {"filename": "a-1-py3-none-any.whl", "url": "a-1-py3-none-any.whl", "hashes": {"sha256": "0" * 64}, **more}


def failure(cache: Path, *indexes: Index | str, name: str = "a") -> IndexFailed:
    """Ask for a page, and return the error that comes of it."""
    with asking(cache, *indexes) as ask, pytest.raises(IndexFailed) as caught:
        ask.page(name)
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("formats", [("json",), ("html",), ("json", "html")])
def test_json_and_html_say_the_same(index: TinyIndex, tmp_path: Path, formats: tuple[Any, ...]) -> None:
    wheel = index.wheel("a", "1.0", requires=["b>=2"], requires_python=">=3.9")
    index.wheel("a", "2.0").yanked = "it is broken"
    index.wheel("a", "3.0").yanked = True
    index.formats = formats
    with asking(tmp_path, index.url) as ask:
        first, second, third = ask.files("a")
        metadata = ask.metadata("a")
    assert first.filename == "a-1.0-py3-none-any.whl"
    assert first.url == f"{index.root}/{wheel.location}"
    assert first.hashes == (("sha256", wheel.sha256),)
    assert first.requires_python == ">=3.9"
    assert (first.yanked, second.yanked, third.yanked) == (None, "it is broken", "")
    assert [str(one) for one in metadata.dependencies] == ["b>=2"]
    assert len(index.requests) == 2


def test_json_is_preferred_and_has_sizes_and_times(index: TinyIndex, tmp_path: Path) -> None:
    wheel = index.wheel("a", "1.0")
    wheel.upload_time = "2024-01-02T03:04:05Z"
    with asking(tmp_path, index.url) as ask:
        (file,) = ask.files("a")
    assert (file.size, file.upload_time) == (len(wheel.content), "2024-01-02T03:04:05Z")


def test_a_server_that_ignores_what_is_accepted_is_read_by_what_it_sends(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0")
    index.heed_accept = False
    with asking(tmp_path, index.url) as ask:
        assert len(ask.files("a")) == 1


def test_html_is_asked_for_where_the_accept_header_is_too_much(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0")
    index.fault("/simple/a/", 406)
    with asking(tmp_path, index.url) as ask:
        assert len(ask.files("a")) == 1
    assert index.requests[-1].headers["accept"] == "text/html"


def test_an_index_without_any_acceptable_form_fails(index: TinyIndex, tmp_path: Path) -> None:
    index.fault("/simple/a/", 406, times=None)
    error = failure(tmp_path, index.url)
    assert error.message == f"`{index.url}a/` answered 406"
    assert len(index.requests) == 2


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream"])
def test_another_content_type_is_named_with_what_the_body_begins_with(
    index: TinyIndex, tmp_path: Path, kind: str
) -> None:
    index.raw("a", b"Welcome to the proxy", kind)
    error = failure(tmp_path, index.url)
    assert error.message == f"`{index.url}a/` is not a page of the simple API: content type `{kind}`"
    assert "Welcome to the proxy" in error.context[0]


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        (b"<html><body>Please sign in</body></html>", "it begins: '<html><body>Please sign in"),
        (bytes(range(128, 200)), "it begins: "),
        (b"", "it is empty"),
    ],
)
def test_html_that_lists_nothing_is_no_page(index: TinyIndex, tmp_path: Path, body: bytes, begins: str) -> None:
    """An index that answers so does not know the name: it did not understand the question."""
    index.raw("a", body)
    error = failure(tmp_path, index.url)
    assert error.message == f"`{index.url}a/` is not a page of the simple API: HTML without a link"
    assert error.context[0].startswith(begins)


def test_after_a_redirect_the_page_that_answered_is_named(index: TinyIndex, tmp_path: Path) -> None:
    index.raw("a", b"Please sign in")
    index.redirect = "/login"
    assert failure(tmp_path, index.url).message.startswith(f"`{index.root}/login/simple/a/` is not a page")


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><head><title>Links for a</title></head><body><h1>Links for a</h1></body></html>",
        b'<html><head><meta name="pypi:repository-version" content="1.0"></head><body></body></html>',
        b"<html><title>Index of /simple/a</title></html>",
        b'<a href="../">..</a>',
    ],
)
def test_a_listing_without_files_is_a_page(index: TinyIndex, tmp_path: Path, body: bytes) -> None:
    index.raw("a", body)
    with asking(tmp_path, index.url) as ask:
        assert ask.files("a") == ()


@pytest.mark.parametrize(
    "body", [b"<form><input name=user></form>", b"<!doctype html><div id=app></div><script src=/main.js></script>"]
)
def test_a_login_page_is_no_empty_listing(index: TinyIndex, tmp_path: Path, body: bytes) -> None:
    index.raw("a", body)
    error = failure(tmp_path, index.url)
    assert "login page" in error.message
    assert error.context[0].startswith("it begins: '<")
    assert "credentials" in error.hint


def test_an_empty_listing_is_one(index: TinyIndex, tmp_path: Path) -> None:
    index.listing("a")
    for formats in _FORMATS:
        index.formats = formats
        with asking(tmp_path / "-".join(formats), index.url) as ask:
            assert ask.files("a") == ()


@pytest.mark.parametrize(
    "body",
    [
        b'{"meta": {"api-version": "1.0"}, "files": [',
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        json_page(files=None),
        json_page(files=[{"url": "a-1.tar.gz", "hashes": {}}]),
        json_page(files=["a-1.tar.gz"]),
        json_page(files=[json_file(filename=5)]),
        json_page(files=[json_file(url=None)]),
        json_page(files=[json_file(hashes=None)]),
        json_page(files=[json_file(hashes={"sha256": 5})]),
        json_page(files=[json_file(size="5")]),
        json_page(files=[json_file(**{"requires-python": [">=3"]})]),
        json_page(files=[json_file(**{"upload-time": 1700000000})]),
        json_page(files=[json_file(**{"core-metadata": {"sha256": 7}})]),
    ],
)
def test_invalid_json_is_no_unknown_package(index: TinyIndex, tmp_path: Path, body: bytes) -> None:
    index.raw("a", body, JSON_TYPE)
    error = failure(tmp_path, index.url)
    assert error.message.startswith(f"the index returned invalid JSON for `a`: `{index.url}a/`: ")
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "body", [json_page(meta={"api-version": "2.0"}), json_page(meta={"api-version": "2.0"}, files={"new": "shape"})]
)
def test_a_page_of_another_major_version_is_refused(index: TinyIndex, tmp_path: Path, body: bytes) -> None:
    index.raw("a", body, JSON_TYPE)
    assert "speaks version 2.0 of the simple API" in failure(tmp_path, index.url).message


def test_html_of_another_major_version_is_refused(index: TinyIndex, tmp_path: Path) -> None:
    index.raw("a", b'<meta name="pypi:repository-version" content="2.0">')
    assert "speaks version 2.0 of the simple API" in failure(tmp_path, index.url).message


def test_the_page_of_another_project_is_refused(index: TinyIndex, tmp_path: Path) -> None:
    index.raw("a", json_page(name="b"), JSON_TYPE)
    assert failure(tmp_path, index.url).message == f"`{index.url}a/` is the page of `b`, not of `a`"


def test_names_are_asked_for_normalized_and_may_be_spelt_otherwise_on_the_page(
    index: TinyIndex, tmp_path: Path
) -> None:
    index.raw("foo-bar", json_page(name="Foo_Bar"), JSON_TYPE)
    with asking(tmp_path, index.url) as ask:
        assert ask.page("Foo__Bar") is not None
    assert [request.path for request in index.requests] == ["/simple/foo-bar/"]


def test_compressed_pages_are_read_and_doubly_compressed_ones_named(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0")
    index.wheel("b", "1.0")
    index.compression = True
    with asking(tmp_path, index.url) as ask:
        assert len(ask.files("a")) == 1
    index.compression = "double"
    for formats in _FORMATS:
        index.formats = formats
        assert "is compressed more often than its server says" in failure(tmp_path, index.url, name="b").message


def test_sloppy_html_is_read(index: TinyIndex, tmp_path: Path) -> None:
    index.raw(
        "a",
        b"<p><a name=top>a-0.1.tar.gz</a><A HREF='x/a-1.0-py3-none-any.whl#sha256=%s' data-requires-python='&gt;=3.9'>"
        b"<a href=a-2.0.tar.gz>unclosed<a href='https://[broken/a-3.0.tar.gz'>a<a href='../'>up</a><a href=readme.txt>"
        % (b"aB" * 32),
    )
    with asking(tmp_path, index.url) as ask:
        first, second = ask.files("a")
    assert (first.url, first.hashes) == (f"{index.url}a/x/a-1.0-py3-none-any.whl", (("sha256", "ab" * 32),))
    assert first.requires_python == ">=3.9"
    assert (second.filename, second.hashes) == ("a-2.0.tar.gz", ())


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/elsewhere/", "{root}/files/"),
        ("https://files.index.example/x/y/", "https://files.index.example/files/"),
        ("//[broken", "{root}/files/"),
    ],
)
def test_links_count_from_the_base_of_the_page(index: TinyIndex, tmp_path: Path, href: str, expected: str) -> None:
    index.wheel("a", "1.0")
    index.formats = ["html"]
    index.base_href = href
    with asking(tmp_path, index.url) as ask:
        (file,) = ask.files("a")
    assert file.url.startswith(expected.format(root=index.root))


def page_of(answer_type: str, body: bytes) -> Page:
    return parse_page(
        "a",  # type: ignore[arg-type] # it is normalized
        "https://index.example/simple/",
        Answer(200, {"content-type": answer_type}, body, "https://index.example/simple/a/"),
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1/a-1-py3-none-any.whl",
        "https://index.example\N{FULLWIDTH SOLIDUS}evil.example/a-1-py3-none-any.whl",
    ],
)
def test_a_file_with_an_unusable_url_is_passed_over(url: str) -> None:
    good = json_file(filename="a-2-py3-none-any.whl")
    page = page_of(JSON_TYPE, json_page(files=[json_file(url=url), good]))
    assert [file.filename for file in listed(page)] == ["a-2-py3-none-any.whl"]


@pytest.mark.parametrize(
    "url",
    [
        "b",
        "./b",
        "../b",
        "../../x/b",
        "/b",
        "//b",
        ".b",
        "..b",
        "x/../b",
        "x//b",
        "b?c",
        "http",
        "https/b",
        "%2e/b",
    ],
)
def test_a_relative_url_counts_from_its_page(url: str) -> None:
    name = "a-1-py3-none-any.whl"
    found = listed(page_of(JSON_TYPE, json_page(files=[json_file(url=f"{url}/{name}")])))
    assert [file.url for file in found] == [urljoin("https://index.example/simple/a/", f"{url}/{name}")]


def test_times_that_no_day_has_count_as_none() -> None:
    times = ["2024-02-29T01:02:03Z", "2023-02-29T01:02:03Z", "2024-02-28T25:02:03Z", "2024-02-28 01:02:03Z"]
    files = [json_file(filename=f"a-{n}-py3-none-any.whl", **{"upload-time": time}) for n, time in enumerate(times)]
    page = page_of(JSON_TYPE, json_page(files=files))
    assert [file.upload_time for file in listed(page)] == ["2024-02-29T01:02:03Z", "", "", "2024-02-28T01:02:03Z"]


@pytest.mark.parametrize("name", ["../../a-1-py3-none-any.whl", "a-1-1/../../x-py3-none-any.whl", "..\\a-1.tar.gz"])
def test_a_file_name_that_leaves_its_folder_is_passed_over(name: str) -> None:
    assert listed(page_of(JSON_TYPE, json_page(files=[json_file(filename=name)]))) == []


@pytest.mark.parametrize(
    ("href", "names"),
    [
        ("..%2F..%2Fa-1.tar.gz", []),
        ("%2e%2e%5Ca-1.tar.gz", []),
        ("x/%252e%252e%252fa-1.tar.gz", ["%2e%2e%2fa-1.tar.gz"]),
        ("a-1%2Blocal-py3-none-any.whl", ["a-1+local-py3-none-any.whl"]),
    ],
)
def test_file_names_are_decoded_once(href: str, names: list[str]) -> None:
    page = page_of("text/html", f"<a href='{href}'>a</a>".encode())
    assert [file.filename for file in listed(page)] + list(page.strange) == names


@pytest.mark.parametrize("kind", [JSON_TYPE, "text/html"])
def test_credentials_in_links_are_dropped(kind: str) -> None:
    url = "https://user:secret@files.example/a-1-py3-none-any.whl"
    body = json_page(files=[json_file(url=url)]) if kind == JSON_TYPE else f"<a href={url}>a</a>".encode()
    assert [file.url for file in listed(page_of(kind, body))] == ["https://files.example/a-1-py3-none-any.whl"]


@pytest.mark.parametrize("formats", [("json",), ("html",)])
def test_the_status_of_a_project_is_read(index: TinyIndex, tmp_path: Path, formats: tuple[Any, ...]) -> None:
    index.wheel("a", "1.0")
    index.status("a", "archived", "use b")
    index.formats = formats
    with asking(tmp_path, index.url) as ask:
        page = ask.page("a")
    assert page is not None
    assert (page.status, page.reason, len(listed(page))) == ("archived", "use b", 1)


def test_the_older_word_for_the_status_is_read() -> None:
    assert page_of(JSON_TYPE, json_page(**{"project-status": {"state": "quarantined"}})).status == "quarantined"


def test_the_newer_key_for_metadata_wins() -> None:
    both = json_file(**{"core-metadata": {"sha256": "a" * 64}, "dist-info-metadata": False})
    older = json_file(**{"dist-info-metadata": {"sha256": "b" * 64}})
    none = json_file(**{"core-metadata": False, "dist-info-metadata": {"sha256": "b" * 64}})
    files = listed(page_of(JSON_TYPE, json_page(files=[both, older, none])))
    assert [file.metadata for file in files] == ["a" * 64, "b" * 64, None]


def test_tracks_and_alternate_locations_are_ignored(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0")
    with TinyIndex() as other:
        index.listing("a").tracks = [f"{other.url}a/"]
        with asking(tmp_path, index.url) as ask:
            assert len(ask.files("a")) == 1
        assert other.requests == []


def test_redirected_pages_have_their_links_from_where_they_are(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0")
    index.redirect = "/mirror"
    with asking(tmp_path, index.url) as ask:
        page = ask.page("a")
        assert ask.metadata("a").version == "1.0"
    assert page is not None
    assert listed(page)[0].url.startswith(f"{index.root}/mirror/files/")
    assert page.index == index.url


class TestSeveral:
    def test_the_first_index_that_knows_a_name_wins_whole(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "1.0")
        with TinyIndex() as second:
            second.wheel("a", "9.0")
            second.wheel("b", "1.0")
            with asking(tmp_path, index.url, second.url) as ask:
                assert [file.filename for file in ask.files("a")] == ["a-1.0-py3-none-any.whl"]
                page = ask.page("b")
                assert ask.page("c") is None
            assert page is not None
            assert page.index == second.url
            assert [request.path for request in second.requests] == ["/simple/b/", "/simple/c/"]

    @pytest.mark.parametrize("status", [401, 403, 500, 503, 418])
    def test_a_first_index_that_fails_is_never_passed_over(self, index: TinyIndex, tmp_path: Path, status: int) -> None:
        index.fault("/simple/a/", status, times=None, headers={"Retry-After": "0"})
        with TinyIndex() as second:
            second.wheel("a", "9.0")
            error = failure(tmp_path, Index(url=index.url, name="inner"), second.url)
            assert second.requests == []
        assert str(status) in error.message
        assert f"{index.url}a/" in error.message

    def test_an_unreachable_first_index_is_never_passed_over(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "9.0")
        with TinyIndex() as gone:
            url = gone.url
        assert "refused" in failure(tmp_path, url, index.url).message
        assert index.requests == []

    def test_an_index_that_is_there_with_no_usable_file_still_wins(self, index: TinyIndex, tmp_path: Path) -> None:
        index.listing("a")
        with TinyIndex() as second:
            second.wheel("a", "9.0")
            with asking(tmp_path, index.url, second.url) as ask:
                assert ask.files("a") == ()

    def test_explicit_indexes_serve_only_what_is_routed_to_them(self, index: TinyIndex, tmp_path: Path) -> None:
        for name in ("a", "b"):
            index.wheel(name, "1.0")
        with TinyIndex() as special:
            for name in ("a", "b"):
                special.wheel(name, "2.0")
            explicit = Index(url=special.url, name="special", explicit=True)
            with asking(tmp_path, explicit, index.url, sources={"b": "special", "c": "special"}) as ask:
                assert ask.files("a")[0].filename == "a-1.0-py3-none-any.whl"
                assert ask.files("b")[0].filename == "b-2.0-py3-none-any.whl"
                index.wheel("c", "1.0")
                assert ask.page("c") is None


class TestFolders:
    def test_a_flat_folder_is_an_index(self, tmp_path: Path, index: TinyIndex) -> None:
        index.wheel("a", "1.0", requires=["b"])
        index.sdist("a", "2.0")
        flat = index.write_static(tmp_path / "static").find_links
        with asking(tmp_path, str(flat)) as ask:
            files = ask.files("a")
            assert ask.metadata("a").dependencies[0].name == "b"
            assert ask.page("c") is None
            assert ask.repository.known_names() == {"a"}
        assert [file.filename for file in files] == ["a-1.0-py3-none-any.whl", "a-2.0.tar.gz"]
        assert all(file.sha256 and file.size > 0 for file in files)
        assert index.requests == []

    def test_a_tree_of_pages_is_an_index(self, tmp_path: Path, index: TinyIndex) -> None:
        wheel = index.wheel("a", "1.0", requires=["b"])
        url = index.write_static(tmp_path / "static with space").url
        with asking(tmp_path, url) as ask:
            assert ask.files("a")[0].sha256 == wheel.sha256
            assert ask.metadata("a").dependencies[0].name == "b"
            assert ask.page("c") is None
            assert ask.repository.known_names() == {"a"}

    def test_folders_and_servers_go_together(self, tmp_path: Path, index: TinyIndex, wheelhouse: Path) -> None:
        index.wheel("a", "1.0")
        with asking(tmp_path, str(wheelhouse), index.url) as ask:
            assert ask.page("a") is not None

    def test_a_folder_that_is_not_there_fails(self, tmp_path: Path) -> None:
        error = failure(tmp_path, (tmp_path / "missing").as_uri())
        assert error.message == f"`a` was looked for in an index folder that is not there: `{tmp_path / 'missing'}`"

    def test_a_folder_whose_files_can_not_be_read_fails(self, tmp_path: Path, wheelhouse: Path) -> None:
        (wheelhouse / "a-1.0-py3-none-any.whl").symlink_to(wheelhouse / "gone")
        error = failure(tmp_path, str(wheelhouse))
        assert error.message.startswith(f"`a` was looked for in an index folder that can't be read: `{wheelhouse}`: ")

    def test_a_listed_file_that_is_gone_fails(self, tmp_path: Path, index: TinyIndex) -> None:
        wheel = index.wheel("a", "1.0")
        static = index.write_static(tmp_path / "static")
        (tmp_path / "static" / wheel.location).unlink()
        with asking(tmp_path, static.url) as ask, pytest.raises(IndexFailed, match="can't be read"):
            ask.metadata("a")


@pytest.mark.parametrize(
    "url", ["http://[broken/simple/", "https:///simple/", "ftp://index.example/", "http://h:port/", "http://a b/"]
)
def test_an_index_without_a_usable_url_is_a_mistake_of_the_configuration(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Index.parse(url, tmp_path, "`index[0].url`")
    assert caught.value.message.startswith("`index[0].url`: expected a URL of http or https with a host")
