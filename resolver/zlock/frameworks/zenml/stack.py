"""What the active stack of ZenML requires, asked in the project's environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from zlock.frameworks.zenml.ask import ask_zenml
from zlock.model.requirement import parsed

_ASK = """
import json, os, sys
kept, sys.stdout = sys.stdout, sys.stderr
from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration
from zenml.utils import source_utils
source_utils.set_custom_source_root(os.getcwd())  # which is else the folder of a main file, and there is none
client = Client()
stack = client.active_stack
is_local = GlobalConfiguration().uses_local_store
runs_pipelines = bool(getattr(stack.orchestrator.config, "always_build_pipeline_image", False))
found = {"name": stack.name, "requirements": sorted(stack.requirements()), "apt_packages": sorted(stack.apt_packages)}
kept.write(json.dumps({**found, "is_local": is_local, "runs_pipelines": runs_pipelines}))
"""


class ActiveStack(NamedTuple):
    """A stack.

    Attributes:
        name: Its name.
        requirements: What its components require, and ZenML's own extra where what is recorded of runs is kept on the
            machine.
        apt_packages: Their Debian packages.
        runs_pipelines: Whether its orchestrator runs every pipeline itself in an image, beside its steps.
    """

    name: str
    requirements: tuple[str, ...]
    apt_packages: tuple[str, ...]
    runs_pipelines: bool


def active_stack(interpreter: Path, folder: Path, environ: Mapping[str, str]) -> ActiveStack:
    """Return the stack that is active in a folder; ZenML asks its server, or its database on this machine.

    Raises:
        CommandFailed: ZenML is not there, or knows no stack.
    """
    printed = ask_zenml(["-c", _ASK], "the active stack", interpreter=interpreter, folder=folder, environ=environ)
    found = json.loads(printed)
    required = required_of(found["requirements"], is_local=found["is_local"])
    return ActiveStack(found["name"], required, tuple(found["apt_packages"]), found["runs_pipelines"])


def required_of(stated: Sequence[str], *, is_local: bool) -> tuple[str, ...]:
    """Return what a stack requires beside the framework, of which only extras count: its version is the environment's.

    Args:
        stated: What ZenML says that the stack requires.
        is_local: Whether what is recorded of runs is kept on the machine.
    """
    framework = [one for one in map(parsed, stated) if one.name == "zenml"]
    extras = {extra for one in framework for extra in one.extras} | ({"local"} if is_local else set())
    others = [one for one in stated if parsed(one).name != "zenml"]
    return (*others, *([f"zenml[{','.join(sorted(extras))}]"] if extras else []))
