"""What the active stack of ZenML requires, asked in the project's environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from zlock.errors import CommandFailed
from zlock.process import CommandExited, run_command

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
found = {"name": stack.name, "requirements": sorted(stack.requirements()), "apt_packages": sorted(stack.apt_packages)}
kept.write(json.dumps({**found, "is_local": is_local}))
"""
_SECONDS = 120.0


class ActiveStack(NamedTuple):
    """A stack.

    Attributes:
        name: Its name.
        requirements: What its components require, and ZenML's own extra where what is recorded of runs is kept on the
            machine.
        apt_packages: Their Debian packages.
    """

    name: str
    requirements: tuple[str, ...]
    apt_packages: tuple[str, ...]


def active_stack(interpreter: Path, folder: Path, environ: Mapping[str, str]) -> ActiveStack:
    """Return the stack that is active in a folder; ZenML asks its server, or its database on this machine.

    Raises:
        CommandFailed: ZenML is not there, or knows no stack.
    """
    quiet = {"ZENML_ANALYTICS_OPT_IN": "false", "ZENML_LOGGING_VERBOSITY": "ERROR", "ZENML_ENABLE_RICH_TRACEBACK": "0"}
    try:
        done = run_command([str(interpreter), "-c", _ASK], cwd=folder, timeout=_SECONDS, environ={**environ, **quiet})
    except CommandExited as error:
        said = error.completed.stderr.strip().rpartition("\n")[2]
        raise CommandFailed(
            f"`{interpreter}` can't ask ZenML for the active stack",
            context=[said] if said else [],
            hint="install ZenML there, as `zenml[local]` for a stack on this machine; `zenml status` tells more",
        ) from error
    found = json.loads(done.stdout)
    local = ["zenml[local]"] if found["is_local"] else []
    return ActiveStack(found["name"], (*found["requirements"], *local), tuple(found["apt_packages"]))
