"""`zlock outdated`: what has newer releases, and what holds each back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project, Result

SETTINGS = {
    "python": "3.12",
    "constraints": ["capped<2"],
    "steps": {
        "train": {"docker": {"requirements": ["model", "free", "capped", "steady"]}},
        "report": {"docker": {"requirements": ["steady"]}},
    },
}


def succeed(result: Result) -> Result:
    assert result.code == 0, result.stderr
    return result


@pytest.fixture
def locked(project: Project, index: TinyIndex) -> Project:
    """A project that was locked before newer releases came out."""
    index.wheel("model", "1.0", requires=["core<2"])
    for name in ("core", "free", "capped", "steady"):
        index.wheel(name, "1.0")
    project.configure({**SETTINGS, "index": [{"url": index.url, "default": True}]})
    succeed(project.run("resolve"))
    for name in ("core", "free", "capped"):
        index.wheel(name, "2.0")
    index.wheel("free", "3.0rc1")
    index.wheel("steady", "2.0a1")
    return project


def found(project: Project, *arguments: str) -> dict[str, dict[str, Any]]:
    document = json.loads(succeed(project.run("outdated", "--json", *arguments)).stdout)
    return {step["step"]: {row["name"]: row for row in step["outdated"]} for step in document["steps"]}


def test_each_newer_release_is_named_with_what_holds_it_back(locked: Project) -> None:
    rows = found(locked)
    versions = {name: (row["version"], row["newest"]) for name, row in rows["train"].items()}

    assert versions == dict.fromkeys(("capped", "core", "free"), ("1.0", "2.0"))
    assert rows["report"] == {}
    train = rows["train"]
    assert (train["free"]["verdict"], train["free"]["moves"]) == ("kept", "2.0")
    assert "`model` 1.0 requires `core<2`" in " ".join(train["core"]["reasons"])
    assert "the constraint `capped<2`" in " ".join(train["capped"]["reasons"])


def test_it_is_told_in_lines_and_changes_nothing(locked: Project) -> None:
    before = locked.lock_path("train").read_bytes()
    shown = succeed(locked.run("outdated", "--step", "train")).stdout

    assert shown.startswith(
        "train: 3 of 5 packages have newer releases\n  capped 1.0: 2.0 is out\n    2.0: the constraint "
    )
    assert "  free 1.0: 2.0 is out, `--upgrade-package free` moves it to 2.0\n" in shown
    assert "report" not in shown
    assert locked.lock_path("train").read_bytes() == before


def test_what_moved_is_not_outdated_any_more(locked: Project) -> None:
    succeed(locked.run("resolve", "--upgrade"))

    assert set(found(locked)["train"]) == {"capped", "core"}


def test_a_page_that_can_not_be_had_leaves_the_others_known(locked: Project, index: TinyIndex) -> None:
    index.remove("free")
    document = json.loads(succeed(locked.run("outdated", "--json")).stdout)

    train = next(step for step in document["steps"] if step["step"] == "train")
    assert {row["name"] for row in train["outdated"]} <= {"capped", "core"}
    assert train["unknown"]


def test_an_index_that_is_not_there_is_told_once(project: Project) -> None:
    """`outdated` must not be green where nothing was answered, and no host is tried again for each file."""
    with TinyIndex() as index:
        for name in ("one", "two", "three"):
            index.wheel(name, "1.0")
        project.configure(
            {
                "python": "3.12",
                "index": [{"url": index.url, "default": True}],
                "docker": {"requirements": ["one", "two", "three"]},
                "steps": {"train": {}, "report": {}},
            }
        )
        succeed(project.run("resolve"))
    env = {"PIP_RETRIES": "1"}

    for command in ("outdated", "fetch"):
        result = project.run(command, env=env)
        assert result.code == 3
        assert result.stderr.count("error:") == result.stderr.count("hint:") == 1


def test_offline_what_the_cache_does_not_know_is_unknown(locked: Project, tmp_path: Path) -> None:
    empty = ("--offline", "--cache-dir", str(tmp_path / "empty"))
    steps = json.loads(succeed(locked.run("outdated", "--json", *empty)).stdout)["steps"]

    assert [(len(step["unknown"]), step["packages"], step["outdated"]) for step in steps] == [(5, 5, []), (1, 1, [])]
    assert "steady: not known, `steady` is not in the cache" in succeed(locked.run("outdated", *empty)).stdout
    assert found(locked, "--offline")["train"] == {}


def test_a_lock_that_is_not_current_is_refused(locked: Project) -> None:
    locked.configure({"python": "3.12", "docker": {"requirements": ["free"]}})

    assert locked.run("outdated").code == 1
