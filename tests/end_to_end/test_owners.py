"""Several pipelines in one folder: each has its locks, and none touches another's."""

from __future__ import annotations

import json
import tomllib

import pytest
from msgspec.structs import replace

from support.index import TinyIndex
from support.project import Project, Result
from zlock.reporting import Activity, Doing, News
from zlock.workflow.project.workspace import Options
from zlock.workflow.solving.resolve import resolve


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
    assert "run `zlock resolve learning.py`" in checked.stderr
    resolved(two, "learning.py")
    assert steps(two) == ["deploy", "train"]


def test_a_step_of_two_pipelines_has_a_lock_for_each(two: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "2.0")
    write(two, "serving.py", "serving", "deploy", "load")
    before = two.lock_path("load").read_bytes()
    checked = two.run("resolve", "--check", "serving.py")
    assert checked.code == 1
    assert "expected `lockfiles/pylock.serving-load.toml`" in checked.stderr

    said = resolved(two, "serving.py").stderr

    assert (
        "`pylock.load.toml` is of `learning.py:learning`, so step `load` of this one gets `pylock.serving-load" in said
    )
    assert steps(two) == ["deploy", "load", "serving-load", "train"]
    assert two.lock_path("load").read_bytes() == before
    assert two.locked("serving-load") == {"alpha": "1.0"}, "it begins with the pins of the other one"
    for pipeline in ("learning.py", "serving.py"):
        assert "up to date" in resolved(two, pipeline).stderr
        assert two.run("resolve", "--check", pipeline).code == 0


def test_a_lock_keeps_its_name_when_the_other_pipeline_is_gone(two: Project) -> None:
    write(two, "serving.py", "serving", "deploy", "load")
    resolved(two, "serving.py")
    (two.folder / "learning.py").unlink()

    resolved(two, "serving.py")

    assert steps(two) == ["deploy", "serving-load"]


def test_a_step_is_named_as_its_pipeline_calls_it_or_as_its_lock(two: Project, index: TinyIndex) -> None:
    index.wheel("beta", "1.0")
    write(two, "serving.py", "serving", "deploy", "load")
    configure(two, index, steps={"load": {"docker": {"extra-requirements": ["beta"]}}})
    resolved(two, "serving.py")
    assert two.locked("serving-load") == {"alpha": "1.0", "beta": "1.0"}
    for name in ("load", "serving-load"):
        assert "serving-load: 2 packages" in resolved(two, "serving.py", "--step", name).stderr
    added = two.run("add", "beta>=1", "--pipeline", "serving.py", "--step", "load")
    assert added.code == 0, added.stderr
    stated = tomllib.loads((two.folder / "zlock.toml").read_text(encoding="utf-8"))["steps"]
    assert stated == {"load": {"docker": {"extra-requirements": ["beta>=1"]}}}


def test_several_pipelines_are_locked_in_one_run(two: Project) -> None:
    write(two, "serving.py", "serving", "deploy", "load")
    both = ("learning.py", "serving.py:serving")
    assert "`serving.py:serving`: step `serving-load` has no lock" in two.run("resolve", "--check", *both).stderr

    said = resolved(two, *both).stderr

    assert said.index("[learning.py]") < said.index("load: ") < said.index("[serving.py:serving]")
    assert two.run("resolve", "--check", *both).code == 0
    assert json.loads(two.run("resolve", *both, "--json").stdout)["pipelines"].keys() == set(both)
    assert "`--step` is for one pipeline" in refused(two, *both, "--step", "load")


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
    said = resolved(project, "serving.py").stderr
    assert "`pylock.train.toml` is of the steps in the configuration" in said
    assert steps(project) == ["deploy", "load", "serving-train", "train"]
    # Where the configuration names a pipeline, its steps without one are locked no more.
    configure(project, index, steps={"train": {}}, pipeline="serving.py")
    resolved(project)
    assert steps(project) == ["deploy", "serving-train"]
    assert project.lock("serving-train")["tool"]["zlock"]["pipeline"] == "serving.py:serving"


def test_one_step_of_a_file_of_steps_leaves_the_others(project: Project, index: TinyIndex) -> None:
    configure(project, index)
    project.write("steps.py", b"from zlock import step\n\n@step\ndef load(): ...\n\n@step\ndef train(): ...\n")
    resolved(project, "steps.py")
    resolved(project, "steps.py:train")
    assert steps(project) == ["load", "train"]
    assert project.lock("train")["tool"]["zlock"]["pipeline"] == "steps.py"


def test_pipelines_of_one_name_that_share_two_names_are_told_apart(two: Project) -> None:
    for file in ("serving.py", "other.py"):
        write(two, file, "serving", "load")
    resolved(two, "serving.py")
    said = refused(two, "other.py")
    assert "two pipelines would share `pylock.serving-load.toml`" in said
    assert "the lock is of `serving.py:serving`" in said
    assert "asked for now: `other.py:serving`" in said
    assert "hint: give one of the pipelines another name" in said


def test_pipelines_outside_of_the_project_are_left_alone(two: Project) -> None:
    """Where they are is not in a lock, so nobody can tell whether they are still there."""
    for name in ("one", "other"):
        write(two, f"../{name}.py", name, f"step-of-{name}".replace("-", "_"))
        resolved(two, f"../{name}.py")
    assert steps(two) == ["deploy", "load", "step_of_one", "step_of_other", "train"]
    assert two.lock("step_of_one")["tool"]["zlock"]["pipeline"] == "../one.py:one"


def test_two_first_runs_at_once_keep_the_locks_of_both(
    project: Project, index: TinyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.wheel("alpha", "1.0")
    write(project, "learning.py", "learning", "load")
    write(project, "serving.py", "serving", "load")
    monkeypatch.chdir(project.folder)
    shared = Options(cache_dir=project.cache, index_url=index.url)
    others: list[str] = []

    def hear(news: News) -> None:
        if isinstance(news, Doing) and news.what is Activity.SOLVING and not others:
            others.append(resolve(replace(shared, pipeline="serving.py")).steps[0].name)

    report = resolve(replace(shared, pipeline="learning.py", reporter=hear))

    assert (others, [one.name for one in report.steps]) == (["load"], ["learning-load"])
    assert project.lock("load")["tool"]["zlock"]["pipeline"] == "serving.py:serving"
    assert project.lock("learning-load")["tool"]["zlock"]["pipeline"] == "learning.py:learning"
