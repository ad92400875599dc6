"""A pipeline of ZenML from its file to a run: locked, built and pushed by zlock, taken by ZenML with a stack."""

from __future__ import annotations

import json
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import zlock
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
print("run.py is read")
from zenml import pipeline, step
from zenml.config import DockerSettings

@step
def load(size: int) -> int:
    return size

@step(settings={"docker": DockerSettings(requirements=["app"])})
def train(size: int) -> None: ...

@step(settings={"docker": DockerSettings(skip_build=True, parent_image="registry.example/ready:1")})
def ready() -> None: ...

@pipeline
def training(size: int):
    loaded = load(size)
    train(loaded)
    train.with_options(settings={"docker": {"requirements": []}})(loaded)
    ready()
"""
SCORING = """
from zenml import pipeline, step
from run import load

@step(settings={"docker": {"requirements": ["app"]}})
def score(size: int) -> None: ...

@pipeline(settings={"docker": {"environment": {"STAGE": "scoring"}}})
def scoring():
    score(load(1))
"""
ANSWERS = ("python", "-m", "zenml.entrypoints.entrypoint", "--help")

STACK = """
import sys
from pathlib import Path
from zenml.client import Client
from zenml.enums import StackComponentType as T
Client.initialize(Path.cwd())
client = Client()
parts = {T.ARTIFACT_STORE: "default", T.ORCHESTRATOR: "docker", T.IMAGE_BUILDER: "local"}
client.create_stack_component("docker", "local_docker", T.ORCHESTRATOR, {})
client.create_stack_component("images", "default", T.CONTAINER_REGISTRY, {"uri": sys.argv[1]})
client.create_stack_component("local", "local", T.IMAGE_BUILDER, {})
client.create_stack("docker", {**parts, T.CONTAINER_REGISTRY: "images"})
client.activate_stack("docker")
"""

TAKE = """
import json, logging, sys
from zenml.models import PipelineBuildBase
from zenml.utils import source_utils
source_utils.set_custom_source_root(".")
sys.path += sys.argv[1:]
from run import training
from zlock.zenml import locked

def found(build):
    return {name: [image.image, image.dockerfile] for name, image in build.images.items()}

warned = []
handler = logging.Handler()
handler.emit = lambda record: warned.append(record.getMessage())
logging.getLogger("zenml.pipelines.build_utils").addHandler(handler)
ready = PipelineBuildBase.from_yaml("build.yaml")
by_code = locked(training.with_options(config_path="train.yaml"))._run_args["step_configurations"]
taken = training.with_options(config_path="train.yaml", build=ready).create_snapshot("taken").build
json.dump(
    {
        "run": found(training.with_options(config_path="build/zlock/run.yaml").build()),
        "code": {name: step["settings"]["docker"]["parent_image"] for name, step in by_code.items()},
        "build": found(taken),
        "warned": warned,
    },
    open("taken.json", "w"),
)
"""


@dataclass(frozen=True, kw_only=True)
class World:
    """A project whose images were built and pushed, without an engine."""

    index: TinyIndex
    project: Project
    python: Path
    registry: str

    @property
    def environ(self) -> dict[str, str]:
        home = {"ZENML_ANALYTICS_OPT_IN": "false", "ZENML_CONFIG_PATH": str(self.project.home / "zenml")}
        return {"VIRTUAL_ENV": str(self.python.parents[1]), **home}

    def run(self, *arguments: str, **environ: str) -> Result:
        done = self.project.run(*arguments, env={**self.environ, **environ}, timeout=300)
        assert done.code == 0, done.stderr
        return done

    def python_runs(self, text: str, *arguments: str) -> None:
        """Run a program in ZenML's environment."""
        environ = {**self.environ, "PYTHONPATH": "."}
        done = self.project.call(str(self.python), "-c", text, *arguments, env=environ)
        assert done.code == 0, done.stderr[-2000:]

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
        project.write("train.yaml", "run_name: nightly\nparameters: {size: 3}\nsteps: {train: {enable_cache: false}}\n")
        project.configure(
            {
                "python": "3.11",
                "pipeline": "run.py:training",
                "pipeline-config": "train.yaml",
                "registry": f"{host}/team/images",
                "index": [{"url": index.url, "default": True}],
                "docker": {"parent-image": f"{host}/python:3.11"},
            }
        )
        world = World(index=index, project=project, python=zenml, registry=host)
        world.run("resolve")
        assert world.run("build", "--push", "--apply").stderr.count("run.py is read") == 1
        world.python_runs(STACK, host)
        yield world


def test_a_run_is_told_of_every_step(world: World) -> None:
    images = {**world.images(), "ready": "registry.example/ready:1"}

    assert yaml.safe_load((world.project.folder / "build" / "zlock" / "run.yaml").read_text()) == {
        "run_name": "nightly",
        "parameters": {"size": 3},
        "steps": {
            name: {
                **({"enable_cache": False} if name == "train" else {}),
                "settings": {"docker": {"parent_image": images[name], "skip_build": True}},
            }
            for name in ("train", "load", "train_2", "ready")
        },
    }
    assert images["train_2"] == images["load"] != images["train"]


def test_what_a_run_is_told_is_not_what_is_locked(world: World) -> None:
    locks = sorted((world.project.folder / "lockfiles").iterdir())

    refused = world.project.run("resolve", "--config", "build/zlock/run.yaml", env=world.environ)

    assert refused.code == 2
    assert "what configures this run is of `zlock apply`: `load`, `train`, `train_2` would run" in refused.stderr
    assert sorted((world.project.folder / "lockfiles").iterdir()) == locks


def test_zenml_takes_the_images_and_builds_none(world: World) -> None:
    """It has a stack without an engine, and takes what configures a run, a build, and what code says."""
    world.run("apply", "--format", "build", "--output", "build.yaml")
    beside = [str(Path(zlock.__file__).parents[1]), sysconfig.get_path("purelib")]

    world.python_runs(TAKE, *beside)

    images = {**world.images(), "ready": "registry.example/ready:1"}
    every = {f"{step}.orchestrator": [image, None] for step, image in images.items()}
    taken = json.loads((world.project.folder / "taken.json").read_text())
    assert taken == {
        "run": every,
        "code": images,
        "build": {**every, "orchestrator": [images["load"], None]},
        "warned": [],
    }


def test_a_pin_that_moved_makes_one_image(world: World) -> None:
    world.index.wheel("lib", "2.0")
    world.run("resolve", "--upgrade-package", "lib")
    stale = world.project.run("apply", env=world.environ)

    again = world.run("build", "--push")

    assert (stale.code, "the image of step `train` is not what is locked and set now" in stale.stderr) == (1, True)
    assert "1 built, 1 already there" in again.stderr


def test_pipelines_that_share_a_step_keep_their_images(world: World) -> None:
    """The step is the same, and its image is not, by a setting of the pipeline."""
    before = world.images()
    world.project.pipeline(SCORING, "scoring.py")
    world.run("resolve", "scoring.py")
    world.run("build", "--push", "--pipeline", "scoring.py")

    applied = yaml.safe_load(world.run("apply", "scoring.py").stdout)["steps"]

    images = world.images()
    assert {name: step["settings"]["docker"]["parent_image"] for name, step in applied.items()} == {
        "load": images["scoring-load"],
        "score": images["score"],
    }
    assert images.items() > before.items()
    assert images["load"] != images["scoring-load"]
    assert yaml.safe_load(world.run("apply").stdout)["steps"].keys() == {"load", "train", "train_2", "ready"}


def test_an_image_answers(world: World, buildah: Engine) -> None:
    """One that is put together of layers, and one that an engine makes."""
    buildah.allow_plain(world.registry)
    assert "usage: entrypoint.py" in buildah.run(world.images()["load"], *ANSWERS)

    made = world.run("build", "--step", "load", *buildah.options, **buildah.environ)

    assert "usage: entrypoint.py" in buildah.run(made.stdout.split()[1], *ANSWERS)
