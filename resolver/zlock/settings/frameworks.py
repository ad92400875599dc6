"""The frameworks whose own pipelines are locked as they stand; each has a folder in `zlock.frameworks`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Framework(NamedTuple):
    """What zlock knows of a framework before a pipeline file is imported.

    Attributes:
        name: What people call it.
        package: The package that pipeline files import, and that starts each step in its image.
        reader: The module that reads its objects, a `Reader` of `zlock.settings.reader`. It runs in the process of the
            pipeline file, where only the standard library and the framework are sure to be.
        before: The module whose `prepare` that process calls before the file is imported; it imports no framework.
        environ: Variables for that process: the framework reports nothing to anybody, finds no server,
            and keeps what it has to keep in the folder that `{scratch}` stands for.
    """

    name: str
    package: str
    reader: str
    before: str
    environ: Mapping[str, str]


FRAMEWORKS = (
    Framework(
        name="ZenML",
        package="zenml",
        reader="zlock.frameworks.zenml.reader",
        before="zlock.frameworks.zenml.before",
        environ={
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_LOGGING_VERBOSITY": "ERROR",
            "ZENML_ENABLE_REPO_INIT_WARNINGS": "false",
            "ZENML_ENABLE_RICH_TRACEBACK": "false",
            "ZENML_STORE_URL": "none://zlock",
            "ZENML_CONFIG_PATH": "{scratch}/zenml",
        },
    ),
)

MAKERS = ("zlock", *(framework.package for framework in FRAMEWORKS))
"""The packages whose `@pipeline` and `@step` are read."""
