"""What an engine has changed on a base image is one layer, the same whichever engine it was."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from support.images import planned
from support.stored_images import Image, digest_of, unpacked, write_layout
from zlock.errors import NoAnswer, OutsideFailed, RegistryFailed, ZlockError
from zlock.image.builders.builder import Builder
from zlock.image.layers.stage import Stage
from zlock.image.layers.store import LayerStore
from zlock.image.reading.files import FolderFiles
from zlock.image.reading.layers import LayerTree
from zlock.image.reading.sources import StoredImage, find_in_layout
from zlock.image.reading.tar import Tar
from zlock.process import Watch
from zlock.workflow.images.debian_stages import DebianStages

CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00"}


class Member(NamedTuple):
    """An entry of a layer: bytes for a file, text for a link, None for a folder."""

    path: str
    content: bytes | str | None = None
    mode: int = 0o755
    owner: int = 0
    kind: bytes = b""
    more: Mapping[str, str] = {}
    time: int = 7


def layer(*members: Member) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for one in members:
            info = tarfile.TarInfo(one.path)
            info.mode, info.uid, info.mtime, info.pax_headers = one.mode, one.owner, one.time, dict(one.more)
            kind = {bytes: tarfile.REGTYPE, str: tarfile.SYMTYPE, type(None): tarfile.DIRTYPE}[type(one.content)]
            info.type, info.uname = one.kind or kind, f"user{one.time}"
            info.linkname = one.content if isinstance(one.content, str) else ""
            data = one.content if isinstance(one.content, bytes) else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0)


def image(folder: Path, *layers: bytes) -> StoredImage:
    found = find_in_layout(FolderFiles(write_layout(folder, {"it": Image(layers=layers)})), "it", "it", "linux/amd64")
    assert found is not None
    return found


def stage(folder: Path, base: Sequence[bytes], *made: bytes) -> Stage:
    return Stage.of(
        image(folder / "base", *base), image(folder / "made", *base, *made), {}, LayerStore(folder / "cache"), Watch()
    )


def written(found: Stage, folder: Path) -> bytes:
    return (folder / "cache" / "layers" / found.found.layers[-1].digest.removeprefix("sha256:")).read_bytes()


def members(data: bytes) -> list[str]:
    return [one.path for one in Tar(io.BytesIO(unpacked(data)))]


def tree(*layers: bytes) -> dict[str, tuple[object, str]]:
    laid = LayerTree("image")
    for one in layers:
        laid.add(io.BytesIO(one), digest_of(unpacked(one)))

    def below(folder: str) -> dict[str, tuple[object, str]]:
        found: dict[str, tuple[object, str]] = {}
        for name in laid.names(folder or "/"):
            path = f"{folder}/{name}"
            found |= {path: (laid.node(path), laid.sha256(path)), **below(path)}
        return found

    return below("")


BASE = (
    layer(
        Member("etc"),
        Member("etc/hosts", b"base\n", 0o644),
        Member("usr"),
        Member("usr/old"),
        Member("usr/old/one", b"1"),
        Member("usr/same", b"same"),
        Member("tmp", mode=0o1777),
        Member("var"),
        Member("var/log"),
        Member("var/log/one", b"1"),
        Member("opt"),
    ),
)


def test_engines_that_write_the_same_otherwise_have_one_layer(tmp_path: Path) -> None:
    one = stage(
        tmp_path / "one",
        BASE,
        layer(
            Member("usr"),
            Member("usr/new"),
            Member("usr/new/b", b"b", 0o644, owner=3),
            Member("usr/new/a", "b"),
            Member("var"),
            Member("var/log"),
            Member("var/log/.wh.one", b"", 0),
            Member("etc"),
            Member("etc/hosts", b"", 0o755),
        ),
    )
    two = stage(
        tmp_path / "two",
        BASE,
        layer(
            Member("./usr/", time=9),
            Member("./usr/new/", time=9),
            Member("./usr/new/.wh..wh..opq", b"", 0o600, time=9),
            Member("./usr/new/a", "b", time=9),
            Member("./usr/new/b", b"before", 0o644, owner=3, time=9),
            Member("./usr/same", b"same", time=9),
            Member("./tmp/", mode=0o1777, time=9),
            Member("./var/", time=9),
            Member("./var/log/", time=9),
            Member("./var/log/.wh.one", b"", 0o600, time=9),
            Member("./.dockerenv", b"", time=9),
            Member("./opt/zlock/", time=9),
            Member("./opt/zlock/debs/", time=9),
        ),
        layer(
            Member("usr"),
            Member("usr/new"),
            Member("usr/new/b", b"b", 0o644, owner=3),
            Member("proc"),
            Member("proc/1", b""),
        ),
    )

    assert one.found.layers == two.found.layers
    assert one.config == two.config
    data = written(two, tmp_path / "two")
    assert members(data) == ["usr/", "usr/new/", "usr/new/a", "usr/new/b", "var/", "var/log/", "var/log/.wh.one"]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {(one.mtime, one.uname) for one in tar} == {(0, "")}
        assert (tar.getmember("usr/new/b").mode, tar.getmember("usr/new/b").uid) == (0o644, 3)


CHANGES = {
    "what is gone": [Member("usr/.wh.old", b""), Member("var/log/.wh.one", b"")],
    "a folder becomes a file": [Member("usr/.wh.old", b""), Member("usr/old", b"now a file")],
    "a folder becomes a link": [Member("usr/old", "/tmp")],
    "a file becomes a folder": [Member("usr/same"), Member("usr/same/in", b"it")],
    "a link, and a file where one was": [Member("usr/a", "same"), Member("etc/hosts2", b"2")],
    "a folder is another one": [Member(".wh.usr", b"")],
    "hard links": [Member("usr/x", b"x" * 9000), Member("usr/b", "usr/x", kind=tarfile.LNKTYPE)],
    "what only has other rights": [Member("tmp", mode=0o700), Member("usr/same", b"same", 0o600)],
    "a long name, and an empty folder": [Member(f"usr/{'n' * 200}", b"1"), Member("usr/empty")],
    "nothing": [],
}


@pytest.mark.parametrize("case", CHANGES)
def test_laid_over_the_base_image_the_layer_gives_what_was_made(tmp_path: Path, case: str) -> None:
    made = layer(*CHANGES[case])
    found = stage(tmp_path, BASE, made)

    data = written(found, tmp_path)
    assert tree(*BASE, data) == tree(*BASE, made)
    assert {one.strip("/") for one in members(data)} >= {one.path for one in CHANGES[case] if ".wh." not in one.path}


def test_a_folder_that_was_made_anew_hides_what_it_had(tmp_path: Path) -> None:
    made = layer(Member("usr"), Member("usr/old"), Member("usr/old/.a", b"1"), Member("usr/old/.wh..wh..opq", b""))
    found = stage(tmp_path, BASE, made)

    assert members(written(found, tmp_path)) == ["usr/", "usr/old/", "usr/old/.a", "usr/old/.wh.one"]


def test_rights_to_run_as_somebody_else_stay(tmp_path: Path) -> None:
    label = {"SCHILY.xattr.security.selinux": "of this machine"}
    found = stage(tmp_path, BASE, layer(Member("usr/ping", b"ping", 0o4755, more={**CAPABILITY, **label})))

    with tarfile.open(fileobj=io.BytesIO(written(found, tmp_path))) as tar:
        ping = tar.getmember("usr/ping")
    assert ping.mode == 0o4755
    assert {name: value for name, value in ping.pax_headers.items() if "xattr" in name} == CAPABILITY


REFUSED: Mapping[str, tuple[bytes, type[ZlockError], str]] = {
    "a pipe": (layer(Member("run/pipe", b"", kind=tarfile.FIFOTYPE)), NoAnswer, "`/run/pipe` of `it` is a device"),
    "a link to nothing": (
        layer(Member("usr/b", "usr/x", kind=tarfile.LNKTYPE)),
        RegistryFailed,
        "a hard link in its layer 2 leads to nothing: `usr/x`",
    ),
    "no archive": (gzip.compress(b"nonsense" * 100), RegistryFailed, "its layer 2 is damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_layer_can_hold_is_refused(tmp_path: Path, case: str) -> None:
    made, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        stage(tmp_path, BASE, made)
    assert not list((tmp_path / "cache" / "layers").iterdir())


def test_what_was_made_on_another_base_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryFailed, match="it was not made on"):
        Stage.of(
            image(tmp_path / "base", *BASE),
            image(tmp_path / "made", layer(Member("usr"))),
            {},
            LayerStore(tmp_path / "cache"),
            Watch(),
        )


def test_a_stage_that_can_not_be_made_is_tried_once_and_all_its_images_hear_the_same_error() -> None:
    tried = []

    def engine() -> Builder:
        tried.append("engine")
        raise OutsideFailed("no image builder is available")

    unused: Any = None
    stages = DebianStages(unused, engine, unused, unused)
    stage = replace(planned(), rebuild=True)  # so no registry is asked

    with pytest.raises(OutsideFailed) as first:
        stages.open(stage, unused, Watch())
    with pytest.raises(OutsideFailed) as second:
        stages.open(stage, unused, Watch())

    assert (tried, first.value) == (["engine"], second.value)
