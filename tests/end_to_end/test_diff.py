"""`zlock diff`: against what is committed, against a revision, against files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uv

from support.environment import clean_environment
from support.index import TinyIndex
from support.project import Project
from support.wheels import make_wheel
from zlock.lock.identity import resign


def git(project: Project, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@host.example", *arguments]
    done = subprocess.run(
        command, cwd=project.folder, env=clean_environment(project.home), capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def index() -> Iterator[TinyIndex]:
    with TinyIndex(cache_control="max-age=0") as index:
        for name, version, day in (
            ("alpha", "1.0", "2023-01-01"),
            ("beta", "1.0", "2023-01-01"),
            ("gamma", "1.4", "2023-01-01"),
            ("delta", "1.0.1", "2023-01-01"),
        ):
            index.wheel(name, version).upload_time = f"{day}T00:00:00Z"
        yield index


def configure(project: Project, index: TinyIndex, steps: dict[str, list[str]], **others: Any) -> None:
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "steps": {name: {"docker": {"requirements": asked}} for name, asked in steps.items()},
            **others,
        }
    )


@pytest.fixture
def project(index: TinyIndex, tmp_path: Path) -> Project:
    """A project with committed locks of two steps."""
    project = Project(tmp_path / "project")
    configure(project, index, {"train": ["alpha", "beta", "gamma", "delta"], "report": ["beta"]})
    assert project.run("resolve").code == 0
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")
    return project


def upgraded(project: Project, index: TinyIndex) -> None:
    """Move pins of `train` in every way."""
    index.wheel("alpha", "2.0").upload_time = "2024-01-01T06:00:00Z"
    index.wheel("gamma", "1.5").upload_time = "2023-07-02T15:00:00Z"
    index.wheel("delta", "1.0.2").upload_time = "2023-01-01T00:00:00Z"
    configure(project, index, {"train": ["alpha", "gamma", "delta"], "report": ["beta"]})
    result = project.run("resolve", "--upgrade")
    assert result.code == 0, result.stderr


def compared(project: Project, *arguments: str) -> dict[str, Any]:
    result = project.run("diff", "--format", "json", *arguments)
    assert result.code == 0, result.stderr
    return {step["step"]: step for step in json.loads(result.stdout)["steps"]}


def test_what_is_committed_differs_in_nothing(project: Project) -> None:
    result = project.run("diff")

    assert (result.code, result.stdout) == (0, "report: same\ntrain: same\n")
    assert "No lock changed." in project.run("diff", "--format", "markdown").stdout


def test_moves_are_told_by_their_size_with_libyears_and_the_images_they_change(
    project: Project, index: TinyIndex
) -> None:
    upgraded(project, index)

    result = project.run("diff")

    assert result.code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "report: same",
        "train: 1 removed, 3 moved; +1.50 libyears; its image changes (packages)",
        "  alpha 1.0 -> 2.0  (major, +1.00 libyears)",
        "  - beta 1.0",
        "  delta 1.0.1 -> 1.0.2  (patch, +0.00 libyears)",
        "  gamma 1.4 -> 1.5  (minor, +0.50 libyears)",
    ]


def test_a_way_back_is_called_older(project: Project, index: TinyIndex) -> None:
    upgraded(project, index)
    git(project, "commit", "-q", "-a", "-m", "second")
    git(project, "checkout", "-q", "HEAD~", "--", "lockfiles")

    (alpha, *_) = compared(project)["train"]["changes"]

    assert (alpha["kind"], alpha["is_older"], alpha["libyears"]) == ("major", True, -1.0)


def test_markdown_is_a_table_for_a_comment(project: Project, index: TinyIndex) -> None:
    upgraded(project, index)

    lines = project.run("diff", "main", "--format", "markdown").stdout.splitlines()

    assert lines[:6] == [
        "### Locks against `main`",
        "",
        "**train**: 1 removed, 3 moved; +1.50 libyears; its image changes (packages)",
        "",
        "| package | before | after | change | libyears | remarks |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    assert "| alpha | 1.0 | 2.0 | major | +1.00 |  |" in lines


def test_steps_that_came_and_went_are_named(project: Project, index: TinyIndex) -> None:
    configure(project, index, {"train": ["alpha", "beta", "gamma", "delta"], "publish": ["beta"]})
    assert project.run("resolve").code == 0

    result = project.run("diff", "HEAD")

    assert result.stdout.splitlines() == [
        "publish: lock added, 1 package",
        "  + beta 1.0",
        "report: lock removed, 1 package",
        "  - beta 1.0",
        "train: same",
    ]


def test_another_index_and_another_host_of_the_same_files_are_shown(project: Project, index: TinyIndex) -> None:
    path = project.lock_path("report")
    text = path.read_text(encoding="utf-8").replace(index.root, "https://elsewhere.example")
    path.write_text(resign(text), encoding="utf-8")

    step = compared(project)["report"]

    (change,) = step["changes"]
    assert change["kind"] == "same"
    assert change["hosts"] == [index.root, "https://elsewhere.example"]
    assert change["index"] == [index.url, "https://elsewhere.example/simple/"]
    assert step["image"] == []
    shown = project.run("diff", "--step", "report").stdout
    assert f"files from another host: {index.root} -> https://elsewhere.example" in shown
    assert "1 from another place; the same image" in shown


def test_a_folder_that_a_package_comes_from_now_is_shown_and_noted(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    (tmp_path / "beside").mkdir()
    make_wheel(tmp_path / "beside", "beta", "1.0")
    before = project.locked("report")
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    project.write("zlock.toml", text.replace(index.url, "../beside"))

    result = project.run("resolve", "--step", "report")

    assert result.code == 0, result.stderr
    assert project.locked("report") == before
    assert f"beta came from `{index.url}` when locked, and from `../../beside` now" in result.stderr
    shown = project.run("diff", "--step", "report").stdout
    assert f"files from another host: {index.root} -> ../../beside" in shown


def test_a_lock_that_became_portable_has_its_files_from_no_other_place(project: Project) -> None:
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    project.write("zlock.toml", f'urls = "portable"\n{text}')

    result = project.run("resolve")

    assert result.code == 0, result.stderr
    assert "came from" not in result.stderr
    assert project.run("diff").stdout == "report: same\ntrain: same\n"


def test_other_files_of_one_version_are_told_apart_from_the_same(project: Project, index: TinyIndex) -> None:
    index.remove("beta")
    index.wheel("beta", "1.0", files={"beta.py": b"other"})
    assert project.run("resolve", "--upgrade", "--step", "report").code == 0

    (change,) = compared(project)["report"]["changes"]

    assert change["kind"] == "files"


def test_what_makes_another_image_beside_the_packages_is_named(project: Project, index: TinyIndex) -> None:
    configure(
        project,
        index,
        {"train": ["alpha", "beta", "gamma", "delta"], "report": ["beta"]},
        docker={"apt-packages": ["git"]},
    )
    assert project.run("resolve").code == 0

    assert compared(project)["report"]["image"] == ["apt-packages"]


def test_a_revision_and_a_file_and_a_folder_say_the_same(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for step in ("train", "report"):
        (old / project.lock_path(step).name).write_bytes(project.lock_path(step).read_bytes())
    upgraded(project, index)
    git(project, "commit", "-q", "-a", "-m", "second")

    revision = compared(project, "HEAD~1")

    assert revision["train"]["status"] == "changed"
    assert compared(project, str(old)) == revision
    assert compared(project, str(old / "pylock.train.toml")) == {"train": revision["train"]}


def test_a_revision_without_locks_counts_as_empty_and_says_so(project: Project) -> None:
    git(project, "checkout", "-q", "--orphan", "bare")
    git(project, "rm", "-q", "-r", "--cached", "lockfiles")
    git(project, "commit", "-q", "-m", "no locks")

    result = project.run("diff")

    assert result.code == 0
    assert "`HEAD` has no locks in `lockfiles`, so every lock counts as added" in result.stderr
    assert "report: lock added, 1 package" in result.stdout


def test_a_repository_without_a_commit_counts_as_empty(index: TinyIndex, tmp_path: Path) -> None:
    project = Project(tmp_path / "new")
    configure(project, index, {"report": ["beta"]})
    assert project.run("resolve").code == 0
    git(project, "init", "-q")

    result = project.run("diff")

    assert result.code == 0
    assert "nothing is committed yet" in result.stderr


def test_a_project_below_the_top_of_its_repository_finds_its_locks(index: TinyIndex, tmp_path: Path) -> None:
    top, project = Project(tmp_path / "top"), Project(tmp_path / "top" / "inner")
    configure(project, index, {"report": ["beta"]})
    assert project.run("resolve").code == 0
    git(top, "init", "-q")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "first")

    assert project.run("diff").stdout == "report: same\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-branch"], "git has no revision `no-such-branch`"),
        (["--", "--output=stolen"], "`--output=stolen` is not a revision"),
        (["HEAD:lockfiles"], "git has no revision"),
        (
            ["nothere.toml"],
            "there is no file or folder `nothere.toml`, and git has no revision `nothere.toml`\nhint: ",
        ),
        (["locks/old"], "there is no file or folder `locks/old`, and git has no revision `locks/old`\nhint: "),
        (["zlock.toml"], "`zlock.toml` is not a lock of zlock"),
        ([""], "`` is not a revision"),
        (["--step", "tarin"], "did you mean `train`?"),
        (["empty"], "no lock files found in `empty`\nhint: name the folder that the locks are in; of a revision"),
        (["."], "no lock files found in `.`\nhint: name `lockfiles`; of a revision"),
    ],
)
def test_what_can_t_be_compared_is_an_error(project: Project, arguments: list[str], said: str) -> None:
    (project.folder / "empty").mkdir()
    result = project.run("diff", "--cache-dir", str(project.cache), *arguments)

    assert (result.code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not (project.folder / "stolen").exists()


def test_a_revision_that_a_shallow_clone_does_not_have_has_a_way_out(project: Project, tmp_path: Path) -> None:
    git(project, "commit", "-q", "--allow-empty", "-m", "second")
    git(project, "clone", "-q", "--depth", "1", project.folder.as_uri(), str(tmp_path / "clone"))

    result = Project(tmp_path / "clone").run("diff", "HEAD~1")

    assert result.code == 2
    assert "git has no revision `HEAD~1`\nhint: the clone is shallow: " in result.stderr


def test_a_revision_with_backticks_is_code_in_markdown(project: Project) -> None:
    git(project, "branch", "a`b")

    assert project.run("diff", "a`b", "--format", "markdown").stdout.startswith("### Locks against `` a`b ``\n")


def test_outside_of_a_repository_the_way_out_is_a_file(index: TinyIndex, tmp_path: Path) -> None:
    project = Project(tmp_path / "alone")
    configure(project, index, {"report": ["beta"]})
    assert project.run("resolve").code == 0

    result = project.run("diff")

    assert result.code == 2
    assert "is in no git repository" in result.stderr
    assert "zlock diff FILE" in result.stderr
    named = project.run("diff", "nothere.toml")
    assert named.code == 2
    assert "there is no file or folder `nothere.toml`, and `lockfiles` is in no git repository" in named.stderr


def test_an_edited_lock_on_either_side_is_an_error(project: Project) -> None:
    path = project.lock_path("report")
    path.write_text(path.read_text(encoding="utf-8").replace('"1.0"', '"1.1"'), encoding="utf-8")
    assert project.run("diff").code == 2

    git(project, "commit", "-q", "-a", "-m", "edited")
    git(project, "checkout", "-q", "HEAD~", "--", "lockfiles")
    result = project.run("diff")

    assert result.code == 2
    assert "was cut short or edited" in result.stderr


def test_a_platform_that_goes_takes_its_releases_along_and_moves_none(index: TinyIndex, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    for tag in ("manylinux_2_17_x86_64", "win_amd64"):
        index.wheel("plat", "1.0", tag=f"cp312-cp312-{tag}")
    index.wheel("plat", "1.1", tag="cp312-cp312-win_amd64")
    asked = ["plat<1.1; sys_platform == 'linux'", "plat>1.0; sys_platform != 'linux'", "beta; sys_platform != 'linux'"]
    configure(project, index, {"train": asked}, platforms=["linux/amd64", "windows/amd64"])
    assert project.run("resolve").code == 0
    assert [row["version"] for row in project.lock("train")["packages"]] == ["1.0", "1.1", "1.0"]
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")
    configure(project, index, {"train": asked}, platforms=["linux/amd64"])
    assert project.run("resolve").code == 0

    assert project.run("diff").stdout.splitlines() == [
        "train: 1 removed; its image changes (packages, platforms)",
        "  - beta 1.0",
    ]


def test_a_folder_without_configuration_and_locks_has_nothing_to_compare(tmp_path: Path) -> None:
    project = Project(tmp_path / "empty")
    git(project, "init", "-q")

    result = project.run("diff")

    assert (result.code, result.stdout) == (2, "")
    assert "error: nothing to compare: no `zlock.toml`, no `[tool.zlock]`, and no locks" in result.stderr


def test_a_lock_may_have_been_copied_to_a_file_of_another_name(project: Project) -> None:
    (project.folder / "old.toml").write_bytes(project.lock_path("report").read_bytes())

    assert project.run("diff", "old.toml").stdout == "report: same\n"


def test_nothing_waits_for_a_lock_that_is_a_pipe(project: Project) -> None:
    project.lock_path("report").unlink()
    os.mkfifo(project.lock_path("report"))

    for command in (["diff"], ["tree"], ["resolve", "--check"]):
        result = project.run(*command)
        assert result.code == 2, command
        assert "the lock `pylock.report.toml` can't be read" in result.stderr
        assert "it is a pipe" in result.stderr


@pytest.mark.parametrize("text", [b"", b"\xff", b"a = " + b"[" * 3000, b'lock-version = "1.0"\ncreated-by = "other"\n'])
def test_what_is_no_lock_any_more_was_not_removed(text: bytes, project: Project) -> None:
    project.lock_path("report").write_bytes(text)

    result = project.run("diff")

    assert (result.code, result.stdout) == (2, "")
    assert "`pylock.report.toml`" in result.stderr


def test_places_are_shown_as_code_in_markdown(project: Project) -> None:
    path = project.lock_path("report")
    text = path.read_text(encoding="utf-8")
    index = next(line for line in text.splitlines() if line.startswith("index = ")).partition('"')[2].rstrip('"')
    path.write_text(
        resign(text.replace(f'index = "{index}"', 'index = "https://x.example/<b>[x](y)"')), encoding="utf-8"
    )

    shown = project.run("diff", "--format", "markdown").stdout

    assert f"from another index: `{index}` -> `https://x.example/<b>[x](y)`" in shown


@pytest.mark.parametrize("kept", [0, 20, 200])
def test_what_is_left_of_a_lock_in_a_revision_is_not_taken_for_none(project: Project, kept: int) -> None:
    whole = project.lock_path("train").read_text(encoding="utf-8")
    project.lock_path("train").write_text(whole[:kept], encoding="utf-8")
    git(project, "commit", "-qam", "cut")
    project.lock_path("train").write_text(whole, encoding="utf-8")

    result = project.run("diff")
    assert (result.code, "`HEAD:pylock.train.toml` was cut short or edited" in result.stderr) == (2, True)


def test_a_lock_of_another_tool_in_a_revision_is_left_alone(project: Project) -> None:
    foreign = project.lock_path("train").with_name("pylock.dev.toml")
    foreign.write_text('lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n', encoding="utf-8")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "another")

    assert project.run("diff").code == 0


PDMS = """\
[project]
name = "theirs"
version = "1"
requires-python = ">=3.11"
dependencies = ["alpha", "beta", "gamma", "delta"]
[[tool.pdm.source]]
name = "pypi"
url = "{url}"
"""


@pytest.mark.parametrize("marker", ["python_version ~= 'new'", "extra == 'a'"])
@pytest.mark.parametrize("stated", ["environments = ['{}']", "[[packages]]\nname = 'a'\nmarker = '{}'\nversion = '1'"])
def test_a_lock_of_another_tool_whose_marker_has_no_answer_is_none(project: Project, stated: str, marker: str) -> None:
    text = stated.replace("'{}'", f'"{marker}"')
    file = "[packages.directory]\npath = 'a'\n" if "packages" in stated else "packages = []\n"
    project.write("pylock.toml", f"lock-version = '1.0'\ncreated-by = 'them'\n{text}\n{file}")
    done = project.run("diff", "pylock.toml", "--step", "train")
    assert done.code == 2
    assert "`pylock.toml` is not a valid lock: a marker in it has no answer: " in done.stderr


@pytest.mark.parametrize("tool", ["uv", "pip", "pdm", "zlock"])
def test_the_lock_of_another_tool_is_compared_in_what_it_installs(
    project: Project, index: TinyIndex, tool: str
) -> None:
    """As each of them writes one, with a newer `alpha` than ours."""
    index.wheel("alpha", "2.0")
    project.write("theirs/requirements.txt", "alpha\nbeta\ngamma\ndelta\n")
    project.write("theirs/pyproject.toml", PDMS.format(url=index.url))
    project.write("theirs/pdm.toml", '[lock]\nformat = "pylock"\n')
    file, wanted = "theirs/pylock.toml", "theirs/requirements.txt"
    commands = {
        "uv": (uv.find_uv_bin(), "pip", "compile", "-q", wanted, "--index-url", index.url, "-o", file, "--no-cache"),
        "pip": (sys.executable, "-m", "pip", "lock", "-q", "-r", wanted, "--index-url", index.url, "-o", file),
        "pdm": (sys.executable, "-m", "pdm", "lock", "-q", "--project", "theirs"),
        "zlock": (sys.executable, "-P", "-m", "zlock", "export", "pylock", "--step", "train", "--output", file),
    }
    done = project.call(*commands[tool], env={"PDM_CHECK_UPDATE": "0"})
    assert done.code == 0, done.stderr

    found = compared(project, file, "--step", "train")["train"]

    moved = [] if tool == "zlock" else [("alpha", "2.0", "1.0")]
    assert [(one["name"], one["before"], one["after"]) for one in found["changes"]] == moved
