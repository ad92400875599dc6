"""The table of keys: what decides a step's versions is in `inputs`, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.configurations import AROUND, CHANGES
from zlock.lock.question import Question
from zlock.settings.config import Project
from zlock.settings.keys import NOTHING, kebab, keys_of
from zlock.settings.schema import TABLES
from zlock.workflow.locks.asking import Questions
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
    "uv.lock": "version = 1\n",
    "train.py": '# /// script\n# dependencies = ["delta"]\n# ///\n',
}


def question(folder: Path, configuration: str) -> Question:
    """Return what the step `train` asks."""
    if "[steps.train]" not in configuration and "pipeline =" not in configuration:
        configuration += "\n[steps.train]\n"
    folder.joinpath("zlock.toml").write_text(configuration, encoding="utf-8")
    workspace = Workspace(Options(project=folder))
    (step,) = workspace.steps
    gatherer = Gatherer(workspace.project, workspace.environ, lambda: workspace.interpreter)
    return Job.prepare(workspace, Questions(workspace, gatherer), step).question


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind in (Project, *TABLES.values()) for key in keys_of(kind)]
)
def test_inputs_follow_the_keys_that_decide_versions_and_no_others(tmp_path: Path, kind: type, key: str) -> None:
    """A key that is forgotten there would leave a lock current that no longer answers."""
    change = CHANGES[kind][kebab(key)]
    before, after = ("", change) if isinstance(change, str) else change
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    digests = {question(tmp_path, AROUND[kind] + text).digest() for text in (before, after)}

    assert (len(digests) == 2) == (keys_of(kind)[key].decides is not NOTHING)


def test_the_policy_is_what_locks_have_had_of_old(tmp_path: Path) -> None:
    """A lock of before stays current, and what is written anew differs in nothing else."""
    configuration = """
        exclude-newer = 2026-11-01
        exclude-newer-package = { beta = "2026-12-01T12:00:00+02:00", Alpha = false }
        conflicts = "later"
        build-sdists = ["Beta", "alpha"]
        prerelease = "allow"
        resolution = "lowest"
        constraints = ["Beta<2", "alpha<3"]
        overrides = ["beta==1"]
        exclude = ["gamma", { package = "Delta", from = "alpha" }]
        align = false
        urls = "portable"
        index-sources = { Torch = "house" }
        [[index]]
        name = "house"
        url = "https://me:hush@index.example/wheels/"
        explicit = true
        [[index]]
        url = "mirror"
        default = true
    """
    written = {
        "urls": "portable",
        "indexes": "sha256:b16b6bc793018dc1be7c0ba28afae31c19c40e87d8d0dfd5a473ca10f54d528c",
        "index-sources": {"torch": "house"},
        "exclude-newer": "2026-11-01T00:00:00+00:00",
        "exclude-newer-package": {"alpha": "", "beta": "2026-12-01T10:00:00+00:00"},
        "conflicts": "later",
        "build-sdists": ["alpha", "beta"],
        "prerelease": "allow",
        "resolution": "lowest",
        "constraints": ["alpha<3", "beta<2"],
        "overrides": ["beta==1"],
        "exclude": ["delta from alpha", "gamma"],
        "align": False,
    }

    assert json.dumps(question(tmp_path, configuration).policy) == json.dumps(written)
