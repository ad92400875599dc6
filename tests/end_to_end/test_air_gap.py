"""`zlock dockerfile --wheelhouse`: images that real engines build without any index, and without a network."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from support.building import BASE, Engine
from support.index import TinyIndex
from support.project import Project, Result
from support.wheelhouse import make_wheelhouse
from support.wheels import Sdist, make_wheel

STEPS: dict[str, dict[str, Any]] = {
    "by-pip": {"requirements": ["alpha"]},
    "by-uv": {"requirements": ["alpha", "gamma"], "python-package-installer": "uv"},
    "built": {"requirements": ["gamma"]},
    "by-url": {"requirements": ["direct @ {url}", "packed @ {sdist}", "alpha"]},
    "own": {
        "requirements": ["helper"],  # what building the project requires
        "python-package-installer": "uv",
        "local-project-install-command": "pip install --no-deps . && uv pip install --no-deps --reinstall .",
    },
}
PINS = {
    "by-pip": {"alpha": "1.0", "beta": "2.0"},
    "by-uv": {"alpha": "1.0", "beta": "2.0", "gamma": "3.0"},
    "built": {"beta": "2.0", "gamma": "3.0"},
    "by-url": {"alpha": "1.0", "beta": "2.0", "direct": "1.0", "packed": "4.0"},
    "own": {"helper": "1.0", "own": "1.0"},
}
FILES = {
    "by-pip": {"alpha", "beta"},
    "by-uv": {"alpha", "beta", "gamma", "helper", "uv"},
    "built": {"beta", "gamma", "helper"},
    "by-url": {"alpha", "beta", "direct", "helper", "packed"},
    "own": {"helper", "uv"},
}
PRINT = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
LEFT = 'find / -xdev "(" -name "*.whl" -o -name "*.tar.gz" ")" -print'


def succeed(result: Result) -> Result:
    assert result.code == 0, result.stderr
    return result


def fill(index: TinyIndex) -> str:
    """Add packages, one of them an sdist; return the URL of a wheel that no page lists."""
    index.wheel("alpha", "1.0", requires=["beta"])
    index.wheel("beta", "2.0")
    index.wheel("helper", "1.0")
    index.sdist("gamma", "3.0", build_requires=["helper"], requires=["beta"])
    index.sdist("packed", "4.0", build_requires=["helper"])
    return f"{index.root}/{index.wheel('direct', '1.0').location}"


def make(folder: Path, index: TinyIndex, url: str, **more: Any) -> Project:
    """Return a project with a filled wheelhouse."""
    sdist = f"{index.root}/{index.listing('packed').files[0].location}"
    docker = {
        step: {**settings, "requirements": [text.format(url=url, sdist=sdist) for text in settings["requirements"]]}
        for step, settings in STEPS.items()
    }
    project = Project(folder)
    for path, content in Sdist(name="own", version="1.0", build_requires=["helper"]).contents().items():
        project.write(path, content)
    project.configure(
        {
            "python": "3.11",
            "index": [{"url": index.url, "default": True}],
            "build-sdists": ["gamma"],
            "docker": {"parent-image": BASE},
            "steps": {step: {"docker": settings} for step, settings in docker.items()},
            **more,
        }
    )
    succeed(project.run("resolve"))
    succeed(project.run("fetch"))
    return project


def contexts(project: Project, *options: str) -> dict[str, Path]:
    """Write the contexts and return the folder of each step."""
    result = succeed(project.run("dockerfile", "--wheelhouse", "wheelhouse", "--json", *options))
    return {step: Path(row["folder"]) for row in json.loads(result.stdout)["contexts"] for step in row["steps"]}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Contexts


def test_a_context_has_the_files_of_its_image_and_no_others_and_no_index(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("uv", "0.13.9")
    made = make(tmp_path / "made", index, fill(index))
    house = made.folder / "wheelhouse"

    for step, folder in contexts(made).items():
        wheels = list((folder / "wheelhouse").iterdir())
        assert {re.sub("^[0-9a-f]{12}-", "", path.name).partition("-")[0] for path in wheels} == FILES[step]
        assert all(path.samefile(house / path.name) for path in wheels)
        text = b"".join(data for path, data in files_of(folder).items() if not path.startswith("wheelhouse/"))
        assert b"127.0.0.1" not in text
        assert b"secret" not in text


def test_a_portable_lock_gives_the_same_contexts(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("uv", "0.13.9")
    url = fill(index)

    usual, portable = (contexts(make(tmp_path / urls, index, url, urls=urls)) for urls in ("index", "portable"))

    assert {step: files_of(folder) for step, folder in usual.items()} == {
        step: files_of(folder) for step, folder in portable.items()
    }


def test_a_wheelhouse_moves_the_key_and_a_context_without_it_is_as_before(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("uv", "0.13.9")
    project = make(tmp_path / "project", index, fill(index), docker={"parent-image": f"{BASE}@sha256:{'ab' * 32}"})

    before = json.loads(succeed(project.run("dockerfile", "--json")).stdout)["contexts"]
    within = contexts(project)
    after = json.loads(succeed(project.run("dockerfile", "--json")).stdout)["contexts"]

    assert before == after
    assert {Path(row["folder"]) for row in before}.isdisjoint(within.values())
    assert all(not (Path(row["folder"]) / "wheelhouse").exists() for row in after)


def test_a_wheelhouse_that_does_not_hold_the_locks_is_refused_with_every_file_and_the_way_out(
    index: TinyIndex, tmp_path: Path
) -> None:
    index.wheel("uv", "0.13.9")
    project = make(tmp_path / "project", index, fill(index))
    house = project.folder / "wheelhouse"
    (house / "alpha-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    (house / "helper-1.0-py3-none-any.whl").unlink()
    (house / "gamma-3.0.tar.gz").unlink()

    result = project.run("dockerfile", "--wheelhouse", "wheelhouse")
    assert not (project.folder / "build").exists()
    within = succeed(project.run("fetch"))
    mended = project.run("dockerfile", "--wheelhouse", "wheelhouse")

    assert result.code == 3
    lines = result.stderr.splitlines()
    assert f"error: `{house}` does not hold what the locks install" in lines
    assert "  `gamma-3.0.tar.gz` is not there (`pylock.built.toml`)" in lines
    assert any(line.startswith("  `alpha-1.0-py3-none-any.whl` is another file than was locked: ") for line in lines)
    assert any(line.startswith("  no wheel of helper 1.0 with sha256 ") for line in lines)
    assert "hint: run `zlock fetch`" in lines
    assert "replaced" in within.stderr
    assert mended.code == 0


def test_wheels_of_an_index_that_is_a_folder_are_carried_by_a_wheelhouse_only(project: Project, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    wheel = make_wheel(tmp_path / "index", "solo", "1.0")
    project.configure(
        {
            "python": "3.11",
            "index": [{"url": str(tmp_path / "index"), "default": True}],
            "docker": {"requirements": ["solo"]},
        }
    )
    succeed(project.run("resolve"))
    succeed(project.run("fetch"))

    without = project.run("dockerfile")
    (folder,) = contexts(project).values()

    assert without.code == 1
    assert "`solo` is installed from this machine" in without.stderr
    assert "`zlock fetch`, then `zlock dockerfile --wheelhouse DIR`" in without.stderr
    assert (folder / "wheelhouse" / wheel.name).read_bytes() == wheel.read_bytes()


def test_a_wheelhouse_that_is_not_there_is_refused(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("uv", "0.13.9")
    project = make(tmp_path / "project", index, fill(index))

    result = project.run("dockerfile", "--wheelhouse", "elsewhere")

    assert result.code == 2
    assert "elsewhere`, which is to become the wheelhouse, is not a folder" in result.stderr
    assert "zlock fetch --wheelhouse" in result.stderr


def test_debian_packages_are_said_to_come_from_elsewhere(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("uv", "0.13.9")
    project = make(tmp_path / "project", index, fill(index), docker={"apt-packages": ["git"], "parent-image": BASE})

    result = succeed(project.run("dockerfile", "--wheelhouse", "wheelhouse", "--step", "by-pip"))

    assert "step `by-pip`: `git` come from the mirrors of Debian" in result.stderr


# Images


@dataclass(frozen=True, kw_only=True)
class World:
    """A project with contexts of its steps, whose index is gone, and an engine."""

    project: Project
    contexts: dict[str, Path]
    engine: Engine


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("air-gap")
    (uv,) = make_wheelhouse(folder / "wheels", ["uv"]).iterdir()
    with TinyIndex() as index:
        index.add(uv)
        project = make(folder / "project", index, fill(index), urls="portable")
    return project, contexts(project)


@pytest.fixture
def world(request: pytest.FixtureRequest, made: tuple[Project, dict[str, Path]]) -> World:
    engine: Engine = request.getfixturevalue(request.param)
    with_mounts = replace(engine, environ={**engine.environ, "DOCKER_BUILDKIT": "1"})
    return World(project=made[0], contexts=made[1], engine=with_mounts)


@pytest.mark.engines
@pytest.mark.parametrize(
    ("world", "step"), [*(("buildah", step) for step in STEPS), ("docker", "by-uv")], indirect=["world"]
)
def test_an_image_is_built_without_a_network_and_holds_its_lock_and_no_wheelhouse(world: World, step: str) -> None:
    reference = f"localhost/air-gap-{step}:{world.contexts[step].name}"

    world.engine("build", "--network", "none", "--tag", reference, str(world.contexts[step]))

    assert json.loads(world.engine.run(reference, "python", "-c", PRINT)) == PINS[step]
    assert world.engine.run(reference, "sh", "-c", LEFT).split() == []
    verified = world.project.run("verify", reference, "--step", step, env=world.engine.environ, timeout=120)
    assert verified.code == 0, verified.stdout + verified.stderr
