"""The inline metadata of scripts (PEP 723): what is read of it, with its lines, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from zlock.errors import Problems, ZlockError
from zlock.model.origin import Source
from zlock.model.requirement import Gathered
from zlock.pyproject.script import line_of_script
from zlock.sources.pyproject import gather_script

WHOLE = '''\
#!/usr/bin/env python3
"""Train."""
# /// other
# dependencies = ["elsewhere"]
# ///

# /// script
# requires-python = ">=3.11"
#
# dependencies = [
#   "alpha>=1",  # the first
#   "beta[gpu]; python_version < '3.13'",
# ]
# [tool.uv.sources]
# alpha = { url = "https://files.example/alpha-1-py3-none-any.whl" }
# [[tool.uv.index]]
# url = "https://index.example/simple/"
# [tool.ruff]
# line-length = 100
# ///
import alpha
'''


def gather(folder: Path, text: str | bytes) -> Gathered:
    (folder / "train.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    return gather_script(folder / "train.py", root=folder)


def refusal(folder: Path, text: str | bytes) -> ZlockError:
    with pytest.raises(ZlockError) as caught:
        gather(folder, text)
    assert not isinstance(caught.value, Problems)
    assert caught.value.hint
    return caught.value


def test_requirements_have_the_lines_of_the_file(tmp_path: Path) -> None:
    found = gather(tmp_path, WHOLE)

    assert (found.source, found.described) == (Source.SCRIPT, "train.py")
    assert [(one.name, [(origin.file, origin.line) for origin in one.origins]) for one in found.requirements] == [
        ("alpha", [("train.py", 11), ("train.py", 15)]),
        ("alpha", [("train.py", 11)]),
        ("beta", [("train.py", 12)]),
    ]
    assert found.requires_python
    assert (str(found.requires_python[0]), found.requires_python[1].line) == (">=3.11", 8)
    assert [(one.value, one.origin.source, one.origin.line) for one in found.index_options] == [
        ("https://index.example/simple", Source.SCRIPT, 16)
    ]
    assert not found.notes


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("# /// script\n# dependencies = ['alpha']\n# ///\n", ["alpha"]),
        ("# /// script\r\n# dependencies = ['alpha']\r\n# ///\r\n", ["alpha"]),
        ("\ufeff# /// script\n# dependencies = ['alpha']\n# ///", ["alpha"]),
        ("# /// script\n#\n# ///\n", []),
        # the last line that could end the block does, and one that begins with more than `# ` is part of the text
        ("# /// script\n# dependencies = '''\n# ///\n# '''.split()\n# ///\n", None),
        ("x = 1\n# /// script\n#   dependencies = ['alpha']\n# ///\n# more\n", ["alpha"]),
        # an unclosed block of another type is none
        ("# /// other\n# a\nx = 1\n# /// script\n# dependencies = ['alpha']\n# ///\n", ["alpha"]),
        # nor is a second one that has no end
        ("# /// script\n# dependencies = ['alpha']\n# ///\nx = 1\n# /// script\n# dependencies = ['b']\n", ["alpha"]),
    ],
)
def test_a_block_is_what_the_expression_of_the_standard_finds(
    tmp_path: Path, text: str, names: list[str] | None
) -> None:
    if names is None:
        assert "not valid TOML" in refusal(tmp_path, text).message
    else:
        assert [one.name for one in gather(tmp_path, text).requirements] == names


BLOCK = "# /// script\n# dependencies = ['alpha']\n# ///\n"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (f"{BLOCK}\n{BLOCK}", "2 blocks of metadata `# /// script`, in lines 1, 5", 5),
        ("x = 1\n# /// script\n# dependencies = []\nx = 2\n", "begins in line 2 has no end before line 4", 2),
        ("# /// script\n#dependencies = []\n# ///\n", "begins in line 1 has no end before line 2", 1),
        ("# /// script\n# ///\n", "begins in line 1 has no end before line 3", 1),
        ("x = 1\n", "has no inline metadata", None),
        ("#/// script\n# dependencies = []\n# ///\n", "has no inline metadata", None),
        ("\n# /// script\n# dependencies = [\n# 'a' 'b'\n# ]\n# ///\n", "not valid TOML", 4),
        ("# /// script\n#\n# dependencies = 'alpha'\n# ///\n", "`dependencies` of `train.py` must be a list", 3),
        ("# /// script\n# dependencies = ['a',\n# 3]\n# ///\n", "`dependencies` of `train.py` must be a list", 2),
        ("# /// script\n# requires-python = 3.11\n# ///\n", "`requires-python` of `train.py` must be a string", 2),
        ("# /// script\n# requires-python = 'new'\n# ///\n", "`requires-python` is not a specifier", 2),
        (f"# /// script\n# requires-python = '>=3.{'1' * 5000}'\n# ///\n", "`requires-python` is not a specifier", 2),
        ("# /// script\n# dependencies = []\n# tool = 1\n# ///\n", "`tool` of `train.py` must be a table", 3),
        ("# /// script\n# dependencies = [\n# 'alpha',\n# 'no good',\n# ]\n# ///\n", "no good", 4),
        (
            f"{BLOCK[:-6]}# [tool.uv.sources]\n# alpha = {{workspace = true}}\n# ///\n",
            "`tool.uv.sources.alpha`",
            4,
        ),
        (b"# \xff\n", "is not a Python file", None),
        (b"# coding: no-such\n", "is not a Python file", None),
    ],
)
def test_what_is_malformed_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, message: str, line: int | None
) -> None:
    error = refusal(tmp_path, text)

    assert message in f"{error.message} {error.context}"
    assert f"train.py:{line}" in str(error.context) if line else "train.py" in f"{error.message}{error.context}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ZlockError, match=r"`train\.py` is missing"):
        gather_script(tmp_path / "train.py", root=tmp_path)


def test_what_is_not_read_is_noted(tmp_path: Path) -> None:
    found = gather(
        tmp_path,
        "# /// script\n# dependancies = []\n# [tool.zlock]\n# python = '3.12'\n"
        "# [tool.uv]\n# exclude-newer = 2026-01-01\n# ///\n",
    )

    assert "`dependancies` in the metadata of `train.py` is not read; did you mean `dependencies`?" in found.notes
    assert any("`tool.zlock`" in note for note in found.notes)
    assert any("`tool.uv.exclude-newer` is not read" in note and "train.py:6" in note for note in found.notes)


def test_a_script_is_in_no_workspace(tmp_path: Path) -> None:
    """As with uv: the tables of a project beside it are the project's."""
    (tmp_path / "pyproject.toml").write_text("[tool.uv.sources]\nalpha = {url = 'https://files.example/alpha.zip'}\n")
    (tmp_path / "hatch.toml").write_text("[envs.default.sources]\nalpha = 'elsewhere'\n")

    assert [str(one) for one in gather(tmp_path, BLOCK).requirements] == ["alpha"]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import alpha\n", 1),
        ("from transformers import pipeline\nclassify = pipeline('x')\n", 1),
        ("from zlock import step\n@step\ndef train(): ...\n", None),
        ("import zenml\n@zenml.pipeline(enable_cache=False)\ndef training(): ...\n", None),
        ("x = t'newer than this Python'; match\n", 1),
    ],
)
def test_a_file_that_declares_steps_is_no_script(tmp_path: Path, code: str, line: int | None) -> None:
    (tmp_path / "train.py").write_text(BLOCK + code)

    assert line_of_script(tmp_path / "train.py") == line
