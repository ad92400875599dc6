"""The files for CI, run as the CI runs them: the action, the jobs for GitLab, the hooks of pre-commit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.index import TinyIndex
from support.project import Project, Result
from support.venv import install_with_pip, make_venv
from support.wheelhouse import ROOT, make_wheelhouse
from zlock._version import __version__

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""With the environment of the tests first: its `python3` has zlock, and `pre-commit` is there."""
RUN = str(ROOT / "ci" / "run.sh")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with locks, and an index that is gone."""
    with TinyIndex() as index:
        index.wheel("alpha", "1.0")
        project = Project(tmp_path_factory.mktemp("ci") / "project")
        project.configure(
            {
                "python": "3.12",
                "index": [{"url": index.url, "default": True}],
                "steps": {"train": {"docker": {"requirements": "train.txt"}}, "report": {}},
            }
        )
        project.write("train.txt", "alpha\n")
        result = project.run("resolve")
        assert result.code == 0, result.stderr
    return project


@pytest.fixture
def project(locked: Project, tmp_path: Path) -> Project:
    """A copy to be changed."""
    shutil.copytree(locked.folder, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What lets pip install zlock, and build it, without an index."""
    wheels = make_wheelhouse(tmp_path_factory.mktemp("wheels") / "all", ["zlock[hatch]"])
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}


def run(project: Project, *command: str, environment: Mapping[str, str] | None = None) -> Result:
    return project.call(*command, env={"PATH": PATH, **(environment or {})})


def outdate(project: Project) -> None:
    project.write("train.txt", "alpha>=1\n")


# The job


def job(project: Project, command: str, arguments: str = "") -> tuple[Result, str]:
    """Run a job as on GitHub; return what came of it and its summary."""
    summary = project.home / "summary.md"
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "ZLOCK_COMMAND": command,
        "ZLOCK_ARGUMENTS": arguments,
    }
    result = run(project, "bash", RUN, environment=environment)
    return result, summary.read_text(encoding="utf-8") if summary.exists() else ""


def test_a_check_leaves_a_summary_with_every_step(project: Project) -> None:
    result, summary = job(project, "check")
    assert result.code == 0, result.stderr

    identity = project.lock("train")["tool"]["zlock"]["identity"].removeprefix("sha256:")[:16]
    assert summary.startswith(
        "### zlock: locks are up to date\n\n| step | packages | identity |\n| --- | --- | --- |\n"
    )
    assert f"| train | 1 | `{identity}` |\n" in summary
    assert "| report | 0 | `" in summary


def test_a_check_that_fails_says_why_in_the_summary_and_as_an_annotation(project: Project) -> None:
    outdate(project)
    result, summary = job(project, "check")

    assert result.code == 1
    said = "the lock of step `train` is outdated\n  explicit: - `alpha`\n  explicit: + `alpha>=1`"
    assert f"error: {said}" in result.stderr
    assert "### zlock: check failed" in summary
    assert said in summary
    shown = said.replace("\n  ", "%0A")
    assert f"::error file=train.txt,line=1,title=zlock%3A lock-outdated::{shown}" in result.stdout


def test_outside_github_the_summary_goes_to_standard_output(project: Project) -> None:
    result = run(project, "bash", RUN, environment={"ZLOCK_COMMAND": "check"})

    assert result.stdout.startswith("### zlock: locks are up to date")
    outdate(project)
    assert "::error" not in run(project, "bash", RUN, environment={"ZLOCK_COMMAND": "check"}).stdout


def test_a_pipeline_that_runs_locally_is_said_to_have_nothing_to_check(project: Project) -> None:
    project.configure({"stack": {"remote": False}})
    result, summary = job(project, "check")

    assert result.code == 0, result.stderr
    assert "### zlock: nothing to check\n\n* `stack.remote = false`" in summary


def test_arguments_are_split_and_never_evaluated(project: Project) -> None:
    result, summary = job(project, "check", "--step report")
    assert "train" not in summary
    assert result.code == 0

    result, _ = job(project, "check", "--step $(touch${IFS}made) ; touch made")
    assert result.code == 2
    assert not (project.folder / "made").exists()


def test_an_unknown_job_is_refused(project: Project) -> None:
    result, summary = job(project, "chekc")

    assert (result.code, summary) == (2, "")
    assert "error: the job is none of: check, build" in result.stderr


def test_arguments_may_stand_on_several_lines(project: Project) -> None:
    outdate(project)
    assert job(project, "check", "--step report\n")[0].code == 0
    assert job(project, "check", "--step report\n--step\n  train\n")[0].code == 1


def test_an_error_that_names_a_file_called_error_is_one_annotation(project: Project) -> None:
    project.configure({"steps": {"train": {"docker": {"requirements": "an error: here.txt"}}}})
    result, _ = job(project, "check", "--step train")

    assert result.code == 2
    assert result.stdout.count("::error ") == 1


def test_help_is_shown_as_it_is(project: Project) -> None:
    result, summary = job(project, "check", "--help")

    assert (result.code, summary) == (0, "")
    assert result.stdout.startswith("usage: zlock resolve")


def test_a_summary_that_cannot_be_written_changes_nothing_of_the_job(project: Project) -> None:
    environment = {"ZLOCK_COMMAND": "check", "GITHUB_STEP_SUMMARY": str(project.folder)}  # a folder
    result = run(project, "bash", RUN, environment=environment)

    assert result.code == 0
    assert "warning: the summary can't be written" in result.stderr
    assert "| train | 1 |" in result.stdout


def test_without_zlock_a_check_does_not_read_as_outdated(project: Project) -> None:
    result = run(project, sys.executable, "-I", "-S", str(ROOT / "ci" / "job.py"), "check")

    assert result.code == 2
    assert "error: no zlock is installed for" in result.stderr


def test_a_build_of_a_pipeline_that_runs_locally_is_said_to_have_nothing_to_build(project: Project) -> None:
    project.configure({"stack": {"remote": False}})
    result, summary = job(project, "build")

    assert result.code == 0, result.stderr
    assert summary == "### zlock: nothing to build\n"


# The action


def workflow_value(text: str, known: Mapping[str, str]) -> str:
    """Fill in the expressions of an action; one that is not known here is a mistake in the action."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], text)


def run_action(workspace: Project, runner: Path, offline: Mapping[str, str], **inputs: str) -> tuple[int, str]:
    """Run the steps of the action one after another, as a runner does; return the last exit code and the summary."""
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    given = {name: inputs.get(name, stated["default"]) for name, stated in action["inputs"].items()}
    assert inputs.keys() <= given.keys()
    known = {
        **{f"inputs.{name}": value for name, value in given.items()},
        "inputs.requirement || github.action_path": given["requirement"] or str(ROOT),
        "runner.temp": str(runner),
    }
    summary = runner / "summary.md"
    code = 0
    for step in action["runs"]["steps"]:
        if step.get("if") == "inputs.requirement != 'installed'" and given["requirement"] == "installed":
            continue
        assert step["shell"] == "bash"
        environment = {name: workflow_value(value, known) for name, value in step["env"].items()}
        folder = Project(workspace.folder / workflow_value(step.get("working-directory", "."), known))
        script = runner / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        own = {"GITHUB_ACTION_PATH": str(ROOT), "GITHUB_STEP_SUMMARY": str(summary), **offline}
        result = run(
            folder, "bash", "--noprofile", "--norc", "-eo", "pipefail", str(script), environment={**environment, **own}
        )
        code = result.code
        if code:
            break
    return code, summary.read_text(encoding="utf-8") if summary.exists() else ""


def test_the_action_installs_zlock_from_itself_and_checks(
    project: Project, tmp_path: Path, offline: Mapping[str, str]
) -> None:
    runner = tmp_path / "runner"
    runner.mkdir()
    code, summary = run_action(project, runner, offline)

    assert code == 0
    assert "| train | 1 |" in summary
    assert (runner / "zlock" / "bin" / "zlock").exists()


def test_the_action_fails_where_a_lock_is_outdated(
    project: Project, tmp_path: Path, offline: Mapping[str, str]
) -> None:
    (tmp_path / "runner").mkdir()
    outdate(project)
    outer = Project(tmp_path)
    code, summary = run_action(
        outer, tmp_path / "runner", offline, project="project", requirement="installed", arguments="--step train"
    )

    assert code == 1
    assert "the lock of step `train` is outdated" in summary


# GitLab


def gitlab_job(name: str) -> dict[str, Any]:
    """Return a job with what it extends laid under it."""
    jobs: dict[str, Any] = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text(encoding="utf-8"))
    stated = jobs[name]
    return {**(gitlab_job(stated["extends"]) if "extends" in stated else {}), **stated}


def test_the_job_for_gitlab_checks_and_fails_where_a_lock_is_outdated(
    project: Project, offline: Mapping[str, str]
) -> None:
    stated = gitlab_job(".zlock-check")
    script = "\n".join(["set -eo pipefail", *stated["before_script"], *stated["script"]])
    result = run(project, "bash", "-c", script, environment={**stated["variables"], **offline})
    assert result.code != 0, "a name on a public index is taken by whoever registers it"
    assert "say what pip installs zlock from" in result.stderr

    environment = {**stated["variables"], **offline, "ZLOCK_REQUIREMENT": "zlock"}
    result = run(project, "bash", "-c", script, environment=environment)
    assert result.code == 0, result.stderr
    assert "train: 1 package, up to date" in result.stderr

    outdate(project)
    result = run(project, "bash", "-c", script, environment={**environment, "ZLOCK_ARGUMENTS": "--step train -q"})
    assert result.code == 1
    assert "the lock of step `train` is outdated" in result.stderr


def test_what_a_pipeline_says_of_the_project_counts_in_the_job_for_gitlab(
    project: Project, offline: Mapping[str, str]
) -> None:
    """GitLab lets the variables of a job win over those of the pipeline, and these over those of an included file."""
    stated: dict[str, Any] = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text(encoding="utf-8"))
    script = "\n".join(["set -eo pipefail", *stated[".zlock"]["before_script"], *stated[".zlock-check"]["script"]])
    files = list(project.folder.iterdir())
    (project.folder / "part").mkdir()
    for file in files:
        file.rename(project.folder / "part" / file.name)
    pipeline = {**stated["variables"], "ZLOCK_PROJECT": "part", "ZLOCK_REQUIREMENT": "zlock"}

    result = run(project, "bash", "-c", script, environment={**pipeline, **stated[".zlock"]["variables"], **offline})

    assert result.code == 0, result.stderr
    assert "train: 1 package, up to date" in result.stderr


def test_the_job_that_builds_for_gitlab_keeps_the_table_of_images() -> None:
    stated = gitlab_job(".zlock-build")

    assert "zlock build --push" in " ".join(stated["script"])
    assert stated["artifacts"]["paths"] == ["$ZLOCK_PROJECT/build/zlock/images.json"]
    assert stated["before_script"] == gitlab_job(".zlock-check")["before_script"]


# pre-commit


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository that offers the hooks, as this one does, and its commit."""
    folder = tmp_path_factory.mktemp("repository") / "zlock"
    shutil.copytree(ROOT / "resolver", folder / "resolver", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder, commit(folder)


def commit(folder: Path) -> str:
    """Make a folder a repository with one commit of everything; return the commit."""
    git = ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@example.invalid", "-C", str(folder)]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def test_the_hooks_of_pre_commit_check_and_resolve(
    project: Project, hooks: tuple[Path, str], offline: Mapping[str, str]
) -> None:
    folder, revision = hooks
    configuration = {
        "repos": [{"repo": str(folder), "rev": revision, "hooks": [{"id": "zlock-check"}, {"id": "zlock-resolve"}]}]
    }
    project.write(".pre-commit-config.yaml", yaml.safe_dump(configuration))
    commit(project.folder)
    pre_commit = [sys.executable, "-P", "-m", "pre_commit", "run", "--all-files", "--color", "never"]
    assert run(project, "git", "rm", "--cached", "-q", "lockfiles/pylock.train.toml").code == 0
    result = run(project, *pre_commit, environment=offline)
    assert result.code == 1
    assert result.stdout.count("error: git does not track `lockfiles/pylock.train.toml`\n") == 2
    assert run(project, "git", "add", "lockfiles").code == 0
    result = run(project, *pre_commit, environment=offline)
    assert result.code == 0, result.stdout + result.stderr
    assert len(re.findall(r"^zlock (?:check|resolve)\.+Passed$", result.stdout, re.MULTILINE)) == 2

    # One is red now; the other says that the index is gone, which it asks only because there is something to solve.
    outdate(project)
    result = run(project, *pre_commit, environment=offline)
    assert result.code == 1
    assert "the lock of step `train` is outdated" in result.stdout
    assert re.search(r"^zlock resolve\.+Failed$", result.stdout, re.MULTILINE)

    # The same in other words leaves nothing to solve: the lock is declared anew, which pre-commit shows.
    project.write("train.txt", "Alpha  # why\n")
    result = run(project, *pre_commit, "zlock-resolve", environment=offline)
    assert "files were modified by this hook" in result.stdout
    assert run(project, *pre_commit, "zlock-resolve", environment=offline).code == 0


def test_the_hook_uses_the_environment_of_the_project_and_fails_until_its_new_lock_is_there(
    tmp_path: Path, hooks: tuple[Path, str], offline: Mapping[str, str]
) -> None:
    folder, revision = hooks
    project = Project(tmp_path / "project")
    project.pipeline("""
        import only_here
        from zlock import DockerSettings, pipeline

        @pipeline(settings={"docker": DockerSettings(replicate_local_python_environment=True)})
        def learning(): ...
    """)
    repos = [{"repo": str(folder), "rev": revision, "hooks": [{"id": "zlock-resolve"}]}]
    project.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": repos}))
    project.write(".gitignore", ".venv\n")
    commit(project.folder)
    pre_commit = [sys.executable, "-P", "-m", "pre_commit", "run", "--all-files", "--color", "never"]

    with TinyIndex() as index:
        index.wheel("alpha", "1.0", files={"only_here.py": b""})
        project.configure({"pipeline": "pipeline.py", "index": [{"url": index.url, "default": True}]})
        python = make_venv(project.folder / ".venv")
        options = ["--index-url", index.url, "--find-links", offline["PIP_FIND_LINKS"]]
        install_with_pip(python, project.write("local.txt", "alpha\nzlock\n"), options=options)
        # Git does not show a file that it does not know, so pre-commit takes its coming for no change.
        assert run(project, sys.executable, "-P", "-m", "pre_commit", "install").code == 0
        git_commit = ["git", "-c", "user.name=n", "-c", "user.email=n@host.example", "commit", "-m", "locked"]
        assert run(project, "git", "add", "zlock.toml").code == 0
        result = run(project, *git_commit, environment=offline)
        assert result.code == 1, result.stdout + result.stderr
        assert "learning: 1 package (1 added)" in result.stderr
        assert project.locked("learning") == {"alpha": "1.0"}
        # Whoever just commits again would have a commit without the lock.
        result = run(project, *git_commit, environment=offline)
        assert result.code == 1
        assert "error: git does not track `lockfiles/pylock.learning.toml`\n" in result.stderr
        assert "hint: `git add lockfiles/pylock.learning.toml`, so that" in result.stderr
        assert run(project, "git", "add", "lockfiles/pylock.learning.toml").code == 0
        result = run(project, *git_commit, environment=offline)
        assert result.code == 0, result.stderr
        assert "lockfiles/pylock.learning.toml" in run(project, "git", "show", "--stat").stdout

        shutil.rmtree(project.folder / ".venv")
        pipeline = (project.folder / "pipeline.py").read_text(encoding="utf-8")
        project.pipeline(pipeline.replace("import only_here", ""))
        result = run(project, *pre_commit, environment=offline)
    assert result.code == 1
    assert "listed the environment of the hook" in result.stdout
    assert project.locked("learning") == {"alpha": "1.0"}


# Releases


def test_a_release_is_built_and_checked(project: Project, offline: dict[str, str], tmp_path: Path) -> None:
    """What the workflow runs, but for the index that takes it; nothing is built where something else would go along."""
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    (line,) = [step["run"] for step in job["build"]["steps"] if "release.py" in step.get("run", "")]
    environment = {**offline, "GITHUB_REF_NAME": f"v{__version__}"}
    command = ("bash", "-c", f"cd {ROOT} && {line.replace('dist', str(tmp_path / 'dist'))}")

    done = run(project, *command, environment=environment)
    again = run(project, *command, environment=environment)
    other = run(
        project, *command[:2], command[2].replace("/dist", "/other"), environment={**offline, "GITHUB_REF_NAME": "v9"}
    )

    assert done.code == 0, done.stderr
    assert {path.suffix for path in (tmp_path / "dist").iterdir()} == {".whl", ".gz"}
    assert (again.code, "is not empty" in again.stderr) == (2, True)
    assert (other.code, "says another version than `9`" in other.stderr) == (2, True)


def test_the_release_is_published_without_a_token() -> None:
    """The job that builds can't publish, and the one that publishes runs nothing of the repository."""
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]

    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "build"
    assert not any("checkout" in step.get("uses", "") for step in jobs["publish"]["steps"])
    assert "secrets." not in text
