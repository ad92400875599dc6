"""Layers are laid over each other as engines do it, and nothing in them leads out."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.stored_images import HardLink, Members, digest_of, in_members, make_layer, unpacked
from zlock.errors import RegistryFailed
from zlock.image.reading import layers as reading
from zlock.image.reading import tar
from zlock.image.reading.layers import LayerTree
from zlock.image.reading.tree import FileTree, FolderTree, resolve

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def laid(*layers: Members | bytes) -> LayerTree:
    tree = LayerTree("image")
    for layer in layers:
        data = layer if isinstance(layer, bytes) else make_layer(layer)
        tree.add(io.BytesIO(data), digest_of(unpacked(data)))
    return tree


def files(tree: FileTree, folder: str = "") -> dict[str, str]:
    """Return path to kind of everything, but for folders."""
    found: dict[str, str] = {}
    for name in tree.names(folder or "/"):
        path = f"{folder}/{name}"
        node = tree.node(path)
        assert node is not None
        found |= files(tree, path) if node.kind == "folder" else {path: node.target or node.kind}
    return found


def test_later_layers_add_to_folders_and_replace_files() -> None:
    tree = laid({"a/b.txt": b"1", "a/c.txt": b"1"}, {"a/b.txt": b"2", "a/d/e.txt": b"3"})

    assert list(files(tree)) == ["/a/b.txt", "/a/c.txt", "/a/d/e.txt"]
    assert tree.sha256("/a/b.txt") == hashlib.sha256(b"2").hexdigest()


@pytest.mark.parametrize("prefix", ["", "./", "/"])
def test_paths_are_those_of_the_image_however_they_are_written(prefix: str) -> None:
    assert list(files(laid({f"{prefix}a/b.txt": b"1"}))) == ["/a/b.txt"]


def test_whiteouts_take_away_files_and_whole_folders() -> None:
    tree = laid({"a/b.txt": b"1", "a/c/d.txt": b"1", "a/e.txt": b"1"}, {"a/.wh.b.txt": b"", "a/.wh.c": b""})

    assert list(files(tree)) == ["/a/e.txt"]


@pytest.mark.parametrize("order", [1, -1])
def test_an_opaque_folder_loses_what_lower_layers_had_and_keeps_what_its_own_brings(order: int) -> None:
    upper: dict[str, bytes] = {"a/.wh..wh..opq": b"", "a/new.txt": b"2", "a/sub/new.txt": b"2"}
    tree = laid({"a/old.txt": b"1", "a/sub/old.txt": b"1", "b.txt": b"1"}, dict(list(upper.items())[::order]))

    assert list(files(tree)) == ["/a/new.txt", "/a/sub/new.txt", "/b.txt"]


def test_a_whiteout_does_not_take_what_its_own_layer_brings_later() -> None:
    assert list(files(laid({"a/b.txt": b"1"}, {"a/.wh.b.txt": b"", "a/b.txt": b"2"}))) == ["/a/b.txt"]


def test_files_of_the_storage_driver_are_no_files() -> None:
    assert files(laid({".wh..wh.aufs": b"", ".wh..wh.plnk/1.2": b"", "a.txt": b"1"})) == {"/a.txt": "file"}


@pytest.mark.parametrize(("lower", "upper"), [({"a/b.txt": b"1"}, {"a": b"2"}), ({"a/b.txt": b"1"}, {"a": "c"})])
def test_a_file_or_link_replaces_a_folder(lower: Members, upper: Members) -> None:
    assert list(files(laid(lower, upper))) == ["/a"]


def test_a_folder_replaces_a_link_but_files_behind_a_link_go_where_it_leads() -> None:
    lower: Members = {"usr/lib/a.txt": b"1", "lib": "usr/lib"}

    assert list(files(laid(lower, {"lib": None, "lib/b.txt": b"2"}))) == ["/lib/b.txt", "/usr/lib/a.txt"]
    assert list(files(laid({**lower, "lib/b.txt": b"2"}))) == ["/lib", "/usr/lib/a.txt", "/usr/lib/b.txt"]


@pytest.mark.parametrize(
    ("upper", "why"),
    [
        ({"lib/b.txt": b"2"}, "has files behind `/lib`"),
        ({"usr/.wh.lib": b"", "usr/lib": None, "usr/lib/b.txt": b"2"}, "makes it again: `lib`"),
        ({"usr/.wh.lib": b"", "usr/lib/b.txt": b"2"}, "makes it again: `lib`"),
        ({"usr/lib": b"", "usr/./lib": None}, "makes it again: `lib`"),
        ({"usr": "lib", "./usr": None, "usr/lib/b.txt": b"2"}, "makes it again: `usr`"),
    ],
)
def test_a_layer_that_is_not_the_same_for_engines_that_mount_and_that_copy_is_refused(upper: Members, why: str) -> None:
    with pytest.raises(RegistryFailed, match=why):
        laid({"usr/lib/a.txt": b"1", "lib": "usr/lib"}, upper)


def test_a_folder_that_is_opaque_may_have_folders_of_the_same_names() -> None:
    upper: Members = {"usr": None, "usr/.wh..wh..opq": b"", "usr/lib": None, "usr/lib/b.txt": b"2"}

    assert list(files(laid({"usr/lib/a.txt": b"1"}, upper))) == ["/usr/lib/b.txt"]


def test_a_hard_link_is_the_file_it_names_also_of_a_lower_layer() -> None:
    tree = laid({"a.txt": b"1", "b": "a.txt"}, {"c.txt": HardLink("a.txt"), "d": HardLink("./b")})

    assert files(tree) == {"/a.txt": "file", "/b": "a.txt", "/c.txt": "file", "/d": "a.txt"}
    assert tree.sha256("/c.txt") == tree.sha256("/a.txt")


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ({"../etc/passwd": b""}, "leads out of it"),
        ({"a/../../b": b""}, "leads out of it"),
        ({"a": HardLink("../../etc/passwd")}, "leads out of it"),
        ({"a": HardLink("nowhere")}, "leads to nothing"),
        ({"a/" * 300: None}, "more than 250 parts"),
        ({"a/" + "b" * 256: b""}, "no system takes a name"),
        ({"\xe9" * 128: b""}, "no system takes a name"),
        ({"a.txt": b"", "a.txt/b": b""}, "below what is not a folder"),
        ({"a": "b", "b": "a", "a/c.txt": b""}, "below what is not a folder"),
        ({"./": b""}, "is not a folder"),
        ({"a/.wh.": b""}, "deletes a path that can't be determined"),
        ({"a/.wh...": b""}, "deletes a path that can't be determined"),
        ({"a/b.txt": b"", "a/.wh.b.txt": b""}, "brings what it takes away"),
        ({"a/b/c.txt": b"", "a/.wh.b": b""}, "brings what it takes away"),
    ],
)
def test_members_that_no_engine_would_take_are_refused(member: Members, why: str) -> None:
    with pytest.raises(RegistryFailed, match=why):
        laid({"x": b""}, member)


def test_a_layer_that_unpacks_to_far_more_than_its_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_MORE", 1 << 20)

    with pytest.raises(RegistryFailed, match="its layer 1 is damaged: it unpacks to more than any of its size does"):
        laid({"zeros": bytes(4 << 20)})


def test_links_that_lead_out_lead_to_the_root_of_the_image() -> None:
    tree = laid({"etc/x": b"1", "a": "../../../../etc", "b": "/a/x", "c": "c", "d/e": "../b"})

    assert resolve(tree, "/a/x") == "/etc/x"
    assert resolve(tree, "/b") == "/etc/x"
    assert resolve(tree, "/d/e") == "/etc/x"
    assert resolve(tree, "/../../etc/./x") == "/etc/x"
    assert resolve(tree, "/c") is None
    assert resolve(tree, "/etc/nothing/x") is None


def test_links_of_a_folder_lead_nowhere_but_into_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to("../secret")
    (root / "up").symlink_to(tmp_path)
    tree = FolderTree(root)

    assert resolve(tree, "/out") is None
    assert resolve(tree, "/up/secret") is None
    assert resolve(tree, "/../secret") is None


@pytest.mark.parametrize("name", ["METADATA", "RECORD", "direct_url.json"])
def test_only_files_that_describe_packages_keep_their_bytes(name: str) -> None:
    tree = laid({f"a-1.dist-info/{name}": b"1", f"a/{name}": b"2"})

    assert tree.read(f"/a-1.dist-info/{name}") == b"1"
    with pytest.raises(RegistryFailed, match="too large, or no file"):
        tree.read(f"/a/{name}")


SKIPPED = b"\x5a\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"any"  # a skippable frame, RFC 8878
PLAIN = make_layer({"a": None, "a/b.txt": b"1" * 700, "evil.pth": b"import evil"}, plain=True)
ALL = {"/a/b.txt": "file", "/evil.pth": "file"}


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("ends", [(512,), (100,), (512, 1024, 1500), tuple(range(0, len(PLAIN), 64)), (len(PLAIN),)])
def test_all_members_of_a_layer_are_read_wherever_they_end(
    compress: Callable[[bytes], bytes], ends: tuple[int, ...]
) -> None:
    assert files(laid(in_members(PLAIN, *ends, compress=compress))) == ALL


def test_a_layer_may_not_be_compressed() -> None:
    assert files(laid(PLAIN)) == ALL


def test_frames_of_zstd_that_are_skipped_are_skipped() -> None:
    halves = zstd.compress(PLAIN[:600]), zstd.compress(PLAIN[600:])

    assert files(laid(SKIPPED + halves[0] + SKIPPED * 2 + halves[1] + SKIPPED)) == ALL


def test_all_that_a_header_of_gzip_may_hold_is_skipped() -> None:
    start, rest = gzip.compress(PLAIN)[:3], gzip.compress(PLAIN)[4:]
    extra = (4).to_bytes(2, "little") + b"xx\x00\x00"
    layer = start + b"\x1c" + rest[:6] + extra + b"name\x00" + b"comment\x00" + rest[6:]

    assert files(laid(layer)) == ALL


def test_a_layer_of_thousands_of_members_is_read_in_one_pass() -> None:
    """As eStargz has it: a member for each header and each piece of a file."""
    names = [f"site/{number}.py" for number in range(2000)]
    plain = make_layer({name: name.encode() * 20 for name in names}, plain=True)

    assert len(files(laid(in_members(plain, *range(512, len(plain), 512))))) == 2000


@pytest.mark.parametrize(
    "layer",
    [
        b"no archive at all",
        gzip.compress(b"no archive at all"),
        make_layer({"a.txt": b"x" * 5000})[:-20],
        make_layer({"a.txt": b"x" * 5000}, plain=True)[:2000],
        b"\x1f\x8b" + b"\xff" * 100,
        gzip.compress(PLAIN[:1024]) + gzip.compress(PLAIN[1024:])[:-9],
        gzip.compress(PLAIN) + b"garbage",
        zstd.compress(PLAIN)[:-9],
        zstd.compress(PLAIN[:1024]) + zstd.compress(PLAIN[1024:])[:-9],
        b"\x28\xb5\x2f\xfd" + b"\xff" * 100,
        b"BZh9" + b"\x00" * 600,
    ],
    ids=range(11),
)
def test_a_damaged_layer_is_an_error(layer: bytes) -> None:
    with pytest.raises(RegistryFailed, match="its layer 1 is damaged"):
        laid_as("sha256:" + "0" * 64, layer)


def laid_as(diff_id: str, layer: bytes, media_type: str = "") -> None:
    LayerTree("image").add(io.BytesIO(layer), diff_id, media_type)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress])
def test_a_layer_that_unpacks_to_something_else_is_refused(compress: Callable[[bytes], bytes]) -> None:
    longer = PLAIN + bytes(512)
    laid_as(digest_of(longer), compress(longer))

    with pytest.raises(RegistryFailed, match=f"its layer 1 unpacks to {digest_of(longer)}, and not to"):
        laid_as(digest_of(PLAIN), compress(longer))


def test_a_layer_that_is_announced_as_plain_and_compressed_is_refused() -> None:
    plain, zipped = "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip"
    laid_as(digest_of(PLAIN), PLAIN, plain)
    laid_as(digest_of(PLAIN), PLAIN, zipped)
    laid_as(digest_of(PLAIN), zstd.compress(PLAIN), zipped)

    with pytest.raises(RegistryFailed, match="is compressed, and announced as"):
        laid_as(digest_of(PLAIN), gzip.compress(PLAIN), plain)


# What only some readers take for what it is: each of these was seen to have other files in `tarfile` and in Go.


def block(name: str, size: int = 0, flag: bytes = b"0", *, magic: bytes = b"ustar\x0000", **fields: bytes) -> bytes:
    """Return a header; fields that are not named are empty."""
    places = {"link": 157, "device": 329, "prefix": 345, "end": 508}
    header = bytearray(512)
    header[: len(name)] = name.encode()
    header[124:136] = fields.pop("octal", b"%011o\x00" % size)
    header[156:157] = flag
    header[257:265] = magic
    for key, value in fields.items():
        header[places[key] : places[key] + len(value)] = value
    header[148:156] = b"%06o\x00 " % (sum(header) + 8 * 32)
    return bytes(header)


def file(name: str, content: bytes = b"", **fields: Any) -> bytes:
    return block(name, len(content), **fields) + content + bytes(-len(content) % 512)


def pax(flag: bytes = b"x", **records: str) -> bytes:
    """Return an extended header; `__` in a name stands for a dot."""
    data = b""
    for name, value in records.items():
        record = f" {name.replace('__', '.')}={value}\n".encode()
        length = len(record) + 2 if len(record) + 2 > 9 + 2 else len(record) + 1
        data += b"%d" % length + record
    return file("pax", data, flag=flag)


END = bytes(1024)
GNU = b"ustar  \x00"


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (file("a") + END + file("evil.pth") + END, "something behind its end"),
        (file("a") + bytes(512) + file("evil.pth") + END, "something behind its end"),
        (file("a") + file("evil.pth").replace(b"evil", b"even") + END, "a header is damaged"),
        (file("evil.pth", magic=bytes(8), prefix=b"tmp") + END, "of no known format"),
        (file("evil.pth", magic=GNU, prefix=b"tmp") + END, "a number that is none"),
        (file("evil.pth", prefix=b"tmp", end=b"tar\x00") + END, "format of star"),
        (pax(GNU__sparse__name="a") + file("evil.pth") + END, "sparse"),
        (pax(b"g", path="a") + file("evil.pth") + END, "a global header is about single files"),
        (pax(path="a") + pax(path="evil.pth") + file("b") + END, "several extended headers"),
        (pax(path="a") + file("L", b"evil.pth\x00", flag=b"L") + file("b") + END, "several extended headers"),
        (pax(path="a") + pax(b"g", comment="x") + file("evil.pth") + END, "several extended headers"),
        (pax(path="") + file("evil.pth") + END, "has no path"),
        (pax(path="a\x00b") + file("evil.pth") + END, "has no path"),
        (pax(size="0x10") + file("evil.pth") + END, "`size` of an entry is not a number"),
        (pax(path="a") + END, "has no file"),
        (file("x", b"not a record", flag=b"x") + file("a") + END, "an extended header is damaged"),
        (file("a", octal=b"\x00\x0000001000\x00") + bytes(512) + END, "a number that is none"),
        (file("a", octal=b"0o000001000\x00") + END, "a number that is none"),
        (file("a", octal=b"-0000000001\x00") + END, "a number that is none"),
        (file("a", octal=b"\xff" * 12) + END, "a number that is none"),
        (file("a/", b"content", flag=b"\x00") + END, "is not a file, and has content"),
        (file("a", b"content", flag=b"1", link=b"b") + END, "is not a file, and has content"),
        (file("a", flag=b"S", magic=GNU) + END, "of a kind that no engine knows"),
        (file("a", flag=b"7") + END, "of a kind that no engine knows"),
        (pax(SCHILY__xattr__trusted__overlay__redirect="/x") + file("a", flag=b"5") + END, "overlay.redirect"),
        (block("x", 1 << 21, b"x"), "larger than any"),
        (file("a") + b"\x01" * 100, "ends in a header"),
    ],
)
def test_what_readers_take_in_several_ways_is_refused(layer: bytes, why: str) -> None:
    with pytest.raises(RegistryFailed, match=f"its layer 1 is damaged: .*{why}"):
        laid_as(digest_of(layer), layer)


@pytest.mark.parametrize(
    "layer",
    [
        file("evil.pth", prefix=b"a/b"),
        file("a/b/evil.pth", magic=GNU),
        file("a/b/evil.pth", magic=bytes(8)),
        file("a/b/evil.pth", magic=bytes(8), device=b"0000000\x000000000\x00"),
        pax(path="a/b/evil.pth", size="3") + file("c", b"xyz", octal=bytes(12)),
        pax(b"g", comment="0a") + file("a/b/evil.pth"),
        file("L", b"a/b/evil.pth\x00", flag=b"L", magic=GNU) + file("a", magic=GNU),
        file("K", b"x" * 200, flag=b"K", magic=GNU)
        + file("L", b"a/b/evil.pth\x00", flag=b"L", magic=GNU)
        + file("a", flag=b"2", magic=GNU),
        file("./a/b/", flag=b"\x00") + file("/a//b/./evil.pth"),
        file("a/b/evil.pth", octal=b"\x80" + bytes(11)),
        file("a/b/evil.pth", octal=b"         0 \x00"),
        file("a/b/evil.pth", b"1") + file("a/b/evil.pth", b"2"),
    ],
)
@pytest.mark.parametrize("end", [b"", bytes(512), END, bytes(10240)])
def test_every_format_that_engines_write_is_read(layer: bytes, end: bytes) -> None:
    assert list(files(laid(layer + end))) == ["/a/b/evil.pth"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_the_library_writes_is_read_as_the_library_reads_it(form: int) -> None:
    names = ["a", "b" * 150, "d/" * 60 + "e", "\u00fc.py"]
    names = names if form != tarfile.USTAR_FORMAT else ["a", "d/" * 60 + "e"]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()[: len(name)]))

    tree = laid(stream.getvalue())

    assert sorted(files(tree)) == sorted(f"/{name}" for name in names)
    assert tree.sha256("/a") == hashlib.sha256(b"a").hexdigest()


def test_devices_and_pipes_are_no_files() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, kind in (("pipe", tarfile.FIFOTYPE), ("null", tarfile.CHRTYPE), ("disk", tarfile.BLKTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            tar.addfile(info)

    assert files(laid({"pipe": b"1"}, stream.getvalue())) == dict.fromkeys(("/pipe", "/null", "/disk"), "device")


def named(names: list[str], **attributes: str) -> bytes:
    """Return a layer of empty files; its names and attributes are next to nothing once compressed."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.pax_headers = {f"SCHILY.xattr.user.{key}": value for key, value in attributes.items()}
            archive.addfile(info)
    return gzip.compress(data.getvalue(), 1)


@pytest.mark.parametrize("layers", [1, 3])
def test_what_is_said_of_all_files_has_an_end(layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "_MOST_SAID", 5_000_000)
    said = [named([f"{layer}/{file}" for file in range(6 // layers)], x="1" * 1_000_000) for layer in range(layers)]

    with pytest.raises(RegistryFailed, match="it has more files, or says more of them, than any"):
        laid(*said)


def test_a_header_of_very_many_records_is_read() -> None:
    records = b"".join(b"12 k%06d=\n" % number for number in range(80_000))
    header = tarfile.TarInfo("header")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    one = header.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)
    each = [one + tarfile.TarInfo(f"{file}").tobuf(tarfile.USTAR_FORMAT) for file in range(5)]

    assert len(files(laid(b"".join([*each, bytes(1024)])))) == 5


def test_files_count_where_nothing_is_said_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "_MOST_SAID", 10_000)

    assert len(files(laid(named([f"{file}" for file in range(30)])))) == 30
    with pytest.raises(RegistryFailed, match="it has more files"):
        laid(named([f"{file}" for file in range(50)]))


def test_folders_that_few_names_make_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_FOLDERS", 1000)

    with pytest.raises(RegistryFailed, match="its layers have more than 1000 folders"):
        laid(named([f"{file}/{'a/' * 200}b" for file in range(6)]))
