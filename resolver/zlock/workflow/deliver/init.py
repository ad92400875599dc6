"""A first configuration, pointing at what is already there."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from zlock.errors import InvalidConfiguration, OutsideFailed
from zlock.lock.toml import dumps
from zlock.replacing import replace_text
from zlock.settings.config import read_project

_HEAD = """\
# What `zlock resolve` locks: one `pylock.<step>.toml` per step, in `lockfiles/`.

# The Python that the images run.
python = "{python}"
"""
_MINIMAL = """
# The pipeline whose steps are locked, each with the settings that stand there, too:
# pipeline = "pipeline.py:my_pipeline"

# For every step.
[docker]
requirements = []

# For one step, what it needs beside that; `requirements` here would take the place of those above:
# [steps.train.docker]
# extra-requirements = ["pandas>=2"]
"""


_ZENML = """
# The YAML file that configures a run of it, where there is one:
# pipeline-config = "train.yaml"

# Where its images go, and its stack pulls them from:
# registry = "host/repository"

# What the active stack requires is written here by `zlock stack import`.
"""
_IMPORTS_ZENML = re.compile(r"^\s*(from|import)\s+zenml\b", re.MULTILINE)

_IGNORED = ("/wheelhouse/", "/build/")
"""What zlock writes into a project and belongs into no commit, as git ignores it."""


def write_configuration(folder: Path, origin: Path | None) -> list[Path]:
    """Write a `zlock.toml` into a folder, and into its `.gitignore` what zlock makes there; return what was written.

    Args:
        folder: The project folder.
        origin: What to lock: a requirements file, a `pyproject.toml` or a pipeline file.

    Raises:
        InvalidConfiguration: There is a configuration already, or there is no such file.
        OutsideFailed: The file can't be written.
    """
    path = folder / "zlock.toml"
    if os.path.lexists(path) or read_project(folder) is not None:
        there = "zlock.toml" if os.path.lexists(path) else "pyproject.toml"
        raise InvalidConfiguration(
            f"there is a configuration already: `{there}`", hint="edit it, or remove it to begin anew"
        )
    head = _HEAD.format(python=f"{sys.version_info.major}.{sys.version_info.minor}")
    text = head + (_MINIMAL if origin is None else _pointing_at(origin, folder))
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise OutsideFailed(
            f"`{path}` can't be written: {error.strerror}", hint="let your user write there, or free some space"
        ) from error
    return [path, *_ignore(folder / ".gitignore")]


def _ignore(path: Path) -> list[Path]:
    """Add the lines that a `.gitignore` does not have, however it spells them."""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        return []  # whoever has such a file looks after it
    known = {line.strip().strip("/") for line in text.splitlines()}
    missing = [line for line in _IGNORED if line.strip("/") not in known]
    if not missing:
        return []
    begin = f"{text.rstrip()}\n\n" if text.strip() else ""
    replace_text(path, begin + "# What zlock makes.\n" + "".join(f"{line}\n" for line in missing))
    return [path]


def _pointing_at(origin: Path, folder: Path) -> str:
    """Return the setting that makes a file a source."""
    if not origin.is_file():
        raise InvalidConfiguration(f"there is no file `{origin}`", hint="correct `--from`")
    shown = Path(os.path.relpath(origin, folder)).as_posix()
    if origin.suffix == ".py":
        text = origin.read_bytes().decode(errors="replace")
        return "\n" + dumps({"pipeline": shown}) + (_ZENML if _IMPORTS_ZENML.search(text) else "")
    if origin.suffix == ".toml":
        return "\n" + dumps({"docker": {"pyproject-path": shown}})
    return "\n" + dumps({"docker": {"requirements": shown}})
