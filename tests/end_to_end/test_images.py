"""The example of four steps, locked, built by real engines, pushed to a real registry, and run."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.building import Engine, base_in_registry
from support.engines import registry
from support.index import TinyIndex
from support.project import Project, Result
from support.wheelhouse import ROOT

pytestmark = pytest.mark.engines

EXAMPLE = ROOT / "examples" / "images" / "pipeline.py"
PASSWORD = "pass-of-ann"
STEPS = ("evaluate", "load", "report", "train")
PRINT = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"


@dataclass(frozen=True, kw_only=True)
class World:
    """A project whose images one engine has built and pushed, and what the command printed then."""

    engine: Engine
    index: TinyIndex
    project: Project
    registry: str
    first: Result

    def build(self, *arguments: str) -> Result:
        network = ("--network", self.engine.network) if self.engine.network else ()
        command = ("build", "--push", "--builder", self.engine.name, *network, *arguments)
        return self.project.run(*command, env=self.engine.environ, timeout=300)

    def images(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (self.project.folder / "build" / "zlock" / "images.json").read_text(encoding="utf-8")
        )
        return found


def settings(index: TinyIndex, host: str) -> dict[str, Any]:
    return {
        "python": "3.11",
        "pipeline": "pipeline.py",
        "registry": f"{host}/team/images",
        "index": [{"name": "own", "url": index.url, "default": True}],
        "docker": {"parent-image": f"{host}/python:3.11"},
    }


def fill(index: TinyIndex) -> None:
    """Add what the example asks for, by name and version only."""
    index.wheel("pandas", "2.2", files={"pandas.py": b"NAME = 'pandas'\n"})
    index.wheel("scikit-learn", "1.5", requires=["pandas"], files={"sklearn.py": b"import pandas\n"})
    index.wheel("matplotlib", "3.9", files={"matplotlib.py": b""})


@pytest.fixture(scope="module", params=["buildah", "docker"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engine: Engine = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp(engine.name)
    with TinyIndex(auth=("ann", PASSWORD)) as index, registry(folder / "registry") as host:
        base_in_registry(f"{host}/python:3.11")
        engine.allow_plain(host)
        fill(index)
        project = Project(folder / "project")
        project.write("pipeline.py", EXAMPLE.read_bytes())
        project.configure(settings(index, host))
        login(project)
        locked = project.run("resolve")
        assert locked.code == 0, locked.stderr
        empty = Result(code=0, stdout="", stderr="")
        world = World(engine=engine, index=index, project=project, registry=host, first=empty)
        first = world.build("-v")
        assert first.code == 0, first.stderr
        yield World(engine=engine, index=index, project=project, registry=host, first=first)


def login(project: Project) -> None:
    """Put the index's login where pip, uv and zlock look for it."""
    netrc = project.home / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login ann password {PASSWORD}\n", encoding="utf-8")
    netrc.chmod(0o600)


def test_four_steps_of_which_two_are_alike_are_three_images(world: World) -> None:
    rows = dict(line.split() for line in world.first.stdout.splitlines())

    assert sorted(rows) == sorted(STEPS)
    assert rows["train"] == rows["evaluate"]
    assert len(set(rows.values())) == 3
    assert "3 built, 0 already there" in world.first.stderr
    assert {step: row["reference"] for step, row in world.images().items()} == rows
    assert all(f"{world.registry}/team/images@sha256:" in row for row in rows.values())


@pytest.mark.parametrize("step", STEPS)
def test_what_was_locked_is_what_runs(world: World, step: str) -> None:
    found = world.engine.run(world.images()[step]["reference"], "python", "-c", PRINT)

    assert json.loads(found) == world.project.locked(step)
    assert (
        sorted(world.project.locked(step))
        == {
            "load": ["pandas"],
            "train": ["pandas", "scikit-learn"],
            "evaluate": ["pandas", "scikit-learn"],
            "report": ["matplotlib"],
        }[step]
    )


@pytest.mark.parametrize("step", STEPS)
def test_nothing_drifts(world: World, step: str) -> None:
    reference = world.images()[step]["reference"]

    verified = world.project.run("verify", reference, "--step", step, env=world.engine.environ, timeout=120)

    assert verified.code == 0, verified.stdout + verified.stderr


def test_a_second_build_builds_nothing(world: World) -> None:
    before = world.images()

    again = world.build("--json")

    assert again.code == 0, again.stderr
    assert [row["built"] for row in json.loads(again.stdout)["images"]] == [False, False, False]
    assert world.images() == before


def test_a_plan_says_what_is_there(world: World) -> None:
    planned = world.project.run("plan", "--json", "--builder", world.engine.name)

    assert planned.code == 0, planned.stderr
    images = json.loads(planned.stdout)["images"]
    assert [image["exists"] for image in images] == [True, True, True]
    assert {image["key"] for image in images} == {row["key"] for row in world.images().values()}
    assert f"the base image `{world.registry}/python:3.11` is not pinned to a digest: it is sha256:" in planned.stderr


def test_the_credential_of_an_index_is_nowhere(world: World) -> None:
    secret = PASSWORD.encode()
    world.project.run("dockerfile", env=world.engine.environ)

    assert PASSWORD not in world.first.stdout + world.first.stderr
    files = [path for path in world.project.folder.rglob("*") if path.is_file()]
    assert any(path.name == "Dockerfile" for path in files)
    assert [path for path in files if secret in path.read_bytes()] == []
    blobs = [path.read_bytes() for path in (world.project.folder.parent / "registry").rglob("data")]
    layers = [gzip.decompress(blob) if blob.startswith(b"\x1f\x8b") else blob for blob in blobs]
    assert any(b"sklearn.py" in layer for layer in layers)
    assert not any(secret in layer for layer in layers)


# This comes last, as it changes the project.


def test_a_change_of_one_step_builds_one_image(world: World) -> None:
    before = {step: row["digest"] for step, row in world.images().items()}
    world.index.wheel("matplotlib", "3.10", files={"matplotlib.py": b"VERSION = 2\n"})
    assert world.project.run("resolve", "--step", "report", "--upgrade").code == 0
    explained = world.project.run("plan", "--explain", "report", "--builder", world.engine.name).stdout
    assert "to build" in explained
    assert "package matplotlib: 3.9 -> 3.10" in explained

    again = world.build()

    assert again.code == 0, again.stderr
    assert "1 built, 2 already there" in again.stderr
    moved = {step for step, row in world.images().items() if row["digest"] != before[step]}
    assert moved == {"report"}
    found = world.engine.run(world.images()["report"]["reference"], "python", "-c", PRINT)
    assert json.loads(found) == {"matplotlib": "3.10"}
