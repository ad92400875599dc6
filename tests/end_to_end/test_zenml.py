"""Pipelines of ZenML, from the file as it stands to locks and images."""

from __future__ import annotations

import ensurepip
import json
import os
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from end_to_end.test_framework_page import add_integrations, make_poetry
from support.index import TinyIndex
from support.project import Project, Result
from test_zenml import of_zenml

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
    flow.index.wheel("alpha", "1.0")
    flow.project.write("run.yaml", "parameters: {size: 1}\nsettings: {docker: {requirements: [alpha]}}\n")

    done = flow.run("resolve", "--config", "run.yaml")

    assert done.code == 0, done.stderr
    assert (
        "`requirements` in run.yaml:2: `alpha` is left out for `train` (replaced by settings of the step at run.py:4); "
        "`extra-requirements` in `[steps.NAME.docker]` adds to them"
    ) in done.stderr
    assert "step `ready` runs in `registry.example/ready:1` as it is" in done.stderr
    assert flow.sources("train") == {"framework": ["zenml==0.98.0"], "explicit": ["six"]}
    assert flow.sources("bare") == {"explicit": ["alpha"]}
    assert flow.project.locked("train") == {"zenml": "0.98.0", "six": "1.0"}
    assert not flow.project.lock_path("ready").exists()
    assert "note: ZenML can't start `bare`: `install_stack_requirements` is false there" in done.stderr
    unknown = flow.run("plan", "--config", "run.yaml", "--step", "trian")
    assert (unknown.code, unknown.stdout) == (2, "")
    assert "error: there is no step `trian`\nhint: did you mean `train`?" in unknown.stderr
    flow.project.configure({"pipeline": "run.py", "pipeline-config": "run.yaml", "python": PYTHON})
    for named in (("./run.py",), ("run.py:training",)):
        assert flow.run("resolve", "--check", *named).code == 0, "its configuration counts, however it is named"
    flow.project.configure({"pipeline": "other.py", "pipeline-config": "run.yaml", "python": PYTHON})
    missing = flow.run("resolve", "--check", "run.py")
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


EVERY_BLOCK = """
from zenml import pipeline, step
from blocks import {names}

def nothing() -> None: ...

@pipeline
def every():
    for block in ({names},):
        step(name=block.__name__.rpartition(".")[2], settings={{"docker": block.docker_settings}})(nothing)()
"""


def test_each_block_of_the_page_becomes_a_dockerfile(flow: Flow, tmp_path: Path, zenml: Path) -> None:
    """All of them as steps of one pipeline, each block in a module that differs from the page in its imports alone."""
    names = sorted(path.stem for path in BLOCKS.glob("*.py"))
    for name in names:
        flow.project.write(f"blocks/{name}.py", of_zenml((BLOCKS / f"{name}.py").read_text()))
    flow.project.write("requirements.txt", "torch\n")
    flow.project.pipeline(EVERY_BLOCK.format(names=", ".join(names)), "run.py")
    add_integrations(flow.index, "pytorch", "evidently")
    for name, version in (("torch", "1.12.0"), ("torchvision", "0.13.0"), ("tensorflow", "2.16.1"), ("uv", "0.13.0")):
        flow.index.wheel(name, version)
    for one in distributions(path=[str(next(zenml.parents[1].glob("lib/python*/site-packages")))]):
        flow.index.wheel(one.name, one.version)
    flow.environ |= make_poetry(tmp_path / "bin", "six==1.17.0\n")
    pip = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))  # for `pip freeze`
    flow.environ["PYTHONPATH"] = os.pathsep.join([str(pip), *filter(None, [os.environ.get("PYTHONPATH")])])

    locked, written = flow.run("resolve"), flow.run("dockerfile", "--json")

    assert (locked.code, written.code) == (0, 0), locked.stderr + written.stderr
    rows = json.loads(written.stdout)["contexts"]
    assert sorted(step for row in rows for step in row["steps"]) == names
    assert all((flow.project.folder / row["folder"] / "Dockerfile").is_file() for row in rows)


def test_what_is_handed_on_takes_no_place_of_what_it_is_made_from(flow: Flow) -> None:
    text = (
        HEAD + "@step(settings={'docker': {'parent_image': 'ready:1', 'skip_build': True}})\ndef one() -> None: ...\n"
    )
    flow.project.pipeline(text + "@pipeline\ndef run(): one()", "run.py")
    flow.project.write("train.yaml", "run_name: nightly  # ours\n")
    before = {path: path.read_bytes() for path in flow.project.folder.iterdir()}

    for name in ("train.yaml", "run.py", "zlock.toml"):
        refused = flow.run("apply", "run.py:run", "--config", "train.yaml", "--output", name)
        assert (refused.code, f"`{name}` is a file that this is made from" in refused.stderr) == (2, True)

    assert {path: path.read_bytes() for path in flow.project.folder.iterdir()} == before


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
