"""Core metadata is read as the standard parser of packaging reads it, only faster."""

from __future__ import annotations

import random

import pytest
from packaging.metadata import parse_email

from zlock.index.metadata import parse_metadata, read_headers
from zlock.model.ports import InvalidMetadata

HEAD = "Metadata-Version: 2.1\nName: Demo.Project\nVersion: 1.0\n"
TEXTS = {
    "plain": HEAD + "Requires-Dist: a>=1\nRequires-Dist: b; extra == 'x'\nProvides-Extra: x\n\nbody\n",
    "a licence with blank lines among its continuations": HEAD
    + "License: one\n        two\n        \n\t\n        three\nRequires-Dist: a\nRequires-Python: >=3.8\n",
    "windows line ends": (HEAD + "Requires-Dist: a\n\nRequires-Dist: not-a-header\n").replace("\n", "\r\n"),
    "a folded requirement": HEAD + "Requires-Dist: a\n  >=1\n",
    "a description that looks like headers": HEAD + "\nRequires-Dist: not-a-header\n",
    "a separator of lines that is none here": HEAD + "Summary: x\u2028Requires-Dist: not-a-header\nRequires-Dist: a\n",
    "a form feed": HEAD + "Summary: x\x0cRequires-Dist: not-a-header\nRequires-Dist: a\n",
    "a line that is not a header ends them": HEAD + "Requires-Dist: a\nno header\nRequires-Dist: b\n",
    "case of names": "metadata-version: 2.1\nNAME: demo\nvErsion: 1.0\nREQUIRES-dist: a\n",
    "a colon in a value": HEAD + "Summary: a: b\nRequires-Dist: c @ https://files.example/c.whl\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_headers_are_those_of_the_standard_parser(text: str) -> None:
    expected, _ = parse_email(text)
    found = read_headers(text)

    # The standard parser leaves the line breaks of folded values in; what they say is the same.
    assert [" ".join(value.split()) for value in found.get("requires-dist", [])] == [
        " ".join(value.split()) for value in expected.get("requires_dist", [])
    ]
    assert found["name"] == [expected["name"]]
    assert found.get("requires-python", [None])[0] == expected.get("requires_python")


@pytest.mark.parametrize("seed", range(20))
def test_random_licences_hide_no_requirement(seed: int) -> None:
    draw = random.Random(seed)
    licence = "\n".join(draw.choice([" ", "\t", "    "]) + draw.choice(["", "text", "a: b", "  "]) for _ in range(30))
    text = f"{HEAD}License: MIT\n{licence}\nRequires-Dist: a\n"

    assert [dependency.name for dependency in parse_metadata(text).dependencies] == ["a"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Name: a\n", "no name or no version"),
        (HEAD.replace("1.0", "one"), "is invalid"),
        (HEAD + "Requires-Dist: a >= >= 1\n", "which is not a requirement"),
    ],
)
def test_what_is_invalid_is_said(text: str, reason: str) -> None:
    with pytest.raises(InvalidMetadata, match=reason):
        parse_metadata(text)


@pytest.mark.parametrize("specifier", [">=3.", ">=3.6.*", "3", "rubbish"])
def test_an_invalid_python_counts_as_none(specifier: str) -> None:
    assert parse_metadata(f"{HEAD}Requires-Python: {specifier}\n").requires_python == ""


def test_spellings_of_one_extra_are_that_extra() -> None:
    found = parse_metadata(
        HEAD
        + "Provides-Extra: dev-release\nRequires-Dist: a; extra == 'dev-release'\n"
        + "Provides-Extra: Dev_Release\nRequires-Dist: b; extra == 'Dev_Release'\n"
    )

    assert found.extras == ("dev-release",)
    assert [dependency.name for dependency in found.dependencies] == ["a", "b"]
