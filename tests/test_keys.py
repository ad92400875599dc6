"""The table of keys: what decides a step's versions is in `inputs`, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from zlock.settings.config import Project, StepConfiguration
from zlock.settings.indexes import IndexTable
from zlock.settings.keys import Decides, keys_of
from zlock.workflow.locks.job import Job
from zlock.workflow.project.sources import Gatherer
from zlock.workflow.project.workspace import Options, Workspace

INDEX = '[[index]]\nurl = "https://index.example/"\nname = "house"\n'
STACK = '[stack]\nrequirements = ["alpha"]\n'
ACME = '[integrations.acme]\nrequirements = ["acme{}"]\n[docker]\nrequired-integrations = ["acme"]\n'
FROM_PROJECT = 'pyproject-path = "pyproject.toml"\n'

# For each key two configurations that differ in it alone; the first is empty where only the second is given.
CHANGES: dict[type, dict[str, str | tuple[str, str]]] = {
    Project: {
        "python": ('python = "3.12"', 'python = "3.13"'),
        "platforms": 'platforms = ["linux/arm64"]',
        "manylinux": 'manylinux = "2_34"',
        "musllinux": 'musllinux = "1_2"',
        "lock-dir": 'lock-dir = "locks"',
        "urls": 'urls = "portable"',
        "wheelhouse": 'wheelhouse = "wheels"',
        "pipeline": 'pipeline = "pipeline.py"',
        "index": INDEX,
        "index-sources": (INDEX, f'index-sources = {{ alpha = "house" }}\n{INDEX}'),
        "exclude-newer": "exclude-newer = 2026-11-01",
        "exclude-newer-package": "exclude-newer-package = { alpha = false }",
        "conflicts": 'conflicts = "later"',
        "build-sdists": 'build-sdists = ["alpha"]',
        "prerelease": 'prerelease = "allow"',
        "resolution": 'resolution = "lowest"',
        "align": "align = false",
        "constraints": 'constraints = ["alpha<2"]',
        "overrides": 'overrides = ["alpha<2"]',
        "exclude": 'exclude = ["alpha"]',
        "registry": 'registry = "registry.example/team"',
        "stack": STACK,
        "integrations": (ACME.format(""), ACME.format("<2")),
        "docker": '[docker]\nrequirements = ["alpha"]',
        "steps": '[steps.train]\npython = "3.13"',
    },
    StepConfiguration: {
        "docker": 'docker.requirements = ["alpha"]',
        "python": ('python = "3.12"', 'python = "3.13"'),
        "platforms": 'platforms = ["linux/arm64"]',
        "index": 'index = [{ url = "https://index.example/" }]',
        "index-sources": 'index-sources = { alpha = "house" }',
        "align": "align = false",
    },
    IndexTable: {
        "url": ('url = "https://index.example/"', 'url = "https://other.example/"'),
        "name": ('url = "https://index.example/"', 'url = "https://index.example/"\nname = "other"'),
        "default": ('url = "https://index.example/"', 'url = "https://index.example/"\ndefault = true'),
        "explicit": (
            'url = "https://index.example/"\nname = "other"',
            'url = "https://index.example/"\nname = "other"\nexplicit = true',
        ),
        "index-in-context": (
            'url = "https://index.example/"',
            'url = "https://index.example/"\nindex-in-context = true',
        ),
    },
}
AROUND = {Project: "", StepConfiguration: f"{INDEX}[steps.train]\n", IndexTable: "[[index]]\n"}


def inputs(folder: Path, configuration: str) -> str:
    """Return the digest of what the step `train` asks."""
    if "[steps.train]" not in configuration and "pipeline =" not in configuration:
        configuration += "\n[steps.train]\n"
    folder.joinpath("zlock.toml").write_text(configuration, encoding="utf-8")
    workspace = Workspace(Options(project=folder))
    (step,) = workspace.steps
    gatherer = Gatherer(workspace.project, workspace.environ, lambda: workspace.interpreter)
    return Job.prepare(workspace, gatherer, step).question.digest()


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in CHANGES for key in keys_of(kind)])
def test_inputs_follow_the_keys_that_decide_versions_and_no_others(tmp_path: Path, kind: type, key: str) -> None:
    """A key that is forgotten there would leave a lock current that no longer answers."""
    change = CHANGES[kind][key]
    before, after = ("", change) if isinstance(change, str) else change
    pipeline = "import zlock\n\n@zlock.step\ndef train(): ...\n\n@zlock.pipeline\ndef flow():\n    train()\n"
    (tmp_path / "pipeline.py").write_text(pipeline, encoding="utf-8")

    differ = inputs(tmp_path, AROUND[kind] + before) != inputs(tmp_path, AROUND[kind] + after)

    assert differ == (keys_of(kind)[key].decides is not Decides.NOTHING)
