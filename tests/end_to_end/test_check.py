"""`zlock resolve --check`: offline, runs nothing, and says what changed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.index import TinyIndex
from support.project import Project, Result

PIPELINE = """
    from zlock import DockerSettings, pipeline, step

    @step
    def load(): ...

    @step(settings={"docker": DockerSettings(requirements="train.txt", required_integrations=["acme"])})
    def train(): ...

    @pipeline(settings={"docker": DockerSettings(replicate_local_python_environment=[PYTHON, "freeze.py"])})
    def learning():
        load()
        train()
"""
CONFIGURATION = """
    python = "3.12"
    pipeline = "pipeline.py"
    constraints = ["alpha<9"]
    index = [{ url = "URL", default = true }]
    [integrations.acme]
    requirements = ["gamma"]
    [stack]
    requirements = ["delta", "alpha"]
"""
FREEZE = 'open("ran", "a").close()\nprint("alpha==1.0")\n'


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with locks whose index is gone, and whose freeze command would leave a trace."""
    with TinyIndex() as index:
        for name in ("alpha", "beta", "gamma", "delta"):
            index.wheel(name, "1.0")
        project = Project(tmp_path_factory.mktemp("check") / "project")
        project.write("zlock.toml", CONFIGURATION.replace("URL", index.url))
        project.pipeline(PIPELINE.replace("PYTHON", repr(sys.executable)))
        project.write("freeze.py", FREEZE)
        project.write("limits.txt", "# at most\nalpha<5\n")
        project.write("train.txt", "# what training needs\nbeta\nalpha>=1\n")
        result = project.run("resolve")
        assert result.code == 0, result.stderr
        (project.folder / "ran").unlink()
    yield project
    assert not (project.folder / "ran").exists(), "a check ran the freeze command"


@pytest.fixture
def copy(locked: Project, tmp_path: Path) -> Project:
    """A copy to be changed."""
    shutil.copytree(locked.folder, tmp_path / "copy")
    return Project(tmp_path / "copy")


def check(project: Project, *arguments: str) -> Result:
    result = project.run("resolve", "--check", *arguments)
    assert not (project.folder / "ran").exists()
    return result


def edit(project: Project, file: str, before: str, after: str) -> None:
    path = project.folder / file
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_fresh_locks_are_good_without_index_and_without_commands(locked: Project) -> None:
    result = check(locked)

    assert result.code == 0, result.stderr
    assert result.stderr.endswith("load: 2 packages, up to date\ntrain: 4 packages, up to date\n")


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("train.txt", "# what training needs\nbeta\nalpha>=1", "alpha >= 1 # why\n\nbeta"),
        ("train.txt", "beta\nalpha>=1", "Beta\nALPHA>=1"),
        ("zlock.toml", '"alpha<9"', '"Alpha<9"'),
        ("zlock.toml", '["delta", "alpha"]', '[ "alpha", "delta" ] # sorted'),
        ("pipeline.py", "@step\n", "@step  # the first\n"),
        ("freeze.py", "alpha==1.0", "alpha==0.9"),
    ],
)
def test_comments_order_spelling_and_format_outdate_nothing(copy: Project, file: str, before: str, after: str) -> None:
    """Nor does a command that would print something else now: its recorded output counts."""
    edit(copy, file, before, after)
    result = check(copy)

    assert result.code == 0, result.stderr


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("train.txt", "alpha>=1", "alpha>=0.5", ["explicit: - `alpha>=1`", "explicit: + `alpha>=0.5` (train.txt:3)"]),
        ("zlock.toml", '"delta"', '"delta>=1"', ["stack: - `delta`", "stack: + `delta>=1` (requirements, zlock.toml"]),
        ("zlock.toml", '["gamma"]', '["gamma>=1"]', ["integrations: + `gamma>=1` (", "acme"]),
        ("zlock.toml", '"3.12"', '"3.11"', ["target: `python` was `3.12`, is `3.11`"]),
        ("zlock.toml", '"alpha<9"', '"alpha<8"', ['configuration: `constraints` was `["alpha<9"]`, is `["alpha<8"]`']),
        ("zlock.toml", ", default = true", "", ['configuration: `index` was `[{url = "http://']),
        ("train.txt", "beta\n", "beta\n-c limits.txt\n", ["explicit: + constraint `alpha<5` (limits.txt:2)"]),
        ("pipeline.py", '"freeze.py"', '"other.py"', ["local environment: - `alpha==1.0`", "other.py`"]),
        ("zlock.toml", "pipeline =", "exclude-newer = 2026-01-01\npipeline =", ["`exclude-newer` was not set, is `20"]),
    ],
)
def test_what_changed_is_named(copy: Project, file: str, before: str, after: str, said: list[str]) -> None:
    edit(copy, file, before, after)
    result = check(copy)

    assert result.code == 1, result.stderr
    assert "the lock of step `train` is outdated" in result.stderr
    assert "hint: run `zlock resolve`" in result.stderr
    for one in said:
        assert one in result.stderr


def test_a_package_of_debian_that_came_in_is_named_once(copy: Project) -> None:
    edit(copy, "zlock.toml", "[stack]", '[stack]\napt-packages = ["git"]')
    result = check(copy)

    assert "stack: + apt package `git`" in result.stderr
    assert result.stderr.count("git") == 2  # one for each step


def test_a_requirements_file_that_is_missing_is_named_with_the_line_that_asks_for_it(copy: Project) -> None:
    edit(copy, "zlock.toml", "[stack]", '[steps.load.docker]\nrequirements = "load.txt"\n[stack]')
    result = check(copy)

    assert result.code == 2
    assert "`load.txt` is missing\n  zlock.toml:8" in result.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [('["delta", "alpha"]', "5"), ('["gamma"]', '"gamma"'), ("[stack]", "[stack]\nremotely = true")],
    ids=["stack", "integration", "key"],
)
def test_a_mistake_in_stack_or_integrations_is_named_with_its_file(copy: Project, before: str, after: str) -> None:
    edit(copy, "zlock.toml", before, after)
    result = check(copy)

    assert result.code == 2
    assert "  stated in zlock.toml:" in result.stderr


def test_a_change_of_one_step_outdates_no_other(copy: Project) -> None:
    edit(copy, "train.txt", "beta\n", "")
    result = check(copy)

    assert "`train`" in result.stderr
    assert "`load`" not in result.stderr
    assert check(copy, "--step", "load").code == 0


def test_missing_locks_and_locks_of_gone_steps_are_all_named(copy: Project) -> None:
    copy.lock_path("load").rename(copy.lock_path("gone"))
    result = check(copy)

    assert result.code == 1
    assert "step `load` has no lock" in result.stderr
    assert "step `gone` is gone and its lock is still there: `pylock.gone.toml`" in result.stderr
    assert check(copy, "--step", "train").code == 0


def test_an_edited_lock_counts_more_than_an_outdated_one(copy: Project) -> None:
    edit(copy, "train.txt", "alpha>=1", "alpha>=0.5")
    edit(copy, "lockfiles/pylock.load.toml", 'version = "1.0"\n', 'version = "1.1"\n')
    result = check(copy)

    assert result.code == 2
    assert result.stderr.count("error:") == 2


def test_check_and_upgrade_exclude_each_other(locked: Project) -> None:
    assert check(locked, "--upgrade").code == 2
    assert check(locked, "--upgrade-package", "alpha").code == 2
    assert check(locked, "--dry-run").code == 2


def test_checking_imports_nothing_that_solves_or_asks_indexes(locked: Project) -> None:
    result = locked.run("resolve", "--check", env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if "import time:" in line}

    assert "zlock.workflow.solving.check" in imported
    found = imported & {"urllib3", "resolvelib", "ssl", "zlock.workflow.solving.solve", "uv", "email"}
    assert not found


def test_what_only_the_build_hook_would_refuse_is_noted(copy: Project) -> None:
    edit(copy, "train.txt", "beta", "Beta")
    assert "note:" not in check(copy).stderr, "no package is built"
    copy.write("pyproject.toml", "[tool.hatch.build.hooks.zlock]\n")
    result = check(copy, "--json")

    assert result.code == 0
    assert "note: the locks of `train` are current, and `train.txt` changed since they were written" in result.stderr
    steps = json.loads(result.stdout)["steps"]
    assert steps["train"]["undeclared"] == ["`train.txt` changed"]
    assert steps["load"]["undeclared"] == []
    assert check(copy, "--exit-code").code == 1


def test_a_lock_whose_record_alone_is_rewritten_is_not_called_unchanged(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.configure({"python": "3.12", "steps": {"train": {"docker": {"requirements": "train.txt"}}, "report": {}}})
    project.write("train.txt", "")
    assert project.run("resolve", "--exit-code").code == 1
    assert project.run("resolve", "--exit-code").code == 0

    project.write("nothing.txt", "")
    project.write("train.txt", "-r nothing.txt\n")
    result = project.run("resolve", "--exit-code")
    assert result.code == 1
    assert "train: 0 packages, up to date; updated what it records of files -> pylock.train.toml" in result.stderr
    assert "report: 0 packages, up to date\n" in result.stderr
    project.write("train.txt", "-r ./nothing.txt\n")
    steps = json.loads(project.run("resolve", "--json").stdout)["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {"train": "declared", "report": "unchanged"}
    assert project.run("resolve", "--check").stderr.count("note:") == 0


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
def test_a_pipe_in_place_of_a_requirements_file_is_not_waited_for(copy: Project) -> None:
    (copy.folder / "train.txt").unlink()
    os.mkfifo(copy.folder / "train.txt")
    result = check(copy)

    assert result.code == 2
    assert "requirements file `train.txt` is a pipe" in result.stderr


@pytest.mark.parametrize(
    "name", ["a:b.txt", "with space.txt", "#.txt", "ünïcode.txt", "back\\slash.txt", "..txt", "-r.txt"]
)
def test_a_file_of_any_name_may_ask(name: str, project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    project.write(name, "alpha\n")
    source = f'index = [{{ url = "{index.url}", default = true }}]'
    project.write("zlock.toml", f"python = '3.12'\n{source}\n[docker]\nrequirements = '{name}'\n[steps.train]\n")

    assert project.run("resolve").code == 0
    assert project.run("resolve", "--check").code == 0
