"""`zlock build` without an engine: images out of layers, from the lock to what is verified, and what can go wrong."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock

from support.engines import small_disk
from support.index import TinyIndex
from support.parents import PYTHON, make_parent, parent_files, python_program
from support.project import Project, Result
from support.serve import Reply
from support.stored_images import Image, TinyRegistry, make_layer, write_layout
from support.wheels import make_tree

ALONE = {"PATH": "/nonexistent"}
"""No engine is found, and no interpreter but zlock's own."""
BIG = bytes(range(256)) * 8192


@pytest.fixture
def filled(index: TinyIndex) -> TinyIndex:
    """An index with packages of all kinds that a wheel can be."""
    index.wheel("base", "1.0", files={"base/__init__.py": b"NAME = 'base'\n", "base/big.bin": BIG}, deflate=False)
    index.wheel(
        "tool",
        "1.0",
        requires=["base"],
        files={"tool.py": b"def main():\n    print('tool')\n", "tool-1.0.data/scripts/run": b"#!python\nprint(1)\n"},
        entry_points={"console_scripts": {"tool": "tool:main"}},
    )
    index.sdist("built", "1.0")
    return index


@pytest.fixture
def parent(tmp_path: Path) -> str:
    return make_parent(tmp_path / "parent")


@pytest.fixture
def pushed_to() -> Iterator[TinyRegistry]:
    with TinyRegistry() as tiny:
        yield tiny


def configure(
    project: Project, index: TinyIndex, parent: str, docker: Mapping[str, Any] | None = None, **more: Any
) -> None:
    settings = {"requirements": ["tool"], "parent-image": parent, **(docker or {})}
    indexes = [{"url": index.url, "default": True}]
    project.configure({"python": PYTHON, "index": indexes, "docker": settings, **more})
    locked = project.run("resolve")
    assert locked.code == 0, locked.stderr


def build(project: Project, *arguments: str, **env: str) -> Result:
    return project.run("build", "--json", *arguments, env={**ALONE, **env}, timeout=120)


def image_of(result: Result) -> dict[str, Any]:
    assert result.code == 0, result.stderr
    (row,) = json.loads(result.stdout)["images"]
    found: dict[str, Any] = row
    return found


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


def manifest_of(layout: Path) -> dict[str, Any]:
    (row,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    found: dict[str, Any] = json.loads(blob(layout, row["digest"]))
    return found


def files_of(layout: Path) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Return the files of the only image of a layout that are not its parent's."""
    found = {}
    for layer in manifest_of(layout)["layers"][1:]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layout, layer["digest"])))) as archive:
            for one in archive:
                stream = archive.extractfile(one) if one.isreg() else None
                found[one.name] = (one, stream.read() if stream else b"")
    return found


def test_the_same_image_comes_of_two_cold_caches_and_is_as_locked(
    project: Project, filled: TinyIndex, parent: str, tmp_path: Path
) -> None:
    configure(project, filled, parent)

    first = image_of(build(project, "--output", f"oci:{tmp_path / 'one'}", "--cache-dir", str(tmp_path / "cache1")))
    second = image_of(build(project, "--output", f"oci:{tmp_path / 'two'}", "--cache-dir", str(tmp_path / "cache2")))
    again = image_of(build(project, "--output", f"oci:{tmp_path / 'two'}"))
    verified = project.run("verify", first["reference"])

    assert first["built"]
    assert first["digest"] == second["digest"]
    assert (tmp_path / "one" / "index.json").read_bytes() == (tmp_path / "two" / "index.json").read_bytes()
    assert (again["built"], again["digest"]) == (False, first["digest"])
    assert verified.code == 0, verified.stdout + verified.stderr
    assert "2 packages" in verified.stderr


def test_an_image_is_what_was_set_and_locked(project: Project, filled: TinyIndex, parent: str, tmp_path: Path) -> None:
    docker = {
        "user": "nobody:nogroup",
        "environment": {"A": 'x "$y"', "PATH": "/own"},
        "runtime-environment": {"B": "späť"},
    }
    configure(project, filled, parent, docker)
    out = tmp_path / "out"

    row = image_of(build(project, "--output", f"oci:{out}", SOURCE_DATE_EPOCH="86400"))

    config = json.loads(blob(out, manifest_of(out)["config"]["digest"]))
    assert config["created"] == "1970-01-02T00:00:00Z"
    assert config["config"]["Env"] == [
        "PATH=/opt/venv/bin:/own",
        'A=x "$y"',
        "VIRTUAL_ENV=/opt/venv",
        "B=späť",
    ]
    assert (config["config"]["User"], config["config"]["WorkingDir"]) == ("nobody:nogroup", "/app")
    labels = config["config"]["Labels"]
    assert labels["zlock.key"] == row["key"]
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    found = files_of(out)
    assert (found["app"][0].uid, found["app"][0].gid, found["app"][0].mode) == (65534, 65534, 0o755)
    locked = Pylock.from_dict(tomllib.loads(found["opt/zlock/pylock.toml"][1].decode()))
    locked.validate()
    assert {one.name: str(one.version) for one in locked.packages} == {"base": "1.0", "tool": "1.0"}
    assert found["opt/venv/bin/tool"][1].startswith(b"#!/opt/venv/bin/python\n")
    assert filled.url.encode() not in b"".join(data for _, data in found.values())


def test_files_of_the_project_are_the_last_layer_and_the_only_one_that_moves_with_them(
    project: Project, filled: TinyIndex, parent: str, tmp_path: Path
) -> None:
    project.write("train.py", "print(1)")
    project.write("jobs/start.sh", "exit").chmod(0o755)
    configure(project, filled, parent, {"include-project": True, "user": "nobody:nogroup"})
    out = tmp_path / "out"
    before = image_of(build(project, "--output", f"oci:{out}"))
    first = manifest_of(out)["layers"]
    found = files_of(out)

    assert found["app/train.py"][1] == b"print(1)"
    modes = {path: (found[path][0].mode, found[path][0].uid) for path in ("app", "app/jobs", "app/jobs/start.sh")}
    assert modes == dict.fromkeys(modes, (0o755, 65534))
    assert project.run("verify", before["reference"], env=ALONE).code == 0

    project.write("train.py", "print(2)")
    plan = project.run("plan", "--explain", "pipeline", env=ALONE)
    assert "file train.py: changed" in plan.stdout
    shutil.rmtree(out)
    after = image_of(build(project, "--output", f"oci:{out}"))
    assert after["key"] != before["key"]
    *same, last = manifest_of(out)["layers"]
    assert same == first[:-1]
    assert last != first[-1]


def test_a_base_image_with_a_working_folder_gets_files_of_the_project_by_an_engine(
    project: Project, filled: TinyIndex, tmp_path: Path
) -> None:
    project.write("train.py", "print(1)")
    files = {**parent_files(), "app/": None, "app/own.txt": b"own"}
    configure(project, filled, make_parent(tmp_path / "other", files), {"include-project": True})

    result = project.run("build", "--builder", "oci", env=ALONE)

    assert result.code == 1
    assert "its base image has `/app`, into which files of the project are copied" in result.stderr


def test_without_an_engine_images_are_in_the_project_where_plan_and_verify_find_them(
    project: Project, filled: TinyIndex, parent: str
) -> None:
    configure(project, filled, parent)
    before = json.loads(project.run("plan", "--json", env=ALONE).stdout)["images"][0]

    row = image_of(build(project))
    after = json.loads(project.run("plan", "--json", env=ALONE).stdout)["images"][0]

    assert before["exists"] is False
    assert (after["exists"], after["place"], after["key"]) == (True, "oci:build/zlock/oci", row["key"])
    assert row["reference"] == f"oci:build/zlock/oci:{row['key'][:16]}"
    assert project.run("verify", row["reference"]).code == 0
    assert image_of(build(project))["built"] is False
    assert image_of(build(project, "--force"))["built"] is True


def test_an_archive_holds_all_images_and_is_whole(
    project: Project, filled: TinyIndex, parent: str, tmp_path: Path
) -> None:
    steps = {name: {"docker": {"requirements": [name]}} for name in ("base", "tool")}
    configure(project, filled, parent, steps=steps)
    file = tmp_path / "images.tar"

    result = build(project, "--output", f"docker-archive:{file}")

    rows = json.loads(result.stdout)["images"]
    assert [row["built"] for row in rows] == [True, True]
    for row in rows:
        verified = project.run("verify", row["reference"], "--step", row["steps"][0])
        assert verified.code == 0, verified.stdout + verified.stderr
    with tarfile.open(file) as archive:
        assert {"manifest.json", "index.json", "oci-layout"} < set(archive.getnames())


def test_steps_that_have_to_run_something_are_named_and_the_others_are_built(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    pushed_to.push("base", "1", Image(layers=(make_layer(parent_files()),)))
    steps = {
        "wheels": {"docker": {"requirements": ["tool"]}},
        "built": {"docker": {"requirements": ["built"], "parent-image": f"{pushed_to.host}/base:1"}},
    }
    more: dict[str, Any] = {"build-sdists": ["built"]}
    configure(project, filled, parent, steps=steps, **more)

    result = build(project)
    assert result.stdout, result.stderr
    named = project.run("build", "--builder", "oci", "--step", "built", env=ALONE)

    document = json.loads(result.stdout)
    assert [row["steps"] for row in document["images"]] == [["wheels"]]
    assert [row["step"] for row in document["failed"]] == ["built"]
    assert "step `built` is built by an engine: `built` is built while it is made" in result.stderr
    assert "no image builder is available" in result.stderr
    assert named.code == 1
    assert "step `built` can't be put together out of layers: `built` is built while it is made" in named.stderr


@pytest.mark.parametrize(
    ("docker", "why"),
    [
        ({"system": True}, "`system` is set"),
        ({"apt-packages": ["git"]}, "apt packages are not locked (`git`)"),
        ({"local-project-install-command": "true"}, "`local-project-install-command` is set"),
    ],
)
def test_what_has_to_be_run_is_named(
    docker: Mapping[str, Any], why: str, project: Project, filled: TinyIndex, parent: str
) -> None:
    configure(project, filled, parent, docker)

    result = project.run("build", "--builder", "oci", env=ALONE)

    assert result.code == 1
    assert f"can't be put together out of layers: {why}" in result.stderr


PARENTS = {
    "no python": ({"etc/x": b""}, "has no `python3` on its PATH"),
    "a script": ({"usr/bin/python3": b"#!/bin/sh\n"}, "can't be told from its file"),
    "an environment": ({**parent_files(), "usr/pyvenv.cfg": b"home = /x\n"}, "is that of an environment"),
    "another python": (parent_files(version="3.7.1"), "the base image has Python 3.7.1"),
    "another machine": (parent_files(machine=183), "the lock is for linux/amd64, the base image has aarch64"),
    "an unknown machine": (parent_files(machine=2), "the base image has an unknown machine"),
    "musl": (parent_files(libc="musl"), "the lock is for glibc 2.28 or later, the base image has no glibc"),
    "an old glibc": (parent_files(glibc="2.17"), "the base image has glibc 2.17"),
    "its own environment": ({**parent_files(), "opt/venv/x": b""}, "the base image has /opt/venv already"),
    "a link on the way": ({**parent_files(), "opt": "usr"}, "`/opt` of its base image is not a folder"),
}


@pytest.mark.parametrize(("files", "why"), PARENTS.values(), ids=PARENTS.keys())
def test_a_parent_that_is_not_right_is_refused_before_anything_is_written(
    files: Any, why: str, project: Project, filled: TinyIndex, tmp_path: Path
) -> None:
    configure(project, filled, make_parent(tmp_path / "parent", files))
    asked = len(filled.requests)

    result = project.run("build", "--builder", "oci", "--output", f"oci:{tmp_path / 'out'}", env=ALONE)

    assert result.code == 1, result.stderr
    assert why in result.stderr
    assert "step `pipeline`" in result.stderr
    assert len(filled.requests) == asked
    assert not (tmp_path / "out").exists()


def test_a_user_that_the_parent_does_not_know_is_an_error(project: Project, filled: TinyIndex, parent: str) -> None:
    configure(project, filled, parent, {"user": "somebody"})

    result = build(project)

    assert result.code == 1
    assert "step `pipeline`: the base image has no user `somebody`" in result.stderr


def test_a_parent_in_a_folder_counts_from_the_file_that_states_it_and_moves_the_key(
    project: Project, filled: TinyIndex
) -> None:
    make_parent(project.folder / "images" / "parent")
    configure(project, filled, "oci:images/parent")

    first = image_of(build(project))
    make_parent(project.folder / "images" / "parent", {**parent_files(), "more": b"1"})
    second = image_of(build(project))

    assert first["key"] != second["key"]
    assert str(project.folder) not in project.lock_path("pipeline").read_text(encoding="utf-8")


def test_a_parent_in_a_folder_is_none_for_an_engine(project: Project, filled: TinyIndex, parent: str) -> None:
    configure(project, filled, parent, {"apt-packages": ["git"]})

    result = project.run("dockerfile")

    assert result.code == 1
    assert "its base image is in a folder, on which no engine builds" in result.stderr


def test_sources_only_is_smaller_and_another_image(
    project: Project, filled: TinyIndex, parent: str, tmp_path: Path
) -> None:
    configure(project, filled, parent)
    whole = image_of(build(project))
    configure(project, filled, parent, {"bytecode": False})

    row = image_of(build(project, "--output", f"oci:{tmp_path / 'out'}"))

    assert row["key"] != whole["key"]
    assert not [name for name in files_of(tmp_path / "out") if name.endswith(".pyc")]
    assert project.run("verify", row["reference"]).code == 0


def test_a_folder_of_the_project_is_a_layer_too(
    project: Project, filled: TinyIndex, parent: str, tmp_path: Path
) -> None:
    make_tree(project.folder / "own", "own", "1.0", requires=["base"])
    configure(project, filled, parent, {"requirements": ["own @ file:own"]})

    row = image_of(build(project, "--output", f"oci:{tmp_path / 'out'}"))

    found = files_of(tmp_path / "out")
    (origin,) = [json.loads(data) for name, (_, data) in found.items() if name.endswith("direct_url.json")]
    assert origin["url"].startswith("file:///opt/zlock/folders/own-1.0")
    assert project.run("verify", row["reference"]).code == 0


def test_packages_with_one_path_are_named_and_verified(project: Project, filled: TinyIndex, parent: str) -> None:
    for name in ("first", "second"):
        filled.wheel(name, "1.0", files={f"{name}.py": b"", "shared/data.txt": name.encode()})
    configure(project, filled, parent, {"requirements": ["first", "second"]})

    result = build(project)

    row = image_of(result)
    assert f"both have `/opt/venv/lib/python{PYTHON}/site-packages/shared/data.txt`" in result.stderr
    verified = project.run("verify", row["reference"])
    assert verified.code == 0, verified.stdout + verified.stderr


def test_a_wheel_that_is_none_is_named_with_its_step(project: Project, filled: TinyIndex, parent: str) -> None:
    filled.wheel("odd", "1.0", files={"odd.py": b"", "odd-1.0.data/data/bin/python": b"#!/bin/sh\n"})
    steps = {"good": {}, "bad": {"docker": {"requirements": ["odd"]}}}
    configure(project, filled, parent, steps=steps)

    result = build(project)

    assert [row["steps"] for row in json.loads(result.stdout)["images"]] == [["good"]]
    assert result.code == 2
    assert "the wheel of odd replaces the environment's `bin/python`" in result.stderr


def push(project: Project, *arguments: str) -> Result:
    return build(project, "--push", *arguments)


def test_what_a_registry_has_is_neither_fetched_nor_made(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")
    assert push(project).code == 0
    shutil.rmtree(project.cache / "layers")
    filled.wheel("small", "1.0")
    configure(project, filled, parent, {"requirements": ["tool", "small"]}, registry=f"{pushed_to.host}/team/images")
    before, sent = len(filled.requests), len(pushed_to.requests)

    image_of(push(project))

    fetched = [one.path.rpartition("/")[2] for one in filled.requests[before:] if one.path.endswith(".whl")]
    puts = [one.path for one in pushed_to.requests[sent:] if one.method == "PUT"]
    assert "base-1.0-py3-none-any.whl" not in fetched
    assert any(name.startswith("small-1.0") for name in fetched)
    assert puts[-1].startswith("/v2/team/images/manifests/")


@pytest.mark.parametrize("answer", [201, 202, 403])
def test_what_an_earlier_run_has_sent_is_linked_in_another_repository(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry, answer: int
) -> None:
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")
    assert push(project).code == 0
    right = pushed_to.upload
    if answer == 202:  # it is no longer there
        pushed_to.content = {path: one for path, one in pushed_to.content.items() if "/blobs/" not in path}
    elif answer == 403:
        pushed_to.upload = lambda path, call: (  # type: ignore[method-assign]
            Reply(status=403) if "mount=" in call.path else right(path, call)
        )
    configure(project, filled, parent, registry=f"{pushed_to.host}/other/images")
    before = len(pushed_to.requests)

    assert push(project).code == 0

    sent = [one for one in pushed_to.requests[before:] if one.method == "PUT" and "/blobs/" in one.path]
    linked = [one for one in pushed_to.requests[before:] if "mount=" in one.path]
    assert len(linked) > 2
    assert len(sent) == (0 if answer == 201 else len(linked))


@pytest.mark.parametrize("docker", [{"python-package-installer-args": {"no-cache-dir": True}}, {}])
def test_an_installer_that_is_not_used_is_told_once(
    project: Project, filled: TinyIndex, parent: str, tmp_path: Path, docker: Mapping[str, Any]
) -> None:
    steps = {"one": {"docker": docker}, "two": {"docker": {"requirements": ["base"], **docker}}}
    configure(project, filled, parent, steps=steps)
    keys = [row["key"] for row in json.loads(project.run("plan", "--json").stdout)["images"]]

    result = build(project, "--output", f"oci:{tmp_path / 'out'}")

    assert result.code == 0, result.stderr
    assert result.stderr.count("installers and their arguments are checked and not used") == bool(docker)
    configure(project, filled, parent, steps={"one": {}, "two": {"docker": {"requirements": ["base"]}}})
    assert keys == [row["key"] for row in json.loads(project.run("plan", "--json").stdout)["images"]]


def test_bills_of_materials_are_found_where_the_registry_lists_them(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry, tmp_path: Path
) -> None:
    """With one that does not, see `test_layers_in_engines`."""
    listed: dict[str, list[dict[str, Any]]] = {}
    pushed_to.referrers = listed
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")
    library = tmp_path / "library"
    library.mkdir()
    (library / "cyclonedx.py").write_text("raise ImportError")

    early = build(project, "--push", "--attach", "cyclonedx", PYTHONPATH=str(library))

    assert (early.code, pushed_to.content) == (3, {})
    assert "`cyclonedx-python-lib` is not installed" in early.stderr
    assert "failed" not in early.stderr
    first = image_of(build(project, "--push"))
    pushed_to.instead["team/images/blobs/uploads/"] = [Reply(status=403)]

    refused = build(project, "--push", "--attach", "cyclonedx")

    assert (refused.code, json.loads(refused.stdout)["images"][0]["reference"]) == (3, first["reference"])
    assert "so the image of `pipeline` has no bill of materials beside it" in refused.stderr
    assert "failed" not in refused.stderr
    assert first["reference"] in (project.folder / "build" / "zlock" / "images.json").read_text()
    pushed_to.instead.clear()
    rows = [image_of(build(project, "--push", "--attach", one)) for one in ("cyclonedx", "cyclonedx", "spdx")]

    verified = project.run("verify", f"docker://{rows[0]['reference']}")

    assert verified.code == 0, verified.stdout + verified.stderr
    assert re.findall(r"bill of materials: (\w+)", verified.stderr) == ["cyclonedx", "spdx"]
    assert [len(found) for found in listed.values()] == [2]
    assert f"team/images/manifests/{rows[0]['digest'].replace(':', '-')}" not in pushed_to.content


def test_what_was_damaged_on_the_disk_is_written_anew(
    project: Project, filled: TinyIndex, parent: str, tmp_path: Path
) -> None:
    configure(project, filled, parent)
    first = image_of(build(project, "--output", f"oci:{tmp_path / 'out'}"))
    for blob in (*(project.cache / "layers").iterdir(), *(tmp_path / "out" / "blobs" / "sha256").iterdir()):
        blob.write_bytes(bytes(blob.stat().st_size))

    again = image_of(build(project, "--output", f"oci:{tmp_path / 'out'}", "--force"))

    assert again["digest"] == first["digest"]
    assert project.run("verify", f"oci:{tmp_path / 'out'}").code == 0


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("oci:file", "`file` is a file, and a layout is a folder"),
        ("docker-archive:folder", "`folder` is not a file"),
        ("docker-archive:pipe", "`pipe` is not a file"),
    ],
)
def test_what_can_not_take_images_is_left_as_it_is(
    project: Project, filled: TinyIndex, parent: str, output: str, said: str
) -> None:
    configure(project, filled, parent)
    (project.folder / "file").write_text("x")
    (project.folder / "folder").mkdir()
    os.mkfifo(project.folder / "pipe")
    place = project.folder / output.partition(":")[2]
    before = place.stat().st_mode

    result = build(project, "--output", output)

    assert result.code == 2
    assert said in result.stderr
    assert place.stat().st_mode == before


def test_nothing_is_pushed_under_a_tag_before_all_images_are_there(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    filled.wheel("odd", "1.0", files={"odd.py": b"", "odd-1.0.data/data/pyvenv.cfg": b""})
    steps = {"good": {}, "bad": {"docker": {"requirements": ["odd"]}}}
    configure(project, filled, parent, steps=steps, registry=f"{pushed_to.host}/team/images")

    result = push(project)

    assert json.loads(result.stdout)["images"] == []
    assert {row["state"] for row in json.loads(result.stdout)["missing"]} == {"not pushed", "failed"}
    assert not [path for path in pushed_to.content if "/manifests/" in path]


@pytest.mark.parametrize("refused", [(401, "asks for a login"), (403, "forbids it"), (507, "answered 507")])
def test_a_registry_that_takes_no_content_is_named(
    refused: tuple[int, str], project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    status, said = refused
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")
    pushed_to.instead["team/images/blobs/uploads/"] = [Reply(status=status)]

    result = push(project)

    assert result.code == 3
    assert said in result.stderr
    assert f"{pushed_to.host}/team/images" in result.stderr


def test_two_runs_on_one_cache_make_the_same(project: Project, filled: TinyIndex, parent: str, tmp_path: Path) -> None:
    configure(project, filled, parent)
    commands = [("build", "--json", "--output", f"oci:{tmp_path / str(number)}") for number in (1, 2)]

    runs = [project.start(*command, env=ALONE) for command in commands]
    outputs = [run.communicate(timeout=120) for run in runs]

    assert [run.returncode for run in runs] == [0, 0], outputs
    assert (tmp_path / "1" / "index.json").read_bytes() == (tmp_path / "2" / "index.json").read_bytes()


def test_an_interrupt_ends_at_once_and_leaves_nothing_half_made(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")
    pushed_to.instead["team/images/blobs/uploads/begun"] = [Reply(ending="hang")]
    run = project.start("build", "--push", env=ALONE)
    while not any(one.path.endswith("/blobs/uploads/") for one in pushed_to.requests):
        assert run.poll() is None

    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=60)

    assert run.returncode == 130, stderr
    assert not [path for path in pushed_to.content if "/manifests/" in path]
    del pushed_to.instead["team/images/blobs/uploads/begun"]
    assert push(project).code == 0


def test_a_full_disk_is_named_and_leaves_the_cache_usable(
    project: Project, filled: TinyIndex, parent: str, tmp_path: Path
) -> None:
    filled.wheel("large", "1.0", files={"large.bin": os.urandom(4 << 20)}, deflate=False)
    configure(project, filled, parent, {"requirements": ["large"]})
    with small_disk(tmp_path / "disk", "3m") as disk:
        shutil.copytree(project.cache, disk, dirs_exist_ok=True)

        result = build(project, "--output", f"oci:{tmp_path / 'out'}", "--cache-dir", str(disk))

        assert result.code == 3
        assert "No space left on device" in result.stderr
        assert f"the space that is left in `{disk}" in result.stderr
        assert not [path.name for path in (disk / "layers").iterdir() if path.name.startswith(".")]
    assert not (tmp_path / "out" / "index.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_nobody_in_particular_can_build(filled: TinyIndex) -> None:
    with tempfile.TemporaryDirectory() as name:  # those of pytest are closed to others whenever a run of it starts
        folder = Path(name)
        project = Project(folder / "project")
        configure(project, filled, make_parent(folder / "parent"))
        open_to_all(folder)
        command = [*nobody(), "-P", "-m", "zlock", "build", "--json", "--cache-dir", str(folder / "cache")]
        environ = {"PATH": "/nonexistent", "HOME": str(project.home), "PYTHONPATH": os.pathsep.join(sys.path)}

        done = subprocess.run(command, cwd=project.folder, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"][0]["built"]


def nobody() -> list[str]:
    """Return what runs a Python of the tests' version as a user without rights; that of the tests may be root's own."""
    setpriv = shutil.which("setpriv") or pytest.skip("`setpriv` is not installed")
    switch = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import zlock.cli'], check=True)"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    for python in (sys.executable, f"/usr/bin/python{PYTHON}"):
        with contextlib.suppress(OSError):
            if not subprocess.run(
                [*switch, python, "-c", again], capture_output=True, env=environ, check=False
            ).returncode:
                return [*switch, python]
    pytest.skip("no Python that everybody may run can import zlock")


def open_to_all(folder: Path) -> None:
    """Let everybody write below a folder, and pass through all above it."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    for above in folder.parents:
        if above.stat().st_uid == os.geteuid():
            above.chmod(above.stat().st_mode | 0o011)


def test_a_parent_of_too_many_layers_is_refused(project: Project, filled: TinyIndex, tmp_path: Path) -> None:
    layers = (make_layer(parent_files()), *(make_layer({f"file{number}": b""}) for number in range(120)))
    write_layout(tmp_path / "parent", {"base": Image(layers=layers, env=("PATH=/usr/bin",))})
    configure(project, filled, f"oci:{tmp_path / 'parent'}")

    result = build(project)

    assert result.code == 1
    assert "has 121 layers, and an image has 100 at most" in result.stderr
    assert "reading layer" not in result.stderr


def test_a_layer_that_nobody_may_pass_on_is_refused(project: Project, filled: TinyIndex, tmp_path: Path) -> None:
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    configure(project, filled, make_parent(tmp_path / "parent", layer_type=foreign))

    result = build(project)

    assert result.code == 1
    assert f"has a layer of the type `{foreign}`, which can't be passed on" in result.stderr


def test_a_machine_without_the_python_is_told_the_way_out(project: Project, filled: TinyIndex, tmp_path: Path) -> None:
    version = "3.99.1"
    files = parent_files(version=version)
    assert python_program(version=version) in files.values()
    configure(project, filled, make_parent(tmp_path / "parent", files), python="3.99")

    result = project.run("build", "--builder", "oci", env=ALONE)

    assert result.code == 1
    assert "this machine has no Python 3.99 to compile with: set `bytecode = false`" in result.stderr


def test_machines_share_the_images_of_a_pipeline(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    steps = {name: {"docker": {"environment": {"STEP": name}}} for name in ("one", "two", "three")}
    configure(project, filled, parent, steps=steps, registry=f"{pushed_to.host}/team/images")

    parts = [json.loads(push(project, "--shard", f"{part}/2").stdout)["images"] for part in (1, 2)]
    record = json.loads((project.folder / "build" / "zlock" / "images.json").read_text(encoding="utf-8"))
    whole = json.loads(push(project).stdout)["images"]

    assert [[row["steps"] for row in rows] for rows in parts] == [[["one"], ["three"]], [["two"]]]
    assert {step for step, row in record.items() if row.get("reference")} == {"two"}
    assert [row["built"] for row in whole] == [False, False, False]
    assert project.run("build", "--shard", "3/2").code == 2


def test_each_platform_has_its_own_image_from_any_machine(
    project: Project, index: TinyIndex, pushed_to: TinyRegistry, tmp_path: Path
) -> None:
    for machine in ("x86_64", "aarch64"):
        index.wheel("base", "1.0", tag=f"py3-none-manylinux_2_17_{machine}")
    images = [
        Image(layers=(make_layer(parent_files(machine=number)),), platform=platform, env=("PATH=/usr/bin",))
        for platform, number in (("linux/amd64", 62), ("linux/arm64", 183))
    ]
    pushed_to.push("base", "1", *images)
    more: dict[str, Any] = {"platforms": ["linux/amd64", "linux/arm64"], "registry": f"{pushed_to.host}/team/images"}
    configure(project, index, f"{pushed_to.host}/base:1", {"requirements": ["base"]}, **more)

    pushed = json.loads(push(project).stdout)
    stored = build(project, "--output", f"oci:{tmp_path / 'out'}")

    assert sorted(row["platform"] for row in pushed["images"]) == ["linux/amd64", "linux/arm64"]
    assert pushed["indexes"][0]["written"]
    verified = project.run("verify", f"docker://{pushed['indexes'][0]['reference']}")
    assert verified.code == 0, verified.stdout + verified.stderr
    assert stored.code == 0, stored.stderr
    rows = json.loads((tmp_path / "out" / "index.json").read_bytes())["manifests"]
    assert sorted(row["platform"]["architecture"] for row in rows) == ["amd64", "arm64"]


def test_an_upload_that_breaks_off_is_begun_again(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")
    right = pushed_to.upload
    broken = iter([Reply(status=503), Reply(ending="reset"), Reply(status=404)])
    pushed_to.upload = lambda path, call: (  # type: ignore[method-assign]
        next(broken, None) or right(path, call) if call.method == "PUT" else right(path, call)
    )

    assert push(project).code == 0
    assert next(broken, None) is None


def test_a_registry_that_stores_something_else_is_named(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")
    lie = Reply(status=201, headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"})
    pushed_to.instead["team/images/blobs/uploads/begun"] = [lie]

    result = push(project)

    assert result.code == 3
    assert f"not the promised sha256:{'0' * 64}" in result.stderr
    assert result.stderr.count("\n  the image of `pipeline`\n") == 1
    assert not [path for path in pushed_to.content if "/manifests/" in path]


def test_an_upload_to_another_server_gets_no_login(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    pushed_to.login = "user:secret"
    auth = base64.b64encode(b"user:secret").decode()
    (project.home / ".docker").mkdir()
    (project.home / ".docker" / "config.json").write_text(
        json.dumps({"auths": {pushed_to.host: {"auth": auth}}}), encoding="utf-8"
    )
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")
    with TinyRegistry() as elsewhere:
        elsewhere.login = "other:login"
        place = f"{elsewhere.root}/v2/x/blobs/uploads/begun"
        pushed_to.instead["team/images/blobs/uploads/"] = [Reply(status=202, headers={"Location": place})]

        result = push(project)

        assert result.code == 3
        assert any(one.method == "PUT" for one in elsewhere.requests)
        assert not [one for one in elsewhere.requests if "authorization" in one.headers]


FAULTS: Mapping[str, tuple[Reply, int, str]] = {
    "gone": (Reply(status=404), 3, "has lost its layer"),
    "refused": (Reply(status=401), 3, "asks for a login"),
    "too many": (Reply(status=429, headers={"Retry-After": "0"}), 3, "429"),
    "broken": (Reply(status=500), 3, "answered 500"),
    "cut short": (Reply(body=b"x" * 300, ending="truncate"), 3, "could not fetch"),
    "other bytes": (Reply(body=b"x"), 3, "can't be used"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_registry_that_does_not_give_the_parent_is_named(
    fault: tuple[Reply, int, str], project: Project, filled: TinyIndex, pushed_to: TinyRegistry
) -> None:
    reply, code, said = fault
    image = Image(layers=(make_layer(parent_files()),), env=("PATH=/usr/bin",))
    pushed_to.push("base", "1", image)
    configure(project, filled, f"{pushed_to.host}/base:1")
    (layer,) = json.loads(image.manifest)["layers"]
    pushed_to.instead[f"base/blobs/{layer['digest']}"] = [reply]

    result = project.run("build", "--builder", "oci", env={**ALONE, "UV_HTTP_RETRIES": "1"}, timeout=120)

    assert result.code == code, result.stderr
    assert said in result.stderr
    assert not (project.folder / "build" / "zlock" / "oci").exists()


@pytest.mark.parametrize("more", [{}, {"usr/bin/python3": b"#!/bin/sh\n"}], ids=["no python", "a script"])
def test_the_files_of_a_base_image_that_is_not_right_are_read_once(
    project: Project, filled: TinyIndex, pushed_to: TinyRegistry, more: Mapping[str, bytes]
) -> None:
    image = Image(layers=(make_layer({"etc/x": b"", **more}),), env=("PATH=/usr/bin",))
    pushed_to.push("base", "1", image)
    steps = {name: {"docker": {"requirements": [name]}} for name in ("base", "tool")}
    configure(project, filled, f"{pushed_to.host}/base:1", steps=steps)

    first, second = (project.run("build", "--builder", "oci", env=ALONE) for _ in range(2))

    (layer,) = json.loads(image.manifest)["layers"]
    assert (first.code, first.stderr) == (1, second.stderr)
    assert "`python3`" in first.stderr or "/python3`" in first.stderr
    assert [call.path for call in pushed_to.requests].count(f"/v2/base/blobs/{layer['digest']}") == 1


def test_a_base_image_that_is_gone_is_left_to_no_engine(
    project: Project, filled: TinyIndex, pushed_to: TinyRegistry
) -> None:
    digest = pushed_to.push("base", "1", Image(layers=(make_layer(parent_files()),), env=("PATH=/usr/bin",)))
    configure(project, filled, f"{pushed_to.host}/base@{digest}", {"user": "0"})
    pushed_to.content.clear()
    offline = project.run("build", "--builder", "oci", "--offline", env=ALONE)

    assert offline.code == 1
    assert f"`{pushed_to.host}/base@{digest}` is in a registry, which `--offline` does not ask" in offline.stderr
    assert "hint: leave out `--offline`\n" in offline.stderr
    result = project.run("build", "--builder", "oci", env=ALONE)

    assert result.code == 1
    assert f"there is no base image `{pushed_to.host}/base@{digest}`" in result.stderr
    assert "hint: check its name" in result.stderr


def test_a_copy_on_disk_leaves_the_record_and_is_found_by_its_step(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry, tmp_path: Path
) -> None:
    steps: dict[str, Any] = {"train": {}, "serve": {"docker": {"requirements": ["base"]}}}
    configure(project, filled, parent, steps=steps, registry=f"{pushed_to.host}/team/images")
    assert build(project, "--push").code == 0
    record = project.folder / "build" / "zlock" / "images.json"
    before = record.read_bytes()
    places = (f"oci:{tmp_path / 'out'}", f"docker-archive:{tmp_path / 'out.tar'}")

    for place in places:
        assert build(project, "--output", place).code == 0
        assert record.read_bytes() == before
        for step in steps:
            verified = project.run("verify", place, "--step", step, env=ALONE)
            assert verified.code == 0, verified.stdout + verified.stderr
        unclear = project.run("verify", place, env=ALONE)
        assert unclear.code == project.run("verify", f"{place}:other", "--step", "train", env=ALONE).code == 2
        for row in json.loads(before).values():
            assert f":{row['key'][:16]}`" in unclear.stderr.splitlines()[-1]

    configure(
        project, filled, parent, {"environment": {"A": "1"}}, steps=steps, registry=f"{pushed_to.host}/team/images"
    )
    assert build(project, "--output", places[0], "--step", "train").code == 0
    rows = json.loads(record.read_text())
    assert rows["train"]["reference"].startswith(places[0])
    assert rows["serve"] == json.loads(before)["serve"]


def test_all_arguments_that_are_wrong_are_told_before_anybody_is_asked(
    project: Project, filled: TinyIndex, pushed_to: TinyRegistry
) -> None:
    steps: dict[str, Any] = {"train": {}, "serve": {}, "away": {"platforms": ["darwin/arm64"]}}
    configure(project, filled, f"{pushed_to.host}/gone:1", steps=steps)
    pushed_to.requests.clear()

    result = project.run("build", "--push", "--offline", env=ALONE)

    assert result.code == 2
    assert "`--push` sends images to a registry, and `--offline` leaves the network alone" in result.stderr
    assert "no target repository is configured for the image of step `train`, `serve`\n" in result.stderr
    result = project.run("build", "--attach", "spdx", "--builder", "podman", "--output", "oci:out", env=ALONE)
    assert result.code == 2
    assert "can be attached only to images in registries" in result.stderr
    assert (
        "which `--builder podman` does not do\nhint: leave out one of both, or write `--builder oci`" in result.stderr
    )
    assert pushed_to.requests == []


def test_a_registry_that_is_not_there_is_one_error_with_all_images(
    project: Project, filled: TinyIndex, parent: str
) -> None:
    with TinyRegistry() as gone:
        host = gone.host
    steps = {"train": {}, "serve": {"docker": {"requirements": ["base"]}}}
    configure(project, filled, parent, steps=steps, registry=f"{host}/team/images")

    said = project.run("build", "--push", env=ALONE).stderr

    for step in steps:
        assert said.count(f"\n  the image of `{step}`\n") == 1
    assert "for the image of" not in said


def test_a_manifest_of_the_first_schema_is_refused(
    project: Project, filled: TinyIndex, pushed_to: TinyRegistry
) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+json"
    pushed_to.tag("base", "1", b'{"schemaVersion": 1, "fsLayers": [], "history": []}', kind)
    configure(project, filled, f"{pushed_to.host}/base:1")

    result = build(project)

    assert result.code == 3
    assert kind in result.stderr


def test_connections_are_kept_while_layers_are_pushed(
    project: Project, filled: TinyIndex, parent: str, pushed_to: TinyRegistry
) -> None:
    configure(project, filled, parent, registry=f"{pushed_to.host}/team/images")

    assert push(project).code == 0

    assert len(pushed_to.requests) > 2 * pushed_to.connections
