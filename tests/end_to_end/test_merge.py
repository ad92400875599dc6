"""Two branches' locks: the merge driver in a real `git merge`, and `resolve` on a conflict."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.environment import clean_environment
from support.index import TinyIndex
from support.project import Project, Result

PYTHON = "3.12"


@pytest.fixture
def index() -> Iterator[TinyIndex]:
    with TinyIndex(cache_control="max-age=0") as index:
        for name in ("alpha", "beta", "gamma", "delta", "common"):
            index.wheel(name, "1.0", requires=["common"] if name != "common" else [])
        yield index


class Repository:
    """A project in a repository whose locks have the merge driver, as the documentation sets it up."""

    def __init__(
        self, folder: Path, index: str, *, below: str = "", driver: bool = True, steps: Sequence[str] = ()
    ) -> None:
        self.project = Project(folder / below)
        self.top = folder
        self.index = index
        self.steps = steps
        self.more = ""
        self.git("init", "-q", "-b", "main")
        self.write("alpha")
        self.resolve()
        if driver:
            (folder / ".gitattributes").write_text("pylock.*.toml merge=zlock\n", encoding="utf-8")
            command = f'"{sys.executable}" -P -m zlock merge-driver --cache-dir "{self.project.cache}" %O %A %B %P'
            self.git("config", "merge.zlock.name", "locks of zlock")
            self.git("config", "merge.zlock.driver", command)
            self.git("config", "merge.zlock.recursive", "binary")
        self.commit("first")

    def git(self, *arguments: str, check: bool = True, env: Mapping[str, str] | None = None) -> Result:
        command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@host.example", *arguments]
        environment = clean_environment(self.project.home, env)
        done = subprocess.run(command, cwd=self.top, env=environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return Result(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def write(self, *requirements: str) -> None:
        """Ask for these, each on a line that merges on its own."""
        self.project.write(
            "zlock.toml",
            f'python = "{PYTHON}"\nindex = [{{ url = "{self.index}", default = true }}]\n'
            '[docker]\nrequirements = "requirements.txt"\n'
            + "".join(f"[steps.{step}]\n" for step in self.steps)
            + self.more,
        )
        fillers = {name: f"# {name} is asked for here\n#\n#\n#\n" for name in ("alpha", "beta", "gamma", "delta")}
        lines = [
            fillers[name] + "".join(f"{one}\n" for one in requirements if one.startswith(name)) for name in fillers
        ]
        self.project.write("requirements.txt", "".join(lines))

    def resolve(self, *arguments: str) -> None:
        result = self.project.run("resolve", *arguments)
        assert result.code == 0, result.stderr

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def branch(self, name: str, *requirements: str, upgrade: str = "") -> None:
        """Make a branch from the first commit that asks for something else, with its lock."""
        self.git("checkout", "-q", "-b", name, "main")
        self.write(*requirements)
        self.resolve(*(["--upgrade-package", upgrade] if upgrade else []))
        self.commit(name)

    def merge(self, theirs: str, **options: Any) -> Result:
        return self.git("merge", "-q", "--no-edit", theirs, check=False, **options)


def test_a_merge_ends_in_a_lock_that_answers_both_branches(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url)
    repository.branch("theirs", "alpha", "delta")
    repository.branch("ours", "alpha", "beta")

    merged = repository.merge("theirs")

    assert merged.code == 0, merged.stdout + merged.stderr
    assert repository.project.run("resolve", "--check").code == 0
    assert repository.project.locked("pipeline").keys() == {"alpha", "beta", "delta", "common"}
    assert repository.git("status", "--porcelain").stdout == ""
    # The whole of it is the lock that a run in the merged project would write.
    before = repository.project.lock_path("pipeline").read_bytes()
    repository.resolve()
    assert repository.project.lock_path("pipeline").read_bytes() == before


def test_every_lock_of_a_merge_is_merged(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url, steps=("train", "report"))
    repository.branch("theirs", "alpha", "delta")
    repository.branch("ours", "alpha", "beta")

    merged = repository.merge("theirs")

    assert merged.code == 0, merged.stdout + merged.stderr
    assert repository.project.run("resolve", "--check").code == 0
    for step in ("train", "report"):
        assert repository.project.locked(step).keys() == {"alpha", "beta", "delta", "common"}


def test_what_differs_between_steps_is_still_said_after_a_merge_of_one_lock_at_a_time(
    index: TinyIndex, tmp_path: Path
) -> None:
    index.wheel("alpha", "2.0", requires=["common"])
    repository = Repository(tmp_path / "project", index.url, steps=("old", "new"))
    repository.more = "".join(
        f'[steps.{step}.docker]\nextra-requirements = ["alpha{bound}"]\n'
        for step, bound in (("old", "<2"), ("new", ">=2"))
    )
    repository.write("gamma")
    repository.resolve()
    repository.commit("apart")
    said = {step: repository.project.lock(step)["tool"]["zlock"]["differs"] for step in ("old", "new")}
    repository.branch("theirs", "gamma", "delta")
    repository.branch("ours", "gamma", "beta")

    merged = repository.merge("theirs")

    assert merged.code == 0, merged.stdout + merged.stderr
    assert [row["name"] for row in said["old"]] == ["alpha"]
    assert {step: repository.project.lock(step)["tool"]["zlock"]["differs"] for step in ("old", "new")} == said
    # Where all steps are looked at, only what still differs is said.
    repository.more = ""
    repository.write("gamma", "delta", "beta")
    repository.resolve("--upgrade")
    assert "differs" not in repository.project.lock("old")["tool"]["zlock"]


def test_each_pin_is_that_of_the_side_that_moved_it_and_the_newer_of_two(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url)
    repository.write("alpha", "beta", "gamma")
    repository.resolve()
    repository.commit("more")
    index.wheel("alpha", "1.1", requires=["common"])
    index.wheel("beta", "1.1", requires=["common"])
    index.wheel("gamma", "1.1", requires=["common"])
    repository.branch("theirs", "alpha", "beta", "gamma", "delta")
    repository.resolve("--upgrade-package", "alpha", "--upgrade-package", "gamma")
    repository.commit("alpha and gamma move")
    repository.git("checkout", "-q", "main")
    index.wheel("gamma", "1.2", requires=["common"])
    repository.branch("ours", "alpha", "beta", "gamma")
    repository.resolve("--upgrade-package", "gamma")
    repository.commit("gamma moves further")
    index.wheel("alpha", "1.9", requires=["common"])
    index.wheel("common", "1.9")

    merged = repository.merge("theirs")

    assert merged.code == 0, merged.stdout + merged.stderr
    assert repository.project.locked("pipeline") == {
        "alpha": "1.1",  # theirs moved it
        "beta": "1.0",  # nobody did
        "gamma": "1.2",  # both did
        "delta": "1.0",
        "common": "1.0",
    }
    assert repository.project.run("resolve", "--check").code == 0


def test_a_project_below_the_top_with_files_that_git_does_not_know_merges_too(index: TinyIndex, tmp_path: Path) -> None:
    wheels = index.write_static(tmp_path / "static").find_links
    shutil.copytree(wheels, tmp_path / "top" / "inner" / "wheels")
    (tmp_path / "top" / ".gitignore").write_text("wheels/\ninner-*/\n", encoding="utf-8")
    repository = Repository(tmp_path / "top", "wheels", below="inner")
    repository.branch("theirs", "alpha", "delta")
    repository.branch("ours", "alpha", "beta")

    merged = repository.merge("theirs")

    assert merged.code == 0, merged.stdout + merged.stderr
    assert repository.project.run("resolve", "--check").code == 0
    assert repository.project.locked("pipeline").keys() == {"alpha", "beta", "delta", "common"}


def test_two_branches_that_change_different_steps_conflict_in_no_lock(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url, driver=False, steps=("train", "report", "serve"))
    text = (repository.project.folder / "zlock.toml").read_text(encoding="utf-8")
    for step in ("train", "serve"):
        repository.git("checkout", "-q", "-b", step, "main")
        own = f'[steps.{step}.docker]\nextra-requirements = ["beta"]\n'
        repository.project.write("zlock.toml", text.replace(f"[steps.{step}]\n", own).encode())
        repository.resolve()
        repository.commit(step)
    merged = repository.merge("train")

    assert merged.code == 0, merged.stdout + merged.stderr
    changed = repository.git("diff", "--name-only", "main", "HEAD").stdout.split()
    assert changed == ["lockfiles/pylock.serve.toml", "lockfiles/pylock.train.toml", "zlock.toml"]
    repository.resolve("--check", "--exit-code")


def test_two_branches_that_change_what_steps_do_touch_no_lock(tmp_path: Path) -> None:
    """Each runs `zlock resolve`, and git merges them without a driver."""
    project = Project(tmp_path / "project")

    def git(*arguments: str) -> Result:
        return project.call("git", "-c", "user.name=Ann", "-c", "user.email=ann@host.example", *arguments)

    def body_of(step: str, line: str) -> None:
        text = (project.folder / "pipeline.py").read_text(encoding="utf-8")
        assert f"    return '{step}'\n" in text
        project.pipeline(text.replace(f"    return '{step}'\n", line))
        assert project.run("resolve", "--exit-code").code == 0
        assert git("commit", "-q", "-a", "-m", step).code == 0

    steps = "\n\n\n".join(f"@step\ndef {step}():\n    return '{step}'" for step in ("train", "serve", "report"))
    project.pipeline(f"from zlock import step\n\n{steps}\n")
    project.configure({"python": PYTHON, "pipeline": "pipeline.py"})
    assert project.run("resolve").code == 0
    locks = {path: path.read_bytes() for path in (project.folder / "lockfiles").iterdir()}
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        assert git(*arguments).code == 0
    assert git("checkout", "-q", "-b", "theirs").code == 0
    body_of("train", "    print('now')  # more\n\n    return 'trained'\n")
    assert git("checkout", "-q", "main").code == 0
    body_of("report", "    return 'reported'\n")
    merged = git("merge", "-q", "--no-edit", "theirs")

    assert merged.code == 0, merged.stdout
    assert len(locks) == 3
    assert {path: path.read_bytes() for path in locks} == locks
    checked = project.run("resolve", "--check", "--exit-code")
    assert checked.code == 0, checked.stderr
    assert "note:" not in checked.stderr


Place = Callable[[Repository, Path], tuple[Path, dict[str, str]]]


def in_a_submodule(repository: Repository, folder: Path) -> tuple[Path, dict[str, str]]:
    """Return the folder of a clone on the branch of ours, a submodule, and the variables that lead git there."""
    driver = repository.git("config", "merge.zlock.driver").stdout.strip()
    repository.top = folder / "above"
    repository.top.mkdir()
    repository.git("init", "-q")
    url = str(folder / "project")
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "-b", "ours", url, "inner")
    repository.top /= "inner"
    repository.git("branch", "theirs", "origin/theirs")
    repository.git("config", "merge.zlock.driver", driver)
    return repository.top, {}


def in_a_linked_worktree(repository: Repository, folder: Path) -> tuple[Path, dict[str, str]]:
    repository.git("checkout", "-q", "main")
    repository.git("worktree", "add", "-q", str(folder / "linked"), "ours")
    return folder / "linked", {}


def with_git_dir_and_a_work_tree(repository: Repository, folder: Path) -> tuple[Path, dict[str, str]]:
    repository.git("config", "core.worktree", str(repository.top))
    (repository.top / ".git").rename(folder / "elsewhere")
    return repository.top, {"GIT_DIR": str(folder / "elsewhere")}


def with_a_relative_git_dir(repository: Repository, folder: Path) -> tuple[Path, dict[str, str]]:
    (repository.top / ".git").rename(folder / "elsewhere")
    return repository.top, {"GIT_DIR": "../elsewhere"}


@pytest.mark.parametrize(
    "place", [in_a_submodule, in_a_linked_worktree, with_git_dir_and_a_work_tree, with_a_relative_git_dir]
)
@pytest.mark.parametrize("below", ["", "inner"])
def test_it_merges_wherever_git_keeps_what_it_knows(index: TinyIndex, tmp_path: Path, place: Place, below: str) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".gitignore").write_text("inner-*/\n", encoding="utf-8")
    repository = Repository(tmp_path / "project", index.url, below=below)
    repository.branch("theirs", "alpha", "delta")
    repository.branch("ours", "alpha", "beta")
    repository.top, env = place(repository, tmp_path)

    merged = repository.merge("theirs", env=env)

    assert merged.code == 0, merged.stdout + merged.stderr
    project = Project(repository.top / below)
    assert project.run("resolve", "--check", env=env).code == 0
    assert project.locked("pipeline").keys() == {"alpha", "beta", "delta", "common"}
    diff = Project(repository.top).run("diff", "HEAD^1", "--project", below or ".", env=env)
    assert "+ delta 1.0" in diff.stdout, diff.stderr


def test_another_repository_than_that_of_a_hook_has_its_own_conflict(index: TinyIndex, tmp_path: Path) -> None:
    """`resolve` reads both sides from the index of the repository that the lock is in."""
    repository = Repository(tmp_path / "project", index.url, driver=False)
    repository.branch("theirs", "alpha", "delta")
    repository.branch("ours", "alpha", "beta")
    assert repository.merge("theirs").code == 1
    lock = repository.project.lock_path("pipeline")
    lock.write_text("<<<<<<< ours\n=======\n>>>>>>> theirs\n", encoding="utf-8")  # the pins are in the index alone
    repository.write("alpha", "beta", "delta")
    for name in ("alpha", "beta", "delta", "common"):
        index.wheel(name, "1.1", requires=["common"] if name != "common" else [])
    other = Project(tmp_path / "other")
    assert other.call("git", "init", "-q").code == 0
    result = other.run(
        "resolve", "--project", str(repository.top), env={"GIT_DIR": ".git", "GIT_WORK_TREE": str(other.folder)}
    )

    assert result.code == 0, result.stderr
    assert set(repository.project.locked("pipeline").values()) == {"1.0"}


def conflicted(repository: Repository, merged: Result) -> None:
    assert merged.code == 1
    assert "CONFLICT (content)" in merged.stdout
    text = repository.project.lock_path("pipeline").read_text(encoding="utf-8")
    assert "<<<<<<<" in text
    assert ">>>>>>>" in text
    assert repository.project.run("resolve", "--check").code == 2


def test_a_contradiction_of_both_branches_leaves_the_conflict(index: TinyIndex, tmp_path: Path) -> None:
    index.wheel("beta", "2.0", requires=["common<1"])
    repository = Repository(tmp_path / "project", index.url)
    repository.branch("theirs", "alpha", "delta")
    index.wheel("common", "0.9")
    repository.branch("ours", "alpha", "beta==2.0", upgrade="common")
    repository.git("checkout", "-q", "theirs")
    repository.write("alpha", "delta", "gamma==1.5")
    index.wheel("gamma", "1.5", requires=["common>=1"])
    repository.resolve()
    repository.commit("gamma")

    merged = repository.merge("ours")

    conflicted(repository, merged)
    assert "no set of versions satisfies step `pipeline`" in merged.stderr


def test_without_the_network_the_conflict_stays_and_resolve_mends_it_later(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url)
    repository.branch("theirs", "alpha", "delta")
    repository.branch("ours", "alpha", "beta")
    driver = repository.git("config", "merge.zlock.driver").stdout.strip()
    empty = f'--offline --cache-dir "{tmp_path / "empty"}"'
    offline = driver.replace(f'--cache-dir "{repository.project.cache}"', empty)
    repository.git("config", "merge.zlock.driver", offline)

    merged = repository.merge("theirs")
    conflicted(repository, merged)
    mended = repository.project.run("resolve")

    assert "--offline leaves the network alone" in merged.stderr
    assert mended.code == 0, mended.stderr
    assert "had a merge conflict and is solved again from the pins of both sides" in mended.stderr
    assert repository.project.run("resolve", "--check").code == 0


def test_what_keeps_several_locks_from_merging_is_said_once_in_each_merge(index: TinyIndex, tmp_path: Path) -> None:
    steps = ("report", "score", "train")
    repository = Repository(tmp_path / "project", index.url, steps=steps)
    repository.branch("theirs", "alpha", "beta<2")
    repository.branch("ours", "alpha", "beta<3")

    first = repository.merge("theirs")
    repository.git("merge", "--abort")
    second = repository.merge("theirs")

    # Progress, which a slow machine has time for, is no part of it.
    said, again = (
        [line for line in one.stderr.splitlines() if line.startswith(("error: ", "hint: ", "  "))]
        for one in (first, second)
    )
    assert said == again
    assert first.code == 1
    assert first.stderr.count("`requirements.txt` has a merge conflict at line ") == 1
    brief = [line for line in first.stderr.splitlines() if "is left with both sides for the same reason" in line]
    named = {step for step in steps for line in brief if f"`lockfiles/pylock.{step}.toml`" in line}
    assert (len(brief), len(named)) == (2, 2)


def test_a_conflict_in_what_asks_leaves_the_conflict_in_the_lock(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url)
    repository.branch("theirs", "alpha", "beta<2")
    repository.branch("ours", "alpha", "beta<3")

    merged = repository.merge("theirs")

    conflicted(repository, merged)


@pytest.mark.parametrize("driver", [True, False])
def test_a_rebase_stops_and_resolve_mends_the_lock_from_both_sides(
    index: TinyIndex, tmp_path: Path, driver: bool
) -> None:
    repository = Repository(tmp_path / "project", index.url, driver=driver)
    repository.branch("theirs", "alpha", "delta")
    repository.branch("ours", "alpha", "beta")
    index.wheel("beta", "1.1")
    index.wheel("delta", "1.1")

    rebased = repository.git("rebase", "theirs", check=False)
    conflicted(repository, Result(code=rebased.code, stdout=rebased.stdout, stderr=rebased.stderr))
    mended = repository.project.run("resolve")
    repository.git("add", "-A")
    repository.git("rebase", "--continue", env={"GIT_EDITOR": "true"})

    assert mended.code == 0, mended.stderr
    assert repository.project.locked("pipeline") == dict.fromkeys(("alpha", "beta", "delta", "common"), "1.0")
    assert repository.project.run("resolve", "--check").code == 0


def test_the_pins_of_markers_alone_are_kept_where_git_is_not_at_hand(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url, driver=False)
    repository.branch("theirs", "alpha", "delta")
    repository.branch("ours", "alpha", "beta")
    repository.git("config", "merge.conflictStyle", "diff3")
    conflicted(repository, repository.merge("theirs"))
    index.wheel("beta", "1.1")
    index.wheel("delta", "1.1")
    shutil.rmtree(repository.top / ".git")

    mended = repository.project.run("resolve")

    assert mended.code == 0, mended.stderr
    assert repository.project.locked("pipeline") == dict.fromkeys(("alpha", "beta", "delta", "common"), "1.0")


def test_called_by_hand_it_is_an_error_without_a_traceback(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url)
    lock = repository.project.lock_path("pipeline").read_bytes()
    for name in ("base", "ours", "theirs"):
        (tmp_path / name).write_bytes(lock)
    files = [str(tmp_path / name) for name in ("base", "ours", "theirs")]

    result = repository.project.run("merge-driver", *files, "lockfiles/pylock.pipeline.toml")

    assert result.code == 1
    assert "zlock can't tell which commits are being merged" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("side", ["theirs", "ours"])
def test_a_side_that_is_no_text_is_named(index: TinyIndex, tmp_path: Path, side: str) -> None:
    repository = Repository(tmp_path / "project", index.url)
    repository.branch("theirs", "alpha", "beta")
    repository.branch("ours", "alpha", "delta")
    repository.git("checkout", "-q", side)
    repository.project.lock_path("pipeline").write_bytes(b"\xff\n")
    repository.commit("broken")
    repository.git("checkout", "-q", "ours")

    merged = repository.merge("theirs")

    assert merged.code == 1
    assert "error: one side of `lockfiles/pylock.pipeline.toml` can't be read\n  it is not valid UTF-8" in merged.stderr


def test_an_error_in_what_is_merged_names_the_file_of_the_repository(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url)
    for branch, asked, python in (("theirs", "delta", "3.11"), ("ours", "beta", "3.13")):
        repository.branch(branch, "alpha", asked)
        repository.project.write(
            "zlock.toml", (repository.project.folder / "zlock.toml").read_text().replace(PYTHON, python)
        )
        repository.resolve()
        repository.commit(python)

    merged = repository.merge("theirs")

    assert merged.code == 1
    assert "error: `zlock.toml` is not valid TOML" in merged.stderr
    assert "in the files as the merge leaves them" in merged.stderr
    assert "zlock-merge-" not in merged.stderr


def test_the_lock_of_an_environment_of_hatch_names_the_command_that_mends_it(index: TinyIndex, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project", index.url)
    lock = repository.project.lock_path("pipeline")
    text = lock.read_text(encoding="utf-8")
    owned = text.replace('step = "pipeline"', 'step = "test"\npipeline = "pyproject.toml:hatch.envs.test"')
    sides = [repository.project.write(name, owned) for name in ("base", "ours", "theirs")]

    result = repository.project.run("merge-driver", *map(str, sides), "pylock.test.toml")

    assert result.code == 1
    assert result.stderr == (
        "error: `pylock.test.toml` is the lock of an environment of hatch, which no step has\n"
        "hint: `hatch env lock test` mends it, once all else is merged\n"
    )


def test_a_conflict_of_a_requirements_file_is_one_error_that_says_what_comes_first(
    index: TinyIndex, tmp_path: Path
) -> None:
    repository = Repository(tmp_path / "project", index.url)
    repository.project.write("requirements.txt", "<<<<<<< HEAD\nalpha\n=======\nalpha>=1\n>>>>>>> other\n")

    result = repository.project.run("resolve")

    assert result.code == 2
    assert result.stderr.startswith("error: requirements file `requirements.txt` has a merge conflict at line 1\n")
    assert result.stderr.endswith("hint: resolve that first, then run `zlock resolve`\n")
    assert result.stderr.count("error:") == 1
