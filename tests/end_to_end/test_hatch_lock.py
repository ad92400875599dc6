"""`hatch env lock` through zlock: what is locked, what is in sync, and what environments then hold."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project, Result
from support.wheelhouse import make_wheelhouse

PYPROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "acme-model"
    version = "1.0"
    dependencies = ["gamma"]
    optional-dependencies = { fast = ["delta"] }

    [dependency-groups]
    lint = ["epsilon"]

    [tool.hatch]
    locker = "zlock"
    lock-envs = true

    [tool.hatch.build.targets.wheel]
    packages = ["src/acme_model"]

    [tool.hatch.envs.test]
    skip-install = true
    lock-filename = "locks/pylock.test.toml"
    dependencies = ["alpha<2", "beta"]

    [tool.hatch.envs.dev]
    installer = "uv"
    features = ["fast"]
    dependency-groups = ["lint"]
    dependencies = ["alpha"]

    [tool.zlock]
    index = [{ url = "URL", default = true }]
"""


@pytest.fixture
def project(tmp_path: Path, index: TinyIndex) -> Project:
    """A project with two environments, and an index with what they require."""
    for name in ("alpha", "beta", "gamma", "delta", "epsilon"):
        index.wheel(name, "1.0")
    project = Project(tmp_path / "project")
    project.write("pyproject.toml", PYPROJECT.replace("URL", index.url))
    project.write("src/acme_model/__init__.py", "")
    return project


def hatch(project: Project, *arguments: str, **environment: str) -> Result:
    """Run hatch with folders of its own, and without colours."""
    folders = {"HATCH_DATA_DIR": str(project.home / "data"), "HATCH_CACHE_DIR": str(project.home / "cache")}
    command = (sys.executable, "-P", "-m", "hatch", "--no-color", *arguments)
    return project.call(*command, env={**folders, "TERM": "dumb", "COLUMNS": "300", **environment})


def lock_file(project: Project) -> Path:
    return project.folder / "locks" / "pylock.test.toml"


def pins(path: Path) -> dict[str, str]:
    tree: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return {package["name"]: package["version"] for package in tree["packages"]}


def installed(project: Project, environment: str, **more: str) -> dict[str, str]:
    """Return what an environment holds, beside what every one of hatch's is made with."""
    program = "import importlib.metadata as m; print(*(d.name + '==' + d.version for d in m.distributions()))"
    result = hatch(project, "run", f"{environment}:python", "-P", "-c", program, **more)
    assert result.code == 0, result.stderr
    found = dict(one.split("==") for one in result.stdout.split())
    return {name: version for name, version in found.items() if name not in {"pip", "setuptools", "wheel"}}


def edit(project: Project, before: str, after: str) -> None:
    path = project.folder / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_a_lock_is_written_where_hatch_says_and_stays_in_sync_when_releases_come(
    project: Project, index: TinyIndex
) -> None:
    result = hatch(project, "env", "lock", "test")
    assert result.code == 0, result.stderr
    assert pins(lock_file(project)) == {"alpha": "1.0", "beta": "1.0"}
    assert not list(project.folder.glob("pylock.*"))
    before = lock_file(project).read_bytes()

    index.wheel("beta", "1.1")
    for arguments in (["--check"], []):
        result = hatch(project, "env", "lock", "test", *arguments)
        assert result.code == 0, result.stderr
        assert lock_file(project).read_bytes() == before

    result = hatch(project, "env", "lock", "test", "--upgrade-package", "beta")
    assert result.code == 0, result.stderr
    assert pins(lock_file(project)) == {"alpha": "1.0", "beta": "1.1"}


def test_a_check_says_what_differs_and_writes_nothing(project: Project) -> None:
    """Hatch prepares a locked environment before the check, which would bring the lock up to date."""
    assert hatch(project, "env", "lock", "test").code == 0
    before = lock_file(project).read_bytes()
    edit(project, '"alpha<2"', '"alpha<=1"')
    result = hatch(project, "env", "lock", "test", "--check")

    assert result.code == 1
    assert "explicit: - `alpha<2`\nexplicit: + `alpha<=1`" in result.stderr
    assert "Lockfile is not up to date" in result.stderr
    assert lock_file(project).read_bytes() == before

    assert hatch(project, "env", "lock", "test").code == 0
    assert hatch(project, "env", "lock", "test", "--check").code == 0


def test_an_environment_is_locked_anew_before_it_is_used_though_a_check_was_red(
    project: Project, index: TinyIndex
) -> None:
    index.wheel("beta", "1.1")
    assert installed(project, "test") == {"alpha": "1.0", "beta": "1.1"}
    edit(project, '"beta"]', '"beta<1.1"]')
    assert hatch(project, "env", "lock", "test", "--check").code == 1

    assert installed(project, "test") == {"alpha": "1.0", "beta": "1.0"}
    assert hatch(project, "env", "lock", "test", "--check").code == 0


def test_an_environment_is_installed_from_its_index_though_other_locks_are_portable(project: Project) -> None:
    edit(project, "[tool.zlock]", '[tool.zlock]\nurls = "portable"')

    result = hatch(project, "env", "lock", "test")
    assert result.code == 0, result.stderr
    assert installed(project, "test") == {"alpha": "1.0", "beta": "1.0"}
    assert hatch(project, "env", "lock", "test", "--check").code == 0


def test_a_check_needs_no_index(tmp_path: Path) -> None:
    with TinyIndex() as index:
        project = Project(tmp_path / "project")
        project.write("pyproject.toml", PYPROJECT.replace("URL", index.url))
        for name in ("alpha", "beta"):
            index.wheel(name, "1.0")
        assert hatch(project, "env", "lock", "test").code == 0

    assert hatch(project, "env", "lock", "test", "--check").code == 0
    edit(project, '"beta"', '"beta<2"')
    result = hatch(project, "env", "lock", "test", "--check")
    assert (result.code, "explicit: + `beta<2`" in result.stderr) == (1, True), result.stderr


def test_an_environment_becomes_what_its_lock_says(project: Project, index: TinyIndex) -> None:
    assert hatch(project, "env", "lock", "test").code == 0
    index.wheel("alpha", "1.1")
    index.wheel("beta", "1.1", requires=["gamma"])
    assert installed(project, "test") == {"alpha": "1.0", "beta": "1.0"}

    options = ("--quiet", "--no-cache-dir", "--index-url", index.url)
    result = hatch(project, "run", "test:pip", "install", *options, "beta==1.1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    assert result.code == 0, result.stderr
    assert installed(project, "test") == {"alpha": "1.0", "beta": "1.1", "gamma": "1.0"}

    result = hatch(project, "-e", "test", "dep", "sync")
    assert result.code == 0, result.stderr
    assert installed(project, "test") == {"alpha": "1.0", "beta": "1.0"}


def test_the_project_with_its_extras_and_groups_is_locked_and_stays_installed(
    project: Project, tmp_path: Path, index: TinyIndex
) -> None:
    wheels = make_wheelhouse(tmp_path / "wheels", ["hatchling", "editables"])
    uv = {"UV_FIND_LINKS": str(wheels), "UV_DEFAULT_INDEX": index.url, "UV_NO_CACHE": "1"}
    result = hatch(project, "env", "lock", "dev", **uv)
    assert result.code == 0, result.stderr

    locked = dict.fromkeys(("alpha", "delta", "epsilon", "gamma"), "1.0")
    assert pins(project.folder / "pylock.dev.toml") == locked
    assert hatch(project, "-e", "dev", "dep", "sync", **uv).code == 0
    assert installed(project, "dev", **uv) == {**locked, "acme-model": "1.0"}
    edit(project, 'version = "1.0"', 'version = "1.1"')
    assert hatch(project, "env", "lock", "dev", "--check", **uv).code == 0


def test_the_locks_of_environments_are_safe_from_those_of_steps(project: Project) -> None:
    edit(project, "locks/pylock.test.toml", "lockfiles/pylock.test.toml")
    assert hatch(project, "env", "lock", "test").code == 0
    result = project.run("resolve")

    assert result.code == 0, result.stderr
    assert sorted(path.name for path in project.lock_path("test").parent.iterdir()) == [
        "pylock.pipeline.toml",
        "pylock.test.toml",
    ]


def test_what_can_not_be_solved_is_explained_without_a_traceback(project: Project) -> None:
    edit(project, '"alpha<2"', '"alpha>=3"')
    result = hatch(project, "env", "lock", "test")

    assert result.code == 1
    assert "error: step `test`: " in result.stderr
    assert "alpha>=3" in result.stderr
    assert "Traceback" not in result.stderr
    assert not lock_file(project).exists()


def test_a_bug_is_one_line_with_the_place_of_its_trace(project: Project) -> None:
    project.write("../broken/urllib3.py", "raise KeyError('broken')\n")
    path = os.pathsep.join(filter(None, [str(project.folder.parent / "broken"), os.environ.get("PYTHONPATH")]))
    result = hatch(project, "env", "lock", "test", PYTHONPATH=path)

    assert result.code == 1
    assert "error: this is a bug in zlock, " in result.stderr
    assert "`: `hatch env lock` met `KeyError: 'broken'`" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [("env", "lock", "test"), ("env", "lock", "test", "--check"), ("run", "test:pip")])
def test_an_edited_lock_stops_everything(project: Project, command: tuple[str, ...]) -> None:
    assert hatch(project, "env", "lock", "test").code == 0
    text = lock_file(project).read_text(encoding="utf-8")
    lock_file(project).write_text(text.replace('version = "1.0"\n', 'version = "1.1"\n', 1), encoding="utf-8")
    edit(project, '"beta"', '"beta", "gamma"')
    result = hatch(project, *command)

    assert result.code == 1
    assert "the lock `pylock.test.toml` was cut short or edited" in result.stderr
    assert "and run `hatch env lock`" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_conflict_is_red_in_a_check_though_both_sides_answer_and_is_mended_by_locking(project: Project) -> None:
    assert hatch(project, "env", "lock", "test").code == 0
    assert hatch(project, "run", "test:python", "-c", "").code == 0
    before = lock_file(project).read_text(encoding="utf-8")
    conflicted = f"<<<<<<< HEAD\n=======\n>>>>>>> other\n{before}"
    lock_file(project).write_text(conflicted, encoding="utf-8")

    checked = hatch(project, "env", "lock", "test", "--check")
    after_check = lock_file(project).read_text(encoding="utf-8")
    mended = hatch(project, "env", "lock", "test")

    assert checked.code == 1
    assert "the lock `pylock.test.toml` has a merge conflict at line 1" in checked.stderr
    assert "hint: run `hatch env lock`, which mends it" in checked.stderr
    assert after_check == conflicted
    assert mended.code == 0, mended.stderr
    assert lock_file(project).read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", ["my lock é.toml", "pylock.a.b.toml"])
def test_a_name_that_installers_refuse_is_refused_before_it_is_written(project: Project, name: str) -> None:
    edit(project, "locks/pylock.test.toml", f"locks/{name}")

    result = hatch(project, "env", "lock", "test")

    assert result.code == 1
    assert f"`lock-filename` of the environment `test` is not a valid name for a lock: `{name}`" in result.stderr
    assert not (project.folder / "locks" / name).exists()


def test_a_lock_of_another_tool_is_no_matter_of_lock_dir(project: Project) -> None:
    text = 'lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n[tool.uv]\n'
    lock_file(project).parent.mkdir()
    lock_file(project).write_text(text, encoding="utf-8")

    result = hatch(project, "env", "lock", "test")

    assert result.code == 1
    assert "created by `uv`\nhint: move it away, or set another `lock-filename`" in result.stderr
    assert lock_file(project).read_text(encoding="utf-8") == text
