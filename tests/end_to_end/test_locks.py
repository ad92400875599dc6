"""What is in the locks of a small pipeline, that it installs, and that it is the same wherever it is made."""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock

from support.index import TinyIndex
from support.project import Project
from support.venv import install_with_pdm, install_with_pip, install_with_uv, installed, make_venv, pip_check
from zlock.lock.identity import resign

TAG = f"cp3{sys.version_info.minor}"
PYTHON = f"3.{sys.version_info.minor}"
"""The running one, so that the locks can be installed."""
STEPS = ("load", "train", "report")
PIPELINE = """
    from zlock import DockerSettings, pipeline, step

    @step
    def load(): ...

    @step(settings={"docker": DockerSettings(requirements=["model[fast]>=2", "plain<2"])})
    def train(data): ...

    @step(settings={"docker": DockerSettings(requirements="report.txt")})
    def report(data): ...

    @pipeline(settings={"docker": DockerSettings(requirements=["plain"])})
    def learning():
        data = load()
        train(data)
        report(data)
"""


@dataclass(frozen=True, kw_only=True)
class World:
    """A project with its locks, and the index they were made from."""

    index: TinyIndex
    project: Project

    def text(self, step: str) -> str:
        return self.project.lock_path(step).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three steps: a wheel per platform, extras, markers, an sdist, a cycle, a folder."""
    with TinyIndex(auth=("ann", "pass-of-ann")) as index:
        fill(index)
        project = Project(tmp_path_factory.mktemp("locks") / "project")
        configure(project, index)
        result = project.run("resolve")
        assert result.code == 0, result.stderr
        yield World(index=index, project=project)


def fill(index: TinyIndex) -> None:
    for version in ("1.0", "2.0"):
        index.wheel("plain", version)
    index.wheel("model", "2.0", requires=["binary", "other; sys_platform == 'win32'"], extras={"fast": ["speed>=1"]})
    for tag in (f"{TAG}-{TAG}-manylinux_2_17_x86_64", f"{TAG}-{TAG}-win_amd64", "cp39-cp39-manylinux_2_17_x86_64"):
        index.wheel("binary", "1.0", tag=tag, requires=["ring-a"], requires_python=">=3.9")
    index.wheel("binary", "1.0", tag=f"{TAG}-{TAG}-manylinux_2_40_x86_64", requires=["ring-a"])
    index.sdist("binary", "1.0", requires=["ring-a"])
    index.wheel("speed", "1.5").upload_time = "2024-05-01T10:00:00Z"
    index.wheel("ring-a", "1.0", requires=["ring-b"])
    index.wheel("ring-b", "1.0", requires=["ring-a"])
    index.wheel("other", "1.0")


def configure(project: Project, index: TinyIndex, *, order: int = 1) -> None:
    project.configure(
        {
            "python": PYTHON,
            "pipeline": "pipeline.py",
            "index": [{"url": index.url_with_credentials, "default": True}],
            "docker": {"apt-packages": ["git"]},
        }
    )
    project.pipeline(PIPELINE)
    project.write("report.txt", "\n".join(["ring-b", "plain>=2  # for the tables"][::order]))


@pytest.mark.parametrize("step", STEPS)
def test_a_lock_is_valid_and_holds_nothing_beyond_the_standard(world: World, step: str) -> None:
    """PEP 751 through `packaging.pylock`, there and back."""
    tree = world.project.lock(step)

    assert normalized(Pylock.from_dict(tree).to_dict()) == normalized(tree)


def normalized(value: Any) -> Any:
    """Make lists of what `to_dict` gives as tuples, and text of markers and specifiers."""
    if isinstance(value, dict):
        return {key: normalized(one) for key, one in value.items()}
    return [normalized(one) for one in value] if isinstance(value, (list, tuple)) else value


def test_a_lock_says_what_it_is_for(world: World) -> None:
    lock = world.project.lock("train")

    assert lock["requires-python"] == f"=={PYTHON}.*"
    (environment,) = lock["environments"]
    assert environment.split(" and ") == [
        'implementation_name == "cpython"',
        'platform_machine == "x86_64"',
        'platform_system == "Linux"',
        'sys_platform == "linux"',
    ]
    assert lock["tool"]["zlock"]["apt-packages"] == ["git"]


def test_packages_are_sorted_and_name_what_they_require(world: World) -> None:
    packages = world.project.lock("train")["packages"]

    assert {package["name"]: [one["name"] for one in package.get("dependencies", [])] for package in packages} == {
        "binary": ["ring-a"],
        "model": ["binary", "speed"],
        "plain": [],
        "ring-a": ["ring-b"],
        "ring-b": ["ring-a"],
        "speed": [],
    }
    assert [package["name"] for package in packages] == sorted(package["name"] for package in packages)


def test_only_files_that_the_target_installs_are_locked_each_with_its_hash(world: World) -> None:
    (binary,) = (one for one in world.project.lock("train")["packages"] if one["name"] == "binary")

    assert "sdist" not in binary
    assert [wheel["url"].rpartition("/")[2] for wheel in binary["wheels"]] == [
        f"binary-1.0-{TAG}-{TAG}-manylinux_2_17_x86_64.whl"
    ]
    assert binary["requires-python"] == ">=3.9"
    for step in STEPS:
        for package in world.project.lock(step)["packages"]:
            for wheel in package["wheels"]:
                assert re.fullmatch("[0-9a-f]{64}", wheel["hashes"]["sha256"])


def test_no_credentials_and_no_folder_of_this_machine_are_in_a_lock(world: World) -> None:
    for step in STEPS:
        assert "ann" not in world.text(step)
        assert str(world.project.folder.parent) not in world.text(step)
        for package in world.project.lock(step)["packages"]:
            assert package["index"] == world.index.url


def test_what_each_source_asked_for_is_recorded_in_order_without_lines(world: World) -> None:
    own = world.project.lock("report")["tool"]["zlock"]

    assert own["sources"] == [{"source": "explicit", "from": "report.txt", "requirements": ["plain>=2", "ring-b"]}]
    assert own["packages"] == 3


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the locks are for linux/amd64")
@pytest.mark.parametrize("step", STEPS)
def test_a_lock_installs_with_uv_and_with_pip(world: World, step: str, tmp_path: Path) -> None:
    """In clean environments: what is installed is the lock, and everything in it has what it requires."""
    for install in (install_with_uv, install_with_pip):
        venv = make_venv(tmp_path / install.__name__)
        lock = reachable(world, step, tmp_path)
        install(venv, lock)

        assert installed(venv) == world.project.locked(step)
        pip_check(venv)


def reachable(world: World, step: str, folder: Path) -> Path:
    """Copy a lock with the credentials that a person would have in their netrc."""
    copy = folder / f"pylock.{step}.toml"
    plain = world.index.root
    user = plain.replace("http://", "http://ann:pass-of-ann@")
    copy.write_text(world.text(step).replace(f"{plain}/files", f"{user}/files"), encoding="utf-8")
    return copy


def test_a_second_run_changes_nothing_and_asks_nobody(world: World) -> None:
    before = {step: (world.text(step), world.project.lock_path(step).stat().st_mtime_ns) for step in STEPS}
    world.index.requests.clear()

    assert world.project.run("resolve").code == 0
    assert {step: (world.text(step), world.project.lock_path(step).stat().st_mtime_ns) for step in STEPS} == before
    assert world.index.requests == []


@pytest.mark.parametrize("seed", ["0", "1", "7"])
def test_the_same_bytes_in_another_folder_with_other_hashes_and_a_slower_index(
    world: World, seed: str, tmp_path: Path
) -> None:
    other = Project(tmp_path / f"elsewhere {seed}")
    configure(other, world.index)
    world.index.latency = 0.005 * int(seed)
    try:
        result = other.run("resolve", env={"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"})
    finally:
        world.index.latency = 0

    assert result.code == 0, result.stderr
    for step in STEPS:
        assert other.lock_path(step).read_bytes() == world.project.lock_path(step).read_bytes()


def test_another_order_of_requirements_gives_the_same_lock(world: World, tmp_path: Path) -> None:
    """All but what is declared, which is what the files that ask say, and the integrity over that."""
    other = Project(tmp_path / "other")
    configure(other, world.index, order=-1)
    assert other.run("resolve").code == 0

    for step in STEPS:
        assert undeclared(other.lock_path(step).read_text(encoding="utf-8")) == undeclared(world.text(step))


def undeclared(text: str) -> dict[str, Any]:
    tree = tomllib.loads(text)
    for key in ("declared", "declared-files", "integrity"):
        del tree["tool"]["zlock"][key]
    return tree


def test_equal_locks_of_different_steps_have_one_identity(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    configuration = {"python": PYTHON, "index": [{"url": world.index.url_with_credentials, "default": True}]}
    asking = {"docker": {"requirements": ["plain"]}}
    project.configure({**configuration, "steps": {"a": asking, "b": {"docker": {"requirements": ["plain>1"]}}}})
    assert project.run("resolve").code == 0

    first, second = (project.lock(step)["tool"]["zlock"] for step in "ab")
    assert first["identity"] == second["identity"]
    assert first["inputs"] != second["inputs"]


def test_an_index_in_a_folder_is_locked_by_relative_paths(index: TinyIndex, project: Project) -> None:
    index.wheel("plain", "1.0")
    static = index.write_static(project.folder / "mirror")
    project.configure(
        {
            "python": PYTHON,
            "index": [{"url": str(static.find_links), "default": True}],
            "docker": {"requirements": ["plain"]},
        }
    )
    result = project.run("resolve")
    assert result.code == 0, result.stderr

    (package,) = project.lock("pipeline")["packages"]
    assert "index" not in package
    assert package["wheels"][0]["path"] == "../mirror/flat/plain-1.0-py3-none-any.whl"


def test_an_sdist_is_locked_only_where_building_it_is_allowed(index: TinyIndex, project: Project) -> None:
    index.sdist("built", "1.0")
    configuration = {
        "python": PYTHON,
        "index": [{"url": index.url, "default": True}],
        "docker": {"requirements": ["built"]},
    }
    project.configure(configuration)
    result = project.run("resolve")
    assert result.code == 1
    assert '`build-sdists = ["built"]`' in result.stderr

    project.configure({"build-sdists": ["built"], **configuration})
    assert project.run("resolve").code == 0
    (package,) = project.lock("pipeline")["packages"]
    assert package["sdist"]["url"].endswith("/built-1.0.tar.gz")
    assert "wheels" not in package


def test_what_an_sdist_is_built_with_is_locked_from_wheels_with_their_hashes(
    index: TinyIndex, project: Project
) -> None:
    """What its tree states and what its backend adds, static metadata or not, and all that these require."""
    index.sdist("built", "1.0", build_requires=["maker>=1"], wheel_requires=["helper"])
    index.wheel("maker", "1.0", requires=["bolts"])
    index.wheel("helper", "1.0")
    index.wheel("bolts", "1.0")
    index.sdist("bolts", "2.0")
    configuration = {
        "python": PYTHON,
        "index": [{"url": index.url, "default": True}],
        "build-sdists": ["built", "bolts"],
        "docker": {"requirements": ["built"]},
    }
    project.configure(configuration)
    result = project.run("resolve")
    assert result.code == 0, result.stderr

    own = project.lock("pipeline")["tool"]["zlock"]
    (build,) = own["builds"]
    assert (build["package"], build["version"], build["platform"]) == ("built", "1.0", "linux/amd64")
    assert build["requires"] == ["helper", "maker>=1"]
    assert [line.split(" --hash=sha256:")[0] for line in build["requirements"]] == [
        "bolts==1.0",
        "helper==1.0",
        "maker==1.0",
    ]

    index.wheel("maker", "2.0")
    project.configure({**configuration, "constraints": ["other"]})
    assert project.run("resolve").code == 0
    assert project.lock("pipeline")["tool"]["zlock"]["builds"] == [build]
    assert project.lock("pipeline")["tool"]["zlock"]["identity"] == own["identity"]
    assert project.run("resolve", "--upgrade").code == 0
    assert project.lock("pipeline")["tool"]["zlock"]["builds"] != [build]
    assert project.lock("pipeline")["tool"]["zlock"]["identity"] != own["identity"]


def test_build_requirements_that_nothing_meets_are_named_with_the_build(index: TinyIndex, project: Project) -> None:
    index.sdist("built", "1.0", wheel_requires=["helper>=2"])
    index.wheel("helper", "1.0")
    project.configure(
        {
            "python": PYTHON,
            "index": [{"url": index.url, "default": True}],
            "build-sdists": "all",
            "docker": {"requirements": ["built"]},
        }
    )
    result = project.run("resolve")

    assert result.code == 1
    assert "`helper>=2`" in result.stderr
    assert "`build-sdists`: the build of built 1.0" in result.stderr
    assert not project.lock_path("pipeline").exists()


def test_pdm_installs_a_lock(tmp_path: Path) -> None:
    with TinyIndex(absolute_urls=True) as index:
        index.wheel("alpha", "1.0", requires=["beta"])
        index.wheel("beta", "2.0", tag=f"{TAG}-{TAG}-manylinux_2_17_x86_64")
        project = Project(tmp_path / "project")
        settings = {"python": PYTHON, "index": [{"url": index.url, "default": True}]}
        project.configure({**settings, "docker": {"requirements": ["alpha"]}})
        assert project.run("resolve").code == 0
        python = make_venv(tmp_path / "venv")

        install_with_pdm(python, project.lock_path("pipeline"))

    assert installed(python) == {"alpha": "1.0", "beta": "2.0"}


def test_a_lock_whose_environments_say_no_platform_system_stays_current(tmp_path: Path) -> None:
    """Earlier versions wrote such, and `identity` is the same."""
    with TinyIndex() as index:
        index.wheel("alpha", "1.0")
        project = Project(tmp_path / "project")
        settings = {"python": PYTHON, "index": [{"url": index.url, "default": True}]}
        project.configure({**settings, "docker": {"requirements": ["alpha"]}})
        assert project.run("resolve").code == 0
        text = project.lock_path("pipeline").read_text(encoding="utf-8")
        older = resign(text.replace(' and platform_system == \\"Linux\\"', ""))
        project.lock_path("pipeline").write_text(older, encoding="utf-8")

        checked, resolved = project.run("resolve", "--check"), project.run("resolve", "--exit-code")

    assert older != text
    assert (checked.code, resolved.code) == (0, 0)
    assert project.lock_path("pipeline").read_text(encoding="utf-8") == older
