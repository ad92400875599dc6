"""What the wheel and the sdist of zlock contain."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both with the real backend, from the sdist to the wheel as an index would have it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [uv.find_uv_bin(), "build", "--no-build-isolation", "--offline", "--quiet", "--python", sys.executable]
    subprocess.run([*command, "--out-dir", folder, ROOT], check=True, capture_output=True, text=True)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()

    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"zlock"}
    expected = {f"zlock/{path.relative_to(ROOT / 'resolver/zlock').as_posix()}" for path in source_files()}
    assert {name for name in names if name.startswith("zlock/")} == expected
    assert {"zlock/py.typed", "zlock/sources/catalogue.json"} <= set(names)


def test_the_sdist_holds_what_a_packager_needs_to_build_and_test(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}

    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO"} <= names
    assert {"resolver/zlock/__init__.py", "tests/test_distribution.py", "tests/support/wheels.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_declares_its_command_and_licence(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")).rpartition("/")[0]
        metadata = wheel.read(f"{info}/METADATA").decode()
        entry_points = wheel.read(f"{info}/entry_points.txt").decode()

    assert "zlock = zlock.cli:main" in entry_points
    assert "License-Expression: MIT" in metadata
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def source_files() -> list[Path]:
    package = ROOT / "resolver/zlock"
    return [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
