"""What a file with pipelines of ZenML needs while it is imported, laid before ZenML is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from zlock.settings.child import MODULE
from zlock.settings.reader import FileQuestion


def prepare(question: FileQuestion) -> None:
    """Have hooks and materializers named as in a run, no server asked which code repository has them, no setting lost.

    ZenML looks up what hooks are when they are set: by the main module, from the folder that `zenml init` marked.
    Its `DockerSettings` drop keywords that they don't know when they are made, while settings of a YAML file keep them.
    """
    file, project = Path(question.file), Path(question.project)
    marked = next((one for one in (project, *project.parents) if (one / ".zen").is_dir()), project)
    root = marked if file.is_relative_to(marked) else file.parent

    def without_server(module: Any) -> None:
        module.find_active_code_repository = lambda _path=None: None

    def with_root(module: Any) -> None:
        sys.modules["__main__"] = sys.modules[MODULE]
        module.set_custom_source_root(str(root))

    def with_unknown(module: Any) -> None:
        module.DockerSettings.model_config["extra"] = "allow"
        module.DockerSettings.model_rebuild(force=True)

    changes = {
        "zenml.utils.code_repository_utils": without_server,
        "zenml.utils.source_utils": with_root,
        "zenml.config.docker_settings": with_unknown,
    }
    sys.meta_path.insert(0, _Finder(changes))  # type: ignore[arg-type]  # a finder needs one method alone


class _Finder:
    """Finds modules as they are found otherwise, and changes some of them once they are loaded."""

    def __init__(self, changes: dict[str, Callable[[Any], None]]) -> None:
        self.changes = changes

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        change = self.changes.pop(name, None)
        found = importlib.util.find_spec(name) if change else None
        loader: Any = found and found.loader
        if change is None or loader is None:
            return None
        load = loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            change(module)

        loader.exec_module = exec_module
        return found
