"""Environments made by uv, and locks installed into them by uv and by pip as their users do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

import tomli_w
import uv
from packaging.utils import canonicalize_name

from support.environment import clean_environment
from support.project import Result


def make_venv(folder: Path, *, python: str = sys.executable) -> Path:
    """Make an empty environment, without pip, and return the path of its interpreter."""
    _succeed(run_uv("venv", "--python", python, str(folder), home=folder.parent))
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def make_plain_venv(folder: Path) -> Path:
    """Make an environment as images have it: Python's own `venv` leaves nothing beside the packages, and uv does."""
    python = make_venv(folder)
    for path in folder.glob("lib/python3.*/site-packages/_virtualenv.*"):
        path.unlink()
    return python


def install_with_uv(python: Path, lock: Path, *, options: Sequence[str] = ()) -> None:
    """Make the environment equal to a lock with `uv pip sync`; nothing is cached."""
    command = ("pip", "sync", "--no-cache", "--python", str(python), *options, str(lock))
    _succeed(run_uv(*command, home=python.parents[2]))


def install_with_pip(python: Path, lock: Path, *, options: Sequence[str] = ()) -> None:
    """Install a lock with `pip install -r`, by the pip of the running interpreter (26.1 or later)."""
    command = ("--python", str(python), "install", "--no-cache-dir", *options, "-r", str(lock))
    _succeed(run_pip(*command, home=python.parents[2]))


def install_with_pdm(python: Path, lock: Path) -> None:
    """Make the environment equal to a lock with `pdm sync`, in a project beside it that asks for what it pins."""
    project = python.parents[2] / "pdm"
    project.mkdir()
    (project / "pylock.toml").write_bytes(lock.read_bytes())
    (project / ".pdm-python").write_text(str(python), encoding="utf-8")
    minor = f">=3.{sys.version_info.minor}"
    table = {"name": "ours", "version": "1", "requires-python": minor, "dependencies": []}
    (project / "pyproject.toml").write_text(tomli_w.dumps({"project": table}), encoding="utf-8")
    (project / "pdm.toml").write_text('[lock]\nformat = "pylock"\n', encoding="utf-8")
    options = ("sync", "--project", str(project), "--lockfile", str(project / "pylock.toml"), "--no-self")
    _succeed(_run([sys.executable, "-m", "pdm", *options], python.parents[2], {"PDM_CHECK_UPDATE": "0"}))


def installed(python: Path) -> dict[str, str]:
    """Return version by normalized name of what is installed in an environment; nothing of it is run."""
    root = python.parents[1]
    found = distributions(path=[str(path) for path in [*root.glob("lib/*/site-packages"), root / "Lib/site-packages"]])
    return {canonicalize_name(each.metadata["Name"]): each.version for each in found}


def pip_check(python: Path) -> None:
    """Fail with what pip says unless all that is installed has what it requires."""
    _succeed(run_pip("--python", str(python), "check", home=python.parents[2]))


def run_pip(*arguments: str, home: Path) -> Result:
    """Run the pip of the running interpreter without any settings of the machine."""
    environment = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    return _run([sys.executable, "-m", "pip", *arguments], home, environment)


def run_uv(*arguments: str, home: Path) -> Result:
    """Run uv without any settings of the machine."""
    return _run([uv.find_uv_bin(), "--no-config", "--no-progress", *arguments], home, {})


def _run(command: Sequence[str], home: Path, environment: dict[str, str]) -> Result:
    done = subprocess.run(
        command,
        env=clean_environment(home, environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return Result(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def _succeed(result: Result) -> None:
    assert result.code == 0, f"{result.stdout}\n{result.stderr}"
