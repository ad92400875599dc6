"""The JSON Schema of the configuration: it takes what zlock takes, and tells unknown keys and wrong types."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.configurations import AROUND, CHANGES, json_schema, mistakes_by_schema
from support.project import Project as Folder
from zlock.errors import ZlockError
from zlock.settings.config import Project, parse_project
from zlock.settings.keys import kebab, keys_of
from zlock.settings.schema import TABLES

VALUES: list[Any] = [
    "",
    "x",
    "3.12",
    "all",
    1,
    1.5,
    True,
    False,
    [],
    [1],
    ["x"],
    ["x", "x"],
    {},
    {"x": 1},
    {"x": "y"},
    {"x": False},
    {"x": ["y", 1.5]},
    [{}],
    [[]],
    [{"package": "x", "from": "y"}],
    [{"url": "x"}],
    datetime(2026, 1, 1, tzinfo=UTC),
]


def around(kind: type, table: dict[str, object]) -> dict[str, object]:
    """Return a configuration with a table of a kind."""
    wrapped: dict[type, dict[str, object]] = {
        Project: table,
        TABLES["index"]: {"index": [table]},
        TABLES["stack"]: {"stack": table},
        TABLES["integration"]: {"integrations": {"acme": table}},
        TABLES["docker"]: {"docker": table},
        TABLES["step"]: {"steps": {"train": table}},
    }
    return wrapped[kind]


KEYS = [
    pytest.param(kind, kebab(name), id=f"{kind.__name__}-{name}")
    for kind in (Project, *TABLES.values())
    for name in keys_of(kind)
]


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_each_key_is_taken_and_others_and_wrong_types_are_not(kind: type, key: str) -> None:
    change = CHANGES[kind][key]
    text = change if isinstance(change, str) else change[1]
    assert mistakes_by_schema(tomllib.loads(AROUND[kind] + text)) == []

    wrongs: list[dict[str, object]] = [{key: 0.5}, {key: [0.5]}, {f"{key}s": "x"}]
    for wrong in wrongs:
        assert mistakes_by_schema(around(kind, {"url": "x", **wrong} if kind is TABLES["index"] else wrong)) != []


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_it_refuses_nothing_that_zlock_takes(kind: type, key: str) -> None:
    for value in VALUES:
        table = around(kind, {key: value})
        try:
            parse_project(table, Path("/project/zlock.toml"))
        except ZlockError:
            continue
        assert mistakes_by_schema(table) == [], value


@pytest.mark.parametrize(
    "text",
    [
        'python = "2.7"',
        'python = "3.1\N{FULLWIDTH DIGIT TWO}"',
        'manylinux = "new"',
        'platforms = ["linux/vax"]',
        'build-sdists = ["a b"]',
        'exclude = [{ package = "-a" }]',
        '[docker]\napt-packages = ["Git"]',
        '[docker]\napt-packages = ["git; rm -r /"]',
        '[docker]\nuser = "-x"',
        '[docker]\nvenv = "opt"',
        '[docker]\nenvironment = { 1A = "x" }',
        '[docker]\npython-package-installer-args = { "--timeout" = 5 }',
        '[steps."a/b"]\npython = "3.12"',
        '[steps.a.docker]\napt-packages = ["--x"]',
    ],
)
def test_it_refuses_names_and_words_that_zlock_refuses(text: str) -> None:
    table = tomllib.loads(text)

    with pytest.raises(ZlockError):
        parse_project(table, Path("/project/zlock.toml"))
    assert mistakes_by_schema(table) != []


def test_each_key_is_explained() -> None:
    tables = [json_schema(), *json_schema()["definitions"].values()]
    told = [one["description"] for table in tables for one in table["properties"].values()]

    assert [text for text in told if text.startswith(" ") or "](" in text] == []


def test_it_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    project = Folder(tmp_path)
    shown, written = project.run("schema"), project.run("schema", "--output", "zlock.schema.json")

    assert json.loads(shown.stdout) == json_schema()
    assert (tmp_path / "zlock.schema.json").read_text(encoding="utf-8") == shown.stdout
    assert (written.stdout, written.code) == ("", 0)
    assert "#:schema ./zlock.schema.json" in written.stderr


def test_it_takes_the_place_of_no_other_file(tmp_path: Path) -> None:
    project = Folder(tmp_path)
    (tmp_path / "zlock.toml").write_text('python = "3.12"\n', encoding="utf-8")
    project.run("schema", "--output", "zlock.schema.json")

    assert project.run("schema", "--output", "zlock.schema.json").code == 0
    refused = project.run("schema", "--output", "zlock.toml")
    assert (refused.code, (tmp_path / "zlock.toml").read_text(encoding="utf-8")) == (2, 'python = "3.12"\n')
    assert "`zlock.toml` is there, and is not a schema" in refused.stderr
