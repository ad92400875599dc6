"""What is required by URL is judged for the target as releases of an index are: nothing is locked that can't go in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.git import GitRepository
from support.index import TinyIndex
from support.project import Project
from support.venv import run_pip, run_uv
from support.wheels import make_sdist, make_tree, make_wheel
from zlock.errors import LockOutdated, NoEligibleRelease
from zlock.lock.store import read_lock

Place = Callable[[Path], str]


def wheel(tag: str, requires_python: str | None = None) -> Place:
    return lambda folder: f"file:{make_wheel(folder, 'loc', '1', tag=tag, requires_python=requires_python).name}"


def sdist(folder: Path) -> str:
    return f"file:{make_sdist(folder, 'loc', '1', requires_python='>=3.13').name}"


def tree(folder: Path) -> str:
    make_tree(folder / "loc", "loc", "1", requires_python=">=3.13")
    return "file:loc"


def repository(folder: Path) -> str:
    made = GitRepository(folder / "repository")
    made.commit_tree("loc", "1", requires_python=">=3.13")
    return made.url


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (wheel("cp312-cp312-win_amd64"), "is a wheel for win_amd64"),
        (wheel("cp311-cp311-manylinux_2_17_x86_64"), "is a wheel for Python 3.11"),
        (wheel("cp312-cp312-manylinux_2_39_x86_64"), "is a wheel for manylinux_2_39_x86_64"),
        (wheel("py3-none-any", ">=3.13"), "requires Python >=3.13"),
        (sdist, "requires Python >=3.13"),
        (tree, "requires Python >=3.13"),
        (repository, "requires Python >=3.13"),
    ],
    ids=["windows", "cp311", "glibc", "wheel", "sdist", "folder", "repository"],
)
def test_what_the_target_can_not_install_is_not_locked(project: Project, place: Place, why: str) -> None:
    project.configure({"python": "3.12", "docker": {"requirements": [f"loc @ {place(project.folder)}"]}})
    result = project.run("resolve")

    assert result.code == NoEligibleRelease.exit_code == 1
    assert f"`loc` 1 {why}, and the target is CPython 3.12 on linux/amd64, glibc 2.28" in result.stderr
    assert "required by zlock.toml:" in result.stderr
    assert not project.lock_path("pipeline").exists()


def test_each_target_is_judged_and_only_where_the_requirement_holds(project: Project) -> None:
    make_wheel(project.folder, "loc", "1", tag="cp312-cp312-manylinux_2_17_x86_64")
    asked = "loc @ file:loc-1-cp312-cp312-manylinux_2_17_x86_64.whl"
    settings = {"python": "3.12", "platforms": ["linux/amd64", "linux/arm64"]}
    project.configure({**settings, "docker": {"requirements": [asked]}})
    refused = project.run("resolve")
    project.configure({**settings, "docker": {"requirements": [f"{asked} ; platform_machine == 'x86_64'"]}})

    assert refused.code == 1
    assert "is a wheel for manylinux_2_17_x86_64, and the target is CPython 3.12 on linux/arm64" in refused.stderr
    assert project.run("resolve").code == 0


def test_a_folder_that_requires_such_a_wheel_is_refused_with_the_reason(project: Project) -> None:
    made = make_wheel(project.folder, "loc", "1", tag="cp312-cp312-win_amd64")
    make_tree(project.folder / "lib", "lib", "1", requires=[f"loc @ {made.as_uri()}"])
    project.configure({"python": "3.12", "docker": {"requirements": ["lib @ file:lib"]}})
    result = project.run("resolve")

    assert result.code == 1
    assert "which is a wheel for cp312-cp312-win_amd64" in result.stderr


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (wheel("cp312-cp312-manylinux_2_17_x86_64"), "is a wheel for cp312-cp312-manylinux_2_17_x86_64"),
        (wheel("py3-none-any", ">=3.12"), "requires Python >=3.12"),
    ],
    ids=["wheel", "requires-python"],
)
def test_a_check_says_what_a_python_that_moved_leaves_behind(project: Project, place: Place, why: str) -> None:
    asked = {"requirements": [f"loc @ {place(project.folder)}"]}
    project.configure({"python": "3.12", "docker": asked})
    assert project.run("resolve").code == 0
    project.configure({"python": "3.11", "docker": asked})
    result = project.run("resolve", "--check")

    assert result.code == LockOutdated.exit_code == 1
    assert "target: `python` was `3.12`, is `3.11`" in result.stderr
    assert f"`loc` 1 {why}, and the target is CPython 3.11 on linux/amd64, glibc 2.28" in result.stderr


def test_a_lock_that_holds_such_a_wheel_already_is_refused_and_solved_anew(project: Project) -> None:
    """Earlier versions locked it."""
    place = wheel("py3-none-any")(project.folder)
    project.configure({"python": "3.12", "docker": {"requirements": [f"loc @ {place}"]}})
    assert project.run("resolve").code == 0
    path = project.lock_path("pipeline")
    whole = path.read_bytes()
    lock = read_lock(path)
    assert lock is not None
    (package,) = lock.packages
    assert package.archive is not None
    archive = replace(package.archive, path="../loc-1-cp312-cp312-win_amd64.whl")
    path.write_text(replace(lock, packages=(replace(package, archive=archive),)).render(), encoding="utf-8")
    checked = project.run("resolve", "--check")

    assert checked.code == LockOutdated.exit_code
    assert "error: the lock of step `pipeline` can't be installed" in checked.stderr
    assert "`loc` 1 is a wheel for cp312-cp312-win_amd64" in checked.stderr
    assert project.run("resolve").code == 0
    assert path.read_bytes() == whole


@pytest.mark.skipif(os.name == "nt", reason="the wheel is for Windows")
def test_pip_and_uv_refuse_what_zlock_refuses(venv: Path, tmp_path: Path, index: TinyIndex) -> None:
    """So it is right to refuse it when it is locked."""
    file = index.wheel("loc", "1", tag="py3-none-win_amd64")
    lock = tmp_path / "pylock.toml"
    lock.write_text(
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "loc"\nversion = "1"\n'
        f'archive = {{url = "{index.root}/{file.location}", hashes = {{sha256 = "{file.sha256}"}}}}\n',
        encoding="utf-8",
    )
    by_uv = run_uv("pip", "sync", "--no-cache", "--python", str(venv), str(lock), home=tmp_path)
    by_pip = run_pip("--python", str(venv), "install", "-r", str(lock), home=tmp_path)

    assert by_uv.code != 0
    assert "current platform" in by_uv.stderr
    assert by_pip.code != 0
    assert "is not a supported wheel on this platform" in by_pip.stderr
