"""The active stack of a framework, written into the configuration, so that all others lock the same without it."""

from __future__ import annotations

from pathlib import Path

from zlock.frameworks.zenml.stack import ActiveStack, active_stack
from zlock.regular import read_regular
from zlock.replacing import replace_text
from zlock.settings.toml_edit import with_flag, with_list
from zlock.workflow.project.workspace import Options, Workspace


def import_stack(options: Options) -> tuple[ActiveStack, Path]:
    """Write what the active stack requires into `[stack]` of the configuration; return it, and the file.

    Its `requirements`, `apt-packages` and `pipeline-image` are replaced; all else stays as it is written.

    Raises:
        ZlockError: The configuration is wrong, or ZenML can't be asked.
        OutsideFailed: The disk refused; the file is as it was.
    """
    workspace = Workspace(options)
    stack = active_stack(workspace.interpreter, workspace.project.folder, workspace.environ)
    file = workspace.project.file or workspace.project.folder / "zlock.toml"
    above = ("tool", "zlock") if file.name == "pyproject.toml" else ()
    before = read_regular(file).decode() if file.exists() else ""
    text = before
    for key, values in (("requirements", stack.requirements), ("apt-packages", stack.apt_packages)):
        text = with_list(text, (*above, "stack", key), values)
    text = with_flag(text, (*above, "stack", "pipeline-image"), value=stack.runs_pipelines)
    if text != before:
        replace_text(file, text)
    return stack, file
