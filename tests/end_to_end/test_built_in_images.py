"""Packages from repositories and archives, from the line that asks to the container that runs, by a real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.building import Engine, base_in_registry
from support.engines import registry
from support.git import GitRepository
from support.index import TinyIndex
from support.project import Project, Result
from support.wheelhouse import make_wheelhouse

pytestmark = pytest.mark.engines

STEPS = ("by-pip", "by-uv")
LOCKED = {"cloned": "1.0", "packed": "2.0", "part": "1.0"}
PRINT = (
    "import cloned, packed, importlib.metadata as m, json; "
    "print(json.dumps({d.name: [d.version, d.read_text('direct_url.json')] for d in m.distributions()}))"
)


@dataclass(frozen=True, kw_only=True)
class World:
    """A project whose two steps an engine has built, and what it said then."""

    engine: Engine
    project: Project
    repository: GitRepository
    registry: str
    first: Result

    def build(self, *arguments: str) -> Result:
        command = ("build", "--push", *self.engine.options, *arguments)
        return self.project.run(*command, env=self.engine.environ, timeout=600)

    def reference(self, step: str) -> str:
        record = json.loads((self.project.folder / "build" / "zlock" / "images.json").read_text(encoding="utf-8"))
        return str(record[step]["reference"])


def fill(index: TinyIndex, folder: Path) -> str:
    """Add packages, and the uv that is installed here; return where the sdist is."""
    index.wheel("part", "1.0")
    index.wheel("tool", "1.0")
    for path in make_wheelhouse(folder, ["uv"]).iterdir():
        index.add(path)
    return f"{index.root}/{index.sdist('packed', '2.0', build_requires=['tool']).location}"


def configure(project: Project, index: TinyIndex, host: str, parent: str, requirements: list[str]) -> None:
    docker: dict[str, Any] = {"requirements": requirements, "parent-image": f"{host}/{parent}:3.11"}
    steps = {step: {"docker": {"python-package-installer": step.removeprefix("by-")}} for step in STEPS}
    indexes = [{"url": index.url, "default": True}]
    project.configure(
        {"python": "3.11", "registry": f"{host}/images", "index": indexes, "docker": docker, "steps": steps}
    )
    locked = project.run("resolve")
    assert locked.code == 0, locked.stderr


@pytest.fixture(scope="module")
def world(buildah: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engine, folder = buildah, tmp_path_factory.mktemp("world")
    repository = GitRepository(folder / "repository")
    repository.commit_tree("cloned", "1.0", at="inside", build_requires=["tool"], requires=["part"])
    with TinyIndex() as index, registry(folder / "registry") as host, repository.served() as url:
        base_in_registry(f"{host}/python-git:3.11", "base-git")
        base_in_registry(f"{host}/python:3.11")
        engine.allow_plain(host)
        place = fill(index, folder / "uv")
        project = Project(folder / "project")
        requirements = [f"cloned @ {url}#subdirectory=inside", f"packed @ {place}"]
        configure(project, index, host, "python-git", requirements)
        empty = Result(code=0, stdout="", stderr="")
        world = World(engine=engine, project=project, repository=repository, registry=host, first=empty)
        first = world.build("-v")
        assert first.code == 0, first.stderr
        yield World(engine=engine, project=project, repository=repository, registry=host, first=first)


@pytest.mark.parametrize("step", STEPS)
def test_what_was_locked_is_what_runs(world: World, step: str) -> None:
    found = json.loads(world.engine.run(world.reference(step), "python", "-c", PRINT))

    assert {name: version for name, (version, _) in found.items()} == LOCKED
    commit = world.repository.git("rev-parse", "HEAD")
    assert json.loads(found["cloned"][1])["vcs_info"]["commit_id"] == commit


@pytest.mark.parametrize("step", STEPS)
def test_nothing_drifts_and_nothing_is_left_over(world: World, step: str) -> None:
    reference = world.reference(step)

    verified = world.project.run("verify", reference, "--step", step, env=world.engine.environ, timeout=120)

    assert verified.code == 0, verified.stdout + verified.stderr
    assert world.engine.run(reference, "ls", "/tmp").split() in ([], ["printed"])


def test_a_second_build_builds_nothing(world: World) -> None:
    again = world.build("--json")

    assert again.code == 0, again.stderr
    assert [row["built"] for row in json.loads(again.stdout)["images"]] == [False, False]


# This comes last, as it changes the project.


def test_a_parent_without_git_is_named_as_what_is_missing(world: World) -> None:
    settings = (world.project.folder / "zlock.toml").read_text(encoding="utf-8")
    world.project.write("zlock.toml", settings.replace("python-git:3.11", "python:3.11"))
    assert world.project.run("resolve").code == 0

    failed = world.build("--step", "by-pip")

    assert failed.code == 3
    assert "there is no git: add it to apt_packages" in failed.stderr
