"""What a lock records of the files that ask, and how a change of theirs is found without running any."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from support.images import locked
from zlock.lock.declared import AskingFiles, digest_of_files
from zlock.lock.facts import Facts
from zlock.lock.question import digest_of
from zlock.model.form import plain

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


def record(folder: Path, *asking: Path, step: str = "train") -> Facts:
    found = AskingFiles(folder).declared(asking or files(folder), step)
    return locked(step=step, declared=digest_of_files(found), **{"declared-files": plain(found)}).facts


def changes(facts: Facts, folder: Path, *asking: Path) -> list[str]:
    return list(AskingFiles(folder).undeclared(facts, asking))


def test_files_are_recorded_by_their_place_and_those_outside_by_their_name(folder: Path) -> None:
    own = record(folder)

    names = [{"path": row.get("path"), "name": row.get("name")} for row in plain(own)["declared-files"]]
    assert names == [
        {"path": "requirements/train.txt", "name": None},
        {"path": None, "name": "shared.txt"},
        {"path": "zlock.toml", "name": None},
    ]


def test_the_record_is_the_same_in_another_place_and_order(folder: Path, tmp_path: Path) -> None:
    own = record(folder)
    moved = tmp_path / "elsewhere" / "project"
    moved.parent.mkdir()
    folder.rename(moved)
    (tmp_path / "shared.txt").rename(moved.parent / "shared.txt")

    assert record(moved, *reversed(files(moved))) == own


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


def test_a_file_that_is_behind_a_link_now_is_named_as_such(folder: Path) -> None:
    """Be it the file or its folder, in the project or not."""
    own = record(folder)
    (folder / "zlock.toml").unlink()
    (folder / "own.toml").write_text('python = "3.12"\n')
    (folder / "zlock.toml").symlink_to("own.toml")
    (folder / "requirements").rename(folder.parent / "requirements")
    (folder / "requirements").symlink_to(folder.parent / "requirements")

    assert changes(own, folder) == [
        "`own.toml` was not there",
        "`requirements/train.txt` is reached through a link",
        "`zlock.toml` is reached through a link",
    ]


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
    own = record(folder, path)
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
    own = record(folder, *files(folder), folder / "pipeline.py")
    path = folder / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))

    assert changes(own, folder) == ([f"`{file}` changed"] if outdates else [])


STEPS = """
python = "3.12"
[steps.train.docker]
requirements = ["alpha"]
[steps.serve.docker]
requirements = ["beta"]
"""


@pytest.mark.parametrize(
    ("change", "outdated"),
    [
        (("beta", "gamma"), ["serve", "scoring-serve"]),
        (("[steps.serve.docker]", "[steps.serving.docker]"), ["serve", "scoring-serve"]),
        (("[steps.train.docker]", "[steps.fit.docker]\nuser = 'x'\n[steps.train.docker]"), []),
        (('python = "3.12"', 'python = "3.13"'), ["train", "serve", "scoring-serve", "other"]),
    ],
)
@pytest.mark.parametrize("file", ["zlock.toml", "pyproject.toml"])
def test_of_the_configuration_what_concerns_a_step_counts(
    tmp_path: Path, file: str, change: tuple[str, str], outdated: list[str]
) -> None:
    """The lock of a step may have the name of its pipeline in front."""
    place = tmp_path / file

    def write(text: str) -> None:
        place.write_text(text if file == "zlock.toml" else "[tool.zlock]" + text.replace("[steps", "[tool.zlock.steps"))

    write(STEPS)
    recorded = [record(tmp_path, place, step=step) for step in ("train", "serve", "scoring-serve", "other")]
    write(STEPS.replace(*change))

    assert [one.step for one in recorded if changes(one, tmp_path, place)] == outdated


def test_the_tables_of_all_steps_that_earlier_versions_recorded_are_still_what_a_configuration_says(
    tmp_path: Path,
) -> None:
    place = tmp_path / "zlock.toml"
    place.write_text(STEPS)
    digest = digest_of(tomllib.loads(STEPS))
    rows = [one._replace(digest=digest) for one in AskingFiles(tmp_path).declared([place], "train")]
    own = locked(step="train", declared=digest_of_files(rows), **{"declared-files": plain(rows)}).facts

    assert changes(own, tmp_path, place) == []
    place.write_text(STEPS.replace("beta", "gamma"))
    assert changes(own, tmp_path, place) == ["`zlock.toml` changed"]


def test_the_bytes_that_earlier_versions_recorded_are_still_what_a_file_says(folder: Path) -> None:
    found = {file.name: file for file in AskingFiles(folder).declared(files(folder), "train")}
    for name in ("zlock.toml", "requirements/train.txt"):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert found[name].digest != f"sha256:{digest}"
        found[name] = found[name]._replace(digest=f"sha256:{digest}")
    rows = sorted(found.values())
    own = locked(declared=digest_of_files(rows), **{"declared-files": plain(rows)}).facts

    assert changes(own, folder) == []
    (folder / "zlock.toml").write_bytes(b'python = "3.12"\r\n')
    assert changes(own, folder) == []
    (folder / "zlock.toml").write_text('python = "3.12"  # which\n')
    assert changes(own, folder) == ["`zlock.toml` changed"]


METADATA = '# /// script\n# dependencies = ["alpha"]\n# [tool.ruff]\n# line-length = 100\n# ///\n'
STEP = "from zlock import step\n@step\ndef train(): ...\n"


@pytest.mark.parametrize(
    ("before", "after", "is_changed"),
    [
        (
            METADATA + "a = 1\n",
            METADATA.replace("100", "80") + "a = 2  # the code of a script asks for nothing\n",
            False,
        ),
        (METADATA, METADATA.replace("alpha", "beta"), True),
        (METADATA, "a = 1\n", True),
        (METADATA + STEP, METADATA.replace("alpha", "beta") + STEP, True),
        (METADATA + STEP, METADATA + STEP + "a = 1\n", True),
    ],
)
def test_of_a_script_its_metadata_counts(tmp_path: Path, before: str, after: str, is_changed: bool) -> None:
    script = tmp_path / "train.py"
    script.write_text(before)
    facts = record(tmp_path, script)
    script.write_text(after)

    assert changes(facts, tmp_path, script) == (["`train.py` changed"] if is_changed else [])


def test_a_lock_of_an_earlier_version_records_a_pipeline_file_without_its_metadata(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.py"
    file.write_text(STEP)
    facts = record(tmp_path, file)
    file.write_text(METADATA + STEP)

    assert changes(facts, tmp_path, file) == []
