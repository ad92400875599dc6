"""Of what fails for an image, steps and the place of the whole log are told; once it is built, the log is gone."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.images import planned
from zlock.errors import OutsideFailed
from zlock.image.builders.builder import Image, ImageBuildFailed
from zlock.process import CommandStopped, Watch
from zlock.reporting import Line
from zlock.workflow.images.build_logs import Logged

PLAN = planned(step="train")
IMAGE = Image(digest="sha256:0", key=PLAN.key, place="buildah", built=True)


def run(folder: Path, lines: Sequence[str], error: Exception | None = None) -> Image:
    """Build an image that prints lines, and fails if there is an error."""

    def work(watch: Watch) -> Image:
        for line in lines:
            watch.reporter(Line(line))
        if error is not None:
            raise error
        return IMAGE

    return Logged(work, PLAN, folder)(Watch())


def failure(folder: Path, lines: Sequence[str], error: Exception) -> OutsideFailed:
    with pytest.raises(OutsideFailed) as caught:
        run(folder, lines, error)
    return caught.value


def test_a_log_that_is_longer_than_what_is_shown_is_kept_whole_without_credentials(tmp_path: Path) -> None:
    lines = [*map(str, range(100)), "from https://me:hush@index.example/"]

    error = failure(tmp_path / "logs", lines, ImageBuildFailed("no", context=lines[-2:], hint="look above"))

    file = tmp_path / "logs" / f"{PLAN.tag}.log"
    assert file.read_text(encoding="utf-8").splitlines() == [*lines[:-1], "from https://index.example/"]
    assert error.hint == f"look above; the whole log is in `{file}`"


def test_a_log_that_is_shown_whole_is_not_kept(tmp_path: Path) -> None:
    error = failure(
        tmp_path / "logs", ["one", "", "two"], ImageBuildFailed("no", context=["one", "two"], hint="look above")
    )

    assert not (tmp_path / "logs").exists()
    assert error.hint == "look above"


def test_the_log_of_a_failure_is_gone_once_the_image_is_built(tmp_path: Path) -> None:
    failure(tmp_path, list("abcd"), ImageBuildFailed("no"))
    assert list(tmp_path.iterdir())

    assert run(tmp_path, ["fine"]) == IMAGE
    assert not list(tmp_path.iterdir())


def test_a_log_that_can_not_be_written_does_not_hide_the_failure(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be", encoding="utf-8")

    error = failure(tmp_path / "logs", list("abcd"), ImageBuildFailed("no", hint="look above"))

    assert (error.message, error.hint) == ("no", "look above")


def test_what_the_system_refuses_is_the_failure_of_one_image(tmp_path: Path) -> None:
    error = failure(tmp_path, [], OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    assert error.message == "the image can't be made: No space left on device"
    assert error.exit_code == 3


def test_a_build_that_was_stopped_has_not_failed(tmp_path: Path) -> None:
    error = failure(tmp_path, list("abcd"), CommandStopped("stopped"))

    assert error.context == ()
    assert not list(tmp_path.iterdir())
