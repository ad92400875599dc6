"""Archives that say something else than they hold, or unpack to what no memory, disk or patience takes."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.wheels import make_wheel
from zlock.errors import InvalidInput
from zlock.image.layers.wheel import Environment, open_wheel
from zlock.index import packed
from zlock.index.archives import sdist_metadata, wheel_metadata
from zlock.index.osv import read_records
from zlock.model.ports import InvalidMetadata

LARGE = 96 << 20
LITTLE = 32 << 20
SCRIPT = "a-1.data/scripts/run"


def lying(path: Path, name: str, *, says: int = 10) -> Path:
    """Add a large file to a zip, which says that it is a small one."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b" " * LARGE)
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", LARGE), struct.pack("<I", says)))
    return path


def wheel_without(folder: Path, name: str) -> Path:
    path = make_wheel(folder, "a", "1")
    with zipfile.ZipFile(path) as archive:
        files = {one: archive.read(one) for one in archive.namelist() if one != name}
    with zipfile.ZipFile(path, "w") as archive:
        for one, data in files.items():
            archive.writestr(one, data)
    return path


def installed(path: Path) -> None:
    with open_wheel(path, Environment("/opt/venv", "3.12"), {}):
        pass


def sdist(*members: tarfile.TarInfo | tuple[str, bytes]) -> io.BytesIO:
    data = io.BytesIO()
    with gzip.GzipFile(fileobj=data, mode="wb", compresslevel=1) as packing:
        for one in members:
            info = one if isinstance(one, tarfile.TarInfo) else tarfile.TarInfo(one[0])
            content = b"" if isinstance(one, tarfile.TarInfo) else one[1]
            info.size = info.size or len(content)
            packing.write(info.tobuf(tarfile.GNU_FORMAT))
            for start in range(0, info.size, 1 << 20):
                packing.write((content or b"1" * (1 << 20))[start if content else 0 :][: info.size - start])
            packing.write(b"\0" * (-info.size % 512))
        packing.write(b"\0" * 1024)
    data.seek(0)
    return data


def header(kind: bytes, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, size
    return info


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (lambda at: lying(at / "a.zip", "a.json"), lambda path: read_records([path], set())),
        (
            lambda at: lying(wheel_without(at, "a-1.dist-info/METADATA"), "a-1.dist-info/METADATA"),
            lambda path: wheel_metadata(io.BytesIO(path.read_bytes()), path.name),
        ),
        (lambda at: lying(wheel_without(at, "a-1.dist-info/RECORD"), "a-1.dist-info/RECORD"), installed),
        (lambda at: lying(make_wheel(at, "a", "1"), SCRIPT), installed),
    ],
    ids=["records", "metadata", "RECORD", "script"],
)
def test_what_a_zip_says_to_be_small_takes_little(
    tmp_path: Path, make: Callable[[Path], Path], read: Callable[[Path], object]
) -> None:
    path = make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises((InvalidInput, InvalidMetadata), match="Bad CRC-32"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def test_what_is_packed_to_unpack_at_once_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.json", "{}")

    with pytest.raises(InvalidInput, match=r"`a\.json` is compressed in another way than by deflate"):
        read_records([path], set())


def test_a_zip_has_no_more_files_than_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_MOST_FILES", 3)
    path = make_wheel(tmp_path, "a", "1")
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) > 3

    with pytest.raises(InvalidMetadata, match="it has more than 3 files"):
        wheel_metadata(io.BytesIO(path.read_bytes()), path.name)
    with pytest.raises(InvalidInput, match="it has more than 3 files"):
        installed(path)


def test_a_zip_of_records_unpacks_to_no_more_than_any_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_MOST_MORE", 1 << 20)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b" " * (8 << 20))
        archive.writestr("b.json", b" " * (8 << 20))

    with pytest.raises(InvalidInput, match="it unpacks to 16777216 bytes, which no archive of its size does"):
        read_records([path], set())


def test_records_of_more_values_than_any_has_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(f"[{'[],' * 2_600_000}[]]", encoding="utf-8")

    with pytest.raises(InvalidInput, match="it has more values than zlock reads"):
        read_records([path], set())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_among_records_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")

    with pytest.raises(InvalidInput, match="it is not a regular file"):
        read_records([tmp_path], set())


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_a_tar_is_read_up_to_what_any_has(kind: bytes) -> None:
    archive = sdist(header(kind, LARGE), ("a-1/PKG-INFO", b"Name: a\n"))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidMetadata, match="a header in it is larger than any"):
            sdist_metadata(archive, "a-1.tar.gz")
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def test_a_tar_unpacks_to_no_more_than_any_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_MOST_MORE", 1 << 20)
    archive = sdist(header(tarfile.REGTYPE, LARGE), ("a-1/PKG-INFO", b"Name: a\n"))

    with pytest.raises(InvalidMetadata, match=r"it unpacks to more than \d+ bytes, which no archive of its size does"):
        sdist_metadata(archive, "a-1.tar.gz")


def test_what_a_tar_says_of_all_its_files_is_little() -> None:
    records = b"".join(b"10 k%03d=v\n" % number for number in range(101))
    said = tarfile.TarInfo("header")
    said.type = tarfile.XGLTYPE
    data = io.BytesIO()
    data.write(b"".join([_entry(said, records), _entry(tarfile.TarInfo("a-1/PKG-INFO"), b"Name: a\n"), bytes(1024)]))

    with pytest.raises(InvalidMetadata, match="it has more files, or says more of them, than any"):
        sdist_metadata(data, "a-1.tar.gz")


def _entry(info: tarfile.TarInfo, content: bytes) -> bytes:
    info.size = len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def test_a_tar_has_no_more_files_than_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_MOST_FILES", 3)
    names = ["a-1/x", "a-1/y", "a-1/z", "a-1/PKG-INFO"]
    archive = sdist(*((name, b"") for name in names))

    with pytest.raises(InvalidMetadata, match="it has more files"):
        sdist_metadata(archive, "a-1.tar.gz")


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_metadata_of_an_sdist_is_whole_or_refused(tmp_path: Path, form: str) -> None:
    data: io.BytesIO | None = None
    if form == "zip":
        with zipfile.ZipFile(tmp_path / "a", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a-1/PKG-INFO", b" " * (17 << 20))
        data = io.BytesIO((tmp_path / "a").read_bytes())
    else:
        data = sdist(("a-1/PKG-INFO", b" " * (17 << 20)))

    with pytest.raises(InvalidMetadata, match="has metadata that no installer would read"):
        sdist_metadata(data, f"a-1.{form}")


def test_metadata_of_some_megabytes_is_read_whole() -> None:
    found = sdist_metadata(sdist(("a-1/PKG-INFO", b"Name: a\n" + b" " * (5 << 20))), "a-1.tar.gz")

    assert found is not None
    assert len(found) == 8 + (5 << 20)


def test_a_file_that_is_twice_among_very_many_is_found(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "a", "1")
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(2_000):
            archive.writestr(f"a/{number}", b"")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a/1999", b"")

    with pytest.raises(InvalidInput, match="it has `a/1999` twice"):
        installed(path)
