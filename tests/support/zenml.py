"""Environments with ZenML, made from the locks of this project as `.ci/run` makes those of tests and docs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

from support.venv import make_venv
from zlock.lock.exclusive import exclusive
from zlock.reporting import unheard

ROOT = Path(__file__).parents[2]


def zenml_python(step: str) -> Path:
    """Return the interpreter of an environment that holds what a step of this project locks.

    It is kept in `build` from one run to the next for as long as the lock is the same. What is not in pip's cache, the
    index of this machine has.
    """
    lock = ROOT / "lockfiles" / f"pylock.{step}.toml"
    name = f"{step}-{sys.version_info.major}.{sys.version_info.minor}-{hashlib.sha256(lock.read_bytes()).hexdigest()}"
    folder = ROOT / "build" / "environments" / name[:40]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.parent, unheard):
        if not (folder / "complete").exists():
            python = make_venv(folder)
            pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
            subprocess.run([*pip, *_required(step, lock, folder)], check=True)
            (folder / "complete").touch()
    return next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists())


def _required(step: str, lock: Path, folder: Path) -> list[str]:
    """Return what is installed: the lock where it is for this Python, which it is for one, else what it is made of."""
    document = tomllib.loads(lock.read_text(encoding="utf-8"))
    if document["requires-python"] != f"=={sys.version_info.major}.{sys.version_info.minor}.*":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        stated: list[str] = project["tool"]["zlock"]["steps"][step]["docker"]["requirements"]
        return stated
    exported = str(folder / "requirements.txt")
    command = [sys.executable, "-P", "-m", "zlock", "export", "requirements", "--step", step, "--output", exported]
    subprocess.run([*command, "--quiet"], cwd=ROOT, check=True)
    return ["--require-hashes", "-r", exported]
