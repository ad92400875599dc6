"""Scripts with inline metadata (PEP 723) in place of a pipeline, and as a source of steps."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.index import TinyIndex
from support.project import Project, Result

PYTHON = f"3.{sys.version_info.minor}"
BLOCK = """\
# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "alpha<2",  # what is trained with
# ]
# ///
"""
NEVER = f'{BLOCK}import alpha\n\nraise SystemExit("a script is never run")\n'


@pytest.fixture
def index(index: TinyIndex) -> TinyIndex:
    for version in ("1.0", "2.0"):
        index.wheel("alpha", version)
    index.wheel("beta", "1.0")
    return index


@pytest.fixture
def train(project: Project, index: TinyIndex) -> Path:
    """A project whose only file is a script."""
    project.configure({"python": PYTHON, "index": [{"url": index.url, "default": True}]})
    return project.write("train.py", NEVER)


def succeed(result: Result) -> Result:
    assert result.code == 0, f"{result.stdout}\n{result.stderr}"
    return result


def test_a_script_is_locked_and_no_command_runs_it(project: Project, train: Path) -> None:
    """All commands that take a pipeline file take a script."""
    told = succeed(project.run("resolve", "train.py"))
    assert "running" not in told.stderr
    assert project.locked("train") == {"alpha": "1.0"}
    table = project.lock("train")["tool"]["zlock"]
    assert [(one["source"], one["from"]) for one in table["sources"]] == [("script", "train.py")]

    for command in ("resolve --check", "resolve --dry-run"):
        succeed(project.run(*command.split(), "train.py"))
    for command in ("tree", "outdated", "plan", "fetch", "dockerfile", "export requirements"):
        succeed(project.run(*command.split(), "--pipeline", "train.py"))
    assert "script (`dependencies`, train.py:4)" in succeed(project.run("tree", "--pipeline", "train.py")).stdout
    assert "train.py:4" in succeed(project.run("why", "alpha", "--pipeline", "train.py")).stdout

    train.write_text(NEVER.replace("alpha<2", "alpha<=2"))
    outdated = project.run("resolve", "train.py", "--check")
    assert outdated.code == 1
    assert "script: + `alpha<=2` (`dependencies`, train.py:4)" in outdated.stderr


def test_the_environment_of_a_script_runs_it(project: Project, train: Path) -> None:
    project.configure({**_configured(project), "pipeline": "train.py"})
    train.write_text(f"{BLOCK}import alpha\n\nprint(alpha.__name__)\n")
    succeed(project.run("resolve"))

    assert succeed(project.run("run", "--", "python", "train.py")).stdout == "alpha\n"


def _configured(project: Project) -> dict[str, object]:
    import tomllib

    return tomllib.loads((project.folder / "zlock.toml").read_text())


def test_add_and_remove_edit_the_metadata(project: Project, train: Path) -> None:
    project.configure({**_configured(project), "pipeline": "train.py"})
    told = succeed(project.run("add", "beta"))
    assert "added `beta>=1.0` to `dependencies` in train.py" in told.stderr
    assert train.read_text() == NEVER.replace("trained with\n", 'trained with\n#     "beta>=1.0",\n')
    assert project.locked("train") == {"alpha": "1.0", "beta": "1.0"}

    succeed(project.run("remove", "beta"))
    assert train.read_text() == NEVER


def test_a_step_takes_the_metadata_of_a_script(project: Project, train: Path) -> None:
    """The source stands between `pyproject` and what is explicit; the file may be the pipeline's own."""
    train.write_text(BLOCK)
    project.write("pyproject.toml", '[project]\nname = "ours"\nversion = "1"\ndependencies = ["beta"]\n')
    project.pipeline(
        f"""
{BLOCK}
from zlock import DockerSettings, pipeline, step


@step(settings={{"docker": DockerSettings(script="pipeline.py", requirements=["beta"])}})
def own(): ...


@step
def train(): ...


@pipeline
def training():
    own()
    train()
"""
    )
    project.configure(
        _configured(project)
        | {
            "pipeline": "pipeline.py",
            "steps": {"train": {"docker": {"script": "train.py", "pyproject-path": "pyproject.toml"}}},
        }
    )
    succeed(project.run("resolve"))

    sources = {
        step: [(one["source"], one.get("from", "")) for one in project.lock(step)["tool"]["zlock"]["sources"]]
        for step in ("own", "train")
    }
    assert sources == {
        "own": [("script", "pipeline.py"), ("explicit", "")],
        "train": [("pyproject", "pyproject.toml"), ("script", "train.py")],
    }


def test_metadata_for_another_python_is_refused(project: Project, train: Path) -> None:
    train.write_text(NEVER.replace(">=3.10", ">=3.99"))
    result = project.run("resolve", "train.py")

    assert result.code == 2
    assert "train.py:2" in result.stderr
    assert f'`python = "{PYTHON}"` in zlock.toml:1' in result.stderr
    assert "hint: correct one of the two" in result.stderr


def test_a_script_alone_is_locked_for_the_nearest_python_that_it_is_for(project: Project) -> None:
    """That of the machine, or of its lock, or where the script excludes these another one."""
    own, other = sys.version_info.minor, sys.version_info.minor + 1
    for minor, bounds in ((own, ">=3.8"), (other, f">=3.{other}"), (other, ">=3.8"), (own, f"<3.{other}")):
        project.write("train.py", BLOCK.replace(">=3.10", bounds).replace('"alpha<2", ', ""))
        succeed(project.run("resolve", "train.py"))
        assert project.lock("train")["requires-python"] == f"==3.{minor}.*", bounds

    project.write("train.py", BLOCK.replace(">=3.10", ">=3.99").replace('"alpha<2", ', ""))
    assert project.run("resolve", "train.py").code == 2


def test_a_step_has_the_name_of_its_script_as_far_as_a_lock_can_have_it(project: Project) -> None:
    for file, step in (
        ("job.v2.py", "job-v2"),
        ("my jöb.py", "my-job"),
        ("работа.py", "script"),
        ("aux.py", "aux-script"),
    ):
        project.write(file, BLOCK.replace('"alpha<2", ', ""))
        assert f"{step}: 0 packages" in succeed(project.run("resolve", file)).stderr

    project.write("job-v2.py", BLOCK.replace('"alpha<2", ', ""))
    said = succeed(project.run("resolve", "job-v2.py")).stderr
    assert "`pylock.job-v2.toml` is of `job.v2.py`, so step `job-v2` of this one gets `pylock.job-v2-job-v2" in said


@pytest.mark.parametrize(("folder", "settings"), [("", {}), ("jobs/", {}), ("", {"include-project": False})])
def test_a_script_is_in_its_image_unless_it_is_to_have_no_file(
    project: Project, index: TinyIndex, folder: str, settings: dict[str, object]
) -> None:
    project.write("other.py", "")
    project.write(f"{folder}train.py", NEVER)
    project.configure({"python": PYTHON, "index": [{"url": index.url, "default": True}], "docker": settings})
    succeed(project.run("resolve", f"{folder}train.py"))
    succeed(project.run("dockerfile", "--pipeline", f"{folder}train.py"))

    (context,) = [one.parent for one in (project.folder / "build").rglob("Dockerfile")]
    files = {one.relative_to(context).as_posix(): one.read_text() for one in context.rglob("*.py")}
    assert files == ({} if settings else {f"project/{folder}train.py": NEVER})
    assert ("project/" in (context / "Dockerfile").read_text()) is not bool(settings)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (NEVER + BLOCK, 10, "2 blocks"),
        (NEVER.replace("# ///\n", ""), 1, "no end"),
        (NEVER.replace("alpha<2", "alpha<2\\"), 4, "not valid TOML"),
        (NEVER.replace('">=3.10"', "3"), 2, "must be a string"),
    ],
)
def test_malformed_metadata_is_an_error_with_its_line(
    project: Project, train: Path, text: str, line: int, said: str
) -> None:
    train.write_text(text)
    result = project.run("resolve", "train.py", "--json")

    assert result.code == 2
    (error,) = json.loads(result.stdout)["errors"]
    assert said in error["message"]
    assert (Path(error["file"]).name, error["line"]) == ("train.py", line)
