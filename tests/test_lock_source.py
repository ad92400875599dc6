"""What of Python source counts as asking: the same text in every Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zlock.image.reading.compilers import Compilers
from zlock.lock import source
from zlock.lock.source import asking_source

PIPELINE = '''\
# -*- coding: utf-8 -*-
"""What it is for.

# no comment
"""
import zlock  # the tool
from zlock import step

NAME = "# no comment"

TEXT = f"""
  {NAME!r:#>10} \u00e9  # no comment

"""; LONG = (  # why
    1,

    2,  # two
) + \\
    ()


@zlock.step(settings={"docker": zlock.DockerSettings(requirements=["alpha"])})  # asks
def train(
    data: str = "here",  # from where

) -> None:
    """Train."""
    return data


@step
@other
async def load(): return 1; 2


def helper(x):
    # how
    return x * 2
'''
REST = '''\
"""What it is for.

# no comment
"""
import zlock
from zlock import step
NAME = "# no comment"
TEXT = f"""
  {NAME!r:#>10} \u00e9  # no comment

"""; LONG = (
    1,
    2,
) + \\
    ()
@zlock.step(settings={"docker": zlock.DockerSettings(requirements=["alpha"])})
def train(
    data: str = "here",
) -> None:
@step
@other
async def load():
def helper(x):
    return x * 2
'''
METHODS = """\
class Steps:
\tif True:
\t\t@module.tools.step()
\t\tdef first(self):

\t\t\t@cached # x
\t\t\tclass A:
\t\t\t\t'''
\t\t\t\t'''
\t\t\tdef step(): ...
\f
\t@step
\tasync def second(self): \u00e9 = {}; return \u00e9  # \u00e9
\t@step.of
\tdef third(self): return 1
"""


def test_all_counts_but_comments_blank_lines_and_the_bodies_of_steps() -> None:
    assert asking_source(PIPELINE.encode()) == REST


def test_methods_are_steps_too_and_what_is_inside_a_body_is_gone_with_it() -> None:
    assert asking_source(METHODS.encode()).split("\n") == [
        "class Steps:",
        "\tif True:",
        "\t\t@module.tools.step()",
        "\t\tdef first(self):",
        "\t@step",
        "\tasync def second(self):",
        "\t@step.of",
        "\tdef third(self): return 1",
        "",
    ]


@pytest.mark.parametrize(
    "data",
    [
        PIPELINE.encode("utf-8-sig"),
        PIPELINE.replace("\n", "\r\n").encode(),
        PIPELINE.replace("\n", "\r").encode(),
        PIPELINE.replace("utf-8", "latin-1").encode("latin-1"),
        PIPELINE.replace("return data", "x = 1\n    for each in data:\n\n        yield each\n    # done").encode(),
        PIPELINE.replace(" return 1; 2", "\n  @some\n  # more\n  @decorators\n  def inner(): ...\n  return").encode(),
        PIPELINE.replace("    # how\n", "  # how else\n\n\f\n").encode(),
    ],
)
def test_how_it_is_written_and_what_a_step_does_are_no_matter(data: bytes) -> None:
    assert asking_source(data) == REST


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["alpha"]', '["beta"]'),
        ('"here"', '"there"'),
        ("@other", "@another"),
        ("x * 2", "x * 3"),
        ("What it is for.\n\n", "What it is for.\n"),
        ("{NAME!r:#>10}", "{NAME!r:#>11}"),
        ("\u00e9  # no comment\n\n", "\u00e9  # no comment\n"),
        ("@step\n@other", "@other"),
    ],
)
def test_all_else_is(before: str, after: str) -> None:
    assert before in PIPELINE
    assert asking_source(PIPELINE.replace(before, after, 1).encode()) != REST


@pytest.mark.parametrize(
    "text", [b"def f(:", b"\xff", b"# coding: nothing\n", b"x = '\0'", b"x = (" * 300, b"if x:\na"]
)
def test_what_is_no_python_is_told(text: bytes) -> None:
    with pytest.raises((SyntaxError, ValueError, MemoryError)):
        asking_source(text)


def test_every_python_of_this_machine_says_the_same() -> None:
    """Running the module alone, as zlock is installed in one of them."""
    program = (
        "import sys, importlib.util as u; s = u.spec_from_file_location('source', sys.argv[1]); "
        "m = u.module_from_spec(s); s.loader.exec_module(m); r = sys.stdin.buffer.read(); "
        "sys.stdout.buffer.write(m.asking_source(r).encode())"
    )
    found = [one for minor in range(10, 20) if (one := Compilers(os.environ).find(minor, ""))]
    own = [Path(__file__).read_bytes(), Path(source.__file__).read_bytes()]
    for python in {sys.executable, *(one.python for one in found)}:
        for text in (PIPELINE.encode(), METHODS.encode(), *own):
            command = [python, "-I", "-c", program, source.__file__]
            done = subprocess.run(command, input=text, capture_output=True, check=True)
            assert done.stdout.decode() == asking_source(text), python
