"""`keep`: versions that a lock of another tool holds are preferred where there is no pin yet."""

from __future__ import annotations

from pathlib import Path

import pytest
import uv

from support.index import TinyIndex
from support.project import Project, Result

POETRY = """\
[[package]]
name = "alpha"
version = "1.1"
optional = false
python-versions = ">=3.8"
files = []

[[package]]
name = "beta"
version = "1.0"
groups = ["main"]
markers = "sys_platform == 'win32'"
[[package]]
name = "beta"
version = "1.1"
groups = ["main", "dev"]
markers = {main = "sys_platform == 'linux'", dev = "sys_platform == 'darwin'"}

[metadata]
lock-version = "2.1"
python-versions = ">=3.10"
content-hash = "00"
"""
PDM = """\
[metadata]
groups = ["default"]
lock_version = "4.5.0"

[[package]]
name = "Alpha"
version = "1.1"
requires_python = ">=3.8"

[[package]]
name = "beta"
version = "1.1"
marker = "sys_platform == 'linux'"
[[package]]
name = "beta"
version = "1.2"
marker = "sys_platform == 'darwin'"
"""
PYLOCK = """\
lock-version = "1.0"
created-by = "some tool"
[[packages]]
name = "alpha"
version = "1.1"
marker = "'main' in dependency_groups"
[[packages]]
name = "beta"
version = "1.1"
"""


@pytest.fixture
def index(index: TinyIndex) -> TinyIndex:
    for version in ("1.0", "1.1", "1.2"):
        index.wheel("beta", version)
        index.wheel("alpha", version, requires=["beta"])
    return index


@pytest.fixture
def ours(project: Project, index: TinyIndex) -> Project:
    """A project with one step, and a file `keep` that is yet to be written."""
    configure(project, index, "alpha")
    return project


def configure(project: Project, index: TinyIndex, requirement: str, keep: str = "their.lock") -> None:
    project.configure(
        {
            "python": "3.12",
            "keep": keep,
            "index": [{"url": index.url, "default": True}],
            "steps": {"train": {"docker": {"requirements": [requirement]}}},
        }
    )


def succeed(result: Result) -> Result:
    assert result.code == 0, f"{result.stdout}\n{result.stderr}"
    return result


def test_versions_of_uvs_lock_come_first_and_our_pins_before_them(project: Project, index: TinyIndex) -> None:
    lock = project.write("uv.lock", _locked_by_uv(project, index, "alpha<1.2", "beta<1.2", "unused"))
    configure(project, index, "alpha", keep="uv.lock")
    succeed(project.run("resolve"))
    assert project.locked("train") == {"alpha": "1.1", "beta": "1.1"}

    lock.write_text(_locked_by_uv(project, index, "alpha<1.1", "beta<1.1"))
    outdated = project.run("resolve", "--check")
    assert outdated.code == 1
    assert "configuration: `keep` was `uv.lock sha256:" in outdated.stderr
    succeed(project.run("resolve"))
    assert project.locked("train") == {"alpha": "1.1", "beta": "1.1"}

    succeed(project.run("resolve", "--upgrade-package", "beta"))
    assert project.locked("train") == {"alpha": "1.1", "beta": "1.2"}
    succeed(project.run("resolve", "--upgrade"))
    assert project.locked("train") == {"alpha": "1.2", "beta": "1.2"}
    assert project.run("resolve", "--check").code == 0


def _locked_by_uv(project: Project, index: TinyIndex, *requirements: str) -> str:
    """Return what uv locks in a project of its own; what its index does not know is not asked for."""
    index.wheel("unused", "1")
    listed = ", ".join(f'"{one}"' for one in requirements)
    folder = project.folder / "uvs"
    project.write(
        "uvs/pyproject.toml",
        f'[project]\nname = "theirs"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = [{listed}]\n',
    )
    command = (uv.find_uv_bin(), "lock", "--directory", str(folder), "--default-index", index.url, "--upgrade")
    done = project.call(*command, env={"UV_PYTHON_DOWNLOADS": "never"})
    assert done.code == 0, done.stderr
    return Path(folder, "uv.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [POETRY, PDM, PYLOCK], ids=["poetry", "pdm", "pylock"])
def test_locks_of_other_tools_are_read_for_the_platform(ours: Project, text: str) -> None:
    ours.write("their.lock", text)
    succeed(ours.run("resolve"))
    assert ours.locked("train") == {"alpha": "1.1", "beta": "1.1"}


def test_a_marker_that_has_no_answer_may_be_for_any_target(ours: Project) -> None:
    rows = "".join(f'[[package]]\nname = "alpha"\nversion = "{version}"\n' for version in ("1.0", "1.1"))
    ours.write("their.lock", f"version = 1\n{rows}marker = \"python_version ~= 'new'\"\n")
    succeed(ours.run("resolve"))
    assert ours.locked("train")["alpha"] == "1.1"


def test_a_version_that_will_not_do_is_not_preferred(ours: Project, index: TinyIndex) -> None:
    ours.write("their.lock", PYLOCK.replace('"beta"\nversion = "1.1"', '"beta"\nversion = "7"'))
    configure(ours, index, "alpha!=1.1")
    succeed(ours.run("resolve"))
    assert ours.locked("train") == {"alpha": "1.2", "beta": "1.2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = ", "`their.lock` is not valid TOML"),
        ("[project]\nname = 'a'\n", "`their.lock` is not a lock of uv, Poetry or PDM"),
        ("version = 1\npackage = 3\n", "the packages of `their.lock` must be a list"),
        ("version = 1\npackage = [3]\n", "package 1 of `their.lock` must be a table, not a number"),
        (PDM.replace('name = "Alpha"', "name = 1"), "package 1 of `their.lock` has no `name`"),
        (PDM.replace('"1.2"', '"new"'), "package 3 of `their.lock` (`beta`) has no valid version: `new`"),
        (PDM.replace('"1.2"', f'"{"1" * 5000}"'), "package 3 of `their.lock` (`beta`) has no valid version"),
        (PDM.replace("== 'linux'", "is 'linux'"), "package 2 of `their.lock` (`beta`) has no valid marker"),
        (None, "`their.lock` can't be read: No such file"),
        (b"\xff", "`their.lock` can't be read: it is not UTF-8"),
    ],
)
def test_what_is_no_lock_is_named(ours: Project, text: str | bytes | None, said: str) -> None:
    if text is not None:
        ours.write("their.lock", text)
    result = ours.run("resolve")
    assert result.code == 2
    assert said in result.stderr
    assert "hint:" in result.stderr
