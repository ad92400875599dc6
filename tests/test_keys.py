"""The table of keys: what decides a step's versions is in `inputs`, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.configurations import AROUND, CHANGES
from zlock.settings.config import Project
from zlock.settings.keys import NOTHING, kebab, keys_of
from zlock.settings.schema import TABLES
from zlock.workflow.locks.job import Job
from zlock.workflow.project.sources import Gatherer
from zlock.workflow.project.workspace import Options, Workspace

FILES = {
    "pipeline.py": "import zlock\n\n@zlock.step\ndef train(): ...\n\n@zlock.pipeline\ndef flow():\n    train()\n",
    "pyproject.toml": """
[project]
name = "demo"
version = "1"
dependencies = ["alpha"]
optional-dependencies = { more = ["beta"] }
[dependency-groups]
dev = ["gamma"]
""",
}


def inputs(folder: Path, configuration: str) -> str:
    """Return the digest of what the step `train` asks."""
    if "[steps.train]" not in configuration and "pipeline =" not in configuration:
        configuration += "\n[steps.train]\n"
    folder.joinpath("zlock.toml").write_text(configuration, encoding="utf-8")
    workspace = Workspace(Options(project=folder))
    (step,) = workspace.steps
    gatherer = Gatherer(workspace.project, workspace.environ, lambda: workspace.interpreter)
    return Job.prepare(workspace, gatherer, step).question.digest()


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind in (Project, *TABLES.values()) for key in keys_of(kind)]
)
def test_inputs_follow_the_keys_that_decide_versions_and_no_others(tmp_path: Path, kind: type, key: str) -> None:
    """A key that is forgotten there would leave a lock current that no longer answers."""
    change = CHANGES[kind][kebab(key)]
    before, after = ("", change) if isinstance(change, str) else change
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    differ = inputs(tmp_path, AROUND[kind] + before) != inputs(tmp_path, AROUND[kind] + after)

    assert differ == (keys_of(kind)[key].decides is not NOTHING)
