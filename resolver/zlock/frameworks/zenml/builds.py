"""Says which images the active stack of ZenML wants of a pipeline, and which of those that zlock built they are.

A program for the project's interpreter, with the standard library and ZenML alone: it reads a question as JSON and
prints the YAML of a `PipelineBuildBase`, and the keys of its images. The pipeline is compiled by ZenML, so the
checksums of settings are its own.
"""

# ruff: noqa: SLF001  # ZenML keeps to itself how it compiles
from __future__ import annotations

import importlib
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zenml.config.build_configuration import BuildConfiguration
    from zenml.pipelines.pipeline_definition import Pipeline

_NONE = (
    "the orchestrator of the active stack runs the pipeline itself in an image, and none is built for it: "
    "`zlock stack import` has it locked, and `zlock build` built"
)


def main() -> None:
    """Answer the question on standard input."""
    import yaml

    printed, sys.stdout = sys.stdout, sys.stderr
    answer = _answer(json.loads(sys.stdin.read()))
    json.dump([yaml.safe_dump(answer, sort_keys=False), list(answer["images"])], printed)


def _answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    import zenml
    from zenml.client import Client
    from zenml.pipelines.build_utils import verify_local_repository_context
    from zenml.utils.code_repository_utils import find_active_code_repository

    pipeline = _pipeline(asked)
    arguments = {**pipeline._run_args, "steps": pipeline._run_args.get("step_configurations")}
    for name in ("step_configurations", "prevent_build_reuse", "build"):
        arguments.pop(name, None)
    pipeline._prepare_if_possible()
    snapshot, _, _ = pipeline._compile(**arguments)
    stack = Client().active_stack
    repository = verify_local_repository_context(snapshot, find_active_code_repository())
    builds = stack.get_docker_builds(snapshot=snapshot)
    own = {(build.step_name, build.key) for build in builds}
    images = {}
    for build in builds:
        shared = [step for step in snapshot.step_configurations if (step, build.key) not in own]
        for key, image in _images(build, shared, asked).items():
            images[key] = {
                "image": image,
                "settings_checksum": build.compute_settings_checksum(stack, repository),
                "contains_code": build.should_include_files(repository),
                "requires_code_download": build.should_download_files(repository),
            }
    return {
        "images": images,
        "is_local": stack.container_registry is None,
        "contains_code": any(one["contains_code"] for one in images.values()),
        "zenml_version": zenml.__version__,
        "python_version": platform.python_version(),
    }


def _pipeline(asked: Mapping[str, Any]) -> Pipeline:
    """Import the pipeline as ZenML's own commands do, from the folder that `zenml init` marked or the project's."""
    from zenml.client import Client
    from zenml.pipelines.pipeline_definition import Pipeline
    from zenml.utils import source_utils

    root = Client.find_repository() or Path.cwd()
    source_utils.set_custom_source_root(str(root))
    sys.path[0] = str(root)  # in place of the folder of this file
    file = Path(asked["file"])
    names = vars(importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts)))
    found = names.get(asked["name"])
    if not isinstance(found, Pipeline):
        every = [one for one in names.values() if isinstance(one, Pipeline)]
        found = next(one for one in every if one.name == asked["name"])
    return found.with_options(config_path=asked["config"]) if asked["config"] else found


def _images(build: BuildConfiguration, shared: list[str], asked: Mapping[str, Any]) -> dict[str, str]:
    """Return images by their keys in a build, for one that the stack wants.

    One that is of no step is for the pipeline itself, and for the steps that share it; zlock has one for each of them.
    """
    if build.step_name:
        return {f"{build.step_name}.{build.key}": asked["steps"][build.step_name]}
    images = {f"{step}.{build.key}": asked["steps"][step] for step in shared}
    around = asked["around"] or next(iter(images.values()), None)
    if around is None:
        sys.exit(_NONE)
    return {build.key: around, **images}


if __name__ == "__main__":
    main()
