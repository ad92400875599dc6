"""The YAML that a run of ZenML takes, with the images that its steps run in.

YAML is read and written by the project's interpreter, as ZenML itself does it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from zlock.errors import InvalidInput
from zlock.frameworks.zenml.ask import ask_zenml
from zlock.process import CommandExited, run_command

_LAY = """
import json, os, sys, yaml
own, images = sys.argv[1], json.loads(sys.stdin.read())
def lay(below, above):
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: lay(below.get(key), value) for key, value in above.items()}}
with open(own or os.devnull, encoding="utf-8") as stream:
    stated = yaml.safe_load(stream) or {}
sys.stdout.write(yaml.safe_dump(lay(stated, images), sort_keys=False))
"""


class Run(Struct, frozen=True, kw_only=True):
    """What a run of a pipeline takes.

    Attributes:
        file: The pipeline file, absolute.
        name: The pipeline's variable in it, or its name.
        config: The file that configures it otherwise, absolute; empty for none.
        steps: By step, the image that it runs in as it is.
        around: The image of the pipeline itself; empty where it has none.
        interpreter: The project's interpreter, which has the framework.
        folder: The project's folder.
        environ: The environment of zlock.
    """

    file: str
    name: str
    config: str
    steps: Mapping[str, str]
    around: str
    interpreter: Path
    folder: Path
    environ: Mapping[str, str]


def run_settings(run: Run) -> dict[str, object]:
    """Return what a run has to be told for its steps to run in images as they are.

    It is said of each step: one with a parent image in the code would run in that if only the pipeline had another.
    """
    every = {step: _settings(image) for step, image in run.steps.items()}
    return {"steps": every, **(_settings(run.around) if run.around else {})}


def run_configuration(run: Run) -> str:
    """Return the YAML of a run: what configures it otherwise, and over that the images.

    Raises:
        InvalidInput: The file that configures it can't be read as YAML.
        CommandFailed: The interpreter can't be started.
    """
    command = [str(run.interpreter), "-c", _LAY, run.config]
    try:
        return run_command(command, cwd=run.folder, timeout=math.inf, stdin=json.dumps(run_settings(run))).stdout
    except CommandExited as error:
        raise InvalidInput(f"`{run.config}` can't be read as YAML", context=error.context, hint="correct it") from error


def pipeline_build(run: Run) -> tuple[str, list[str]]:
    """Return the YAML of a build, as `zenml pipeline run --build` takes it, and the keys of its images.

    These are all that the active stack wants.

    Raises:
        CommandFailed: ZenML knows no stack, or can't compile the pipeline.
    """
    asked = {one: getattr(run, one) for one in ("file", "name", "config", "steps", "around")}
    answer = ask_zenml(
        [str(Path(__file__).with_name("builds.py"))],
        "the images that its active stack wants",
        interpreter=run.interpreter,
        folder=run.folder,
        environ=run.environ,
        stdin=json.dumps(asked),
    )
    return msgspec.json.decode(answer, type=tuple[str, list[str]])


def _settings(image: str) -> dict[str, object]:
    return {"settings": {"docker": {"parent_image": image, "skip_build": True}}}
