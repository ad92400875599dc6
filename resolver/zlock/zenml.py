"""For the code that runs a pipeline of ZenML: `from zlock.zenml import locked`."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zlock.settings.frameworks import FRAMEWORKS

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

P = TypeVar("P", bound="Pipeline")


def locked(pipeline: P) -> P:
    """Return a pipeline whose steps run in the images that the last `zlock build` made.

    ```python
    if __name__ == "__main__":
        locked(training)()
    ```

    Args:
        pipeline: The pipeline, as its file has it or by `with_options`; a file that it names there counts.

    Raises:
        ZlockError: A lock is not current, or an image is missing, or made of something else than is locked and set now.
    """
    if os.environ.get("ZENML_STORE_URL") == FRAMEWORKS[0].environ["ZENML_STORE_URL"]:
        return pipeline  # zlock itself reads the file, to find out what it is to lock

    from zlock.frameworks.zenml.run import run_settings
    from zlock.workflow.deliver.apply import find_run
    from zlock.workflow.project.workspace import Options

    file = Path(inspect.getfile(inspect.unwrap(pipeline.entrypoint))).absolute()
    stated = pipeline._run_args.get("config_path")  # noqa: SLF001  # ZenML has no other place that knows it
    options = Options(pipeline=f"{file}:{pipeline.name}", config=Path(stated) if stated else None)
    found: P = pipeline.with_options(**run_settings(find_run(options)))
    return found
