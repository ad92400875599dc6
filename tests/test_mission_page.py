"""Every Python block of the page works as a pipeline file."""

import sys
from pathlib import Path
from typing import Any

import pytest

from zlock import DockerSettings
from zlock.settings.load import load_pipeline

BLOCKS = Path(__file__).parent / "mission"

EXPECTED: dict[str, dict[str, Any]] = {
    "replicate_pip_freeze": {"replicate_local_python_environment": "pip_freeze"},
    "replicate_command": {
        "replicate_local_python_environment": ["poetry", "export", "--extras=train", "--format=requirements.txt"]
    },
    "requirements_list": {"requirements": ["torch==1.12.0", "torchvision"]},
    "requirements_file": {"requirements": "requirements.txt"},
    "required_integrations": {"required_integrations": ["pytorch", "evidently"]},
    "apt_packages": {"apt_packages": ["git"]},
    "no_stack_requirements": {"install_stack_requirements": False},
    "step_settings": {"requirements": ["tensorflow"]},
    "installer_args": {"python_package_installer_args": {"timeout": 1000}},
    "installer_uv": {"python_package_installer": "uv"},
}

PIPELINES = [block for block in EXPECTED if block != "step_settings"]


def test_every_block_is_expected() -> None:
    """A block without an expectation would be loaded by no test."""
    assert {path.stem for path in BLOCKS.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("block", PIPELINES)
def test_pipeline_block_declares_its_settings(block: str) -> None:
    if block == "required_integrations":
        pytest.importorskip("zlock.integrations")

    declared = load_pipeline(f"{block}.py", project=BLOCKS, interpreter=sys.executable)

    assert declared.name == "my_pipeline"
    assert declared.steps == ()
    assert declared.settings == DockerSettings(**EXPECTED[block])


def test_step_block_declares_one_step() -> None:
    declared = load_pipeline("step_settings.py", project=BLOCKS, interpreter=sys.executable)

    assert declared.name is None
    assert {step.name: step.settings for step in declared.steps} == {
        "my_training_step": DockerSettings(requirements=["tensorflow"])
    }


def test_relative_requirements_file_counts_from_the_block_not_from_the_project() -> None:
    declared = load_pipeline("mission/requirements_file.py", project=BLOCKS.parent, interpreter=sys.executable)

    assert declared.settings.effective().requirements_file == BLOCKS / "requirements.txt"
