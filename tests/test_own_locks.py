"""zlock locks itself: the locks of this project's own environments are current, and name no host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.environment import clean_environment

ROOT = Path(__file__).parent.parent


def test_the_locks_of_this_project_are_current(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "zlock", "resolve", "--check", "--offline", "--project", str(ROOT)]

    done = subprocess.run(command, cwd=tmp_path, env=clean_environment(tmp_path), capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("lock", sorted((ROOT / "lockfiles").glob("pylock.*.toml")), ids=lambda path: path.name)
def test_the_locks_of_this_project_name_no_host(lock: Path) -> None:
    assert "://" not in lock.read_text(encoding="utf-8")


def test_each_environment_has_a_lock() -> None:
    assert {path.name for path in (ROOT / "lockfiles").iterdir()} == {
        "pylock.docs.toml",
        "pylock.lint.toml",
        "pylock.test.toml",
        "pylock.zenml.toml",
        "pylock.zenml-oldest.toml",
    }
