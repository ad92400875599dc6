"""Layers of wheels: what an installer would put there, in bytes that are the same each time."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from support.wheels import make_wheel
from zlock.errors import InvalidInput
from zlock.image.layers import bytecode, wheel
from zlock.image.layers.blob import write_blob
from zlock.image.layers.entry import Entry
from zlock.image.layers.layer import LayerMaker, check_places
from zlock.image.layers.packing import Wheel, pack
from zlock.image.layers.store import LayerStore
from zlock.image.layers.wheel import Environment, open_wheel
from zlock.image.reading.compilers import Compiler
from zlock.process import CommandStopped, Watch

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
VENV = Environment("/opt/venv", PYTHON)
SITE = f"opt/venv/lib/python{PYTHON}/site-packages"
COMPILER = Compiler(sys.executable, ".".join(map(str, sys.version_info[:3])))


def layer_of(path: Path, environment: Environment = VENV, origin: Mapping[str, object] | None = None) -> bytes:
    target = io.BytesIO()
    with open_wheel(path, environment, origin or {}) as entries:
        blob = write_blob(entries, target, Watch())
    data = target.getvalue()
    assert blob.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert blob.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}"
    assert blob.size == len(data)
    return data


def members(data: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = [(one, archive.extractfile(one) if one.isreg() else None) for one in archive]
        return {one.name: (one, stream.read() if stream else b"") for one, stream in found}


@pytest.fixture
def rich_wheel(tmp_path: Path) -> Path:
    """A wheel of everything that a wheel may hold."""
    return make_wheel(
        tmp_path,
        "Some.Thing",
        "1.0",
        files={
            "some_thing/__init__.py": b"def main():\n    return {'a', 'b', 'c', 1, 2.5}\n",
            "some_thing/data.bin": bytes(range(256)) * 400,
            "some_thing/a, b.txt": b"a comma",
            "some_thing/broken.py": b"this is not a python",
            f"some_thing/__pycache__/__init__.{sys.implementation.cache_tag}.pyc": b"not what its source says",
            "Some.Thing-1.0.data/scripts/run": b"#!python\nprint(1)\n",
            "Some.Thing-1.0.data/scripts/plain": b"#!/bin/sh\necho 1\n",
            "Some.Thing-1.0.data/data/share/thing.txt": b"data",
            "Some.Thing-1.0.data/headers/thing.h": b"header",
            "Some.Thing-1.0.data/purelib/beside.py": b"x = 1\n",
        },
        entry_points={"console_scripts": {"thing": "some_thing:main"}, "other.group": {"x": "some_thing"}},
    )


def test_a_layer_holds_what_pip_installs(rich_wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-compile", "--quiet", str(rich_wheel)], check=True)
    environment = Environment(str(venv), PYTHON)

    with tarfile.open(fileobj=io.BytesIO(layer_of(rich_wheel, environment))) as archive:
        ours = tmp_path / "ours"
        archive.extractall(ours, filter="fully_trusted")

    theirs = _tree(venv / "lib") | _tree(venv / "share") | _tree(venv / "include") | _scripts(venv)
    root = ours / str(venv)[1:]
    mine = _tree(root / "lib") | _tree(root / "share") | _tree(root / "include") | _scripts(root)
    own = {
        name for name in theirs | mine if name.endswith(("INSTALLER", "RECORD", "direct_url.json", "bin/thing", ".pyc"))
    }
    assert {name: mine.get(name) for name in mine if name not in own} == {
        name: theirs.get(name) for name in theirs if name not in own
    }


def _tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {f"{folder.name}/{path.relative_to(folder)}": (path.stat().st_mode, path.read_bytes()) for path in files}


def _scripts(venv: Path) -> dict[str, tuple[int, bytes]]:
    return {
        f"bin/{name}": ((path := venv / "bin" / name).stat().st_mode, path.read_bytes())
        for name in ("run", "plain", "thing")
    }


def test_its_record_names_every_file_with_its_hash(rich_wheel: Path) -> None:
    found = members(layer_of(rich_wheel))
    record = next(name for name in found if name.endswith("/RECORD"))

    rows = {name: (digest, size) for name, digest, size in csv.reader(found[record][1].decode().splitlines())}

    files = {name: data for name, (info, data) in found.items() if info.isreg() and name != record}
    assert len(rows) == len(files) + 1
    for name, (digest, size) in rows.items():
        place = str(Path("/", SITE, name).resolve())[1:] if name.startswith("..") else f"{SITE}/{name}"
        if place != record:
            wanted = base64.urlsafe_b64encode(hashlib.sha256(files[place]).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={wanted}", str(len(files[place]))), name


def test_scripts_run_with_the_python_of_the_environment(rich_wheel: Path) -> None:
    found = members(layer_of(rich_wheel))

    assert found["opt/venv/bin/run"][1] == b"#!/opt/venv/bin/python\nprint(1)\n"
    assert found["opt/venv/bin/plain"][1] == b"#!/bin/sh\necho 1\n"
    assert found["opt/venv/bin/thing"][1].startswith(b"#!/opt/venv/bin/python\n")
    assert all(stat.S_IMODE(found[f"opt/venv/bin/{name}"][0].mode) == 0o755 for name in ("run", "plain", "thing"))


def test_nothing_in_a_layer_says_when_or_by_whom_it_was_made(rich_wheel: Path) -> None:
    for info, _ in members(layer_of(rich_wheel)).values():
        assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")


def test_a_wheel_makes_the_same_layer_however_it_was_packed_up_to_its_bytes(tmp_path: Path) -> None:
    files = {"a.py": b"x = 1\n", "big.bin": b"0123456789" * 5000}
    for number in "123":
        (tmp_path / number).mkdir()
    first = make_wheel(tmp_path / "1", "a", "1", files=files)
    second = make_wheel(tmp_path / "2", "a", "1", files=files)
    stored = make_wheel(tmp_path / "3", "a", "1", files=files, deflate=False)

    assert layer_of(first) == layer_of(second)
    assert gzip.decompress(layer_of(first)) == gzip.decompress(layer_of(stored))


def test_what_a_wheel_has_compressed_is_copied(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "a", "1", files={"a.bin": hashlib.shake_128(b"a").digest(50000)})
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("a.bin")
        raw = path.read_bytes()[info.header_offset + 30 + len("a.bin") :][: info.compress_size]

    assert raw in layer_of(path)


def test_where_a_wheel_came_from_is_kept(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "a", "1")

    found = members(layer_of(path, origin={"url": "https://files.example/a-1.whl", "archive_info": {}}))

    assert found[f"{SITE}/a-1.dist-info/direct_url.json"][1] == (
        b'{"archive_info": {}, "url": "https://files.example/a-1.whl"}'
    )


def changed(path: Path, change: Callable[[dict[str, bytes]], Any], **infos: int) -> Path:
    """Write a wheel anew with other files, its RECORD as it was."""
    with zipfile.ZipFile(path) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = infos.get("attr", 0) if name == "link" else 0o100644 << 16
            archive.writestr(info, data)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/evil",
        "a//b",
        "a/./b",
        "a\\b",
        "x-1.data/scripts/../evil",
        "x-1.data/data/../../evil",
        f"{'n' * 252}.txt",
        f"{'a/' * 300}b",
    ],
)
def test_a_file_outside_its_place_is_refused(name: str, tmp_path: Path) -> None:
    path = changed(make_wheel(tmp_path, "x", "1"), lambda files: files.update({name: b"evil"}))

    with pytest.raises(InvalidInput, match="x"):
        layer_of(path)


DIST_INFO = "x-1.dist-info"
NO_FUNCTION = "its `entry_points.txt` has a script that names no function as `module:function`"
HOSTILE: Mapping[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "no WHEEL": (lambda files: files.pop(f"{DIST_INFO}/WHEEL"), "it has no `WHEEL`"),
    "no RECORD": (lambda files: files.pop(f"{DIST_INFO}/RECORD"), "it has no `RECORD`"),
    "RECORD of two fields": (
        lambda files: files.update({f"{DIST_INFO}/RECORD": b"a,b\n"}),
        "a row of its `RECORD` can't be read: Row Index 0: expected 3 elements, got 2",
    ),
    "RECORD that is not a string": (
        lambda files: files.update({f"{DIST_INFO}/RECORD": b"\xff\xfe"}),
        "its `RECORD` is not valid UTF-8",
    ),
    "a WHEEL of the future": (
        lambda files: files.update({f"{DIST_INFO}/WHEEL": b"Wheel-Version: 9.0\n"}),
        "Incompatible Wheel-Version 9.0, only support version 1.x wheels.",
    ),
    "an entry point that runs something": (
        lambda files: files.update({f"{DIST_INFO}/entry_points.txt": b"[console_scripts]\nx = a:b; import os\n"}),
        NO_FUNCTION,
    ),
    "an entry point without a function": (
        lambda files: files.update({f"{DIST_INFO}/entry_points.txt": b"[gui_scripts]\nx = a\n"}),
        NO_FUNCTION,
    ),
    "entry points that are none": (
        lambda files: files.update({f"{DIST_INFO}/entry_points.txt": b"x = 1\n"}),
        "its `entry_points.txt` can't be read: File contains no section headers",
    ),
    "an unknown scheme": (
        lambda files: files.update({"x-1.data/evil/x": b""}),
        "x-1.data/evil/x is not contained in a valid .data subdirectory.",
    ),
    "two dist-infos": (
        lambda files: files.update({"y-1.dist-info/WHEEL": b"Wheel-Version: 1.0\n"}),
        "Wheel doesn't contain exactly one .dist-info directory",
    ),
    "an absolute path": (lambda files: files.update({"/etc/x": b""}), "its file `/etc/x` is outside its place"),
    "a path that leads out": (lambda files: files.update({"../x": b""}), "its file `../x` is outside its place"),
}


@pytest.mark.parametrize(("change", "why"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_wheel_that_is_none_is_refused_with_the_reason(
    change: Callable[[dict[str, bytes]], Any], why: str, tmp_path: Path
) -> None:
    path = changed(make_wheel(tmp_path, "x", "1"), change)

    with pytest.raises(InvalidInput) as raised:
        layer_of(path)

    assert raised.value.message.startswith(f"`{path.name}` is not a wheel that can be installed: {why}")


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = changed(make_wheel(tmp_path, "x", "1"), lambda files: files.update({"\u00e9.py": b""}))
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xff\xfe"))

    with pytest.raises(InvalidInput, match="a name in it is not valid UTF-8"):
        layer_of(path)


def test_a_link_in_a_wheel_is_refused(tmp_path: Path) -> None:
    path = changed(make_wheel(tmp_path, "x", "1"), lambda files: files.update(link=b"/etc/passwd"), attr=0o120777 << 16)

    with pytest.raises(InvalidInput, match=r"its file `link` is a link$"):
        layer_of(path)


@pytest.mark.parametrize(
    ("path", "content", "why"),
    [
        (
            "a-1.0.dist-info/entry_points.txt",
            "[console_scripts]\n" + "".join(f"s{n} = a:b\n" for n in range(4)),
            "4 scri",
        ),
        ("a-1.0.data/scripts/run", "#!python\n" + " " * 10_000, "a script that is larger than any"),
        (f"a/{'/'.join(['d' * 200] * 21)}/x", "", "a path that no system takes"),
        ("a/b\n.txt", "", "has control characters in its name"),
    ],
    ids=["entry points", "script", "path", "control"],
)
def test_what_no_wheel_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, content: str, why: str
) -> None:
    monkeypatch.setattr(wheel, "_MOST_SCRIPTS", 3)
    monkeypatch.setattr(wheel, "_MOST_TEXT", 9000)

    with pytest.raises(InvalidInput, match=why):
        layer_of(make_wheel(tmp_path, "a", "1.0", files={"a/__init__.py": b"", path: content.encode()}))


def test_of_a_script_and_an_entry_point_of_one_name_that_counts_as_with_pip(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path,
        "a",
        "1.0",
        files={"a.py": b"def b(): ...\n", "a-1.0.data/scripts/run": b"of the wheel"},
        entry_points={"console_scripts": {"run": "a:b"}, "gui_scripts": {"run": "a:b"}},
    )

    found = members(layer_of(path))

    script = found["opt/venv/bin/run"][1]
    assert b"from a import b" in script
    record = list(csv.reader(found[f"{SITE}/a-1.0.dist-info/RECORD"][1].decode().splitlines()))
    digest = base64.urlsafe_b64encode(hashlib.sha256(script).digest()).rstrip(b"=").decode()
    assert [row for row in record if row[0].endswith("bin/run")] == [
        ["../../../bin/run", f"sha256={digest}", str(len(script))]
    ]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "x", "1", files={"x.py": b"1"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x.py", b"2")

    with pytest.raises(InvalidInput, match=r"`x\.py` twice"):
        layer_of(path)


@pytest.mark.slow
def test_a_wheel_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.bin", "w") as stream:
        for _ in range(600):
            stream.write(bytes(1 << 20))

    with pytest.raises(InvalidInput, match="unpacks to"):
        layer_of(path)


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
def test_damage_is_found(where: float, tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "x", "1", files={"x.bin": hashlib.shake_128(b"x").digest(100_000)})
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 0xFF
    path.write_bytes(data)

    with pytest.raises(InvalidInput, match="is not a wheel that"):
        layer_of(path)


def test_what_unpacks_to_more_than_its_last_byte_could_give_is_whole(tmp_path: Path) -> None:
    data = b"a" * ((1 << 20) + 1)

    assert members(layer_of(make_wheel(tmp_path, "x", "1", files={"x.txt": data})))[f"{SITE}/x.txt"][1] == data


def test_names_that_differ_in_case_are_two_files(tmp_path: Path) -> None:
    found = members(layer_of(make_wheel(tmp_path, "x", "1", files={"a.py": b"1", "A.py": b"2"})))

    assert (found[f"{SITE}/a.py"][1], found[f"{SITE}/A.py"][1]) == (b"1", b"2")


def wheel_of(path: Path) -> Wheel:
    name, version, *_ = path.name.split("-")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(name=name, version=version, filename=path.name, sha256=digest, size=path.stat().st_size)


def test_modules_are_compiled_and_what_is_no_python_is_left_as_it_is(rich_wheel: Path) -> None:
    target = io.BytesIO()
    maker = LayerMaker(environment=VENV, compiler=COMPILER)
    layer = maker.make([wheel_of(rich_wheel)], lambda _: rich_wheel, target, Watch())

    found = members(target.getvalue())

    tag = sys.implementation.cache_tag
    assert [name for name in found if name.endswith(".pyc")] == [
        f"{SITE}/__pycache__/beside.{tag}.pyc",
        f"{SITE}/some_thing/__pycache__/__init__.{tag}.pyc",
    ]
    compiled = found[f"{SITE}/some_thing/__pycache__/__init__.{tag}.pyc"][1]
    assert int.from_bytes(compiled[4:8], "little") == 1  # known by a hash that is not checked (PEP 552)
    assert b"/opt/venv/lib" in compiled
    (files,) = layer.files.values()
    assert files.keys() == {name for name, (info, _) in found.items() if info.isreg() and not name.endswith(".pyc")}


def test_a_module_that_takes_too_much_memory_is_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "_LARGEST", 10)
    path = make_wheel(tmp_path, "x", "1", files={"x.py": b"a = 1\n", "y.py": b"b = 12345678\n"})
    maker, target = LayerMaker(environment=VENV, compiler=COMPILER), io.BytesIO()

    maker.make([wheel_of(path)], lambda _: path, target, Watch())

    compiled = [name.rpartition("/")[2] for name in members(target.getvalue()) if name.endswith(".pyc")]
    assert compiled == [f"x.{sys.implementation.cache_tag}.pyc"]


def test_modules_are_compiled_whatever_else_has_names_like_theirs(tmp_path: Path) -> None:
    files = {f"{'n' * 252}.py": b"", "m.py": b"", "m.pyc/n.py": b"", "d/__pycache__": b"", "d/a.py": b"", "names": b""}
    path = make_wheel(tmp_path, "x", "1", files=files)
    target = io.BytesIO()

    LayerMaker(environment=VENV, compiler=COMPILER).make([wheel_of(path)], lambda _: path, target, Watch())

    found = members(target.getvalue())
    tag = sys.implementation.cache_tag
    compiled = {
        name.removeprefix(f"{SITE}/").removesuffix(f".{tag}.pyc") for name in found if name.endswith(f"{tag}.pyc")
    }
    assert compiled == {f"{place}__pycache__/{name}" for place, name in [("", "m"), ("m.pyc/", "n"), ("d/", "a")]} | {
        "x/__pycache__/__init__"
    }
    assert f"{SITE}/d/__pycache__" not in {name for name, (info, _) in found.items() if info.isreg()}


def test_a_layer_is_made_of_the_same_bytes_each_time(rich_wheel: Path) -> None:
    maker = LayerMaker(environment=VENV, compiler=COMPILER)
    first, second = io.BytesIO(), io.BytesIO()

    made = [maker.make([wheel_of(rich_wheel)], lambda _: rich_wheel, target, Watch()) for target in (first, second)]

    assert made[0] == made[1]
    assert first.getvalue() == second.getvalue()


def test_the_key_of_a_layer_covers_what_its_bytes_depend_on(rich_wheel: Path) -> None:
    wheel, maker = wheel_of(rich_wheel), LayerMaker(environment=VENV, compiler=COMPILER)

    keys = {
        maker.key([wheel]),
        replace(maker, compiler=None).key([wheel]),
        replace(maker, compiler=COMPILER._replace(version="3.0.1")).key([wheel]),
        replace(maker, environment=Environment("/opt/other", PYTHON)).key([wheel]),
        maker.key([replace(wheel, sha256="0" * 64)]),
        maker.key([replace(wheel, origin={"url": "https://files.example/a.whl"})]),
    }

    assert len(keys) == 6
    assert maker.key([replace(wheel, size=1)]) in keys
    assert replace(maker, compiler=COMPILER._replace(python="/elsewhere/python")).key([wheel]) in keys


def test_a_layer_is_kept_with_its_bytes(rich_wheel: Path, tmp_path: Path) -> None:
    maker, store = LayerMaker(environment=VENV, compiler=None), LayerStore(tmp_path / "cache")
    wheels = [wheel_of(rich_wheel)]
    key = maker.key(wheels)

    assert store.recall(key) is None
    layer = store.make(key, lambda stream: maker.make(wheels, lambda _: rich_wheel, stream, Watch()))

    assert LayerStore(tmp_path / "cache").recall(key) == layer
    assert store.has(layer)
    assert hashlib.sha256(store.path(layer).read_bytes()).hexdigest() == layer.digest.removeprefix("sha256:")
    store.path(layer).unlink()
    assert not store.has(layer)
    assert store.recall(key) == layer


def test_a_run_that_ends_leaves_no_part_of_a_layer(rich_wheel: Path, tmp_path: Path) -> None:
    maker, store, watch = LayerMaker(environment=VENV, compiler=None), LayerStore(tmp_path / "cache"), Watch()
    watch.stop.set()

    with pytest.raises(CommandStopped):
        store.make("key", lambda stream: maker.make([wheel_of(rich_wheel)], lambda _: rich_wheel, stream, watch))

    assert list((tmp_path / "cache" / "layers").iterdir()) == []
    assert store.recall("key") is None


def test_of_a_path_in_two_wheels_the_later_ones_counts_and_both_are_named(tmp_path: Path) -> None:
    files = {"same.py": b"x = 1\n"}
    paths = [
        make_wheel(tmp_path, name, "1", files={"shared.py": name.encode(), **files, f"{name}.py": b""})
        for name in ("aa", "bb")
    ]
    by_name = {path.name.split("-")[0]: path for path in paths}
    target = io.BytesIO()

    maker = LayerMaker(environment=VENV, compiler=None)
    layer = maker.make([wheel_of(path) for path in paths], lambda one: by_name[one.name], target, Watch())

    assert members(target.getvalue())[f"{SITE}/shared.py"][1] == b"bb"
    assert check_places([layer.files]) == [(f"{SITE}/shared.py", "aa", "bb")]


@pytest.mark.parametrize("names", [("aa", "bb"), ("bb", "aa")])
def test_a_file_of_one_wheel_that_is_a_folder_of_another_is_refused(names: tuple[str, str], tmp_path: Path) -> None:
    first, second = names
    make_wheel(tmp_path, first, "1", files={"shared.py": b""})
    make_wheel(tmp_path, second, "1", files={"shared.py/inner.py": b""})
    wheels = [wheel_of(path) for path in sorted(tmp_path.glob("*.whl"))]

    maker = LayerMaker(environment=VENV, compiler=None)

    with pytest.raises(InvalidInput, match=f"is a file of `{first}` and a folder of `{second}`"):
        maker.make(wheels, lambda one: tmp_path / one.filename, io.BytesIO(), Watch())


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        (".wh..wh..opq", f"all that is in `/{SITE}`"),
        ("pkg/.wh.other", f"`/{SITE}/pkg/other`"),
        (".wh.pkg/file", f"`/{SITE}/pkg`"),
        ("x-1.data/data/.wh..wh..opq", "all that is in `/opt/venv`"),
        ("x-1.data/data/lib64/.wh.python", "`/opt/venv/lib/python`"),
        ("x-1.data/scripts/.wh.python", "`/opt/venv/bin/python`"),
        ("x-1.dist-info/entry_points.txt", "`/opt/venv/bin/python`"),
    ],
)
def test_a_file_that_takes_away_what_is_below_is_refused_before_anything_is_written(
    name: str, gone: str, tmp_path: Path
) -> None:
    path = make_wheel(tmp_path, "x", "1", files={name: b"[console_scripts]\n.wh.python = x:main\n"})
    target = io.BytesIO()
    maker = LayerMaker(environment=VENV, compiler=None)

    with pytest.raises(InvalidInput, match=re.escape(f", which takes away {gone} in an image")):
        maker.make([wheel_of(path)], lambda _: path, target, Watch())

    assert not target.getvalue()


def test_names_that_only_resemble_those_are_files(tmp_path: Path) -> None:
    files = {".whx": b"1", "a.wh.b": b"2", "x-1.data/data/.wh": b"3", ".WH.a": b"4"}
    path = make_wheel(tmp_path, "x", "1", files=files)
    target = io.BytesIO()

    LayerMaker(environment=VENV, compiler=None).make([wheel_of(path)], lambda _: path, target, Watch())

    found = members(target.getvalue())
    assert [found[one][1] for one in (f"{SITE}/.whx", f"{SITE}/a.wh.b", "opt/venv/.wh", f"{SITE}/.WH.a")] == [
        *(b"1", b"2", b"3", b"4")
    ]


@pytest.mark.parametrize("name", ["pyvenv.cfg", "bin/python", "bin/python3", "bin/python3.11", "lib64"])
def test_a_wheel_that_replaces_the_environment_is_refused(name: str, tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "x", "1", files={f"x-1.data/data/{name}": b"home = /tmp"})

    with pytest.raises(InvalidInput, match="replaces the environment"):
        layer_of(path)


def test_what_a_wheel_has_behind_the_environments_link_is_where_that_leads_to(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "x", "1", files={"x-1.data/data/lib64/x.so": b"code"})

    assert members(layer_of(path))["opt/venv/lib/x.so"][1] == b"code"


def test_entries_with_long_names_keep_them() -> None:
    name = "/".join(["opt", *("folder" * 5 for _ in range(10)), "x" * 120])
    target = io.BytesIO()

    write_blob([Entry.file(name, b"1"), Entry.link("opt/link", "x" * 150)], target, Watch())

    found = members(target.getvalue())
    assert found[name][1] == b"1"
    assert found["opt/link"][0].linkname == "x" * 150


def some(name: str, size: int) -> Wheel:
    return Wheel(name=name, version="1", filename=f"{name}-1-py3-none-any.whl", sha256="0" * 64, size=size)


def test_a_large_wheel_has_a_layer_of_its_own_and_small_ones_share() -> None:
    small = [some(f"small{number}", (1 << 16) - 1) for number in range(200)]
    large = [some(f"large{number}", 1 << 16) for number in range(5)]

    packed = pack([*small, *large], room=60)

    assert len(packed) == 16 + 5
    assert packed[16:] == [(one,) for one in large]
    assert {one.name for layer in packed for one in layer} == {one.name for one in (*small, *large)}


def test_which_wheels_share_a_layer_does_not_depend_on_the_others() -> None:
    many = [some(f"small{number}", 1000) for number in range(200)]
    whole, part = pack(many, room=60), pack(many[:50], room=60)

    together = {one.name: {other.name for other in layer} for layer in whole for one in layer}
    for layer in part:
        for one in layer:
            assert {other.name for other in layer} <= together[one.name]


def test_where_there_is_no_room_the_smallest_of_the_large_ones_share() -> None:
    large = [some(f"large{number:03}", (1 << 20) + number) for number in range(100)]

    packed = pack(large, room=40)

    assert len(packed) <= 40
    assert [layer[0] for layer in packed if len(layer) == 1][-1] == large[-1]
    assert pack(reversed(large), room=40) == packed
