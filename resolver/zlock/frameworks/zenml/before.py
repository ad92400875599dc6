"""What a file with pipelines of ZenML needs while it is imported, laid before ZenML is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from zlock.frameworks.zenml.refused import STORE
from zlock.settings.child import MODULE
from zlock.settings.reader import FileQuestion


def prepare(question: FileQuestion) -> None:
    """Have hooks and materializers named as in a run, no server asked which code repository has them, no setting lost.

    ZenML looks up what hooks are when they are set: by the main module, from the folder that `zenml init` marked.
    Its `DockerSettings` drop keywords that they don't know when they are made, while settings of a YAML file keep them.
    Steps are often given the name of a component of the active stack, as `Client().active_stack.experiment_tracker`
    says it: stand-ins have names, and pass for any component that a file holds them against.
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

    def with_stack(module: Any) -> None:
        module.Client.active_stack = property(lambda _: _Stack())

    def with_stand_ins(module: Any) -> None:
        module.StackComponent.__subclasshook__ = classmethod(lambda _, kind: kind is _Component or NotImplemented)

    changes = {
        "zenml.client": with_stack,
        "zenml.stack.stack_component": with_stand_ins,
        "zenml.utils.code_repository_utils": without_server,
        "zenml.utils.source_utils": with_root,
        "zenml.config.docker_settings": with_unknown,
    }
    sys.meta_path.insert(0, _Finder(changes))  # type: ignore[arg-type]  # a finder needs one method alone


class _Stack:
    """Stands in for the active stack, which only a server knows."""

    def __getattr__(self, kind: str) -> _Component:
        from zenml.enums import StackComponentType

        if kind not in {one.value for one in StackComponentType}:
            raise RuntimeError(STORE)
        return _Component(kind)


class _Component:
    """Stands in for a component of it, which is called what it is."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(STORE)


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
