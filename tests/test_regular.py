"""Files that a checkout names and that are none: nothing is read without end, and nobody waits for a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from support.index import TinyIndex
from support.project import Project
from zlock.cli import run, schema
from zlock.errors import IndexFailed, InvalidConfiguration, ZlockError
from zlock.image.context import project as project_module
from zlock.image.context.ignore import read_ignore
from zlock.image.reading.tree import FolderTree
from zlock.index.fingerprint import Fingerprints
from zlock.index.folder import folder_page
from zlock.index.machine import Machine
from zlock.index.tree import static_metadata
from zlock.lock.identity import resign
from zlock.regular import LIMIT, NotRegular, read_regular
from zlock.workflow.deliver import init
from zlock.workflow.project.pythons import python_of

COMMANDS = [("resolve", "--check"), ("plan", "--offline"), ("tree",), ("dockerfile",)]


@pytest.fixture
def locked(project: Project, index: TinyIndex) -> Project:
    index.wheel("alpha", "1.0")
    project.write("requirements.txt", "alpha\n")
    docker = {"requirements": "requirements.txt"}
    project.configure({"python": "3.11", "index": [{"url": index.url, "default": True}], "docker": docker})
    assert project.run("resolve").code == 0
    return project


def put(kind: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as stream:
            stream.truncate(LIMIT + 1)


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_what_is_no_file_of_that_size_is_not_read(tmp_path: Path, kind: str) -> None:
    put(kind, tmp_path / "x")
    with pytest.raises(NotRegular):
        read_regular(tmp_path / "x")


READERS: dict[str, Callable[[Path], object]] = {
    "pyproject.toml": run._text,
    "pyvenv.cfg": lambda path: python_of(path.parent / "bin" / "python"),
    ".dockerignore": read_ignore,
    ".gitignore": init._ignore,
    "pipeline.py": lambda path: init._pointing_at(path, path.parent),
    "RECORD": lambda path: FolderTree(path.parent).read("/RECORD"),
    "schema.json": schema._check_place,
}


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
@pytest.mark.parametrize("name", READERS)
def test_nor_is_it_wherever_a_file_is_named(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    put(kind, path)
    with suppress(OSError, ZlockError):
        assert not READERS[name](path)


def test_nor_is_a_file_of_the_project_for_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_module, "_LARGEST", 1 << 20)
    put("large", tmp_path / "x")
    with pytest.raises(
        InvalidConfiguration, match="`x` can't be copied into an image: it has more than 1 MiB"
    ) as failed:
        project_module.project_files(tmp_path, [], [])
    assert ".dockerignore" in failed.value.hint


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_nor_is_it_as_an_archive_or_what_describes_one(tmp_path: Path, kind: str) -> None:
    for name in ("alpha-1.0-py3-none-any.whl", "PKG-INFO", "uv.toml"):
        put(kind, tmp_path / name)
    assert Fingerprints(tmp_path).of(["file:alpha-1.0-py3-none-any.whl"]) == {"file:alpha-1.0-py3-none-any.whl": ""}
    assert static_metadata(tmp_path) is None
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "uv.toml")}
    assert Machine.read(environ, tmp_path).uv.get("x") is None
    with pytest.raises(IndexFailed, match="not a regular file"):
        folder_page(canonicalize_name("alpha"), tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
@pytest.mark.parametrize("name", ["requirements.txt", "zlock.toml", "lockfiles/pylock.pipeline.toml"])
def test_a_run_names_it_and_ends(locked: Project, kind: str, name: str) -> None:
    put(kind, locked.folder / name)
    for command in COMMANDS:
        result = locked.run(*command)
        assert result.code == 2, (command, result)
        assert Path(name).name in result.stderr, (command, result)


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_so_does_one_that_needs_the_record_of_images(locked: Project, kind: str) -> None:
    (locked.folder / "build/zlock").mkdir(parents=True)
    put(kind, locked.folder / "build/zlock/images.json")
    result = locked.run("plan", "--offline", "--explain", "pipeline")
    assert result.code == 2
    assert "images.json` can't be read: it " in result.stderr


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_another_lock_of_that_folder_holds_nobody_up(locked: Project, kind: str) -> None:
    put(kind, locked.folder / "lockfiles/pylock.other.toml")
    for command in COMMANDS:
        assert locked.run(*command).code in (0, 2), command


def redeclared(project: Project, change: Callable[[str], str]) -> None:
    path = project.lock_path("pipeline")
    text = change(path.read_text(encoding="utf-8"))
    path.write_text(resign(text), encoding="utf-8")


@pytest.mark.parametrize("name", ["/dev/zero", "../../../../dev/zero", "link"])
def test_a_lock_can_not_name_what_a_build_is_to_read(locked: Project, name: str) -> None:
    """The author of a lock can make its digests anew; a build must not follow it out of the project."""
    (locked.folder / "link").symlink_to("/dev/zero")
    redeclared(locked, lambda text: text.replace('path = "requirements.txt"', f'path = "{name}"'))
    locked.write(
        "pyproject.toml",
        """
        [build-system]
        requires = ["hatchling", "zlock"]
        build-backend = "hatchling.build"
        [project]
        name = "p"
        version = "1"
        [tool.hatch.build.targets.wheel]
        bypass-selection = true
        [tool.hatch.build.hooks.zlock]
        """,
    )
    result = locked.call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", timeout=60)
    assert result.code != 0
    assert name in result.stdout + result.stderr
