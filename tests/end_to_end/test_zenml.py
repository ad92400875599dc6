"""Pipelines of ZenML, from the file as it stands to locks and images."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.index import TinyIndex
from support.project import Project, Result
from test_zenml import of_zenml
from zlock.settings.load import load_pipeline

BLOCKS = Path(__file__).parent.parent / "mission"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
HEAD = "from zenml import pipeline, step\nfrom zenml.config import DockerSettings\n"


class Flow:
    """A project with a pipeline of ZenML, whose environment has ZenML and no zlock."""

    def __init__(self, project: Project, index: TinyIndex, zenml: Path) -> None:
        self.project = project
        self.index = index
        self.environ = {"VIRTUAL_ENV": str(zenml.parents[1])}
        project.configure({"pipeline": "run.py", "python": PYTHON})

    def run(self, *arguments: str) -> Result:
        return self.project.run(*arguments, "--index-url", self.index.url, env=self.environ)

    def sources(self, step: str) -> dict[str, list[str]]:
        stated: list[dict[str, Any]] = self.project.lock(step)["tool"]["zlock"]["sources"]
        return {one["source"]: one["requirements"] for one in stated}


@pytest.fixture
def flow(project: Project, index: TinyIndex, zenml: Path) -> Flow:
    for version in ("0.95.0", "0.98.0", "0.99.0"):
        index.wheel("zenml", version)
    return Flow(project, index, zenml)


PIPELINE = """
@step(settings={"docker": DockerSettings(requirements=["six"])})
def train(size: int) -> None: ...

@step(settings={"docker": {"install_stack_requirements": False, "python_package_installer_cache_mount": "type=cache"}})
def bare() -> None: ...

@step(settings={"docker": DockerSettings(skip_build=True, parent_image="registry.example/ready:1")})
def ready() -> None: ...

@pipeline
def training(size: int):
    train(size)
    bare()
    ready()
"""


def test_a_pipeline_is_locked_as_it_stands(flow: Flow) -> None:
    flow.index.wheel("six", "1.0")
    flow.project.pipeline(HEAD + PIPELINE, "run.py")
    flow.project.write("run.yaml", "parameters: {size: 1}\n")

    done = flow.run("resolve", "--config", "run.yaml")

    assert done.code == 0, done.stderr
    assert "step `ready` runs in `registry.example/ready:1` as it is" in done.stderr
    assert flow.sources("train") == {"framework": ["zenml==0.98.0"], "explicit": ["six"]}
    assert flow.sources("bare") == {}
    assert flow.project.locked("train") == {"zenml": "0.98.0", "six": "1.0"}
    assert not flow.project.lock_path("ready").exists()
    assert flow.run("resolve", "--config", "run.yaml", "--check").code == 0
    missing = flow.run("resolve", "--check")
    assert (missing.code, "needs 1 parameter: `size`" in missing.stderr) == (2, True)


def test_what_a_step_asks_goes_before_the_version_of_the_environment(flow: Flow) -> None:
    flow.project.pipeline(
        HEAD + "@step(settings={'docker': DockerSettings(requirements=['zenml==0.99.0'])})\ndef one() -> None: ...",
        "run.py",
    )

    refused = flow.run("resolve")
    flow.project.configure({"pipeline": "run.py", "python": PYTHON, "conflicts": "later"})

    assert (refused.code, "`zenml==0.98.0`" in refused.stderr) == (1, True)
    assert flow.run("resolve").code == 0
    assert flow.project.locked("one") == {"zenml": "0.99.0"}


@pytest.mark.parametrize("block", ["apt_packages", "installer_uv", "step_settings"])
def test_a_block_of_the_page_becomes_a_dockerfile(flow: Flow, block: str) -> None:
    flow.index.wheel("tensorflow", "2.16.1")
    flow.index.wheel("uv", "0.13.0")
    flow.project.pipeline(of_zenml((BLOCKS / f"{block}.py").read_text()), "run.py")

    locked, written = flow.run("resolve"), flow.run("dockerfile")

    assert (locked.code, written.code) == (0, 0), locked.stderr + written.stderr


DIGEST = f"sha256:{'ab' * 32}"
TWICE = f"""
PARENT = "registry.example/python@{DIGEST}"

@step(settings={{"docker": DockerSettings(requirements=["six"])}})
def train(size: int) -> None: ...

@step(settings={{"docker": DockerSettings(skip_build=True, parent_image="registry.example/ready:1")}})
def ready() -> None: ...

@pipeline(settings={{"docker": DockerSettings(parent_image=PARENT)}})
def training(size: int):
    train(size)
    train.with_options(settings={{"docker": {{"requirements": []}}}})(size)
    ready()
"""


def record(flow: Flow) -> dict[str, str]:
    """Write what a build would have recorded, and return the image of each step."""
    planned = flow.run("plan", "--config", "run.yaml", "--offline", "--json", "--builder", "buildah")
    assert planned.code == 0, planned.stderr
    rows, images = {}, {}
    for one in json.loads(planned.stdout)["images"]:
        image = {"key": one["key"], "digest": DIGEST, "reference": f"registry.example/team:{one['key'][:12]}@{DIGEST}"}
        for name in one["steps"]:
            images[name] = image["reference"]
            rows[name] = {**image, "platforms": {one["platform"]: {**image, "components": {}}}}
    flow.project.write("build/zlock/images.json", json.dumps(rows))
    return images


def test_a_run_takes_the_images_that_were_built(flow: Flow) -> None:
    flow.index.wheel("six", "1.0")
    flow.project.pipeline(HEAD + TWICE, "run.py")
    flow.project.write("run.yaml", "run_name: nightly\nparameters: {size: 1}\nsteps: {train: {enable_cache: false}}\n")
    assert flow.run("resolve", "--config", "run.yaml").code == 0
    without = flow.run("apply", "--config", "run.yaml", "--offline", "--builder", "buildah")
    images = record(flow)

    done = flow.run("apply", "--config", "run.yaml", "--offline", "--builder", "buildah", "--output", "locked.yaml")

    assert (without.code, "`zlock build --push` first" in without.stderr) == (1, True)
    assert done.code == 0, done.stderr
    written = yaml.safe_load((flow.project.folder / "locked.yaml").read_text())
    assert written == {
        "run_name": "nightly",
        "parameters": {"size": 1},
        "steps": {
            "train": {"enable_cache": False, **ran_in(images["train"])},
            "train_2": ran_in(images["train_2"]),
            "ready": ran_in("registry.example/ready:1"),
        },
    }
    assert images["train"] != images["train_2"]

    python = Path(flow.environ["VIRTUAL_ENV"]) / "bin" / "python"
    read = load_pipeline(
        "run.py", project=flow.project.folder, interpreter=str(python), config=flow.project.folder / "locked.yaml"
    )
    assert {step.name: (step.settings.skip_build, step.settings.parent_image) for step in read.steps} == {
        name: (True, image) for name, image in {**images, "ready": "registry.example/ready:1"}.items()
    }

    flow.project.pipeline(HEAD + TWICE.replace('["six"]', '["six", "zenml"]'), "run.py")
    assert flow.run("resolve", "--config", "run.yaml").code == 0
    flow.project.write("zlock.toml", (flow.project.folder / "zlock.toml").read_text() + '[docker]\nuser = "worker"\n')
    stale = flow.run("apply", "--config", "run.yaml", "--offline", "--builder", "buildah")
    assert (stale.code, "is not what is locked and set now" in stale.stderr) == (1, True)


def ran_in(image: str) -> dict[str, Any]:
    return {"settings": {"docker": {"parent_image": image, "skip_build": True}}}


def test_images_are_made_for_zenml(flow: Flow) -> None:
    flow.project.pipeline(HEAD + "@step\ndef one() -> None: ...", "run.py")
    assert flow.run("resolve").code == 0

    assert flow.run("dockerfile").code == 0

    (written,) = flow.project.folder.glob("build/zlock/*/Dockerfile")
    text = written.read_text()
    assert 'ENV VIRTUAL_ENV="/opt/zlock/venv"' in text
    assert "chmod -R a+rwX /app" in text
    for said in ('CONFIG_PATH="/app/.zenconfig"', 'CONTAINER="1"', 'ENABLE_REPO_INIT_WARNINGS="False"'):
        assert f"ENV ZENML_{said}" in text


def test_what_the_active_stack_requires_is_written_into_the_configuration(flow: Flow) -> None:
    flow.project.write("zlock.toml", '# ours\npython = "3.12"  # of the image\n\n[stack]\nrequirements = ["old"]\n')

    done = flow.run("stack", "import")

    assert done.code == 0, done.stderr
    assert (flow.project.folder / "zlock.toml").read_text() == (
        '# ours\npython = "3.12"  # of the image\n\n[stack]\nrequirements = ["zenml[local]"]\napt-packages = []\n'
    )
    assert done.stdout == "zenml[local]\n"
