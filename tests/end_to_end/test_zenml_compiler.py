"""Settings as zlock reads them, without a stack, beside those that ZenML's own compiler gives, with one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.environment import clean_environment
from zlock.frameworks.zenml.settings import translated
from zlock.settings.declared import DeclaredPipeline
from zlock.settings.docker import DockerSettings
from zlock.settings.load import load_pipeline
from zlock.settings.location import Location

FLOWS = """
from zenml import pipeline, step
from zenml.config import DockerSettings
from zenml.config.docker_settings import PythonPackageInstaller, PythonEnvironmentExportMethod

ALL = DockerSettings(
    requirements=["six"], apt_packages=["git"], environment={"A": "all", "B": 1},
    python_package_installer_args={"timeout": 60}, user="worker", required_integrations=["sklearn"],
)

def stated(**settings):
    return {"docker": DockerSettings(**settings)}

@step(settings=stated(environment={"A": "own", "C": True}))
def dictionary() -> None: ...

@step(settings=stated(requirements=["torch"]))
def replaced() -> None: ...

@step(settings=stated(requirements=[], apt_packages=[]))
def emptied() -> None: ...

@step(settings={"docker": {"requirements": None, "user": None}})
def nothing() -> None: ...

@step(settings=stated(python_package_installer=PythonPackageInstaller.PIP,
                      replicate_local_python_environment=PythonEnvironmentExportMethod.PIP_FREEZE))
def enumerated() -> None: ...

@step
def configured() -> None: ...
configured.configure(settings=stated(requirements=["jax"], python_package_installer_args={"quiet": None}))

@step(settings=stated(requirements=["lightgbm"]))
def optional() -> None: ...

@step
def by_run() -> None: ...

@step(settings=stated(requirements=["xgboost"]))
def twice() -> None: ...

@step(settings=stated(install_stack_requirements=False, required_integrations=["pytorch"]))
def bare() -> None: ...

@step(settings={"docker": {"skip_build": True, "parent_image": "ready:1", "target_repository": "a/b"}})
def ready() -> None: ...

@step
def inside() -> None: ...

@pipeline(settings=stated(requirements=["inner"], environment={"INNER": "1"}))
def inner():
    inside()

@pipeline(settings={"docker": ALL})
def every():
    for one in (dictionary, replaced, emptied, nothing, enumerated, configured, by_run, bare, ready):
        one()
    optional.with_options(settings=stated(apt_packages=["curl"]))()
    twice()
    twice.with_options(settings=stated(requirements=["catboost"]))()
    inner()

@pipeline(dynamic=True, depends_on=[replaced, dictionary], settings={"docker": ALL})
def dynamic():
    replaced()
"""

RUN = """
settings: {docker: {environment: {D: run}}}
steps: {by_run: {settings: {docker: {requirements: [polars], runtime_environment: {E: run}}}}}
"""

COMPILE = """
import json, sys
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.config.compiler import Compiler
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
import flows

def plain(configuration):
    stated = configuration.settings.get("docker")
    values = {} if stated is None else stated.model_dump(exclude_unset=True)
    return DockerSettings.model_validate(values).model_dump(mode="json", exclude_unset=True)

found = {}
for name, config in (("every", "run.yaml"), ("dynamic", None)):
    pipeline = getattr(flows, name)
    pipeline = pipeline.with_options(config_path=config) if config else pipeline
    pipeline.prepare()
    run = PipelineRunConfiguration.from_yaml(config) if config else PipelineRunConfiguration()
    made = Compiler().compile(pipeline, Client().active_stack, run)
    found[name] = {one: plain(step.config) for one, step in made.step_configurations.items()}
    found[name][""] = plain(made.pipeline_configuration)
json.dump({**found, "fields": list(DockerSettings.model_fields)}, open("compiled.json", "w"))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, zenml: Path) -> Path:
    """A folder with the pipelines, and what ZenML's compiler makes of them."""
    folder = tmp_path_factory.mktemp("flows")
    (folder / "flows.py").write_text(FLOWS)
    (folder / "run.yaml").write_text(RUN)
    environ = clean_environment(folder, {"ZENML_ANALYTICS_OPT_IN": "false", "ZENML_CONFIG_PATH": str(folder / ".zen")})
    done = subprocess.run(
        [str(zenml), "-c", COMPILE],
        cwd=folder,
        env={**environ, "PYTHONPATH": os.fspath(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_each_field_has_its_row(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "zenml.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("|")]

    fields = json.loads((folder / "compiled.json").read_text())["fields"]

    assert [name for name in fields if not any(f"`{name}`" in row for row in rows)] == []


def read(folder: Path, zenml: Path, name: str, config: str | None) -> dict[str, DockerSettings]:
    declared: DeclaredPipeline = load_pipeline(
        f"flows.py:{name}", project=folder, interpreter=str(zenml), config=folder / config if config else None
    )
    steps = {step.name: step.settings for step in declared.steps if step.name != declared.own_image}
    return {**steps, "": declared.settings}


@pytest.mark.parametrize(("name", "config", "steps"), [("every", "run.yaml", 14), ("dynamic", None, 3)])
def test_settings_are_those_of_zenmls_compiler(
    folder: Path, zenml: Path, name: str, config: str | None, steps: int
) -> None:
    compiled: dict[str, dict[str, Any]] = json.loads((folder / "compiled.json").read_text())[name]
    expected = {
        one: DockerSettings(**translated(values, detects=False, place=Location("flows.py", 1), notes=[]))
        for one, values in compiled.items()
    }

    found = read(folder, zenml, name, config)

    assert len(expected) == steps
    for one, settings in expected.items():
        assert found[one].stated() == settings.stated(), one
    assert found.keys() == expected.keys()
