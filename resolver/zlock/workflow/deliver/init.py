"""A first configuration, pointing at what is already there."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from zlock.errors import InvalidConfiguration, OutsideFailed, ZlockError
from zlock.lock.toml import section
from zlock.model.origin import Origin, Source
from zlock.pyproject.document import Document
from zlock.pyproject.python_file import may_hold
from zlock.regular import read_named, read_regular
from zlock.replacing import replace_text
from zlock.settings.config import read_project
from zlock.settings.frameworks import MAKERS
from zlock.settings.names import step_name_of
from zlock.sources.pyproject import gather_pyproject
from zlock.sources.requirements import read_file

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
_SCRIPT = """
# What `{file}` needs.
[steps.{step}.docker]
requirements = []
"""
_IMPORTS_ZENML = re.compile(r"^\s*(from|import)\s+zenml\b", re.MULTILINE)

_BEGINS_DOCKERFILE = re.compile(r"\ufeff?(?:[^\S\n]*(?:#.*)?\n)*[^\S\n]*(?:ARG|FROM)\s+[\w$]", re.IGNORECASE)
"""What the first instruction of a Dockerfile is."""

_IGNORED = ("/wheelhouse/", "/build/")
"""What zlock writes into a project and belongs into no commit, as git ignores it."""


class Written(NamedTuple):
    """What was written.

    Attributes:
        files: The configuration, and what else.
        pipelines: Where the file that it points at holds several pipelines, all of them as `pipeline` names them; it
            names the first.
        script: The step that it states for a script, which holds no pipeline; else empty.
    """

    files: list[Path]
    pipelines: Sequence[str]
    script: str


class _Pointing(NamedTuple):
    """What a configuration says after its head; see `Written` for the others."""

    text: str
    pipelines: Sequence[str] = ()
    script: str = ""


def write_configuration(folder: Path, origin: Path | None) -> Written:
    """Write a `zlock.toml` into a folder, and into its `.gitignore` what zlock makes there.

    Args:
        folder: The project folder.
        origin: What to lock: a requirements file, a `pyproject.toml` or a pipeline file.

    Raises:
        InvalidConfiguration: There is a configuration already, there is no such file, or it is not one of these.
        OutsideFailed: The file can't be written.
    """
    path = folder / "zlock.toml"
    if os.path.lexists(path) or read_project(folder) is not None:
        there = "zlock.toml" if os.path.lexists(path) else "pyproject.toml"
        raise InvalidConfiguration(
            f"there is a configuration already: `{there}`", hint="edit it, or remove it to begin anew"
        )
    head = _HEAD.format(python=f"{sys.version_info.major}.{sys.version_info.minor}")
    pointing = _Pointing(_MINIMAL) if origin is None else _pointing_at(origin, folder)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(head + pointing.text)
    except OSError as error:
        raise OutsideFailed(
            f"`{path}` can't be written: {error.strerror}", hint="let your user write there, or free some space"
        ) from error
    return Written([path, *_ignore(folder / ".gitignore")], pointing.pipelines, pointing.script)


def _ignore(path: Path) -> list[Path]:
    """Add the lines that a `.gitignore` does not have, however it spells them."""
    try:
        text = read_regular(path).decode() if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        return []  # whoever has such a file looks after it
    known = {line.strip().strip("/") for line in text.splitlines()}
    missing = [line for line in _IGNORED if line.strip("/") not in known]
    if not missing:
        return []
    begin = f"{text.rstrip()}\n\n" if text.strip() else ""
    replace_text(path, begin + "# What zlock makes.\n" + "".join(f"{line}\n" for line in missing))
    return [path]


def _pointing_at(origin: Path, folder: Path) -> _Pointing:
    """Return what makes a file a source."""
    if not origin.is_file():
        raise InvalidConfiguration(f"there is no file `{origin}`", hint="correct `--from`")
    shown = Path(os.path.relpath(origin, folder)).as_posix()
    if origin.suffix == ".py":
        return _pointing_at_python(origin, shown, folder)
    if origin.suffix == ".toml":
        if not Document.read(origin.absolute(), root=Path.cwd()).table("dependency-groups"):
            gather_pyproject(origin, root=Path.cwd(), extras=(), groups=())
        return _Pointing("\n" + section("[docker]", {"pyproject-path": shown}))
    _check_requirements(origin, shown)
    return _Pointing("\n" + section("[docker]", {"requirements": shown}))


def _pointing_at_python(origin: Path, shown: str, folder: Path) -> _Pointing:
    """Return what makes a pipeline file a source, or stands for a script."""
    text = read_named(origin, f"`{shown}`", InvalidConfiguration).decode(errors="replace")
    if origin.name == "setup.py":
        raise InvalidConfiguration(
            f"`{shown}` builds a package, which steps require by its folder",
            hint='begin with `zlock init`, and write `requirements = ["NAME @ file:."]`, with the name of the package',
        )
    if "# /// script" not in text and not may_hold(origin, MAKERS, (origin.parent, folder, folder / "src")):
        step = step_name_of(origin.stem)
        return _Pointing(_SCRIPT.format(step=step, file=shown), script=step)
    found = [f"{shown}:{name}" for name in _pipelines(text)]
    several = found if len(found) > 1 else []
    pointer = section("", {"pipeline": several[0] if several else shown})
    return _Pointing("\n" + pointer + (_ZENML if _IMPORTS_ZENML.search(text) else ""), several)


def _check_requirements(origin: Path, shown: str) -> None:
    """Hold a file to be a requirements file, as far as its lines can be read now."""
    try:
        read_file(origin, root=Path.cwd(), origin=Origin(source=Source.EXPLICIT), environ=os.environ)
    except ZlockError as error:
        if _is_dockerfile(origin):
            raise InvalidConfiguration(
                f"`{shown}` is a Dockerfile, whose lines become settings",
                hint="write them into a `zlock.toml`: `docs/first-images.md` has a table of lines and their settings",
            ) from error
        first, *others = error.each
        more = [f"and {len(others)} more mistakes"] if others else []
        raise InvalidConfiguration(
            f"`{shown}` can't be read as a requirements file",
            context=[str(first), *first.context, *more],
            hint="`--from` takes a requirements file, a `pyproject.toml` or the Python file of a pipeline",
        ) from error


def _is_dockerfile(path: Path) -> bool:
    try:
        return _BEGINS_DOCKERFILE.match(read_regular(path).decode(errors="replace")) is not None
    except OSError:
        return False


def _pipelines(text: str) -> list[str]:
    """Return the functions that a file decorates as pipelines; it is not run, as what it imports may be missing yet.

    A script with inline metadata is locked as one, whatever it decorates.
    """
    if "# /// script" in text:
        return []
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # `zlock resolve` says what is wrong with it
        return []
    imports = [one for one in body if isinstance(one, ast.ImportFrom) and (one.module or "").split(".")[0] in MAKERS]
    names = {each.asname or each.name for one in imports for each in one.names if each.name == "pipeline"}
    functions = [one for one in body if isinstance(one, ast.FunctionDef)]
    return [one.name for one in functions if any(_makes(each, names) for each in one.decorator_list)]


def _makes(decorator: ast.expr, names: set[str]) -> bool:
    """Tell whether a decorator makes a pipeline: `@pipeline`, `@zenml.pipeline`, or either with arguments."""
    made = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(made, ast.Attribute):
        return made.attr == "pipeline"
    return isinstance(made, ast.Name) and made.id in names
