"""How an application finds the locks that a build attached to it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import zlock
from support.wheels import make_wheel
from zlock.errors import InvalidInput, NoAnswer

LOCK = b"[tool.zlock]\n"
METADATA = "acme_model-1.0.dist-info/extra_metadata"


def install(tmp_path: Path, files: dict[str, bytes]) -> Path:
    """Unpack a wheel with these files into a folder, which is all that an installation is."""
    folder = tmp_path / "site"
    with zipfile.ZipFile(make_wheel(tmp_path, "acme-model", "1.0", files=files)) as wheel:
        wheel.extractall(folder)
    return folder


@pytest.mark.parametrize("name", ["acme-model", "Acme.Model"])
@pytest.mark.parametrize("place", [METADATA, f"{METADATA}/deeper", "acme_model/lockfiles"])
def test_locks_are_found_wherever_the_hook_attached_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, name: str
) -> None:
    files = {f"{place}/pylock.{step}.toml": LOCK for step in ("train", "report")}
    folder = install(tmp_path, files)
    monkeypatch.syspath_prepend(folder)

    found = zlock.locks_of(name)
    assert list(found) == ["report", "train"]
    assert str(found["train"]) == str(folder / place / "pylock.train.toml")
    assert found["train"].read_bytes() == LOCK


def test_a_lock_that_is_gone_from_an_installation_is_an_error_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install(tmp_path, {f"{METADATA}/pylock.train.toml": LOCK})
    (folder / METADATA / "pylock.train.toml").unlink()
    monkeypatch.syspath_prepend(folder)

    with pytest.raises(NoAnswer, match="with the distribution `acme-model` can't be read") as raised:
        zlock.locks_of("acme-model")

    assert raised.value.hint == "install it again"


def test_locks_of_other_tools_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {f"{METADATA}/pylock.toml": LOCK, "acme_model/pylock.other.toml": b'lock-version = "1.0"\n'}
    monkeypatch.syspath_prepend(install(tmp_path, others))

    with pytest.raises(NoAnswer, match="the distribution `acme-model` holds no locks"):
        zlock.locks_of("acme-model")


def test_the_package_of_a_script_is_no_distribution() -> None:
    package: Any = None  # as `__package__` is there

    with pytest.raises(InvalidInput, match="the distribution `None` is not installed here"):
        zlock.locks_of(package)


@pytest.mark.parametrize("name", ["acme-modle", ""])
def test_a_distribution_that_is_not_there_is_named_with_close_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(install(tmp_path, {}))
    with pytest.raises(InvalidInput, match=f"the distribution `{name}` is not installed here") as caught:
        zlock.locks_of(name)

    assert "`acme-model`" in caught.value.hint or not name


def test_importing_zlock_does_not_load_what_finds_locks() -> None:
    program = "import sys, zlock; print(*(name for name in sys.modules if name.startswith('zlock')))"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "zlock\n"
