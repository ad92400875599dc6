"""Several pipelines in one folder: each has its locks, and none touches another's."""

from __future__ import annotations

import pytest

from support.index import TinyIndex
from support.project import Project, Result


def write(project: Project, file: str, name: str, *steps: str) -> None:
    """Write a pipeline file whose steps all require `alpha`."""
    made = "\n".join(f"@step\ndef {step}(): ...\n" for step in steps)
    calls = "\n".join(f"    {step}()" for step in steps)
    project.write(
        file,
        f"from zlock import DockerSettings, pipeline, step\n{made}\n"
        "@pipeline(settings={'docker': DockerSettings(requirements=['alpha'])})\n"
        f"def {name}():\n{calls}\n".encode(),
    )


def resolved(project: Project, *arguments: str) -> Result:
    result = project.run("resolve", *arguments)
    assert result.code == 0, result.stderr
    return result


def refused(project: Project, *arguments: str) -> str:
    result = project.run("resolve", *arguments)
    assert result.code == 2, result.stderr
    return result.stderr


@pytest.fixture
def two(project: Project, index: TinyIndex) -> Project:
    """A project with two pipelines, each with its locks."""
    index.wheel("alpha", "1.0")
    configure(project, index)
    write(project, "learning.py", "learning", "load", "train")
    write(project, "serving.py", "serving", "deploy")
    resolved(project, "learning.py")
    resolved(project, "serving.py")
    return project


def configure(project: Project, index: TinyIndex, **more: object) -> None:
    project.configure({"python": "3.12", "index": [{"url": index.url, "default": True}], **more})


def steps(project: Project) -> list[str]:
    return sorted(path.name.split(".")[1] for path in (project.folder / "lockfiles").iterdir())


def test_locks_of_another_pipeline_stay_and_outdate_nothing(two: Project) -> None:
    assert steps(two) == ["deploy", "load", "train"]
    assert two.lock("train")["tool"]["zlock"]["pipeline"] == "learning.py:learning"
    assert two.run("resolve", "--check", "learning.py").code == 0
    assert two.run("resolve", "--check", "serving.py:serving").code == 0


def test_locks_of_its_own_steps_that_are_gone_are_removed(two: Project) -> None:
    write(two, "learning.py", "learning", "train")
    checked = two.run("resolve", "--check", "learning.py")
    assert checked.code == 1
    assert "step `load` is gone" in checked.stderr
    assert "deploy" not in checked.stderr
    resolved(two, "learning.py")
    assert steps(two) == ["deploy", "train"]


def test_a_step_of_two_pipelines_is_a_collision_that_names_both(two: Project) -> None:
    write(two, "serving.py", "serving", "deploy", "load")
    before = two.lock_path("load").read_bytes()
    for arguments in (("serving.py",), ("--check", "serving.py")):
        said = refused(two, *arguments)
        assert "step `load` is one of two pipelines that would share `pylock.load.toml`" in said
        assert "the lock is of `learning.py:learning`" in said
        assert "asked for now: `serving.py:serving`" in said
        assert "hint: rename one of the steps" in said
    assert two.lock_path("load").read_bytes() == before
    resolved(two, "--step", "deploy", "serving.py")


def test_a_pipeline_that_was_renamed_keeps_its_locks_and_pins(two: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "2.0")
    write(two, "learning.py", "education", "load", "train")
    resolved(two, "learning.py")
    assert two.lock("train")["tool"]["zlock"]["pipeline"] == "learning.py:education"
    (two.folder / "learning.py").rename(two.folder / "school.py")
    resolved(two, "school.py")
    assert two.lock("train")["tool"]["zlock"]["pipeline"] == "school.py:education"
    assert two.locked("train") == {"alpha": "1.0"}
    assert steps(two) == ["deploy", "load", "train"]
    assert two.run("resolve", "--check", "school.py").code == 0


def test_locks_of_a_pipeline_whose_file_is_gone_are_removed(two: Project) -> None:
    (two.folder / "serving.py").unlink()
    result = resolved(two, "learning.py")
    assert "deploy: lock removed, the step is gone" in result.stderr
    assert steps(two) == ["load", "train"]


def test_two_pipelines_of_one_file_are_two(two: Project) -> None:
    text = (two.folder / "learning.py").read_text(encoding="utf-8")
    more = "\n@step\ndef score(): ...\n\n@pipeline\ndef scoring():\n    score()\n"
    two.write("learning.py", (text + more).encode())
    resolved(two, "learning.py:scoring")
    resolved(two, "learning.py:learning")
    assert steps(two) == ["deploy", "load", "score", "train"]


def test_steps_of_the_configuration_are_a_pipeline_of_their_own(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    configure(project, index, steps={"train": {}, "load": {}})
    write(project, "serving.py", "serving", "deploy", "train")
    resolved(project)
    assert "pipeline" not in project.lock("train")["tool"]["zlock"]
    said = refused(project, "serving.py")
    assert "the lock is of the steps in the configuration" in said
    # Where the configuration names a pipeline, its steps without one are locked no more.
    configure(project, index, steps={"train": {}}, pipeline="serving.py")
    resolved(project)
    assert steps(project) == ["deploy", "train"]
    assert project.lock("train")["tool"]["zlock"]["pipeline"] == "serving.py:serving"


def test_one_step_of_a_file_of_steps_leaves_the_others(project: Project, index: TinyIndex) -> None:
    configure(project, index)
    project.write("steps.py", b"from zlock import step\n\n@step\ndef load(): ...\n\n@step\ndef train(): ...\n")
    resolved(project, "steps.py")
    resolved(project, "steps.py:train")
    assert steps(project) == ["load", "train"]
    assert project.lock("train")["tool"]["zlock"]["pipeline"] == "steps.py"


def test_pipelines_outside_of_the_project_are_left_alone(two: Project) -> None:
    """Where they are is not in a lock, so nobody can tell whether they are still there."""
    for name in ("one", "other"):
        write(two, f"../{name}.py", name, f"step-of-{name}".replace("-", "_"))
        resolved(two, f"../{name}.py")
    assert steps(two) == ["deploy", "load", "step_of_one", "step_of_other", "train"]
    assert two.lock("step_of_one")["tool"]["zlock"]["pipeline"] == "../one.py:one"
