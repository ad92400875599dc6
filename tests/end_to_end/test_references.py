"""Direct references and the locks that hold them: what is kept, what moves, what was replaced."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from support.git import GitRepository
from support.index import TinyIndex
from support.project import Project
from support.wheels import Wheel, make_tree, make_wheel
from zlock.errors import IndexFailed, NoAnswer
from zlock.lock.identity import identity_of
from zlock.lock.store import read_lock

PYTHON = f"3.{sys.version_info.minor}"


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """A repository whose branch `main` moves on."""
    made = GitRepository(tmp_path / "repository")
    made.commit("1")
    return made


def ask(project: Project, index: TinyIndex, *requirements: str) -> None:
    """Configure what the only step requires."""
    indexes = [{"url": index.url, "default": True}]
    project.configure({"python": "3.12", "index": indexes, "docker": {"requirements": list(requirements)}})


def said(project: Project, *arguments: str, code: int = 0) -> str:
    """Resolve and return what was said."""
    result = project.run("resolve", *arguments)
    assert result.code == code, result.stderr
    return result.stderr


def commit_of(project: Project) -> str:
    (package,) = [one for one in project.lock("pipeline")["packages"] if one["name"] == "a"]
    return str(package["vcs"]["commit-id"])


@pytest.mark.parametrize("revision", ["", "@main"])
def test_a_commit_is_kept_while_the_step_asks_for_the_same_place(
    project: Project, index: TinyIndex, repository: GitRepository, revision: str
) -> None:
    index.wheel("b", "1.0")
    ask(project, index, f"a @ {repository.url}{revision}")
    assert "1 package (1 added)" in said(project)
    first = commit_of(project)
    second = repository.commit("2")
    ask(project, index, f"a @ {repository.url}{revision}", "b")
    said(project)
    assert commit_of(project) == first

    moved = said(project, "--upgrade-package", "A", "-v")

    assert commit_of(project) == second
    assert f"a {first[:12]} -> {second[:12]}" in moved
    third = repository.commit("3")
    said(project, "--upgrade")
    assert commit_of(project) == third


def test_another_revision_is_another_commit(project: Project, index: TinyIndex, repository: GitRepository) -> None:
    ask(project, index, f"a @ {repository.url}@main")
    said(project)
    repository.git("branch", "topic")
    repository.commit("2")
    ask(project, index, f"a @ {repository.url}")
    said(project)
    assert commit_of(project) == repository.git("rev-parse", "main")
    ask(project, index, f"a @ {repository.url}@topic")
    said(project)
    assert commit_of(project) == repository.git("rev-parse", "topic")


def test_a_locked_commit_that_is_gone_is_named_with_the_way_out(
    project: Project, index: TinyIndex, repository: GitRepository
) -> None:
    index.wheel("b", "1.0")
    ask(project, index, f"a @ {repository.url}@main")
    said(project)
    first = commit_of(project)
    repository.git("checkout", "--quiet", "--orphan", "anew")
    second = repository.commit("2")
    repository.git("branch", "--force", "main", "anew")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")
    ask(project, index, f"a @ {repository.url}@main", "b")
    before = project.lock_path("pipeline").read_bytes()
    stderr = said(project, code=IndexFailed.exit_code)
    assert "that was locked is gone" in stderr
    assert f"locked {first}" in stderr
    assert "hint: to take what is there now: `zlock resolve --upgrade-package a`" in stderr
    assert project.lock_path("pipeline").read_bytes() == before
    said(project, "--upgrade-package", "a")
    assert commit_of(project) == second


def test_a_file_that_its_url_serves_no_more_is_an_error(project: Project, index: TinyIndex) -> None:
    file = index.wheel("a", "1.0")
    index.wheel("b", "1.0")
    url = f"a @ {index.root}/{file.location}"
    ask(project, index, url)
    said(project)
    before = project.lock_path("pipeline").read_bytes()
    old = file.sha256
    file.content = Wheel(name="a", version="1.0", files={"a/new.py": b""}).content()
    ask(project, index, url, "b")
    stderr = said(project, code=IndexFailed.exit_code)
    assert "is not the file that was locked" in stderr
    assert f"locked sha256 {old}" in stderr
    assert f"it has sha256 {file.sha256}" in stderr
    assert "hint: if the change is meant: `zlock resolve --upgrade-package a`" in stderr
    assert project.lock_path("pipeline").read_bytes() == before

    assert "note: `a-1.0-py3-none-any.whl` is another file than was locked" in said(project, "--upgrade-package", "a")

    (locked,) = [one for one in project.lock("pipeline")["packages"] if one["name"] == "a"]
    assert locked["archive"]["hashes"] == {"sha256": file.sha256}


def test_a_url_that_is_not_there_is_to_be_corrected_where_it_is_required(project: Project, index: TinyIndex) -> None:
    ask(project, index, f"a @ {index.root}/files/a-1.0-py3-none-any.whl")
    stderr = said(project, code=IndexFailed.exit_code)
    assert f"`{index.root}/files/a-1.0-py3-none-any.whl` answered 404" in stderr
    assert "hint: correct the URL where it is required, or ask who serves it" in stderr


def test_a_url_that_contradicts_a_package_is_named_with_changes_that_solve(project: Project, index: TinyIndex) -> None:
    index.wheel("beta", "2.5")
    own = index.wheel("beta", "1.5")
    index.wheel("alpha", "2.0", requires=["beta>=2"])
    index.wheel("alpha", "1.0", requires=["beta"])
    url = f"{index.root}/{own.location}"
    ask(project, index, "alpha>=2", f"beta @ {url}")

    refused = said(project, code=1)

    assert f"`beta @ {url}` by zlock.toml:9" in refused
    assert f"`beta` is 1.5 by `beta @ {url}` (zlock.toml:9), which does not match `>=2`" in refused
    assert "relax `alpha>=2` (zlock.toml:8) to allow alpha 1.0" in refused
    ask(project, index, "alpha>=2", "beta")
    said(project)
    assert project.locked("pipeline") == {"alpha": "2.0", "beta": "2.5"}


def make_beside(folder: Path, project: Path) -> None:
    """Make a source tree that requires a folder of a project; its backend says so with an absolute path."""
    make_tree(folder, "beside", "1.0", requires=[f"plain @ {(project / 'libs/plain').as_uri()}"])


def test_a_copy_of_the_project_elsewhere_has_the_same_lock(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    """Paths, inside the project and beside it, and a folder of the machine that is named by its absolute path."""
    index.wheel("far", "1.0")
    static = index.write_static(tmp_path / "machine")
    (project.folder / "flat").mkdir()
    make_wheel(project.folder / "flat", "flat", "1.0")
    for name in ("plain", "editable", "listed", "absolute"):
        project.write(f"libs/{name}/pyproject.toml", f'[project]\nname = "{name}"\nversion = "1.0"\n')
    make_beside(tmp_path / "beside", project.folder)
    make_wheel(tmp_path / "machine", "fixed", "1.0")
    lines = ["./libs/plain", "-e ./libs/editable", "./flat/flat-1.0-py3-none-any.whl", "beside @ file:../beside", "far"]
    lines += ["absolute @ file://${HERE}/libs/absolute", str(tmp_path / "machine" / "fixed-1.0-py3-none-any.whl")]
    project.write("requirements.txt", "\n".join(lines))
    indexes = [{"url": "empty dir"}, {"url": str(static.find_links), "default": True}]
    listed = {"requirements": ["listed @ file:libs/listed", "./libs/plain", "file:./libs/editable"]}
    steps = {"file": {"docker": {"requirements": "requirements.txt"}}, "list": {"docker": listed}}
    project.configure({"python": "3.12", "index": indexes, "steps": steps})
    (project.folder / "empty dir").mkdir()
    result = project.run("resolve", env={"HERE": str(project.folder)})
    assert result.code == 0, result.stderr
    locks = {step: project.lock_path(step).read_bytes() for step in steps}

    copy = Project(tmp_path / "some" / "where" / "else" / "copy")
    shutil.copytree(project.folder, copy.folder, dirs_exist_ok=True)
    make_beside(copy.folder.parent / "beside", copy.folder)
    here = {"HERE": str(copy.folder)}
    shutil.rmtree(project.folder)
    assert copy.run("resolve", "--check", env=here).code == 0
    for path in (copy.folder / "lockfiles").iterdir():
        path.unlink()
    result = copy.run("resolve", env=here)

    assert result.code == 0, result.stderr
    assert {step: copy.lock_path(step).read_bytes() for step in steps} == locks


def test_a_file_of_the_project_that_was_replaced_is_noted(project: Project, index: TinyIndex) -> None:
    index.wheel("b", "1.0")
    wheel = make_wheel(project.folder, "a", "1.0")
    ask(project, index, f"a @ {wheel.as_uri()}")
    assert "another file" not in said(project)
    make_wheel(project.folder, "a", "1.0", files={"a/new.py": b""})
    ask(project, index, f"a @ {wheel.as_uri()}", "b")
    assert "note: `a-1.0-py3-none-any.whl` is another file than was locked" in said(project)


def test_a_file_that_its_index_replaced_is_an_error(project: Project, index: TinyIndex) -> None:
    file = index.wheel("a", "1.0")
    index.wheel("b", "1.0")
    ask(project, index, "a")
    said(project)
    old = file.sha256
    file.content = Wheel(name="a", version="1.0", files={"a/new.py": b""}).content()
    file.hashes = {"sha256": file.sha256}
    ask(project, index, "a", "b")
    stderr = said(project, "--cache-dir", str(project.folder / "cache"), code=IndexFailed.exit_code)
    assert "`a-1.0-py3-none-any.whl` is not the file that was locked" in stderr
    assert f"index `{index.url}`" in stderr
    assert f"locked sha256 {old}" in stderr
    assert f"listed sha256 {file.sha256}" in stderr

    said(project, "--upgrade-package", "a")

    (locked, _) = project.lock("pipeline")["packages"]
    assert locked["wheels"][0]["hashes"] == {"sha256": file.sha256}


def test_wheels_that_a_release_got_since_are_no_replacement(project: Project, index: TinyIndex) -> None:
    index.wheel("a", "1.0")
    ask(project, index, "a")
    said(project)
    index.wheel("a", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    index.wheel("b", "1.0")
    ask(project, index, "a", "b")
    said(project, "--cache-dir", str(project.folder / "cache"))
    assert len(project.lock("pipeline")["packages"][0]["wheels"]) == 2


def test_packages_that_come_from_another_index_now_are_noted(project: Project, index: TinyIndex) -> None:
    index.wheel("b", "1.0")
    with TinyIndex() as other:
        other.wheel("a", "1.0")
        ask(project, other, "a")
        said(project)
        index.wheel("a", "1.0", files={"a/new.py": b""})
        ask(project, index, "a", "b")
        assert f"note: a came from `{other.url}` when locked, and from `{index.url}` now" in said(project)


@pytest.mark.parametrize(
    ("place", "arguments"), [("index", ["a>=2"]), ("index", ["a", "--upgrade"]), ("folder", ["a>=2"])]
)
def test_a_newer_version_of_another_index_is_noted_too(
    project: Project, index: TinyIndex, wheelhouse: Path, place: str, arguments: list[str]
) -> None:
    asked, *option = arguments
    with TinyIndex() as public:
        first = str(wheelhouse) if place == "folder" else index.url
        indexes = [{"url": first}, {"url": public.url, "default": True}]
        index.add(make_wheel(wheelhouse, "a", "1.0"))
        project.configure({"python": "3.12", "index": indexes, "docker": {"requirements": ["a"]}})
        said(project)
        public.wheel("a", "9.0")
        index.remove("a")
        next(wheelhouse.iterdir()).unlink()
        project.configure({"python": "3.12", "index": indexes, "docker": {"requirements": [asked]}})

        assert f"note: a came from `{first}` when locked, and from `{public.url}` now" in said(project, *option)
        assert project.locked("pipeline") == {"a": "9.0"}


def test_an_upgrade_notes_a_file_that_its_index_replaced(project: Project, index: TinyIndex) -> None:
    file = index.wheel("a", "1.0")
    ask(project, index, "a")
    said(project)
    file.content = Wheel(name="a", version="1.0", files={"a/new.py": b""}).content()
    file.hashes = {"sha256": file.sha256}

    stderr = said(project, "--upgrade", "--cache-dir", str(project.folder / "cache"))

    assert "note: `a-1.0-py3-none-any.whl` is another file than was locked; the lock has its present hash" in stderr
    assert file.sha256 in project.lock_path("pipeline").read_text(encoding="utf-8")


# What they are built with


def builds_of(project: Project) -> dict[str, Any]:
    rows = project.lock("pipeline")["tool"]["zlock"]["builds"]
    return {
        row["package"]: {key: row[key] for key in ("requires", "requirements", "locked") if key in row} for row in rows
    }


def test_what_a_repository_and_an_archive_are_built_with_is_locked(
    project: Project, index: TinyIndex, repository: GitRepository
) -> None:
    repository.commit_tree("a", "1.0", build_requires=["tool>=1"], wheel_requires=["asked"])
    archive = index.sdist("s", "1.0", build_requires=["tool"])
    tool = index.wheel("tool", "1.0", requires=["part"])
    part = index.wheel("part", "3.0")
    index.wheel("asked", "1.0")
    index.wheel("b", "1.0")
    asked = [f"a @ {repository.url}", f"s @ {index.root}/{archive.location}"]
    ask(project, index, *asked)
    said(project)
    lines = [f"part==3.0 --hash=sha256:{part.sha256}", f"tool==1.0 --hash=sha256:{tool.sha256}"]
    # No backend may run here, so what it would add is not known.
    assert builds_of(project) == {
        "a": {"requires": ["tool>=1"], "requirements": lines},
        "s": {"requires": ["tool"], "requirements": lines},
    }
    identity = project.lock("pipeline")["tool"]["zlock"]["identity"]

    newer = index.wheel("tool", "2.0")
    ask(project, index, *asked, "b")
    said(project)
    assert builds_of(project)["a"]["requirements"] == lines  # kept, as any pin
    ask(project, index, *asked)
    said(project, "--upgrade")

    assert builds_of(project)["a"]["requirements"] == [f"tool==2.0 --hash=sha256:{newer.sha256}"]
    assert project.lock("pipeline")["tool"]["zlock"]["identity"] != identity


def test_what_a_backend_adds_is_locked_where_it_may_run(
    project: Project, index: TinyIndex, repository: GitRepository
) -> None:
    repository.commit_tree("a", "1.0", build_requires=["tool"], wheel_requires=["added"])
    dynamic = index.sdist("s", "1.0", static=False, build_requires=["tool"], wheel_requires=["added"])
    index.wheel("tool", "1.0")
    index.wheel("added", "1.0")
    settings = {"python": PYTHON, "index": [{"url": index.url, "default": True}], "build-sdists": ["a", "s"]}
    requirements = [f"a @ {repository.url}", f"s @ {index.root}/{dynamic.location}"]
    project.configure({**settings, "docker": {"requirements": requirements}})

    said(project)

    assert {name: row["requires"] for name, row in builds_of(project).items()} == {
        "a": ["added", "tool"],
        "s": ["added", "tool"],
    }


@pytest.mark.parametrize(
    ("requires", "why"),
    [
        ("nowhere", "not found in any configured index"),
        ("b @ https://index.example/b-1.0-py3-none-any.whl", "requires `b` by its URL"),
    ],
)
def test_a_build_that_can_not_be_locked_leaves_the_lock_as_it_is_without(
    project: Project, index: TinyIndex, repository: GitRepository, requires: str, why: str
) -> None:
    repository.commit_tree("a", "1.0", build_requires=[requires])
    ask(project, index, f"a @ {repository.url}")

    stderr = said(project)

    assert "note: no image can hold `a`, as its build can't be locked" in stderr
    assert why in stderr
    assert builds_of(project)["a"] == {"requires": [requires], "requirements": [], "locked": False}
    assert "note" not in said(project)


def test_an_index_that_fails_is_no_reason_to_leave_a_build_out(
    project: Project, index: TinyIndex, repository: GitRepository
) -> None:
    repository.commit_tree("a", "1.0", build_requires=["tool"])
    index.fault("/simple/tool/", 403, times=None)
    ask(project, index, f"a @ {repository.url}")

    said(project, code=IndexFailed.exit_code)

    assert not project.lock_path("pipeline").exists()


def forget_builds(path: Path) -> None:
    """Make a lock what an earlier version wrote, which locked the builds of an index's sdists alone."""
    lock = read_lock(path)
    assert lock is not None
    facts = replace(lock.facts, builds=(), identity=identity_of(lock.packages))
    path.write_text(replace(lock, facts=facts).render(), encoding="utf-8")


def test_a_lock_without_the_builds_is_current_and_gets_them_when_it_is_resolved(
    project: Project, index: TinyIndex, repository: GitRepository
) -> None:
    repository.commit_tree("a", "1.0", build_requires=["tool"])
    index.wheel("tool", "1.0")
    with repository.served() as url:
        check_that_builds_are_added(project, index, repository, f"a @ {url}")


def check_that_builds_are_added(
    project: Project, index: TinyIndex, repository: GitRepository, requirement: str
) -> None:
    ask(project, index, requirement)
    said(project)
    whole, commit = project.lock_path("pipeline").read_bytes(), commit_of(project)
    forget_builds(project.lock_path("pipeline"))
    repository.commit("2")

    assert "up to date" in said(project, "--check")
    refused = project.run("dockerfile")
    said(project)

    assert refused.code == NoAnswer.exit_code
    assert "step `pipeline`: `a` is to be built, and the lock does not say with what" in refused.stderr
    assert "hint: run `zlock resolve`" in refused.stderr
    assert commit_of(project) == commit
    assert project.lock_path("pipeline").read_bytes() == whole
