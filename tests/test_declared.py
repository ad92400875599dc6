"""What a lock records of the files that ask, and how a change of theirs is found without running any."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from zlock.lock.declared import declared_files, declared_table, recorded_files, redeclare, undeclared
from zlock.lock.toml import dumps

PYPROJECT = """
[project]
name = "ours"
version = "1.0"
dependencies = ["alpha"]
[tool.zlock]
exclude-newer = 2026-01-01
[tool.ruff]
line-length = 100
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with two files that ask, beside a third one outside."""
    folder = tmp_path / "project"
    (folder / "requirements").mkdir(parents=True)
    (folder / "zlock.toml").write_text('python = "3.12"\n')
    (folder / "requirements" / "train.txt").write_text("alpha\nbeta\n")
    (tmp_path / "shared.txt").write_text("gamma\n")
    return folder


def files(folder: Path) -> list[Path]:
    return [folder / "zlock.toml", folder / "requirements" / "train.txt", folder.parent / "shared.txt"]


def record(folder: Path) -> dict[str, Any]:
    return tomllib.loads(dumps(declared_table(declared_files(files(folder), folder))))


def changes(own: dict[str, Any], folder: Path, *asking: Path) -> list[str]:
    return list(undeclared(own, folder, asking))


def test_files_are_recorded_by_their_place_and_those_outside_by_their_name(folder: Path) -> None:
    own = record(folder)

    names = [(row.get("path"), row.get("name")) for row in own["declared-files"]]
    assert names == [("requirements/train.txt", None), (None, "shared.txt"), ("zlock.toml", None)]
    assert own["declared"].startswith("sha256:")


def test_the_record_is_the_same_in_another_place_and_order(folder: Path, tmp_path: Path) -> None:
    own = record(folder)
    moved = tmp_path / "elsewhere" / "project"
    moved.parent.mkdir()
    folder.rename(moved)
    (tmp_path / "shared.txt").rename(moved.parent / "shared.txt")

    assert declared_table(declared_files(reversed(files(moved)), moved)) == own


def test_nothing_changed_is_seen_without_the_files_outside(folder: Path) -> None:
    own = record(folder)
    (folder.parent / "shared.txt").unlink()

    assert changes(own, folder, folder / "zlock.toml") == []


def test_a_checkout_with_other_line_ends_says_the_same(folder: Path) -> None:
    own = record(folder)
    (folder / "requirements" / "train.txt").write_bytes(b"alpha\r\nbeta\r\n")

    assert changes(own, folder) == []


def test_what_changed_is_named_file_by_file(folder: Path) -> None:
    own = record(folder)
    (folder / "requirements" / "train.txt").unlink()
    (folder / "zlock.toml").write_text('python = "3.13"\n')
    (folder / "pyproject.toml").write_text("[tool.zlock]\n")

    found = changes(own, folder, folder / "zlock.toml", folder / "pyproject.toml")
    assert found == ["`pyproject.toml` was not there", "`requirements/train.txt` is gone", "`zlock.toml` changed"]


def test_a_file_that_became_a_link_out_of_the_project_is_gone(folder: Path) -> None:
    own = record(folder)
    (folder / "zlock.toml").unlink()
    (folder / "zlock.toml").symlink_to(folder.parent / "shared.txt")

    assert changes(own, folder) == ["`zlock.toml` is gone"]


@pytest.mark.parametrize(
    ("before", "after", "outdates"),
    [
        ('version = "1.0"', 'version = "1.1"', False),
        ("line-length = 100", "line-length = 120", False),
        ('dependencies = ["alpha"]', '# why\ndependencies = [ "alpha" ]', False),
        ('dependencies = ["alpha"]', 'dependencies = ["beta"]', True),
        ("exclude-newer = 2026-01-01", "exclude-newer = 2026-01-02", True),
        ('[project]\nname = "ours"', "[project", True),
    ],
)
def test_a_pyproject_counts_with_what_it_asks(folder: Path, before: str, after: str, *, outdates: bool) -> None:
    path = folder / "pyproject.toml"
    path.write_text(PYPROJECT)
    own = declared_table(declared_files([path], folder))
    assert before in PYPROJECT
    path.write_text(PYPROJECT.replace(before, after))

    assert changes(own, folder) == (["`pyproject.toml` changed"] if outdates else [])


@pytest.mark.parametrize(
    ("file", "before", "after", "outdates"),
    [
        ("zlock.toml", 'python = "3.12"', '# why\n\npython="3.12" # which', False),
        ("zlock.toml", 'python = "3.12"', 'python = "3.13"', True),
        ("zlock.toml", 'python = "3.12"', "python = # none", True),
        ("requirements/train.txt", "alpha", "# why\n\nalpha  # which", False),
        ("requirements/train.txt", "alpha\n", "alpha \\\n", True),
        ("requirements/train.txt", "alpha", "alpha#egg", True),
        ("pipeline.py", "pass", "return 1  # now", False),
        ("pipeline.py", "step", "other", True),
        ("pipeline.py", "def train", "def", True),
    ],
)
def test_comments_blank_lines_and_what_steps_do_are_no_change(
    folder: Path, file: str, before: str, after: str, *, outdates: bool
) -> None:
    (folder / "pipeline.py").write_text("from zlock import step\n\n@step\ndef train():\n    pass\n")
    own = declared_table(declared_files([*files(folder), folder / "pipeline.py"], folder))
    path = folder / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))

    assert changes(own, folder) == ([f"`{file}` changed"] if outdates else [])


def test_the_bytes_that_earlier_versions_recorded_are_still_what_a_file_says(folder: Path) -> None:
    found = {file.name: file for file in declared_files(files(folder), folder)}
    for name in ("zlock.toml", "requirements/train.txt"):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert found[name].digest != f"sha256:{digest}"
        found[name] = found[name]._replace(digest=f"sha256:{digest}")
    own = declared_table(sorted(found.values()))

    assert changes(own, folder) == []
    (folder / "zlock.toml").write_bytes(b'python = "3.12"\r\n')
    assert changes(own, folder) == []
    (folder / "zlock.toml").write_text('python = "3.12"  # which\n')
    assert changes(own, folder) == ["`zlock.toml` changed"]


def test_a_lock_that_records_no_files_gets_them(folder: Path) -> None:
    now = declared_files(files(folder), folder)
    own = {"step": "train", "declared": "sha256:0", "packages": 0}

    text = redeclare(dumps({"tool": {"zlock": own}}), now)
    assert text == dumps({"tool": {"zlock": {"step": "train", **declared_table(now), "packages": 0}}})


def test_a_lock_is_declared_anew_without_touching_anything_else(folder: Path) -> None:
    own = {"step": "train", **declared_table(declared_files(files(folder), folder)), "packages": 0}
    (folder / "zlock.toml").write_text('python = "3.13"\n')
    now = declared_files(files(folder)[:2], folder)
    text = redeclare(dumps({"tool": {"zlock": own}}), now)

    assert text == dumps({"tool": {"zlock": {"step": "train", **declared_table(now), "packages": 0}}})
    assert recorded_files(tomllib.loads(text)["tool"]["zlock"]) == now
