"""What nobody foresaw ends as one line, with a trace that can be sent on."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import pytest

from support.index import TinyIndex
from support.project import Project, Result

SAID = re.compile(
    r"error: this is a bug in zlock, please report it as an issue of zlock; "
    r"(?:its trace is in `(?P<trace>[^`]*)`|its trace can't be written anywhere \([\w ]+\)): "
    r"`(?P<command>[^`]*)` met `(?P<met>[^`]*)`\n"
)
SECRETS = {"CI_JOB_TOKEN": "glcbt-1234", "SIGNING_KEY": "abcdefgh", "NAME": "nothing secret"}


@pytest.fixture
def project(tmp_path: Path, index: TinyIndex) -> Project:
    index.wheel("alpha", "1.0")
    project = Project(tmp_path / "project")
    project.configure(
        {"python": "3.12", "index": [{"url": index.url, "default": True}], "docker": {"requirements": ["alpha"]}}
    )
    return project


def broken(project: Project, raised: str, *arguments: str, module: str = "urllib3", **env: str) -> Result:
    """Run zlock where an installed module is broken: importing it raises what no module should."""
    project.write(f"../broken/{module}.py", f"raise {raised}\n")
    path = os.pathsep.join(filter(None, [str(project.folder.parent / "broken"), os.environ.get("PYTHONPATH")]))
    return project.run("resolve", *arguments, "--quiet", env={"PYTHONPATH": path, **env})


def test_a_bug_is_one_line_and_a_trace_for_its_owner_without_secrets(project: Project) -> None:
    text = "KeyError('https://me:hunter2@host/?token=t0k&page=2 glcbt-1234 abcdefgh you:pw12@host nothing secret')"
    result = broken(project, text, "--index-url", "https://me:hunter2@host/", **SECRETS)

    said = SAID.fullmatch(result.stderr)
    assert result.code == 4
    assert said, result.stderr
    assert said["command"].startswith("zlock resolve --index-url https://host/ ")
    assert said["met"].startswith("KeyError: 'https://host/?token=****&page=2 **** **** ****@host nothing secret")
    trace = Path(said["trace"])
    assert trace.parent == project.cache
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    assert "Traceback" in trace.read_text()
    assert said["command"] in trace.read_text()
    assert "nothing secret" in trace.read_text()
    for secret in ("hunter2", "t0k", "glcbt-1234", "abcdefgh", "pw12"):
        assert secret not in result.stderr + trace.read_text()


def test_a_trace_goes_where_it_can(project: Project, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").touch()
    option = ("--cache-dir", str(tmp_path / "file" / "cache"))

    result = broken(project, "RecursionError('deep')", *option, TMPDIR=str(tmp_path / "temporary"))
    said = SAID.fullmatch(result.stderr)
    assert result.code == 4
    assert said, result.stderr
    assert Path(said["trace"]).parent == tmp_path / "temporary"


@pytest.mark.skipif(os.name != "posix", reason="a limit of the size of files, in place of a full disk")
def test_a_trace_that_fits_nowhere_is_said_to_be_lost(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    limited = "__import__('resource').setrlimit(__import__('resource').RLIMIT_FSIZE, (0, 0)) or KeyError('x')"
    result = broken(project, limited, TMPDIR=str(folder))

    said = SAID.fullmatch(result.stderr)
    assert result.code == 4
    assert said, result.stderr
    assert "can't be written anywhere (File too large)" in result.stderr
    assert list(folder.iterdir()) == []
    assert list(project.cache.glob("bug*")) == []


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("MemoryError", "error: the system has no more memory\nhint: "),
        ("OSError(28, 'No space left on device', '/x')", "error: the system refused: `/x`: No space left on device\n"),
        ("BrokenPipeError(32, 'Broken pipe')", "error: the system refused: Broken pipe\n"),
    ],
)
def test_what_the_system_refuses_is_no_bug(project: Project, raised: str, said: str) -> None:
    result = broken(project, raised)

    assert result.code == 3
    assert result.stderr.startswith(said)
    assert list(project.cache.glob("bug*")) == []


def test_a_check_and_help_do_not_load_what_tells_of_bugs(project: Project) -> None:
    assert project.run("resolve").code == 0
    program = (
        "import sys, os; from zlock.cli import main, run; os._exit = lambda code: print(code, 'zlock.last_resort' in "
        "sys.modules); main(['resolve', '--check'])"
    )
    assert project.call(sys.executable, "-c", program).stdout == "0 False\n"
