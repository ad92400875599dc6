"""What of a folder enters its build, and that the same files are the same everywhere."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from support.git import GitRepository
from support.wheels import Wheel
from zlock.index.archives import plain_wheel
from zlock.index.snapshot import Snapshot
from zlock.model.ports import InvalidMetadata


def fill(folder: Path, *paths: str) -> Path:
    for path in ("pyproject.toml", "own/__init__.py", *paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path, encoding="utf-8")
    return folder


def names(folder: Path, *others: Path) -> list[str]:
    return list(Snapshot.of(folder, others).files)


OWN = ["own/__init__.py", "pyproject.toml"]


@pytest.mark.parametrize(
    "path",
    [
        "own/__pycache__/a.cpython-311.pyc",
        "own/a.pyc",
        "own.egg-info/SOURCES.txt",
        "src/own.egg-info/SOURCES.txt",
        "build/lib/own/__init__.py",
        "dist/own-1.0.tar.gz",
        ".hg/store/a",
        ".tox/a",
        ".venv/pyvenv.cfg",
        "deep/environment/pyvenv.cfg",
        ".ruff_cache/a",
    ],
)
@pytest.mark.parametrize("is_repository", [False, True])
def test_what_builds_and_tools_leave_does_not_count(tmp_path: Path, path: str, *, is_repository: bool) -> None:
    folder = GitRepository(tmp_path / "own").folder if is_repository else tmp_path / "own"
    fill(folder)
    before = Snapshot.of(folder)
    fill(folder, path)
    if path.endswith("pyvenv.cfg"):
        fill(folder, path.replace("pyvenv.cfg", "lib/a.py"))

    assert list(Snapshot.of(folder).files) == OWN
    assert Snapshot.of(folder).digest == before.digest


def test_a_module_may_be_called_as_what_builds_make(tmp_path: Path) -> None:
    fill(tmp_path, "own/build/a.py", "own/dist.py", ".hidden", "own/data.bin")

    assert names(tmp_path) == [".hidden", *sorted([*OWN, "own/build/a.py", "own/data.bin", "own/dist.py"])]


def test_what_the_repository_ignores_does_not_count_and_what_the_machine_ignores_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GitRepository(tmp_path / "repository")
    folder = fill(repository.folder / "libs" / "own", "own/kept.py", "own/secret.env", "data/large", "own/new.py")
    (repository.folder / ".gitignore").write_text("*.env\n", encoding="utf-8")
    (folder / ".gitignore").write_text("data/\n", encoding="utf-8")
    (tmp_path / "ignore").write_text("new.py\n", encoding="utf-8")
    repository.git("config", "core.excludesFile", str(tmp_path / "ignore"))
    (repository.folder / ".git" / "info" / "exclude").write_text("kept.py\n", encoding="utf-8")
    monkeypatch.setenv("GIT_DIR", str(tmp_path))  # as git sets it for hooks

    assert names(folder) == sorted([".gitignore", *OWN, "own/kept.py", "own/new.py"])


def test_tracked_files_count_and_those_that_are_gone_do_not(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "repository")
    folder = fill(repository.folder, "own/forced.env", "own/gone.py")
    (folder / ".gitignore").write_text("*.env\n", encoding="utf-8")
    repository.git("add", "--force", ".")
    (folder / "own" / "gone.py").unlink()

    assert names(folder) == sorted([".gitignore", *OWN, "own/forced.env"])


def test_a_folder_that_is_ignored_as_a_whole_counts_whole(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "repository")
    (repository.folder / ".gitignore").write_text("vendor/\n", encoding="utf-8")

    assert names(fill(repository.folder / "vendor" / "own")) == OWN


def test_nothing_that_a_repository_configures_is_run(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "repository")
    fill(repository.folder)
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n", encoding="utf-8")
    hook.chmod(0o755)
    repository.git("add", ".")
    repository.git("config", "core.fsmonitor", str(hook))

    assert names(repository.folder) == OWN
    assert not (tmp_path / "ran").exists()


def test_links_are_what_they_lead_to(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    fill(shared)
    folder = fill(tmp_path / "own")
    (folder / "own" / "file.py").symlink_to(shared / "pyproject.toml")
    (folder / "own" / "folder").symlink_to(shared)
    (folder / "own" / "round").symlink_to(folder)
    (folder / "own" / "gone").symlink_to(tmp_path / "nothing")

    found = Snapshot.of(folder)
    found.write(tmp_path / "copy", {})

    assert list(found.files) == sorted([*OWN, "own/file.py", "own/folder/own/__init__.py", "own/folder/pyproject.toml"])
    assert not any(path.is_symlink() for path in (tmp_path / "copy").rglob("*"))


def test_a_submodule_is_looked_into(tmp_path: Path) -> None:
    inner = GitRepository(tmp_path / "inner")
    inner.commit("1.0")
    outer = GitRepository(tmp_path / "outer")
    fill(outer.folder)
    outer.git("submodule", "add", "--quiet", str(inner.folder), "own/inner")

    committed = [f"own/inner/{path}" for path in inner.git("ls-files").splitlines()]
    assert names(outer.folder) == sorted([*OWN, ".gitmodules", *committed])


def test_other_folders_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "wheelhouse/a.whl", "wheelhouse.py")

    assert names(tmp_path, tmp_path / "wheelhouse", tmp_path.parent) == sorted([*OWN, "wheelhouse.py"])


def test_names_bytes_and_what_can_be_run_count_and_nothing_else_of_a_checkout(tmp_path: Path) -> None:
    first = fill(tmp_path / "first", "own/tool.sh")
    (first / "own" / "tool.sh").chmod(0o755)
    second = Path(shutil.copytree(first, tmp_path / "second"))
    for path in second.rglob("*.*"):
        path.chmod(0o700 if path.suffix == ".sh" else 0o600)
        os.utime(path, (1e9, 1e9))
    one, two = Snapshot.of(first), Snapshot.of(second)
    assert one.digest == two.digest
    assert one.packed("own-1.0", {"PKG-INFO": b"Name: own\n"}) == two.packed("own-1.0", {"PKG-INFO": b"Name: own\n"})
    two.write(tmp_path / "copy", {"PKG-INFO": b"Name: own\n"})
    assert {path.stat().st_mtime for path in (tmp_path / "copy").rglob("*") if path.is_file()} == {315532800}

    (second / "own" / "tool.sh").chmod(0o600)
    assert Snapshot.of(second).digest != one.digest
    (second / "own" / "tool.sh").chmod(0o700)
    (second / "own" / "tool.sh").rename(second / "own" / "other.sh")
    assert Snapshot.of(second).digest != one.digest


def test_a_copy_may_have_other_files(tmp_path: Path) -> None:
    found = Snapshot.of(fill(tmp_path / "own", "MANIFEST.in"))
    more = {"PKG-INFO": b"new", "MANIFEST.in": b"other"}
    found.write(tmp_path / "copy", more)

    with zipfile.ZipFile(io.BytesIO(found.packed("own-1.0", more))) as archive:
        packed = {name.removeprefix("own-1.0/"): archive.read(name) for name in archive.namelist()}
    assert packed == {
        path.relative_to(tmp_path / "copy").as_posix(): path.read_bytes()
        for path in (tmp_path / "copy").rglob("*")
        if path.is_file()
    }
    assert {path: packed[path] for path in more} == more


def test_a_wheel_is_the_same_bytes_however_it_was_packed() -> None:
    wheel = Wheel(name="own", version="1.0", files={"own-1.0.data/scripts/own": b"#!python\n", "own/b.py": b""})
    again = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel.content())) as old, zipfile.ZipFile(again, "w") as new:
        for entry in reversed(old.infolist()):
            other = zipfile.ZipInfo(entry.filename, (2026, 1, 1, 0, 0, 0))
            other.external_attr = 0o100700 << 16 if "scripts" in entry.filename else 0o100600 << 16
            data = old.read(entry)
            if entry.filename.endswith("RECORD"):
                data = b"\r\n".join(reversed(data.splitlines()))
            new.writestr(other, data, zipfile.ZIP_DEFLATED)
        new.mkdir("own-1.0.data/data")

    made = plain_wheel(wheel.content(), "own-1.0-py3-none-any.whl")

    assert plain_wheel(again.getvalue(), "own-1.0-py3-none-any.whl") == made
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
        assert [name for name in modes if ".dist-info/" in name] == list(modes)[-3:]
    assert {name for name, mode in modes.items() if mode == 0o755} == {"own-1.0.data/scripts/own"}


def test_what_is_no_wheel_is_refused() -> None:
    with pytest.raises(InvalidMetadata, match="not a readable wheel"):
        plain_wheel(b"no", "own-1.0-py3-none-any.whl")
