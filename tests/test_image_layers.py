"""Layers are laid over each other as engines do it, and nothing in them leads out."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import pytest

from support.stored_images import HardLink, Members, make_layer
from zlock.errors import RegistryFailed
from zlock.image.reading.layers import LayerTree
from zlock.image.reading.tree import FileTree, FolderTree, resolve


def laid(*layers: Members | bytes) -> LayerTree:
    tree = LayerTree("image")
    for layer in layers:
        tree.add(io.BytesIO(layer if isinstance(layer, bytes) else make_layer(layer)))
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


def test_a_whiteout_does_not_take_what_its_own_layer_brings() -> None:
    assert list(files(laid({"a/b.txt": b"1"}, {"a/b.txt": b"2", "a/.wh.b.txt": b""}))) == ["/a/b.txt"]


def test_files_of_the_storage_driver_are_no_files() -> None:
    assert files(laid({".wh..wh.aufs": b"", ".wh..wh.plnk/1.2": b"", "a.txt": b"1"})) == {"/a.txt": "file"}


@pytest.mark.parametrize(("lower", "upper"), [({"a/b.txt": b"1"}, {"a": b"2"}), ({"a/b.txt": b"1"}, {"a": "c"})])
def test_a_file_or_link_replaces_a_folder(lower: Members, upper: Members) -> None:
    assert list(files(laid(lower, upper))) == ["/a"]


def test_a_folder_replaces_a_link_but_files_behind_a_link_go_where_it_leads() -> None:
    lower: Members = {"usr/lib/a.txt": b"1", "lib": "usr/lib"}

    assert list(files(laid(lower, {"lib": None, "lib/b.txt": b"2"}))) == ["/lib/b.txt", "/usr/lib/a.txt"]
    assert list(files(laid(lower, {"lib/b.txt": b"2"}))) == ["/lib", "/usr/lib/a.txt", "/usr/lib/b.txt"]


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
        ({"a.txt": b"", "a.txt/b": b""}, "below what is no folder"),
        ({"a": "b", "b": "a", "a/c.txt": b""}, "below what is no folder"),
    ],
)
def test_members_that_no_engine_would_take_are_refused(member: Members, why: str) -> None:
    with pytest.raises(RegistryFailed, match=why):
        laid({"x": b""}, member)


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
    tree = laid({f"a-1.dist-info/{name}": b"1", f"a/{name}": b"1"})

    assert tree.read(f"/a-1.dist-info/{name}") == b"1"
    with pytest.raises(RegistryFailed, match="too large, or no file"):
        tree.read(f"/a/{name}")


@pytest.mark.parametrize("plain", [True, False])
def test_layers_may_be_compressed_or_not(plain: bool) -> None:
    assert files(laid(make_layer({"a.txt": b"1"}, plain=plain))) == {"/a.txt": "file"}


@pytest.mark.parametrize(
    "layer",
    [
        b"no archive at all",
        gzip.compress(b"no archive at all"),
        make_layer({"a.txt": b"x" * 5000})[:-20],
        make_layer({"a.txt": b"x" * 5000}, plain=True)[:2000],
        b"\x1f\x8b" + b"\xff" * 100,
    ],
)
def test_a_damaged_layer_is_an_error(layer: bytes) -> None:
    with pytest.raises(RegistryFailed, match="its layer 1 is damaged"):
        laid(layer)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python reads zstd")
def test_a_compression_that_this_python_can_not_read_is_named() -> None:
    with pytest.raises(RegistryFailed, match="compressed with zstd"):
        laid(b"\x28\xb5\x2f\xfd" + b"\x00" * 20)


def test_devices_and_pipes_are_no_files() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, kind in (("pipe", tarfile.FIFOTYPE), ("null", tarfile.CHRTYPE), ("disk", tarfile.BLKTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            tar.addfile(info)

    assert files(laid({"pipe": b"1"}, stream.getvalue())) == {}
