"""A pipeline of ZenML from its file to a run: locked, built and pushed by zlock, taken by ZenML with a stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.building import Engine, base_in_registry
from support.engines import registry
from support.index import TinyIndex
from support.project import Project, Result
from support.wheelhouse import repack_environment

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the base image has another Python than ZenML here"),
]

RUN = """
from zenml import pipeline, step
from zenml.config import DockerSettings

@step
def load(size: int) -> int:
    return size

@step(settings={"docker": DockerSettings(requirements=["app"])})
def train(size: int) -> None: ...

@pipeline
def training(size: int):
    train(load(size))
"""

CONFIG = ("--config", "train.yaml")
ANSWERS = ("python", "-m", "zenml.entrypoints.entrypoint", "--help")
ASK = """
import json, sys
from pathlib import Path
from zenml.client import Client
from zenml.enums import StackComponentType as T
from zenml.utils import source_utils
source_utils.set_custom_source_root(".")
Client.initialize(Path.cwd())
client = Client()
parts = {T.ARTIFACT_STORE: "default", T.ORCHESTRATOR: "docker", T.CONTAINER_REGISTRY: "images", T.IMAGE_BUILDER: "local"}
client.create_stack_component("docker", "local_docker", T.ORCHESTRATOR, {})
client.create_stack_component("images", "default", T.CONTAINER_REGISTRY, {"uri": sys.argv[1]})
client.create_stack_component("local", "local", T.IMAGE_BUILDER, {})
client.create_stack("docker", parts)
client.activate_stack("docker")
from run import training
built = training.with_options(config_path="build/zlock/run.yaml").build()
json.dump({name: [image.image, image.dockerfile] for name, image in built.images.items()}, open("built.json", "w"))
"""


@dataclass(frozen=True, kw_only=True)
class World:
    """A project whose images were built and pushed, without an engine."""

    index: TinyIndex
    project: Project
    python: Path
    registry: str

    def run(self, *arguments: str, **environ: str) -> Result:
        done = self.project.run(*arguments, env={"VIRTUAL_ENV": str(self.python.parents[1]), **environ}, timeout=300)
        assert done.code == 0, done.stderr
        return done

    def images(self) -> dict[str, str]:
        record: dict[str, Any] = json.loads((self.project.folder / "build" / "zlock" / "images.json").read_text())
        return {step: row["reference"] for step, row in record.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, zenml: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("zenml")
    with TinyIndex() as index, registry(folder / "registry") as host:
        base_in_registry(f"{host}/python:3.11")
        for wheel in repack_environment(zenml, folder / "wheels"):
            index.add(wheel)
        index.wheel("app", "1.0", requires=["lib"])
        index.wheel("lib", "1.0")
        project = Project(folder / "project")
        project.pipeline(RUN, "run.py")
        project.write("train.yaml", "parameters: {size: 3}\n")
        project.configure(
            {
                "python": "3.11",
                "pipeline": "run.py:training",
                "registry": f"{host}/team/images",
                "index": [{"url": index.url, "default": True}],
                "docker": {"parent-image": f"{host}/python:3.11"},
            }
        )
        world = World(index=index, project=project, python=zenml, registry=host)
        world.run("resolve", *CONFIG)
        world.run("build", *CONFIG, "--push", "--apply")
        yield world


def test_zenml_builds_nothing(world: World) -> None:
    """Its own build of the pipeline, with a stack that has no engine, takes the images that are there."""
    environ = {"ZENML_ANALYTICS_OPT_IN": "false", "ZENML_CONFIG_PATH": str(world.project.home / "zenml")}

    built = world.project.call(str(world.python), "-c", ASK, world.registry, env={**environ, "PYTHONPATH": "."})

    assert built.code == 0, built.stderr[-2000:]
    assert json.loads((world.project.folder / "built.json").read_text()) == {
        f"{step}.orchestrator": [image, None] for step, image in world.images().items()
    }


def test_a_pin_that_moved_makes_one_image(world: World) -> None:
    world.index.wheel("lib", "2.0")
    world.run("resolve", *CONFIG, "--upgrade-package", "lib")

    again = world.run("build", *CONFIG, "--push")

    assert "1 built, 1 already there" in again.stderr


def test_an_image_answers(world: World, buildah: Engine) -> None:
    """One that is put together of layers, and one that an engine makes."""
    buildah.allow_plain(world.registry)
    assert "usage: entrypoint.py" in buildah.run(world.images()["load"], *ANSWERS)

    made = world.run("build", *CONFIG, "--step", "load", *buildah.options, **buildah.environ)

    assert "usage: entrypoint.py" in buildah.run(made.stdout.split()[1], *ANSWERS)
