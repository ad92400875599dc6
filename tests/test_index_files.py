"""Metadata and files: beside the file, by ranges, whole; what contradicts itself is never believed."""

from __future__ import annotations

import hashlib
import io
import random
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from support.index import TinyIndex
from support.pages import File
from support.protocol import Ranges
from support.repository import asking
from support.wheels import Wheel, metadata_text
from zlock.errors import IndexFailed
from zlock.index.archives import sdist_metadata, wheel_metadata
from zlock.index.metadata import parse_metadata
from zlock.model.distribution import Metadata
from zlock.model.indexes import Index, Toolchain
from zlock.model.ports import InvalidMetadata

_GZIP = b"\x1f\x8b"
_PADDING = {"a/data.bin": bytes(range(256)) * 1600}  # larger than what is fetched at once


def big_wheel(index: TinyIndex) -> File:
    """List a wheel whose metadata is best read by ranges."""
    wheel = index.wheel("a", "1.0", requires=["b>=2"], files=_PADDING, deflate=False)
    wheel.core_metadata = False
    return wheel


def asked(index: TinyIndex) -> list[tuple[str, int]]:
    """Return what was asked beside pages: the range or the kind of file, and the status."""
    rows = [request for request in index.requests if request.path.startswith("/files/")]
    return [
        ("beside" if row.path.endswith(".metadata") else row.headers.get("range", "whole"), row.status) for row in rows
    ]


def metadata(index: TinyIndex, cache: Path) -> Metadata:
    with asking(cache, index.url) as ask:
        return ask.metadata("a")


def test_metadata_beside_the_file_is_enough(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0", requires=["b>=2"], extras={"X_y": ["c"]}, requires_python=">=3.9")
    found = metadata(index, tmp_path)
    assert (found.name, found.version, found.requires_python, found.extras) == ("a", "1.0", ">=3.9", ("x-y",))
    assert [str(one) for one in found.dependencies] == ["b>=2", 'c ; extra == "x-y"']
    assert asked(index) == [("beside", 200)]


def test_metadata_that_is_advertised_and_missing_is_read_from_the_wheel(index: TinyIndex, tmp_path: Path) -> None:
    wheel = index.wheel("a", "1.0", requires=["b>=2"])
    wheel.core_metadata = "missing"
    assert metadata(index, tmp_path).dependencies[0].name == "b"
    assert [kind for kind, _ in asked(index)] == ["beside", "bytes=-65536"]


def test_metadata_with_the_wrong_hash_stops(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0").core_metadata = "wrong-hash"
    with pytest.raises(IndexFailed) as caught:
        metadata(index, tmp_path)
    assert "the metadata beside `a-1.0-py3-none-any.whl` has the wrong hash" in caught.value.message
    assert len(caught.value.context) == 2
    assert asked(index) == [("beside", 200)]


def test_metadata_without_a_hash_is_used(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("a", "1.0", requires=["b"]).core_metadata = "no-hash"
    assert metadata(index, tmp_path).dependencies[0].name == "b"
    assert asked(index) == [("beside", 200)]


@pytest.mark.parametrize("status", [401, 403, 410, 500])
def test_metadata_that_is_refused_is_no_missing_metadata(index: TinyIndex, tmp_path: Path, status: int) -> None:
    index.wheel("a", "1.0")
    index.fault("*.metadata", status, times=None, headers={"Retry-After": "0"})
    with pytest.raises(IndexFailed, match=str(status)):
        metadata(index, tmp_path)


def test_metadata_beside_that_differs_from_the_wheel_is_found_when_the_wheel_is_read(
    index: TinyIndex, tmp_path: Path
) -> None:
    wheel = index.wheel("a", "1.0")
    wheel.core_metadata, wheel.hashes = "different", {}
    with asking(tmp_path, index.url) as ask:
        assert ask.metadata("a").dependencies[0].name == "only-in-the-sidecar"
        with pytest.raises(IndexFailed, match="is not that inside it"):
            ask.repository.sha256(ask.files("a")[0])


def test_a_large_wheel_is_read_by_ranges(index: TinyIndex, tmp_path: Path) -> None:
    wheel = big_wheel(index)
    assert metadata(index, tmp_path).dependencies[0].name == "b"
    assert asked(index) == [("bytes=-65536", 206)]
    assert len(wheel.content) > 400_000


def test_metadata_at_the_begin_of_a_wheel_is_read_by_a_second_range(index: TinyIndex, tmp_path: Path) -> None:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("a-1.0.dist-info/METADATA", metadata_text("a", "1.0", requires=["b"]))
        archive.writestr("a/data.bin", _PADDING["a/data.bin"])
    path = tmp_path / "a-1.0-py3-none-any.whl"
    path.write_bytes(buffer.getvalue())
    index.add(path, core_metadata=False)
    assert metadata(index, tmp_path).dependencies[0].name == "b"
    assert [status for _, status in asked(index)] == [206, 206]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (False, [("bytes=-65536", 200)]),
        ("ignored", [("bytes=-65536", 200)]),
        ("wrong", [("bytes=-65536", 206), ("whole", 200)]),
        ("no-negative", [("bytes=-65536", 416), ("bytes={start}-{end}", 206)]),
    ],
)
def test_a_server_without_right_ranges_costs_requests_not_the_answer(
    index: TinyIndex, tmp_path: Path, ranges: Ranges, expected: list[tuple[str, int]]
) -> None:
    size = len(big_wheel(index).content)
    index.ranges = ranges
    assert metadata(index, tmp_path).dependencies[0].name == "b"
    assert asked(index) == [(kind.format(start=size - 65536, end=size - 1), status) for kind, status in expected]


def test_a_server_that_lies_about_its_ranges_is_asked_for_the_whole_file(index: TinyIndex, tmp_path: Path) -> None:
    big_wheel(index)
    index.ranges = "lying"
    assert metadata(index, tmp_path).dependencies[0].name == "b"
    assert asked(index)[-1] == ("whole", 200)


@pytest.mark.parametrize("ranges", [False, "wrong", "lying", "too-much"])
def test_a_whole_wheel_with_the_wrong_hash_is_never_read(index: TinyIndex, tmp_path: Path, ranges: Ranges) -> None:
    wheel = big_wheel(index)
    index.ranges, wheel.hashes = ranges, {"sha256": "0" * 64}
    with pytest.raises(IndexFailed) as caught:
        metadata(index, tmp_path)
    assert caught.value.message.startswith("`a-1.0-py3-none-any.whl` has the wrong hash: `http://127.0.0.1")
    assert caught.value.context == (f"the index says sha256 {'0' * 64}", f"it has         sha256 {wheel.sha256}")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_wheel_of_another_size_than_listed_stops(index: TinyIndex, tmp_path: Path, ranges: Ranges) -> None:
    wheel = big_wheel(index)
    index.ranges, wheel.size = ranges, 5
    with pytest.raises(IndexFailed, match=rf"has {len(wheel.content)} bytes, its index says 5"):
        metadata(index, tmp_path)


def test_a_wheel_cut_off_while_its_ranges_are_read_is_asked_for_again(index: TinyIndex, tmp_path: Path) -> None:
    big_wheel(index)
    index.fault("*.whl", "truncate")
    assert metadata(index, tmp_path).dependencies[0].name == "b"
    assert len(asked(index)) == 2


def test_a_file_that_is_gone_is_named(index: TinyIndex, tmp_path: Path) -> None:
    wheel = big_wheel(index)
    index.fault("*.whl", 404, times=None)
    with pytest.raises(IndexFailed) as caught:
        metadata(index, tmp_path)
    assert caught.value.message == f"`{index.root}/{wheel.location}` answered 404"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (metadata_text("other", "1.0"), "`a-1.0-py3-none-any.whl` says in its metadata that it is `other`"),
        (metadata_text("a", "1.0+cpu"), "`a-1.0-py3-none-any.whl` says in its metadata that it is version 1.0+cpu"),
        (metadata_text("a", "one"), "its metadata is invalid: "),
        (metadata_text("a", "1.0", requires=["b>=3."]), "its metadata requires `b>=3.`, which is not a requirement"),
        (
            metadata_text("a", "1.0", requires=["b ; os_name == "]),
            "its metadata requires `b ; os_name ==`, which is not a requirement",
        ),
        (metadata_text("a", "1.0", requires=['b ; os_name ~= "x"']), "its metadata requires `b ; os_name ~= "),
        ("", "its metadata has no name or no version"),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_broken_metadata_is_a_verdict_on_one_file(
    index: TinyIndex, tmp_path: Path, text: str, reason: str, beside: bool
) -> None:
    index.wheel("a", "1.0", metadata=text).core_metadata = beside
    for _ in ("asked", "from the cache"):
        with pytest.raises(InvalidMetadata) as caught:
            metadata(index, tmp_path)
        assert reason.strip() in caught.value.reason
    assert len(asked(index)) == 1


def test_a_wheel_that_is_no_archive_is_a_verdict_after_reading_it_whole(index: TinyIndex, tmp_path: Path) -> None:
    wheel = big_wheel(index)
    wheel.content = b"no zip" * 20_000
    wheel.hashes, wheel.size = {"sha256": wheel.sha256}, None
    with pytest.raises(InvalidMetadata, match="is not a readable wheel"):
        metadata(index, tmp_path)


def zip_of(*entries: tuple[str, str]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings(action="ignore"):
        for name, text in entries:
            archive.writestr(name, text)
    return buffer


def test_a_wheel_with_two_metadata_files_is_refused() -> None:
    name = "a-1.0.dist-info/METADATA"
    for entries in ([(name, "x"), (name, "y")], [(name, "x"), ("b-1.0.dist-info/METADATA", "y")], []):
        with pytest.raises(InvalidMetadata, match=f"holds {len(entries)} METADATA files, not one"):
            wheel_metadata(zip_of(*entries), "a-1.0-py3-none-any.whl")


def test_a_wheel_with_the_metadata_folder_of_another_project_is_refused() -> None:
    with pytest.raises(InvalidMetadata, match="holds the metadata of `b`"):
        wheel_metadata(zip_of(("b-1.0.dist-info/METADATA", "x")), "a-1.0-py3-none-any.whl")


@pytest.mark.parametrize("position", ["name", "content"])
def test_a_wheel_whose_parts_disagree_is_refused(position: str) -> None:
    data = zip_of(("a-1.0.dist-info/METADATA", "Name: a")).getvalue()
    old, new = (b"METADATA", b"METADAT!") if position == "name" else (b"Name: a", b"Name: b")
    with pytest.raises(InvalidMetadata, match="is not a readable wheel"):
        wheel_metadata(io.BytesIO(data.replace(old, new, 1)), "a-1.0-py3-none-any.whl")


def test_every_cut_and_every_flipped_byte_of_a_wheel_is_a_verdict() -> None:
    data = Wheel(name="a", version="1.0").content()
    damaged = [data[:end] for end in range(0, len(data), 7)]
    damaged += [data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :] for at in range(0, len(data), 3)]
    for one in damaged:
        try:
            text = wheel_metadata(io.BytesIO(one), "a-1.0-py3-none-any.whl")
        except InvalidMetadata:
            continue
        assert "Name: a" in text


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_every_cut_and_every_flipped_byte_of_an_sdist_is_a_verdict(index: TinyIndex, form: Any) -> None:
    data = index.sdist("a", "1.0", form=form).content
    damaged = [data[:end] for end in range(0, len(data), 31)]
    damaged += [data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :] for at in range(0, len(data), 17)]
    for one in damaged:
        try:
            sdist_metadata(io.BytesIO(one), f"a-1.0.{form}")
        except InvalidMetadata:
            continue


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_static_sdists_need_no_build(index: TinyIndex, tmp_path: Path, form: Any) -> None:
    index.sdist("a", "1.0", requires=["b"], form=form)
    assert metadata(index, tmp_path).dependencies[0].name == "b"
    assert asked(index) == [("whole", 200)]


class Building:
    """Stands in for the backend of an sdist that requires another package on each Python."""

    def __init__(self, toolchain: Toolchain, *, runs_on: str = "") -> None:
        self._runs_on = runs_on or toolchain.python

    def runs_on(self) -> str:
        """Return the Python that it is, or that stands in for it."""
        return self._runs_on

    def build_archive(self, archive: BinaryIO, filename: str) -> Metadata:
        """Return metadata that tells which Python it was built on."""
        assert archive.read(2) == _GZIP, filename
        return parse_metadata(metadata_text("a", "1.0", requires=[f"for-{self._runs_on.replace('.', '-')}"]))

    def requirements_of_archive(self, archive: BinaryIO, filename: str) -> list[str]:
        """Return a build requirement that tells as much."""
        assert archive.read(2) == _GZIP, filename
        return [f"build-{self._runs_on.replace('.', '-')}"]


def test_an_sdist_is_on_the_disk_and_never_in_memory_as_a_whole(index: TinyIndex, tmp_path: Path) -> None:
    """Those of Spark have 400 MB."""
    parts = {f"part{number}": random.Random(number).randbytes(1 << 20) for number in range(24)}
    size = len(index.sdist("a", "1.0", static=False, files=parts).content)
    with asking(tmp_path, index.url, builder=Building) as ask:
        (file,) = ask.files("a")
        tracemalloc.start()
        try:
            assert ask.metadata("a").dependencies[0].name.startswith("for-")
            assert ask.repository.sha256(file)[1] == size
            assert tracemalloc.get_traced_memory()[1] < size / 3
        finally:
            tracemalloc.stop()


def test_what_an_sdist_was_built_to_is_kept_for_each_python(index: TinyIndex, tmp_path: Path) -> None:
    index.sdist("a", "1.0", static=False)

    def built(python: str, **options: Any) -> tuple[str, list[str]]:
        with asking(tmp_path, index.url, python=python, builder=Building, **options) as ask:
            (file,) = ask.files("a")
            stated = ask.repository.build_requirements(index.url, file, Toolchain(python, Index(url=index.url)))
            return ask.metadata("a").dependencies[0].name, stated

    for options in ({}, {"offline": True}):
        assert built("3.11", **options) == ("for-3-11", ["build-3-11"])
        assert built("3.12", **options) == ("for-3-12", ["build-3-12"])
    assert len(asked(index)) == 4  # once for each Python, for the one and the other question


def test_what_was_built_on_a_python_that_stood_in_is_built_again_on_the_right_one(
    index: TinyIndex, tmp_path: Path
) -> None:
    index.sdist("a", "1.0", static=False)

    def built(runs_on: str, *, offline: bool = False) -> str:
        def building(toolchain: Toolchain) -> Building:
            return Building(toolchain, runs_on=runs_on)

        with asking(tmp_path, index.url, python="3.13", builder=building, offline=offline) as ask:
            return ask.metadata("a").dependencies[0].name

    assert built("3.11") == "for-3-11"
    assert built("3.11", offline=True) == "for-3-11"
    assert built("3.13") == "for-3-13"
    assert built("3.13", offline=True) == "for-3-13"


def test_what_was_built_with_tools_of_one_index_is_built_again_with_those_of_another(
    index: TinyIndex, tmp_path: Path
) -> None:
    """Steps may ask different indexes last, and that is where their builds take their tools from."""
    index.sdist("a", "1.0", static=False)

    def built(*indexes: str) -> str:
        def building(toolchain: Toolchain) -> Building:
            return Building(toolchain, runs_on=f"3.{indexes.index(toolchain.default_index.url)}")

        with asking(tmp_path, *indexes, builder=building) as ask:
            return ask.metadata("a").dependencies[0].name

    assert built(index.url) == "for-3-0"
    with TinyIndex() as other:
        assert built(index.url, other.url) == "for-3-1"


def test_an_sdist_of_another_version_than_its_name_says_is_refused(index: TinyIndex, tmp_path: Path) -> None:
    path = tmp_path / "a-2.9.48.tar.gz"
    path.write_bytes(index.sdist("a", "2.9.28").content)
    index.remove("a")
    index.add(path)
    with pytest.raises(InvalidMetadata, match=r"says in its metadata that it is version 2\.9\.28"):
        metadata(index, tmp_path)


def test_an_sdist_whose_server_calls_its_own_compression_an_encoding_is_taken_as_it_is(tmp_path: Path) -> None:
    from support.serve import Call, LoopbackServer, Reply
    from support.wheels import Sdist

    content = Sdist(name="a", version="1.0", requires=["b"]).content()
    page = f'<a href="/a-1.0.tar.gz#sha256={hashlib.sha256(content).hexdigest()}">a</a>'.encode()

    def answer(call: Call) -> Reply:
        if call.path.endswith(".gz"):
            return Reply(body=content, headers={"Content-Encoding": "gzip", "Content-Type": "application/x-tar"})
        return Reply(body=page, headers={"Content-Type": "text/html"})

    with LoopbackServer(answer) as server, asking(tmp_path, f"{server.root}/simple/") as ask:
        assert ask.metadata("a").dependencies[0].name == "b"


class TestHashing:
    """The sha256 of files whose index gives none: read, checked, counted."""

    @pytest.mark.parametrize("hashes", [None, "md5", "sha1", "sha512"])
    def test_a_file_is_hashed_and_held_against_what_is_known(
        self, index: TinyIndex, tmp_path: Path, hashes: str | None, wheelhouse: Path
    ) -> None:
        path = Wheel(name="a", version="1.0").save(wheelhouse)
        index.add(path, hashes=hashes)
        with asking(tmp_path, index.url) as ask:
            found = ask.repository.sha256(ask.files("a")[0])
        assert found == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)

    @pytest.mark.parametrize("hashes", [{"md5": "0" * 32}, {"sha512": "0" * 128}, {"blake2b": "0" * 128}])
    def test_another_hash_than_listed_stops(
        self, index: TinyIndex, tmp_path: Path, hashes: dict[str, str], wheelhouse: Path
    ) -> None:
        index.add(Wheel(name="a", version="1.0").save(wheelhouse), hashes=hashes)
        with asking(tmp_path, index.url) as ask, pytest.raises(IndexFailed, match="has the wrong hash"):
            ask.repository.sha256(ask.files("a")[0])

    def test_a_hash_of_no_known_algorithm_says_nothing(
        self, index: TinyIndex, tmp_path: Path, wheelhouse: Path
    ) -> None:
        index.add(Wheel(name="a", version="1.0").save(wheelhouse), hashes={"shake_128": "00", "crc": "00"})
        with asking(tmp_path, index.url) as ask:
            assert ask.repository.sha256(ask.files("a")[0])

    def test_a_local_file_is_held_against_its_page_too(self, index: TinyIndex, tmp_path: Path) -> None:
        wheel = index.wheel("a", "1.0")
        wheel.hashes = {"md5": hashlib.md5(wheel.content).hexdigest()}
        static = index.write_static(tmp_path / "static")
        (tmp_path / "static" / wheel.location).write_bytes(wheel.content + b"x")
        with asking(tmp_path, static.url) as ask, pytest.raises(IndexFailed, match="has the wrong hash"):
            ask.repository.sha256(ask.files("a")[0])

    def test_a_file_of_another_size_than_listed_stops(self, index: TinyIndex, tmp_path: Path) -> None:
        wheel = index.wheel("a", "1.0")
        wheel.hashes, wheel.size = {}, 7
        with asking(tmp_path, index.url) as ask, pytest.raises(IndexFailed, match="its index says 7"):
            ask.repository.sha256(ask.files("a")[0])


def test_markers_that_can_be_compared_stay_as_they_are() -> None:
    text = metadata_text("a", "1.0", requires=['b ; python_version ~= "3.8"', 'c ; os_name > "x"'])
    assert [one.marker for one in parse_metadata(text).dependencies] == ['python_version ~= "3.8"', 'os_name > "x"']
