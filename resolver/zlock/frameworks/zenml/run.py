"""The YAML that a run of ZenML takes, with the images that its steps run in.

YAML is read and written by the project's interpreter, as ZenML itself does it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

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


def run_settings(steps: Mapping[str, str], around: str) -> dict[str, object]:
    """Return what a run has to be told for its steps to run in images as they are.

    It is said of each step: one with a parent image in the code would run in that if only the pipeline had another.

    Args:
        steps: By step, the image.
        around: The image of the pipeline itself; empty where it has none.
    """
    every = {step: _settings(image) for step, image in steps.items()}
    return {"steps": every, **(_settings(around) if around else {})}


def run_configuration(own: str, images: Mapping[str, object], *, interpreter: Path, folder: Path) -> str:
    """Return the YAML of a run: what configures it otherwise, and over that the images.

    Args:
        own: The file that configures the run without images, absolute; empty for none.
        images: See `run_settings`.
        interpreter: The project's interpreter, which has ZenML.
        folder: The project's folder.

    Raises:
        InvalidInput: The file can't be read as YAML.
        CommandFailed: The interpreter can't be started.
    """
    command = [str(interpreter), "-c", _LAY, own]
    try:
        return run_command(command, cwd=folder, timeout=math.inf, stdin=json.dumps(images)).stdout
    except CommandExited as error:
        raise InvalidInput(f"`{own}` can't be read as YAML", context=error.context, hint="correct it") from error


def pipeline_build(
    file: str,
    name: str,
    config: str,
    steps: Mapping[str, str],
    around: str,
    *,
    interpreter: Path,
    folder: Path,
    environ: Mapping[str, str],
) -> str:
    """Return the YAML of a build, as `zenml pipeline run --build` takes it, with all images the active stack wants.

    Args:
        file: The pipeline file, absolute.
        name: The pipeline's variable in it, or its name.
        config: The file that configures the run, absolute; empty for none.
        steps: As in `run_settings`.
        around: As in `run_settings`.
        interpreter: The project's interpreter, which has ZenML.
        folder: The project's folder.
        environ: The environment of zlock.

    Raises:
        CommandFailed: ZenML knows no stack, or can't compile the pipeline.
    """
    asked = {"file": file, "name": name, "config": config, "steps": dict(steps), "around": around}
    return ask_zenml(
        [str(Path(__file__).with_name("builds.py"))],
        "the images that its active stack wants",
        interpreter=interpreter,
        folder=folder,
        environ=environ,
        stdin=json.dumps(asked),
    )


def _settings(image: str) -> dict[str, object]:
    return {"settings": {"docker": {"parent_image": image, "skip_build": True}}}
