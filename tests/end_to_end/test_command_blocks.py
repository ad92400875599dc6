"""Every command block of README and docs is run, in one project with all that the pages name.

The pages that lead through a task are in `test_task_pages`, which also holds what is printed to what they show. What
can't be run here is in `NOT_RUN`, with who runs it; `zlock` commands among it are read by its parser all the same.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from support.index import TinyIndex
from support.project import Project, Result
from support.venv import make_venv
from zlock.cli.arguments import parse

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(ROOT.glob("docs/*.md")))
    if path.name not in ("first-images.md", "tasks.md")
]
PYTHON = f"3.{sys.version_info.minor}"
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = ("console", "bash", "sh")
_PARTS = re.compile(r"\s+(?:&&|>>?|\||\#)\s")

NOT_RUN = {
    r"python3 -m venv .*|\.venv/bin/.*|\.ci/run": "`.ci/run` reads these lines from the README and runs them",
    r"docker build.*": "needs an engine and a base image: test_images and test_bake build the same contexts",
    r"zlock build.*": "needs a base image from a registry: test_images",
    r"zlock verify (?:docker://)?registry\.example.*": "needs that registry: test_verify",
    r"python tests/(?:benchmarks|comparison)/.*": "takes minutes, and an index with everything",
    r"python -m build": "needs a project that builds: test_hatch_build",
    r"zlock init --from run\.py|(?:zlock|zenml) (?:stack|apply|pipeline) .*": "needs ZenML: test_zenml",
}
"""What is not run, with who does it or why not; beside these there are the marks in pages of `test_task_pages`."""


class Block(NamedTuple):
    """A block of commands of a page."""

    page: str
    lines: list[str]


def blocks() -> list[Any]:
    """Return the blocks of commands of all pages, in their order."""
    found = []
    for page in PAGES:
        for number, block in enumerate(_FENCE.finditer(page.read_text(encoding="utf-8")), 1):
            if block["info"].strip() in _COMMANDS:
                lines = block["text"].splitlines()
                if block["info"].strip() == "console":
                    lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
                assert lines, f"{page.name}: a block of commands without one"
                found.append(pytest.param(Block(page.name, lines), id=f"{page.name}-{number}"))
    return found


def reason(line: str) -> str:
    """Return why a command is not run; empty for one that is."""
    return next(
        (why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, line.partition("  #")[0].strip())), ""
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with all that the pages name, locked and committed."""
    project = Project(tmp_path_factory.mktemp("pages") / "project")
    with TinyIndex() as index:
        for name, *releases in (
            ("numpy", "1.26.4", "2.1.3"),
            ("pandas", "1.5.3", "2.2.2", "2.2.3"),
            ("scikit-learn", "1.4.2", "1.5.2"),
            *((one, "3.0") for one in ("httpx", "pydantic", "uv")),
            ("matplotlib", "3.9.2"),
        ):
            for release in releases:
                index.wheel(name, release, requires=["numpy"] if name in ("pandas", "scikit-learn") else [])
        fill(project, index)
        environment = make_venv(project.folder.parent / "environment")
        project.write("env.sh", variables(project, environment, index))
        assert succeed(project, "zlock resolve && zlock resolve --project examples/images").code == 0
        succeed(project, "git init -q && git add . && git -c user.name=a -c user.email=a@example.org commit -qm locks")
        yield project


def fill(project: Project, index: TinyIndex) -> None:
    """Write the files that the pages name."""
    project.configure(
        {
            "python": PYTHON,
            "index": [{"url": index.url, "default": True}],
            "steps": {
                "train": {"docker": {"requirements": ["scikit-learn<1.5"]}},
                "report": {"docker": {"requirements": ["pandas>=2.2"]}},
            },
        }
    )
    project.pipeline(
        """
        from zlock import DockerSettings, pipeline, step

        @step(settings={"docker": DockerSettings(requirements=["numpy"])})
        def load(): ...

        @pipeline(settings={"docker": DockerSettings(requirements=["pandas"])})
        def loading():
            load()
        """
    )
    for name in ("ci", "examples"):
        shutil.copytree(ROOT / name, project.folder / name, ignore=shutil.ignore_patterns("lockfiles", "__pycache__"))
    project.write("first/requirements.txt", "pandas\n")
    affected = [{"package": {"ecosystem": "PyPI", "name": "unused"}, "versions": ["1"]}]
    project.write("all.zip", b"")
    shutil.make_archive(str(project.folder / "all"), "zip", _records(project, affected))
    for folder in (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"):
        (project.home / folder).mkdir(parents=True)


def _records(project: Project, affected: list[dict[str, Any]]) -> Path:
    return project.write(
        "osv/a.json", json.dumps({"id": "A-1", "modified": "2026-01-01T00:00:00Z", "affected": affected})
    ).parent


def variables(project: Project, environment: Path, index: TinyIndex) -> str:
    """Return what a reader's shell has: zlock, pip and uv, and an environment that is active."""
    found = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "VIRTUAL_ENV": str(environment.parents[1]),
        "PIP_PYTHON": str(environment),
        "PIP_INDEX_URL": index.url,
        "PIP_RETRIES": "0",
        "XDG_CACHE_HOME": str(project.cache),
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in found.items())


def succeed(project: Project, line: str, folder: str = ".") -> Result:
    done = project.call("bash", "-c", f". ./env.sh; cd {folder}; {line}")
    assert done.code == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done


@pytest.mark.parametrize("block", blocks())
def test_a_block_of_commands_runs(world: Project, block: Block) -> None:
    folder = "first" if any("--from requirements.txt" in line for line in block.lines) else "."
    for line in block.lines:
        for command in _PARTS.split(line):
            if command.startswith("zlock "):
                parse(shlex.split(command, comments=True)[1:])
        if not reason(line):
            succeed(world, line, folder)


def test_exceptions_are_few_and_each_is_needed() -> None:
    lines = [line.partition("  #")[0].strip() for param in blocks() for line in param.values[0].lines]
    marks = [mark for page in ROOT.glob("docs/*.md") for mark in re.findall("<!-- not run: ", page.read_text("utf-8"))]

    assert [one for one in NOT_RUN if not any(re.fullmatch(one, line) for line in lines)] == []
    assert len(NOT_RUN) + len(marks) <= 10


def shown(*kinds: str) -> list[Any]:
    """Return the blocks of some kinds that are not commands."""
    return [
        pytest.param(block["info"].strip(), block["text"], id=f"{page.name}-{number}")
        for page in (*PAGES, ROOT / "docs" / "first-images.md", ROOT / "docs" / "tasks.md")
        for number, block in enumerate(_FENCE.finditer(page.read_text(encoding="utf-8")), 1)
        if block["info"].strip() in kinds
    ]


@pytest.mark.parametrize(("kind", "text"), shown("yaml", "json", "python distribution"))
def test_what_is_shown_can_be_read(kind: str, text: str) -> None:
    """TOML and Python are read by `test_docs`, with the parser of the configuration."""
    if kind == "yaml":
        assert yaml.safe_load(text)
    elif kind == "json":
        assert json.loads(text)
    else:
        compile(text, "block", "exec")


def test_every_kind_of_block_is_looked_at() -> None:
    """What only shows something is text; what is in languages of other tools is run by the tests of exports."""
    known = {*_COMMANDS, "yaml", "json", "python distribution", "toml", "toml pyproject", "toml pylock", "python"}
    shows = {"text", "{toctree}", "dockerfile", "starlark", "nix"}
    found = {
        block["info"].strip()
        for page in ROOT.glob("**/docs/*.md")
        for block in _FENCE.finditer(page.read_text("utf-8"))
    }

    assert found <= known | shows


def test_bash_reads_the_blocks_of_bash() -> None:
    text = "\n".join(line for param in blocks() for line in param.values[0].lines)

    assert subprocess.run(["bash", "-n", "-c", text], check=False).returncode == 0
