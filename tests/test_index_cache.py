"""What is kept between runs, for how long, and that nothing damaged or foreign is believed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from support.index import TinyIndex
from support.repository import asking
from support.wheels import Wheel
from zlock.errors import IndexFailed
from zlock.index.cache import Cache, default_folder
from zlock.model.indexes import Index


def statuses(index: TinyIndex) -> list[tuple[str, int]]:
    """Return what was asked since the last time."""
    rows = [(request.path.rpartition("/simple")[2], request.status) for request in index.requests]
    index.requests.clear()
    return rows


@pytest.fixture
def known(index: TinyIndex, tmp_path: Path) -> TinyIndex:
    """An index that was asked once."""
    index.wheel("a", "1.0", requires=["b"])
    ask_all(index, tmp_path)
    index.requests.clear()
    return index


def ask_all(index: TinyIndex, cache: Path, **options: bool) -> str:
    with asking(cache, index.url, **options) as ask:  # type: ignore[arg-type] # the flags
        return ask.metadata("a", -1).dependencies[0].name


@pytest.mark.parametrize("control", [None, "max-age=600", "public, Max-Age=600"])
def test_within_its_age_nothing_is_asked(index: TinyIndex, tmp_path: Path, control: str | None) -> None:
    index.wheel("a", "1.0", requires=["b"])
    index.cache_control = control
    ask_all(index, tmp_path)
    assert len(statuses(index)) == 2
    ask_all(index, tmp_path)
    assert statuses(index) == []


@pytest.mark.parametrize("control", ["max-age=0", "no-cache", "no-cache, max-age=600"])
def test_after_its_age_one_request_says_that_nothing_changed(index: TinyIndex, tmp_path: Path, control: str) -> None:
    index.wheel("a", "1.0", requires=["b"])
    index.cache_control = control
    ask_all(index, tmp_path)
    index.requests.clear()
    for _ in range(2):
        assert ask_all(index, tmp_path) == "b"
        assert statuses(index) == [("/a/", 304)]


def test_a_changed_page_is_read_anew_and_its_known_files_are_not(index: TinyIndex, tmp_path: Path) -> None:
    index.cache_control = "no-cache"
    index.wheel("a", "1.0", requires=["b"])
    ask_all(index, tmp_path)
    index.wheel("a", "2.0", requires=["c"])
    index.requests.clear()
    with asking(tmp_path, index.url) as ask:
        assert [ask.metadata("a", position).dependencies[0].name for position in (0, 1)] == ["b", "c"]
    assert [status for _, status in statuses(index)] == [200, 200]


def test_refresh_asks_whatever_the_age(known: TinyIndex, tmp_path: Path) -> None:
    known.cache_control = "max-age=600"
    ask_all(known, tmp_path, refresh=True)
    assert statuses(known) == [("/a/", 304)]


def test_what_must_not_be_stored_is_not(index: TinyIndex, tmp_path: Path) -> None:
    index.cache_control = "no-store"
    index.fault("/simple/b/", 404, headers={"Cache-Control": "no-store"}, times=None)
    index.wheel("a", "1.0", requires=["b"])
    for _ in range(2):
        with asking(tmp_path, index.url) as ask:
            assert ask.page("a") is not None
            assert ask.page("b") is None
        assert statuses(index) == [("/a/", 200), ("/b/", 404)]


def test_an_index_without_validators_is_read_whole(index: TinyIndex, tmp_path: Path) -> None:
    index.etag, index.cache_control = False, "max-age=0"
    index.wheel("a", "1.0", requires=["b"])
    ask_all(index, tmp_path)
    index.requests.clear()
    ask_all(index, tmp_path)
    assert statuses(index) == [("/a/", 200)]


def test_an_age_beyond_all_measure_is_passed_over(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0", requires=["b"])
    index.cache_control = f"max-age={'9' * 400}"
    assert ask_all(index, tmp_path) == "b"
    assert ask_all(index, tmp_path) == "b"


def test_a_project_that_vanishes_and_returns_is_seen(index: TinyIndex, tmp_path: Path) -> None:
    index.cache_control = "no-cache"
    wheel = index.wheel("a", "1.0", requires=["b"])
    ask_all(index, tmp_path)
    index.remove("a")
    with asking(tmp_path, index.url) as ask:
        assert ask.page("a") is None
        assert "a" not in ask.repository.known_names()
    index.listing("a").files.append(wheel)
    assert ask_all(index, tmp_path, refresh=True) == "b"
    assert ask_all(index, tmp_path) == "b"


def test_an_absent_name_decides_for_the_next_index_only_for_as_long_as_its_own_says(
    index: TinyIndex, tmp_path: Path
) -> None:
    index.fault("/simple/a/", 404, headers={"Cache-Control": "max-age=600"})
    index.fault("/simple/b/", 404)
    with TinyIndex() as other:
        for name in ("a", "b"):
            index.wheel(name, "1.0")
            with asking(tmp_path, index.url, other.url) as ask:
                assert ask.page(name) is None
                assert ask.repository.known_names() == set()
        with asking(tmp_path, index.url, other.url) as ask:
            assert ask.page("a") is None
            assert ask.page("b") is not None
        assert [path for path, _ in statuses(other)] == ["/a/", "/b/"]
    assert [path for path, _ in statuses(index)] == ["/a/", "/b/", "/b/"]


def test_an_absent_name_counts_as_long_as_a_page_where_no_other_index_is_asked(
    index: TinyIndex, tmp_path: Path
) -> None:
    index.fault("/simple/b/", 404, headers={"Cache-Control": "no-cache"}, times=None)
    for asked in (["/a/", "/b/"], ["/b/"]):
        with asking(tmp_path, index.url) as ask:
            assert (ask.page("a"), ask.page("b")) == (None, None)
        assert [path for path, _ in statuses(index)] == asked
    index.wheel("a", "1.0")
    with asking(tmp_path, index.url, refresh=True) as ask:
        assert ask.page("a") is not None


def test_what_was_not_asked_for_is_asked_once_where_it_matters_whether_it_has_changed(
    index: TinyIndex, tmp_path: Path
) -> None:
    """That a page is not there counts, and what else was read in the run is left alone."""
    a, none = canonicalize_name("a"), canonicalize_name("none")

    def is_current(**options: bool) -> bool:
        with asking(tmp_path, index.url, **options) as ask:  # type: ignore[arg-type] # the flags
            for name in ("a", "b", "none"):
                ask.page(name)
            index.requests.clear()
            found = ask.repository.is_current([a, none])
            asked = len(index.requests)
            assert ask.repository.is_current([a, none])
            assert len(index.requests) == asked
        return found

    for name in ("a", "b"):
        index.wheel(name, "1.0")
    assert is_current()
    assert statuses(index) == []
    assert is_current()
    assert sorted(statuses(index)) == [("/a/", 304), ("/none/", 404)]
    index.wheel("a", "2.0")
    assert is_current(offline=True)
    assert statuses(index) == []
    assert not is_current()
    assert is_current()
    index.wheel("none", "1.0")
    assert not is_current()


class TestOffline:
    def test_the_cache_is_enough_whatever_its_age(self, index: TinyIndex, tmp_path: Path) -> None:
        index.cache_control = "no-cache"
        index.wheel("a", "1.0", requires=["b"])
        ask_all(index, tmp_path)
        index.requests.clear()
        assert ask_all(index, tmp_path, offline=True) == "b"
        assert statuses(index) == []

    def test_which_index_knows_a_name_is_remembered(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "1.0")
        with TinyIndex() as first:
            with asking(tmp_path, first.url, index.url) as ask:
                assert ask.page("a") is not None
            first.requests.clear()
            with asking(tmp_path, first.url, index.url, offline=True) as ask:
                page = ask.page("a")
            assert first.requests == []
        assert page is not None
        assert page.index == index.url

    def test_a_page_that_is_not_there_is_an_error(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "1.0")
        with asking(tmp_path, index.url, offline=True) as ask, pytest.raises(IndexFailed) as caught:
            ask.page("a")
        assert caught.value.message == "`a` is not in the cache, and --offline leaves the network alone"
        assert caught.value.hint == "run once without --offline"
        assert index.requests == []

    def test_metadata_and_files_that_are_not_there_are_an_error(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "1.0")
        with asking(tmp_path, index.url) as ask:
            ask.page("a")
        index.requests.clear()
        with asking(tmp_path, index.url, offline=True) as ask:
            for what in (lambda: ask.metadata("a"), lambda: ask.repository.sha256(ask.files("a")[0])):
                with pytest.raises(IndexFailed, match=r"`a-1\.0-py3-none-any\.whl` is not in the cache"):
                    what()
        assert index.requests == []

    def test_folders_are_there_anyway(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "1.0", requires=["b"])
        static = index.write_static(tmp_path / "static")
        for url in (static.url, str(static.find_links)):
            with asking(tmp_path / "cache", url, offline=True) as ask:
                assert ask.metadata("a").dependencies[0].name == "b"


@pytest.mark.parametrize("damage", [b"", b"x", b"\0" * 500, None])
def test_damaged_files_are_fetched_again(known: TinyIndex, tmp_path: Path, damage: bytes | None) -> None:
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        path.write_bytes(path.read_bytes()[:-3] if damage is None else damage)
    assert ask_all(known, tmp_path) == "b"
    assert len(statuses(known)) == 2
    assert ask_all(known, tmp_path) == "b"
    assert statuses(known) == []


def test_a_cache_that_can_not_be_written_is_no_reason_to_fail(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0", requires=["b"])
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert ask_all(index, blocked) == "b"


@pytest.mark.usefixtures("known")
def test_no_temporary_file_stays(tmp_path: Path) -> None:
    assert not list(tmp_path.rglob(".new-*"))


@pytest.mark.parametrize("etag", [True, False])
def test_files_without_a_hash_are_read_again_unless_their_server_says_they_are_the_same(
    index: TinyIndex, tmp_path: Path, *, etag: bool
) -> None:
    index.etag = etag
    wheel = index.wheel("a", "1.0", requires=["b"])
    wheel.hashes, wheel.core_metadata = {}, False
    assert ask_all(index, tmp_path) == "b"
    index.requests.clear()
    assert ask_all(index, tmp_path) == "b"
    asked = [request.method for request in index.requests if request.path.endswith(".whl")]
    assert set(asked) == ({"HEAD"} if etag else {"HEAD", "GET"})
    wheel.content = Wheel(name="a", version="1.0", requires=["c"]).content()
    assert ask_all(index, tmp_path, offline=True) == "b"
    assert ask_all(index, tmp_path) == "c"


def test_each_index_has_its_own_pages(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0")
    with TinyIndex() as other:
        other.wheel("a", "2.0")
        for one, version in ((index, "1.0"), (other, "2.0")):
            with asking(tmp_path, one.url) as ask:
                assert ask.files("a")[0].filename == f"a-{version}-py3-none-any.whl"
                assert ask.metadata("a").version == version


def test_two_runs_at_once_keep_what_both_learnt(index: TinyIndex, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        index.wheel("a", version, requires=["b"])
    with asking(tmp_path, index.url) as first, asking(tmp_path, index.url) as second:
        first.metadata("a", 0)
        second.metadata("a", 1)
    index.requests.clear()
    with asking(tmp_path, index.url) as ask:
        for position in (0, 1):
            ask.metadata("a", position)
    assert index.requests == []


_WRITER = """
import sys
from collections.abc import Callable
from pathlib import Path
from zlock.index.cache import Cache
cache, me = Cache(Path(sys.argv[1])), sys.argv[2]
for number in range(300):
    cache.write("pages", "index", "a", [me] * 5000)
    found = cache.read("pages", "index", "a")
    assert found is not None and len(found) == 5000 and len(set(found)) == 1, found
"""


def test_processes_that_share_a_cache_see_whole_values_only(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", _WRITER, tmp_path, name]) for name in "xyz"]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]


def test_keys_are_those_of_one_group(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write("pages", "one", "a", 1)
    cache.write("pages", "two", "b", 2)
    cache.write("absent", "one", "c", 3)
    assert cache.keys("pages", "one") == {"a"}
    cache.remove("pages", "one", "a")
    cache.remove("pages", "one", "a")
    assert cache.keys("pages", "one") == set()


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="their folders are others")
def test_the_folder_is_where_the_platform_keeps_caches() -> None:
    assert default_folder({"HOME": "/h"}) == Path("/h/.cache/zlock")
    assert default_folder({"HOME": "/h", "XDG_CACHE_HOME": "/x"}) == Path("/x/zlock")
    assert default_folder({"HOME": "/h", "XDG_CACHE_HOME": "/x", "ZLOCK_CACHE_DIR": "/z"}) == Path("/z")


def test_credentials_are_no_part_of_what_is_kept(index: TinyIndex, tmp_path: Path) -> None:
    index.auth = ("user", "s3cret")
    index.wheel("a", "1.0", requires=["b"])
    with asking(tmp_path, Index(url=index.url_with_credentials)) as ask:
        ask.metadata("a")
    index.requests.clear()
    with asking(tmp_path, Index(url=index.url)) as ask:
        ask.metadata("a")
    assert index.requests == []
    assert not any(b"s3cret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("read", [Cache.read, Cache.read_parts])
def test_what_is_no_file_is_no_entry(tmp_path: Path, read: Callable[[Cache, str, str, str], object]) -> None:
    cache = Cache(tmp_path)
    cache.write("kind", "group", "name", 1)
    (path,) = (path for path in tmp_path.rglob("name"))
    for target in (None, Path("/dev/zero")):
        path.unlink()
        os.mkfifo(path) if target is None else path.symlink_to(target)
        assert read(cache, "kind", "group", "name") is None
