"""`zlock sync` and `zlock run`: the environments of steps on this machine, made by uv."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.folders import add_tiny_flit, make_folder
from support.index import TinyIndex
from support.project import Project, Result
from support.venv import installed
from zlock.cli.words import words
from zlock.model.machine import PLATFORMS, this_platform
from zlock.reporting import Activity, Doing, News
from zlock.workflow.deliver import sync as environments
from zlock.workflow.project.workspace import Options

PYTHON = f"3.{sys.version_info.minor}"


def configure(
    project: Project,
    index: TinyIndex,
    steps: Mapping[str, list[str]],
    *,
    env: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    rows = {name: {"docker": {"requirements": wanted}} for name, wanted in steps.items()}
    default = [{"name": "own", "url": index.url, "default": True}]
    project.configure({"python": PYTHON, "index": default, "steps": rows, **(settings or {})})
    succeed(project.run("resolve", env=env))


def succeed(result: Result) -> Result:
    assert result.code == 0, f"{result.stdout}\n{result.stderr}"
    return result


def sync(project: Project, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    result = succeed(project.run("sync", "--json", *arguments, env=env))
    return {row["step"]: row for row in json.loads(result.stdout)["environments"]}


def run(project: Project, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
    return project.run("run", "--cache-dir", str(project.cache), *arguments, env=env)


def python_in(row: Mapping[str, Any]) -> Path:
    return Path(row["scripts"]) / "python"


def test_steps_that_lock_alike_share_an_environment_that_is_made_once(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0", requires=["beta"])
    index.wheel("beta", "2.0")
    configure(project, index, {"one": ["alpha"], "two": ["alpha", "beta"], "three": ["beta"]})

    made = sync(project)
    asked = len(index.requests)
    again = sync(project)

    assert [row["made"] for row in made.values()] == [True, False, True]
    assert not any(row["made"] for row in again.values())
    assert len(index.requests) == asked
    assert made["one"]["environment"] == made["two"]["environment"] != made["three"]["environment"]
    assert installed(python_in(made["one"])) == {"alpha": "1.0", "beta": "2.0"}
    assert installed(python_in(made["three"])) == {"beta": "2.0"}


def test_what_has_come_is_told_in_bytes(project: Project, index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of more than a megabyte as uv says that it has them, and the rest at the end."""
    index.wheel("alpha", "1.0", files={"alpha/data": random.Random(1).randbytes(1_500_000)}, requires=["beta"])
    index.wheel("beta", "1.0")
    configure(project, index, {"one": ["alpha"]})

    monkeypatch.setenv("UV_CACHE_DIR", str(project.cache / "uv"))
    told: list[News] = []
    environments.sync(Options(project=project.folder, cache_dir=project.cache, reporter=told.append))

    making = [one for one in told if isinstance(one, Doing) and one.what is Activity.MAKING_ENVIRONMENT]
    assert [one.received // 1_500_000 for one in making] == [0, 1, 1]
    assert making[-1].received == making[-1].size
    assert words(making[-1]) == "making the environment of `one`: 2 packages, 1.5 of 1.5 MB"


def test_a_command_runs_in_the_environment_with_its_own_exit_code(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0", entry_points={"console_scripts": {"say": "alpha:main"}})
    configure(project, index, {"train": ["alpha"], "other": []})
    program = "import alpha, os, sys; print(sys.prefix, os.environ['VIRTUAL_ENV'], *sys.argv[1:]); sys.exit(7)"

    result = run(project, "--step", "train", "--", "python", "-c", program, "--step", "x", "-q")

    assert result.code == 7, result.stderr
    prefix, active, *rest = result.stdout.split()
    assert prefix == active == sync(project, "--step", "train")["train"]["environment"]
    assert rest == ["--step", "x", "-q"]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_command_has_the_signals_and_the_streams_of_any_other(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    configure(project, index, {"train": ["alpha"]})
    state = "import signal; print(*(signal.getsignal(getattr(signal, n)) == signal.SIG_IGN for n in names.split()))"
    shell = "trap - PIPE; kill -PIPE $$; echo still here"

    ended = run(project, "sh", "-c", shell)
    heeded = run(project, "python", "-c", f"names = 'SIGINT SIGTERM SIGHUP'; {state}")

    assert (ended.code, ended.stdout) == (-signal.SIGPIPE, "")
    assert heeded.stdout.split() == ["False"] * 3


def test_two_runs_at_once_make_it_once(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    configure(project, index, {"train": ["alpha"]})

    running = [project.start("sync", "--json") for _ in range(3)]
    found = [json.loads(process.communicate(timeout=60)[0])["environments"][0] for process in running]

    assert sorted(row["made"] for row in found) == [False, False, True]
    assert len({row["environment"] for row in found}) == 1


def test_what_was_not_used_for_a_month_is_removed_once_another_is_made(project: Project, index: TinyIndex) -> None:
    for name in ("alpha", "beta", "gamma"):
        index.wheel(name, "1.0")
    configure(project, index, {"one": ["alpha"], "two": ["beta"]})
    made = {step: Path(row["environment"]) for step, row in sync(project).items()}
    for folder in made.values():
        os.utime(folder.parent / "whole", (0, 0))
    sync(project, "--step", "two")
    before = [folder.is_dir() for folder in made.values()]
    configure(project, index, {"two": ["beta"], "three": ["gamma"]})
    sync(project)

    assert before == [True, True]
    assert [folder.is_dir() for folder in made.values()] == [False, True]


def test_a_cache_that_can_not_be_written_serves_what_it_has(project: Project, index: TinyIndex) -> None:
    configure(project, index, {"one": []})
    sync(project)
    (pointer,) = project.cache.glob("environments/last/*")
    pointer.unlink()
    pointer.mkdir()

    assert run(project, "--step", "one", "--", "python", "-c", "").code == 0


def test_a_pip_that_is_not_of_the_environment_is_noted(project: Project, index: TinyIndex) -> None:
    """It lists and changes another environment."""
    configure(project, index, {"one": []})
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    assert "is not of this environment" in run(project, "--", "pip", "--version", env={"PATH": path}).stderr


def test_what_an_interrupt_left_is_made_anew(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    configure(project, index, {"train": ["alpha"]})
    folder = Path(sync(project)["train"]["environment"])
    (folder.parent / "whole").unlink()
    (folder / "left").touch()

    row = sync(project)["train"]

    assert row["made"]
    assert not (folder / "left").exists()
    assert installed(python_in(row)) == {"alpha": "1.0"}


def test_an_environment_whose_interpreter_is_gone_is_made_anew(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    configure(project, index, {"train": ["alpha"]})
    python = python_in(sync(project)["train"])
    python.unlink()
    python.symlink_to("/nowhere/python")
    without = {"PATH": str(project.home), "UV_PYTHON_DOWNLOADS": "never"}  # zlock's own Python will do

    assert sync(project, env=without)["train"]["made"]
    assert run(project, "python", "-c", "import alpha").code == 0


def test_a_lock_for_other_platforms_says_what_to_add(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    other = next(name for name in PLATFORMS if name != this_platform())
    configure(project, index, {"train": ["alpha"]}, settings={"platforms": [other]})

    result = project.run("sync")

    assert result.code == 1
    assert f'add "{this_platform()}" to `platforms`' in result.stderr


def test_a_lock_that_is_not_current_is_refused_and_no_sync_takes_what_was_made(
    project: Project, index: TinyIndex
) -> None:
    index.wheel("alpha", "1.0")
    index.wheel("beta", "1.0")
    configure(project, index, {"train": ["alpha"]})
    before = run(project, "--no-sync", "python", "-c", "pass")
    sync(project)
    project.write("zlock.toml", (project.folder / "zlock.toml").read_text().replace('"alpha"', '"beta"'))

    refused = run(project, "python", "-c", "pass")
    taken = run(project, "--no-sync", "python", "-c", "import alpha")

    assert before.code == 1
    assert "run `zlock sync --step train`" in before.stderr
    assert refused.code == 1
    assert "is outdated" in refused.stderr
    assert taken.code == 0, taken.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")
def test_a_folder_whose_name_is_not_text_will_do_but_where_git_is_asked(tmp_path: Path, index: TinyIndex) -> None:
    project = Project(tmp_path / os.fsdecode(b"pro\xffject"))
    project.cache = tmp_path / "cache"  # uv makes no environment below such a name
    configure(project, index, {"train": []})
    sync(project)
    succeed(run(project, "--no-sync", "python", "-c", "pass"))
    succeed(project.call("git", "init", "--quiet"))

    result = project.run("diff")

    assert result.code == 3
    assert "is not valid UTF-8\nhint: rename its folder" in result.stderr


def test_files_are_held_to_their_hashes(project: Project, index: TinyIndex) -> None:
    file = index.wheel("alpha", "1.0")
    configure(project, index, {"train": ["alpha"]})
    file.content += b"more"

    result = project.run("sync")

    assert result.code == 3
    assert "uv could not make the environment of step `train`" in result.stderr
    assert not any(project.cache.glob("environments/*/whole"))


def test_a_login_is_found_where_resolve_finds_it(tmp_path: Path) -> None:
    login = {"UV_INDEX_OWN_USERNAME": "user", "UV_INDEX_OWN_PASSWORD": "pass"}
    with TinyIndex(auth=("user", "pass")) as index:
        index.wheel("alpha", "1.0")
        project = Project(tmp_path / "project")
        configure(project, index, {"train": ["alpha"]}, env=login)

        refused = project.run("sync")
        row = sync(project, env=login)["train"]

    assert refused.code == 3

    assert installed(python_in(row)) == {"alpha": "1.0"}


def test_what_is_built_is_built_with_what_was_locked(project: Project, index: TinyIndex) -> None:
    index.wheel("tool", "1.0")
    index.wheel("tool", "2.0")
    index.sdist("old", "1.0", build_requires=["tool<2"])
    index.wheel("alpha", "1.0", requires=["old"])
    configure(project, index, {"train": ["alpha"]}, settings={"build-sdists": ["old"]})

    assert installed(python_in(sync(project)["train"])) == {"alpha": "1.0", "old": "1.0"}


def test_a_folder_of_the_project_is_as_it_is_now(project: Project, index: TinyIndex) -> None:
    add_tiny_flit(index)
    make_folder(project.folder / "lib")
    configure(project, index, {"train": ["./lib"]})
    before = sync(project)["train"]
    make_folder(project.folder / "lib", text="VALUE = 2\n")

    after = sync(project)["train"]

    assert before["made"]
    assert after["made"]
    assert before["environment"] != after["environment"]
    assert run(project, "python", "-c", "import lib; assert lib.VALUE == 2").code == 0


def test_a_portable_lock_is_installed_out_of_the_wheelhouse(project: Project, index: TinyIndex) -> None:
    index.wheel("alpha", "1.0")
    configure(project, index, {"train": ["alpha"]}, settings={"urls": "portable"})
    empty = project.run("sync")
    succeed(project.run("fetch"))

    row = sync(project, "--offline")["train"]

    assert empty.code == 3
    assert "zlock fetch" in empty.stderr
    assert installed(python_in(row)) == {"alpha": "1.0"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("python",), "add `--step`, one of `one`, `two`"),
        (("--step", "one"), "there is no command to run"),
        (("--step", "one", "no-such-program"), "the program `no-such-program` was not found"),
    ],
)
def test_a_command_that_can_not_run_is_an_error_of_the_input(
    project: Project, index: TinyIndex, arguments: tuple[str, ...], said: str
) -> None:
    configure(project, index, {"one": [], "two": []})

    result = run(project, *arguments)

    assert result.code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("train.py", "`python train.py`"),
        ("jobs/train.py", "`python jobs/train.py`"),
        ("./go", "`chmod +x ./go`"),
        ("./missing", "correct the path"),
        ("./jobs", "correct the path"),
    ],
)
def test_a_file_that_is_no_program_is_refused_before_the_environment_is_made(
    project: Project, index: TinyIndex, program: str, hint: str
) -> None:
    configure(project, index, {"one": []})
    for name in ("train.py", "jobs/train.py", "go"):
        project.write(name, "")

    result = run(project, program)

    assert result.code == 2
    assert f"`{program}` is not a program" in result.stderr
    assert hint in result.stderr
    assert not (project.cache / "environments").exists()
