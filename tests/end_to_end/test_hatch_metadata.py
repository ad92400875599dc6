"""The metadata hook: wheels of applications require what a lock pins, in real builds."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import uv
from packaging.requirements import Requirement

from support.environment import clean_environment
from support.index import TinyIndex
from support.project import Project, Result
from support.venv import installed, make_venv, run_pip, run_uv

PYTHON = f"3.{sys.version_info.minor}"
PYPROJECT = """
    [build-system]
    requires = ["hatchling", "zlock[hatch]"]
    build-backend = "hatchling.build"

    [project]
    name = "service"
    version = "1.0"
    dynamic = ["dependencies"]

    [dependency-groups]
    serve = ["alpha"]

    [tool.hatch.build.targets.wheel]
    packages = ["service"]

    [tool.hatch.metadata.hooks.zlock]
    step = "serve"

    [tool.zlock]
    python = "PYTHON"
    platforms = ["linux/amd64", "windows/amd64"]
    index = [{ url = "URL", default = true }]

    [tool.zlock.steps.serve.docker]
    pyproject-path = "pyproject.toml"
    pyproject-groups = ["serve"]

    [tool.zlock.steps.other.docker]
    requirements = ["beta<2"]
"""
BUILDS: dict[str, Callable[[str], list[str]]] = {
    "build": lambda out: [sys.executable, "-m", "build", "--no-isolation", "--outdir", out],
    "uv": lambda out: [uv.find_uv_bin(), "build", "--no-build-isolation", "--python", sys.executable, "--out-dir", out],
    "pip": lambda out: [
        *(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", out, ".")
    ],
}


@pytest.fixture
def service(project: Project, index: TinyIndex) -> Project:
    """An application with locks, which Windows needs one more package for."""
    index.wheel("alpha", "1.0", requires=["beta", "only-windows; sys_platform == 'win32'"])
    for version in ("1.0", "2.0"):
        index.wheel("beta", version)
    index.wheel("only-windows", "1.0")
    project.write("pyproject.toml", PYPROJECT.replace("URL", index.url).replace("PYTHON", PYTHON))
    project.write("service/__init__.py", "")
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    return project


def build(project: Project, by: str) -> Result:
    return project.call(*BUILDS[by](str(project.folder / "dist")))


def required(project: Project) -> list[str]:
    (wheel,) = (project.folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read("service-1.0.dist-info/METADATA").decode().splitlines()
    return sorted(str(Requirement(line.removeprefix("Requires-Dist: "))) for line in lines if "Requires-Dist" in line)


@pytest.mark.parametrize("by", sorted(BUILDS))
def test_a_wheel_requires_what_the_lock_pins(service: Project, by: str) -> None:
    """`build` and uv build it out of an sdist."""
    result = build(service, by)

    assert result.code == 0, result.stdout + result.stderr
    assert required(service) == ["alpha==1.0", "beta==1.0", 'only-windows==1.0; sys_platform == "win32"']


def test_pip_and_uv_install_it_as_it_was_locked(service: Project, index: TinyIndex, tmp_path: Path) -> None:
    assert build(service, "pip").code == 0
    (wheel,) = map(str, (service.folder / "dist").glob("*.whl"))
    by_pip, by_uv = make_venv(tmp_path / "pip"), make_venv(tmp_path / "uv")
    options = ("--no-cache-dir", "--index-url", index.url, wheel)

    assert run_pip("--python", str(by_pip), "install", *options, home=tmp_path).code == 0
    assert run_uv("pip", "install", "--python", str(by_uv), "--index-url", index.url, wheel, home=tmp_path).code == 0

    assert installed(by_pip) == installed(by_uv) == {"service": "1.0", "alpha": "1.0", "beta": "1.0"}


def edit(project: Project, old: str, new: str) -> None:
    file = project.folder / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('serve = ["alpha"]', 'serve = ["alpha", "beta"]', "does not match the project"),
        ('step = "serve"', 'step = "serv"', "did you mean `serve`?"),
        ('step = "serve"', "step = 7", "`step` has to be a step's name, not a number"),
        ('step = "serve"', 'step = "serve"\nsteps = ["serve"]', "unknown key `steps`"),
        (
            'dynamic = ["dependencies"]',
            'dynamic = ["keywords"]\ndependencies = []',
            "`project.dynamic` does not name them",
        ),
    ],
)
def test_what_can_not_be_right_ends_the_build(service: Project, old: str, new: str, said: str) -> None:
    edit(service, old, new)
    result = build(service, "build")

    assert result.code != 0
    assert said in result.stdout + result.stderr


def test_a_folder_among_the_pins_ends_the_build(service: Project) -> None:
    service.write("lib/pyproject.toml", '[project]\nname = "lib"\nversion = "1"\n')
    edit(service, 'serve = ["alpha"]', 'serve = ["alpha", "lib @ file:lib"]')
    locked = service.run("resolve")
    result = build(service, "build")

    assert locked.code == 0, locked.stderr
    assert result.code != 0
    assert "a wheel can't require all of step `serve`" in result.stdout + result.stderr
    assert "`lib` comes from a folder" in result.stdout + result.stderr


def test_the_project_itself_is_locked_before_anything_was_built(service: Project) -> None:
    for lock in (service.folder / "lockfiles").iterdir():
        lock.unlink()
    failed = build(service, "build")

    assert failed.code != 0
    assert "run `zlock resolve`" in failed.stdout + failed.stderr
    assert service.run("resolve").code == 0
    assert (
        subprocess.run(
            BUILDS["build"](str(service.folder / "dist")),
            cwd=service.folder,
            env=clean_environment(service.home),
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
