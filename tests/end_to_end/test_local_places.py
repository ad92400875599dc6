"""Local folders and archives: a lock answers what they ask as long as they ask the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.git import GitRepository
from support.index import TinyIndex
from support.project import Project
from support.venv import install_with_uv, installed, make_venv, run_pip
from support.wheels import make_tree, make_wheel

STATIC = """
    [project]
    name = "NAME"
    version = "1.0"
    dependencies = [NEEDS]
"""


def write_static(project: Project, folder: str, *needs: str) -> Path:
    """Write a folder that states all its metadata, named as the folder is."""
    stated = ", ".join(f'"{need}"' for need in needs)
    name = Path(folder).name
    return project.write(f"{folder}/pyproject.toml", STATIC.replace("NAME", name).replace("NEEDS", stated))


@pytest.fixture
def locked(project: Project, index: TinyIndex) -> Project:
    """A project with a lock that holds local places of every kind."""
    for name in ("alpha", "beta"):
        index.wheel(name, "1.0")
    write_static(project, "libs/inner", "alpha")
    write_static(project, "libs/outer", "inner @ file:libs/inner")
    make_tree(project.folder / "libs/built", "built", "1.0", requires=["alpha"], static=False)
    (project.folder / "flat").mkdir()
    make_wheel(project.folder / "flat", "packed", "1.0", requires=["alpha"])
    project.write(
        "requirements.txt",
        """
        ./libs/outer
        built @ file:libs/built
        ./flat/packed-1.0-py3-none-any.whl
        """,
    )
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "build-sdists": ["built"],
            "docker": {"requirements": "requirements.txt"},
        }
    )
    resolve(project)
    assert project.run("resolve", "--check").code == 0
    return project


def resolve(project: Project) -> str:
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    return result.stderr


def outdated(project: Project) -> str:
    """Return why a check says that the lock is outdated."""
    result = project.run("resolve", "--check")
    assert result.code == 1, result.stderr
    assert "the lock of step `pipeline` is outdated" in result.stderr
    return result.stderr


def test_what_a_folder_states_it_requires_is_part_of_what_is_asked(locked: Project) -> None:
    write_static(locked, "libs/outer", "inner @ file:libs/inner", "beta")

    assert "local: `file:libs/outer` has changed since it was locked (requirements.txt:1)" in outdated(locked)
    resolve(locked)
    assert "beta" in locked.locked("pipeline")
    assert locked.run("resolve", "--check").code == 0


def test_so_is_what_a_folder_that_it_requires_states(locked: Project) -> None:
    write_static(locked, "libs/inner", "beta")

    assert "local: `file:libs/inner` has changed since it was locked\n" in outdated(locked)
    resolve(locked)
    assert "beta" in locked.locked("pipeline")


def test_so_is_what_tells_a_build_where_only_a_build_can_tell(locked: Project) -> None:
    project = locked.folder / "libs/built/pyproject.toml"
    project.write_text(f"{project.read_text(encoding='utf-8')}\n[tool.other]\n", encoding="utf-8")

    assert "local: `file:libs/built` has changed since it was locked (requirements.txt:2)" in outdated(locked)


def test_so_are_the_bytes_of_an_archive(locked: Project) -> None:
    make_wheel(locked.folder / "flat", "packed", "1.0", requires=["beta"])

    said = outdated(locked)
    assert "local: `file:flat/packed-1.0-py3-none-any.whl` has changed since it was locked (requirements.txt:3)" in said
    assert "`packed-1.0-py3-none-any.whl` is another file than was locked" in resolve(locked)
    assert "beta" in locked.locked("pipeline")


def test_what_is_gone_is_said_to_be_gone(locked: Project) -> None:
    (locked.folder / "libs/inner/pyproject.toml").unlink()
    (locked.folder / "libs/inner").rmdir()

    assert "local: `file:libs/inner` is not there any more\n" in outdated(locked)
    result = locked.run("resolve")
    assert result.code == 2
    assert "`inner @ file:libs/inner` is not there" in result.stderr


def test_nothing_else_in_a_folder_counts(locked: Project) -> None:
    path = locked.folder / "libs/outer/pyproject.toml"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n[tool.ruff]\nline-length = 9\n", encoding="utf-8")
    locked.write("libs/outer/outer.py", "print(1)")
    told = locked.folder / "libs/built/pyproject.toml"
    told.write_bytes(told.read_bytes().replace(b"\n", b"\r\n"))  # as a checkout with `autocrlf` makes it

    assert locked.run("resolve", "--check").code == 0
    assert "up to date" in resolve(locked)


def test_checking_them_loads_nothing_that_asks_indexes(locked: Project) -> None:
    result = locked.run("resolve", "--check", env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if "import time:" in line}

    assert "zlock.index.fingerprint" in imported
    assert not imported & {"urllib3", "resolvelib", "ssl", "zlock.workflow.solving.solve", "uv"}


def test_a_folder_or_repository_among_files_is_noted_where_pip_installs(
    project: Project, index: TinyIndex, tmp_path: Path
) -> None:
    """Neither of these has a hash; uv installs them all the same."""
    index.wheel("alpha", "1.0")
    index.wheel("uv", "1.0")
    repository = GitRepository(tmp_path / "repository")
    make_tree(repository.folder, "a", "1.0")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message", "1")
    make_tree(project.folder / "libs/inner", "inner", "1.0")
    places = ["inner @ file:libs/inner", f"a @ {repository.url}"]
    steps = {
        "mixed": {"docker": {"requirements": [*places, "alpha"]}},
        "alone": {"docker": {"requirements": places}},
        "by-uv": {"docker": {"requirements": [*places, "alpha"], "python-package-installer": "uv"}},
    }
    python = f"3.{sys.version_info.minor}"
    project.configure({"python": python, "index": [{"url": index.url, "default": True}], "steps": steps})
    said = resolve(project)

    refusal = (
        "note: `pip install -r pylock.mixed.toml` refuses `a`, `inner`: repositories and folders have no hash, "
        "and pip wants one of every package or of none; `uv pip sync` installs it"
    )
    assert [line for line in said.splitlines() if "pip install" in line] == [refusal]
    assert project.run("resolve").stderr.count("pip install -r") == 1
    python_of = {step: make_venv(tmp_path / f"venv-{step}") for step in steps}
    refused = install(python_of["mixed"], project.lock_path("mixed"))
    assert "we don't have a way to hash version control" in refused
    assert install(python_of["alone"], project.lock_path("alone")) == ""
    install_with_uv(python_of["mixed"], project.lock_path("mixed"))
    assert installed(python_of["mixed"]).keys() == {"a", "alpha", "inner"}


def install(python: Path, lock: Path) -> str:
    """Install a lock with pip, and return its errors."""
    result = run_pip("--python", str(python), "install", "--no-cache-dir", "-r", str(lock), home=python.parents[2])
    return "" if result.code == 0 else result.stderr
