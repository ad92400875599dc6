"""Mistakes of the configuration have the line of what is wrong, in lists of tables and in tables with odd names too."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from zlock.errors import Problems
from zlock.model.toml import parse_toml
from zlock.pyproject.lines import TomlLines
from zlock.settings.config import parse_project

TEXT = """\
python = "3.12"
indx = 3

[[index]]
name = "a"
url = "https://a.example/"

[[index]]
url = "gopher://x"
name = "b"

[index-sources]
six = "c"

[steps."a/b".docker]
requirements = ["six"]

[steps.good]
python = "nope"
index-sources = { numpy = "zz" }
"""


@pytest.mark.parametrize("text", ["[{}]", "{} = 1", "a = {{{} = 1}}"])
def test_a_key_of_thousands_of_names_is_refused_before_it_takes_all_memory(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError, match="too deeply"):
        parse_toml(text.format(".".join(["a", '"b"'] * 5000)))


def test_each_mistake_has_the_line_that_states_it() -> None:
    import tomllib

    with pytest.raises(Problems) as caught:
        parse_project(tomllib.loads(TEXT), Path("zlock.toml"), TomlLines(TEXT))

    found = {error.message.partition(":")[0]: getattr(error.context[-1], "line", None) for error in caught.value.errors}
    assert found == {
        "unknown key `indx`": 2,
        "`index[1].url`": 9,
        "`index-sources.six`": 13,
        "the step name `a/b` can't be part of a lock's file name": 15,
        "`steps.good.python`": 19,
        "`steps.good.index-sources.numpy`": 20,
        "`steps.good.index`": 18,
    }
