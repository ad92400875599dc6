"""What the active stack of ZenML requires, asked in the project's environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from zlock.frameworks.zenml.ask import ask_zenml

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
    requirements: list[str] = found["requirements"]
    has_local = any(one.name == "zenml" and "local" in one.extras for one in map(Requirement, requirements))
    local = ["zenml[local]"] if found["is_local"] and not has_local else []
    return ActiveStack(found["name"], (*requirements, *local), tuple(found["apt_packages"]), found["runs_pipelines"])
