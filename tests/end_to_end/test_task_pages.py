"""The pages that lead through a task: a reader's files are written and every command is run, in the order of the page.

A block whose first line is a comment with a path is that file. In a block of commands, lines that begin with `$` are
run; what is printed below one has to be in what it prints, except that numbers may be others.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.index import TinyIndex
from support.project import Project

DOCS = Path(__file__).parent.parent.parent / "docs"
_FENCE = re.compile(
    r"(?P<skip><!-- not run: [^\n]+ -->\n)?^```(?P<info>[a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_FILE = re.compile(r"# (?P<path>[\w./-]*\.[\w-]+|[\w./-]*Dockerfile)\n")
_NUMBER = re.compile(r"\b[0-9a-f]{12,}\b|\b\d+(?:\.\d+)*\b")


class Command(NamedTuple):
    """A command of a page, and the lines that the page shows of what it prints."""

    line: str
    printed: list[str]


def tasks() -> list[Any]:
    """Return the texts that are followed, each in a project of its own: a page, or a section of the page of tasks."""
    _, *sections = re.split(r"^## ", (DOCS / "tasks.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = {text.partition("\n")[0]: text for text in sections}
    named["first images"] = (DOCS / "first-images.md").read_text(encoding="utf-8")
    return [pytest.param(text, id=name) for name, text in named.items()]


def parts(text: str) -> list[tuple[str, str] | Command]:
    """Return the files of a text, by path and content, and its commands, in their order."""
    found: list[tuple[str, str] | Command] = []
    for block in _FENCE.finditer(text):
        file = _FILE.match(block["text"])
        if file:
            found.append((file["path"], block["text"]))
        elif block["info"] == "console" and not block["skip"]:
            for one in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                line, *printed = one.splitlines()
                found.append(Command(line, printed))
    return found


def shape(text: str) -> str:
    return _NUMBER.sub("#", text)


@pytest.fixture
def releases(index: TinyIndex) -> TinyIndex:
    """An index with the projects that the pages name."""
    index.wheel("numpy", "2.3.4")
    index.wheel("six", "1.17.0")
    index.wheel("python-dateutil", "2.9.0", requires=["six>=1.5"])
    for version in ("2.3.0", "2.3.3"):
        index.wheel("pandas", version, requires=["numpy>=1.26", "python-dateutil"])
    index.wheel("scipy", "1.16.0", requires=["numpy"])
    index.wheel("joblib", "1.5.0")
    index.wheel("threadpoolctl", "3.6.0")
    index.wheel("scikit-learn", "1.7.2", requires=["numpy", "scipy", "joblib", "threadpoolctl"])
    index.wheel("contourpy", "1.3.0", requires=["numpy"])
    index.wheel("cycler", "0.12.0")
    index.wheel("pillow", "12.0.0")
    index.wheel("flytekit", "1.16.31")
    index.wheel("matplotlib", "3.10.0", requires=["numpy", "contourpy", "cycler", "pillow"])
    return index


@pytest.mark.parametrize("text", tasks())
def test_a_reader_who_follows_the_page_gets_what_it_shows(releases: TinyIndex, project: Project, text: str) -> None:
    """Every command ends well, and prints the lines that the page shows."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {"PATH": path, "PIP_INDEX_URL": releases.url, "XDG_CACHE_HOME": str(project.cache)}
    project.call("git", "init", "--quiet")
    for part in parts(text):
        if not isinstance(part, Command):
            project.write(part[0], part[1].encode())
            continue
        done = project.call("bash", "-c", part.line, env=env)
        assert done.code == 0, f"{part.line}\n{done.stdout}{done.stderr}"
        said = (done.stdout + done.stderr).replace(f"{project.folder}/", "")
        seen = [shape(line) for line in said.splitlines()]
        assert [line for line in part.printed if shape(line) not in seen] == [], said
