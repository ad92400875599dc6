"""What a file with pipelines of ZenML needs while it is imported, laid before ZenML is."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from zlock.settings.reader import Question

_ASKS = "zenml.utils.code_repository_utils"


def prepare(question: Question) -> None:
    """Have hooks of pipelines and steps named as in a run, and no server asked which code repository has them.

    ZenML names a hook by its module, from the folder that `zenml init` marked or that of the main file, when it is set.
    """
    file, project = Path(question.file), Path(question.project)
    root = project if file.is_relative_to(project) else file.parent
    sys.modules["__main__"].__file__ = str(root / file.name)
    sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds the one module of ZenML that asks the server, and takes the question out of it."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if name != _ASKS:
            return None
        sys.meta_path.remove(self)
        found = importlib.util.find_spec(name)
        loader: Any = found and found.loader
        if loader is not None:
            load = loader.exec_module

            def exec_module(module: Any) -> None:
                load(module)
                module.find_active_code_repository = lambda _path=None: None

            loader.exec_module = exec_module
        return found
