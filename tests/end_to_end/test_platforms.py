"""One lock for several platforms: what each of them installs, and what keeps their versions together."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock

from support.index import TinyIndex
from support.project import Project
from support.venv import install_with_pip, install_with_uv, installed, make_venv, pip_check, run_uv
from zlock.lock.selection import pins_on
from zlock.lock.store import read_lock
from zlock.model.target import Target

PYTHON = f"3.{sys.version_info.minor}"
TAG = f"cp3{sys.version_info.minor}"
PLATFORMS = ["linux/amd64", "linux/arm64", "windows/amd64"]
WHEELS = {
    "linux/amd64": f"{TAG}-{TAG}-manylinux_2_17_x86_64",
    "linux/arm64": f"{TAG}-{TAG}-manylinux_2_17_aarch64",
    "windows/amd64": f"{TAG}-{TAG}-win_amd64",
}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, TinyIndex]]:
    """Return a project locked for three platforms; a package is only for Windows, another is older on arm64."""
    with TinyIndex() as index:
        for tag in WHEELS.values():
            index.wheel("compiled", "1.0", tag=tag)
        index.wheel("app", "1.0", requires=["compiled", "uneven", "colours; sys_platform == 'win32'"])
        index.wheel("colours", "1.0")
        index.wheel("uneven", "2.0", tag=WHEELS["linux/amd64"])
        index.wheel("uneven", "2.0", tag=WHEELS["windows/amd64"])
        index.wheel("uneven", "1.0", tag=WHEELS["linux/arm64"], requires=["compiled<2"])
        project = Project(tmp_path_factory.mktemp("platforms") / "project")
        lock(project, index, PLATFORMS)
        yield project, index


def lock(project: Project, index: TinyIndex, platforms: list[str], **more: Any) -> dict[str, Any]:
    project.configure(
        {
            "python": PYTHON,
            "platforms": platforms,
            "index": [{"url": index.url, "default": True}],
            "docker": {"requirements": ["app"]},
            **more,
        }
    )
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    return project.lock("pipeline")


def pinned(project: Project, target: Target) -> dict[str, str]:
    """Return what the lock of a project pins on a target."""
    found = read_lock(project.lock_path("pipeline"))
    assert found is not None
    return pins_on(found, target)


def test_each_platform_installs_what_a_lock_of_its_own_would(locked: tuple[Project, TinyIndex], tmp_path: Path) -> None:
    project, index = locked

    for name in PLATFORMS:
        single = Project(tmp_path / name)
        lock(single, index, [name])
        target = Target.parse(PYTHON, name)
        assert pinned(project, target) == pinned(single, target)


def test_a_package_has_a_marker_only_where_not_every_platform_installs_it(locked: tuple[Project, TinyIndex]) -> None:
    tree = locked[0].lock("pipeline")

    assert {(one["name"], one["version"]): one.get("marker") for one in tree["packages"]} == {
        ("app", "1.0"): None,
        ("colours", "1.0"): 'sys_platform == "win32"',
        ("compiled", "1.0"): None,
        ("uneven", "2.0"): 'platform_machine == "AMD64" or platform_machine == "x86_64"',
        ("uneven", "1.0"): 'platform_machine == "aarch64"',
    }
    Pylock.from_dict(tree)


def test_a_lock_for_several_platforms_says_so_and_holds_the_wheels_of_each(
    locked: tuple[Project, TinyIndex],
) -> None:
    tree = locked[0].lock("pipeline")
    (compiled,) = (one for one in tree["packages"] if one["name"] == "compiled")

    assert tree["tool"]["zlock"]["platforms"] == PLATFORMS
    assert len(tree["environments"]) == len(PLATFORMS)
    assert sorted(wheel["url"].rpartition("-")[2] for wheel in compiled["wheels"]) == [
        "manylinux_2_17_aarch64.whl",
        "manylinux_2_17_x86_64.whl",
        "win_amd64.whl",
    ]


@pytest.mark.parametrize("shown", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-msvc"])
def test_uv_would_install_the_set_of_each_platform(
    locked: tuple[Project, TinyIndex], venv: Path, shown: str, tmp_path: Path
) -> None:
    project, _ = locked
    command = ("pip", "sync", "--no-cache", "--python", str(venv), "--python-platform", shown, "--target")
    done = run_uv(*command, str(tmp_path / "target"), str(project.lock_path("pipeline")), home=tmp_path)
    assert done.code == 0, done.stderr

    name = dict(zip(("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"), PLATFORMS, strict=False))
    target = Target.parse(PYTHON, name.get(shown, "windows/amd64"))
    found = {one.name.split("-")[0]: one.name.split("-")[1] for one in (tmp_path / "target").glob("*.dist-info")}
    assert {key: version.removesuffix(".dist") for key, version in found.items()} == pinned(project, target)


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="it installs for linux/amd64")
def test_a_lock_for_several_platforms_installs_here_with_uv_and_pip(
    locked: tuple[Project, TinyIndex], tmp_path: Path
) -> None:
    project, _ = locked

    for install in (install_with_uv, install_with_pip):
        venv = make_venv(tmp_path / install.__name__)
        install(venv, project.lock_path("pipeline"))
        assert installed(venv) == pinned(project, Target.parse(PYTHON))
        pip_check(venv)


def test_the_order_of_platforms_means_nothing_and_a_further_one_outdates_the_lock(
    locked: tuple[Project, TinyIndex], tmp_path: Path
) -> None:
    project, index = locked
    other = Project(tmp_path / "project")

    own, turned = (one["tool"]["zlock"] for one in (project.lock("pipeline"), lock(other, index, PLATFORMS[::-1])))
    assert (turned["inputs"], turned["identity"]) == (own["inputs"], own["identity"])
    lock(other, index, PLATFORMS[:1])
    other.configure({"python": PYTHON, "platforms": PLATFORMS[:2], "docker": {"requirements": ["app"]}})
    outdated = other.run("resolve", "--check")
    assert outdated.code == 1
    assert "target: `platforms` was" in outdated.stderr


def test_pins_of_each_platform_are_kept(locked: tuple[Project, TinyIndex], tmp_path: Path) -> None:
    _, index = locked
    project = Project(tmp_path / "project")
    before = lock(project, index, PLATFORMS)
    index.wheel("app", "1.1", requires=["compiled", "uneven"])

    after = lock(project, index, PLATFORMS, constraints=["other"])
    assert after["packages"] == before["packages"]
    assert after["tool"]["zlock"]["inputs"] != before["tool"]["zlock"]["inputs"]
