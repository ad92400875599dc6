"""Locks on disk: read with every check, written whole or not at all."""

from __future__ import annotations

import os
import random
import re
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from zlock.errors import InvalidLock, OutsideFailed
from zlock.lock.document import build
from zlock.lock.environments import Answer
from zlock.lock.identity import resign
from zlock.lock.question import Question
from zlock.lock.store import ConflictedLock, ExistingLock, existing_steps, lock_path, read_lock
from zlock.lock.writing import write_all
from zlock.model.requirement import Asked
from zlock.model.target import Target
from zlock.reporting import unheard


def lock_text(step: str = "train", requirement: str = "alpha") -> str:
    """Return a lock without packages; what matters here is that it is signed."""
    question = Question(
        step=step,
        targets=(Target.parse("3.12"),),
        asked=(Asked(source="explicit", described="", requirements=(requirement, "beta")),),
    )
    answers: list[Answer] = [(question.targets[0], [])]
    made = build(question, answers, declared=(), pipeline="", project=Path("/p"), lock_folder=Path("/p/lockfiles"))
    return made.render()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock in a folder of locks."""
    path = lock_path(tmp_path / "lockfiles", "train")
    path.parent.mkdir()
    path.write_text(lock_text(), encoding="utf-8")
    return path


def refusal(path: Path) -> InvalidLock:
    with pytest.raises(InvalidLock) as caught:
        read_lock(path)
    return caught.value


def test_what_was_written_is_read(lock: Path) -> None:
    found = read_lock(lock)

    assert found is not None
    assert found.facts.step == "train"
    assert found.render() == lock_text()


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "pylock.train.toml") is None


def test_a_lock_with_windows_line_ends_is_the_same_lock(lock: Path) -> None:
    """As a checkout with `autocrlf` makes it."""
    lock.write_bytes(lock.read_bytes().replace(b"\n", b"\r\n"))

    assert read_lock(lock) is not None


def test_a_lock_cut_at_any_byte_is_refused(lock: Path) -> None:
    whole = lock.read_bytes()
    for length in range(len(whole) - 1):
        lock.write_bytes(whole[:length])

        error = refusal(lock)
        assert error.message == "the lock `pylock.train.toml` was cut short or edited"
        assert "run `zlock resolve`" in error.hint


def test_a_line_end_more_at_the_end_is_no_damage(lock: Path) -> None:
    """Editors leave one there."""
    whole = lock.read_text(encoding="utf-8")
    lock.write_text(f"{whole}\n", encoding="utf-8")
    read = read_lock(lock)
    lock.write_text(f"{whole}\n\n", encoding="utf-8")

    assert read is not None
    assert "cut short or edited" in refusal(lock).message


def test_random_damage_is_refused_and_never_a_traceback(lock: Path) -> None:
    """Bytes replaced, taken out, doubled and moved; where the text is the same in the end it may be read."""
    whole = lock.read_bytes()
    for seed in range(1500):
        randomness = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(randomness.randrange(1, 4)):
            start, length = randomness.randrange(len(damaged)), randomness.randrange(1, 40)
            piece = damaged[start : start + length]
            change = randomness.choice([b"", piece * 2, bytes(randomness.choices(b'"[]{}=.\n 0a\xff', k=length))])
            damaged[start : start + length] = change
        lock.write_bytes(damaged)
        if bytes(damaged) != whole:
            refusal(lock)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tool = 5",
        "tool.zlock = 5",
        "[tool.zlock]\nformat = 'x'",
        "[tool.zlock]\nformat = inf",
        "packages = 5\n[tool.zlock]\nformat = 1\npackages = 1",
        "packages = [5]\n[tool.zlock]\nformat = 1\npackages = 1",
        "a = " + "[" * 5000,
        'lock-version = "1.0"\npackages = []\n',
    ],
)
def test_other_toml_is_refused(lock: Path, text: str) -> None:
    """Even where it is signed: there is nothing to be had from it."""
    lock.write_text(text, encoding="utf-8")

    assert "cut short or edited" in refusal(lock).message


def test_a_lock_of_another_tool_is_named_as_such(lock: Path) -> None:
    lock.write_text('lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n', encoding="utf-8")

    with pytest.raises(InvalidLock) as caught:
        read_lock(lock)
    assert caught.value.message == "`pylock.train.toml` is a lock of another tool: it says that it was created by `uv`"
    assert caught.value.hint == "move it away, or set another `lock-dir`"


def test_packages_that_are_not_those_of_the_identity_are_refused_even_where_the_text_is_signed(lock: Path) -> None:
    lock.write_text(resign(re.sub(r'(?<=identity = "sha256:)[0-9a-f]{8}', "0" * 8, lock_text())), encoding="utf-8")

    assert refusal(lock).context == ("its packages differ from what was locked",)


@pytest.mark.parametrize("before_and_after", [("format = 2", "format = 3"), ('version = "1.0"', 'version = "2.0"')])
def test_a_newer_format_asks_for_an_upgrade(lock: Path, before_and_after: tuple[str, str]) -> None:
    lock.write_text(resign(lock_text().replace(*before_and_after)), encoding="utf-8")

    assert "newer format" in refusal(lock).message
    assert refusal(lock).hint == "upgrade zlock to read it"


def test_a_newer_minor_version_of_the_standard_is_read(lock: Path) -> None:
    lock.write_text(resign(lock_text().replace('version = "1.0"', 'version = "1.1"')), encoding="utf-8")

    assert read_lock(lock) is not None


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> theirs", "||||||| base"])
def test_conflict_markers_are_named_with_their_line(lock: Path, marker: str) -> None:
    lines = lock_text().splitlines()
    lines.insert(4, marker)
    lock.write_text("\n".join(lines), encoding="utf-8")
    error = refusal(lock)

    assert isinstance(error, ConflictedLock)
    assert "merge conflict at line 5" in error.message


def test_a_folder_and_what_is_no_text_are_refused(tmp_path: Path) -> None:
    path = lock_path(tmp_path, "train")
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal(path).context == ("it is not valid UTF-8",)
    path.unlink()
    path.mkdir()
    assert refusal(path).context == ("is a directory",)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_lock_that_may_not_be_read_is_not_said_to_be_damaged(lock: Path) -> None:
    lock.chmod(0)

    with pytest.raises(InvalidLock) as raised:
        read_lock(lock)

    assert (raised.value.context, raised.value.hint) == (("permission denied",), f"let your user read `{lock}`")


def test_a_link_to_nothing_and_a_loop_are_refused(tmp_path: Path) -> None:
    path = lock_path(tmp_path, "train")
    path.symlink_to(tmp_path / "nothing")
    assert refusal(path).context == ("it is a link to nothing",)
    path.unlink()
    path.symlink_to(path)
    assert refusal(path).context


# Writing


def write(project: Path, texts: dict[str, str], remove: tuple[str, ...] = ()) -> None:
    folder = project / "lockfiles"
    paths = {lock_path(folder, step): text for step, text in texts.items()}
    write_all(paths, tuple(lock_path(folder, step) for step in remove), project=project, reporter=unheard)


def everything(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_locks_are_written_and_removed_and_nothing_is_left_beside_them(lock: Path) -> None:
    project = lock.parent.parent
    write(project, {"load": lock_text("load")}, remove=("train",))

    assert everything(lock.parent) == {"pylock.load.toml": lock_text("load")}


def test_the_mode_of_a_lock_is_kept_and_a_new_one_has_the_usual(lock: Path) -> None:
    lock.chmod(0o640)
    old = os.umask(0o027)
    try:
        write(lock.parent.parent, {"train": "new", "load": "new"})
    finally:
        os.umask(old)

    assert stat.S_IMODE(lock.stat().st_mode) == 0o640
    assert stat.S_IMODE(lock_path(lock.parent, "load").stat().st_mode) == 0o640


def test_a_second_lock_that_can_not_be_staged_leaves_the_first_as_it_was(lock: Path) -> None:
    """Its text can't be encoded, as a full disk would end the writing half-way."""
    before = everything(lock.parent)
    with pytest.raises(UnicodeEncodeError):
        write(lock.parent.parent, {"train": "new", "other": "\ud800"})

    assert everything(lock.parent) == before


def test_a_folder_in_place_of_a_lock_is_an_error_that_says_what_was_changed(lock: Path) -> None:
    lock_path(lock.parent, "zz").mkdir()
    with pytest.raises(OutsideFailed) as caught:
        write(lock.parent.parent, {"train": "new", "zz": "new"})

    assert caught.value.context == ("changed before that: `pylock.train.toml`",)
    assert sorted(path.name for path in lock.parent.iterdir()) == ["pylock.train.toml", "pylock.zz.toml"]


def test_a_file_in_place_of_the_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "lockfiles").write_text("", encoding="utf-8")
    with pytest.raises(OutsideFailed, match="could not be written"):
        write(tmp_path, {"train": "new"})


def test_what_a_killed_run_staged_is_removed_by_the_next(lock: Path) -> None:
    (lock.parent / ".zlock-staged-1-x").write_text("half", encoding="utf-8")
    write(lock.parent.parent, {"train": "new"})

    assert everything(lock.parent) == {"pylock.train.toml": "new"}


@pytest.mark.parametrize("what", ["lock", "folder"])
def test_links_out_of_the_project_are_refused(tmp_path: Path, what: str) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    if what == "folder":
        (project / "lockfiles").symlink_to(outside)
    else:
        (project / "lockfiles").mkdir()
        lock_path(project / "lockfiles", "train").symlink_to(outside / "victim")
    with pytest.raises(InvalidLock, match="through a link out of the project"):
        write(project, {"train": "new"})

    assert not list(outside.iterdir())


def test_a_link_inside_the_project_is_followed_and_stays(lock: Path) -> None:
    real = lock.parent.parent / "real.toml"
    lock.rename(real)
    lock.symlink_to(real)
    write(lock.parent.parent, {"train": "new"})

    assert lock.is_symlink()
    assert real.read_text(encoding="utf-8") == "new"


def test_writers_side_by_side_leave_whole_locks_of_one_of_them(tmp_path: Path) -> None:
    """Each writes two locks; in the end both are of the same writer."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            for _ in range(10):
                write(tmp_path, {"a": f"{number}" * 9999, "b": f"{number}" * 9999})
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    texts = everything(tmp_path / "lockfiles")
    assert failures == []
    assert set(texts) == {"pylock.a.toml", "pylock.b.toml"}
    assert len(set(texts.values())) == 1


def test_only_locks_of_zlock_count_as_existing(lock: Path) -> None:
    folder = lock.parent
    files: dict[str, Any] = {"pylock.toml": lock_text(), "pylock.a.b.toml": lock_text(), "pylock.other.toml": "a = 1"}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "pylock.folder.toml").mkdir()

    assert existing_steps(folder) == {"train": ExistingLock(lock, "", lock_text())}
    assert existing_steps(folder / "nowhere") == {}
