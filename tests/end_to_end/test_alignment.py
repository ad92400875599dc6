"""Versions across the steps of a project, as its locks show them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project
from zlock.lock.identity import resign


def fill(index: TinyIndex) -> None:
    for version in ("1.0", "2.0"):
        index.wheel("alpha", version)
        index.wheel("beta", version)
        index.wheel("gamma", version, requires=["beta<2"] if version == "1.0" else [])


def configure(
    project: Project,
    index: TinyIndex,
    steps: Mapping[str, Sequence[str]],
    apart: Sequence[str] = (),
    **more: object,
) -> None:
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "steps": {
                step: {"docker": {"requirements": asked}, **({"align": False} if step in apart else {})}
                for step, asked in steps.items()
            },
            **more,
        }
    )


def resolve(project: Project, *arguments: str) -> dict[str, dict[str, str]]:
    result = project.run("resolve", *arguments)
    assert result.code == 0, result.stderr
    steps = sorted(path.name.split(".")[1] for path in (project.folder / "lockfiles").iterdir())
    return {step: project.locked(step) for step in steps}


def test_steps_agree_and_a_second_run_changes_nothing(index: TinyIndex, project: Project) -> None:
    fill(index)
    for version in ("1.1", "1.2"):
        index.wheel("alpha", version)
    configure(project, index, {"a": ["alpha<1.2"], "b": ["alpha<2", "beta"], "c": ["gamma"]})

    assert resolve(project) == {"a": {"alpha": "1.1"}, "b": {"alpha": "1.1", "beta": "2.0"}, "c": {"gamma": "2.0"}}
    before = {step: project.lock_path(step).read_bytes() for step in "abc"}
    for step in "abc":
        assert "differs" not in project.lock(step)["tool"]["zlock"]
    # With another question the same pins are found again, from the locks.
    configure(project, index, {"a": ["alpha<1.2.0"], "b": ["beta", "alpha<2.0"], "c": ["gamma>0"]})
    resolve(project)
    configure(project, index, {"a": ["alpha<1.2"], "b": ["alpha<2", "beta"], "c": ["gamma"]})
    resolve(project)

    assert {step: project.lock_path(step).read_bytes() for step in "abc"} == before


def test_a_difference_is_in_the_lock_with_the_requirement_that_forces_it(index: TinyIndex, project: Project) -> None:
    fill(index)
    configure(project, index, {"old": ["gamma<2"], "new": ["beta>=2"]})
    result = project.run("resolve", "--json")

    forcing = [{"requirement": "beta<2", "sources": ["gamma 1.0"]}]
    row = {"name": "beta", "here": "1.0", "elsewhere": ["2.0"], "reason": "forced", "forcing": forcing}
    assert project.lock("old")["tool"]["zlock"]["differs"] == [row]
    assert json.loads(result.stdout)["steps"]["old"]["differs"] == [row]
    assert project.run("resolve", "--check").code == 0
    # Solved again with the locked pins, it is the same difference for the same reason.
    before = project.lock_path("old").read_bytes()
    for asked in ("gamma<2.0", "gamma<2"):
        configure(project, index, {"old": [asked], "new": ["beta>=2"]})
        resolve(project)
    assert project.lock_path("old").read_bytes() == before


def test_a_step_that_comes_in_follows_the_locks_that_are_there(index: TinyIndex, project: Project) -> None:
    index.wheel("alpha", "1.0")
    configure(project, index, {"a": ["alpha"]})
    resolve(project)
    before = project.lock_path("a").read_bytes()
    index.wheel("alpha", "2.0")
    configure(project, index, {"a": ["alpha"], "b": ["alpha"]})

    assert resolve(project)["b"] == {"alpha": "1.0"}
    assert undeclared(project.lock_path("a").read_bytes()) == undeclared(before)
    assert resolve(project, "--upgrade") == {"a": {"alpha": "2.0"}, "b": {"alpha": "2.0"}}


def undeclared(lock: bytes) -> dict[str, Any]:
    """Return a lock without what depends on the bytes of the files that ask."""
    tree = tomllib.loads(lock.decode())
    for key in ("declared", "declared-files", "integrity"):
        tree["tool"]["zlock"].pop(key, None)
    return tree


def test_one_package_is_upgraded_in_all_steps_and_nothing_else_moves(index: TinyIndex, project: Project) -> None:
    for name in ("alpha", "beta"):
        index.wheel(name, "1.0")
    configure(project, index, {"a": ["alpha", "beta"], "b": ["alpha"]})
    resolve(project)
    for name in ("alpha", "beta"):
        index.wheel(name, "2.0")

    assert resolve(project, "--upgrade-package", "alpha") == {
        "a": {"alpha": "2.0", "beta": "1.0"},
        "b": {"alpha": "2.0"},
    }


@pytest.mark.parametrize("of_all", [True, False])
def test_without_align_each_step_has_its_own_versions(index: TinyIndex, project: Project, *, of_all: bool) -> None:
    fill(index)
    steps = {"a": ["alpha<2"], "b": ["alpha"]}
    configure(project, index, steps, apart="" if of_all else "b", align=not of_all)

    assert resolve(project) == {"a": {"alpha": "1.0"}, "b": {"alpha": "2.0"}}
    assert project.lock("b")["tool"]["zlock"]["policy"]["align"] is False
    assert "differs" not in project.lock("b")["tool"]["zlock"]
    # What was aligned and is not any more asks something else.
    configure(project, index, steps)

    assert project.run("resolve", "--check").code == 1


def test_what_gives_way_in_one_step_stands_in_the_others(index: TinyIndex, project: Project) -> None:
    fill(index)
    configure(
        project,
        index,
        {"a": ["alpha>=2"], "b": ["beta"]},
        conflicts="later",
        stack={"requirements": ["alpha<2"]},
    )

    assert resolve(project) == {"a": {"alpha": "2.0"}, "b": {"alpha": "1.0", "beta": "2.0"}}
    assert project.lock("a")["tool"]["zlock"]["gave-way"] == [
        {
            "loser": {"requirement": "alpha<2", "sources": ["stack"]},
            "winner": {"requirement": "alpha>=2", "sources": ["explicit"]},
        }
    ]
    (row,) = project.lock("b")["tool"]["zlock"]["differs"]
    assert row["forcing"] == [{"requirement": "alpha<2", "sources": ["stack"]}]


def test_a_lock_of_format_1_is_current_and_is_read_as_what_its_sentences_say(
    index: TinyIndex, project: Project
) -> None:
    fill(index)
    stack = {"requirements": ["alpha<2"]}
    configure(project, index, {"a": ["alpha>=2"], "b": ["beta"]}, conflicts="later", stack=stack)
    resolve(project)
    told = [project.run(*command).stdout for command in (("tree",), ("why", "alpha", "--json"))]
    gave_way = "`alpha<2` of stack gave way to `alpha>=2` of explicit"
    differs = {
        "a": "alpha is 2.0 here and 1.0 elsewhere: `alpha>=2` of explicit can't be had with 1.0",
        "b": "alpha is 1.0 here and 2.0 elsewhere: `alpha<2` of stack can't be had with 2.0",
    }
    for step in "ab":
        path = project.lock_path(step)
        text = path.read_text(encoding="utf-8").replace("format = 2\n", "format = 1\n")
        for key, sentence in {"gave-way": gave_way, "differs": differs[step]}.items():
            rows = re.compile(rf"^{key} = \[\n(?: .*\n)*\]$", re.MULTILINE)
            text = rows.sub(f'{key} = ["{sentence}"]', text)
        path.write_text(resign(text), encoding="utf-8")
    before = {step: project.lock_path(step).read_bytes() for step in "ab"}

    assert b"gave way to" in before["a"]
    assert project.run("resolve", "--check").code == 0
    resolve(project)
    assert {step: project.lock_path(step).read_bytes() for step in "ab"} == before
    assert [project.run(*command).stdout for command in (("tree",), ("why", "alpha", "--json"))] == told


def test_all_steps_without_an_answer_are_named_at_once(index: TinyIndex, project: Project) -> None:
    fill(index)
    configure(project, index, {"a": ["alpha<1"], "b": ["beta"], "c": ["gamma<2", "beta>=2"]})
    result = project.run("resolve")

    assert result.code == 1
    assert "step `a`" in result.stderr
    assert "step `c`" in result.stderr
    assert "step `b`" not in result.stderr
    assert not (project.folder / "lockfiles").exists()


def test_a_difference_that_another_index_makes_names_that_index(index: TinyIndex, project: Project) -> None:
    fill(index)
    with TinyIndex() as other:
        other.wheel("alpha", "5.0")
        asked = {"docker": {"requirements": ["alpha"]}}
        project.configure(
            {
                "python": "3.12",
                "index": [
                    {"name": "house", "url": other.url, "explicit": True},
                    {"url": index.url, "default": True},
                ],
                "steps": {"a": asked, "b": {**asked, "index-sources": {"alpha": "house"}}},
            }
        )

        assert resolve(project) == {"a": {"alpha": "2.0"}, "b": {"alpha": "5.0"}}

    assert [project.lock(step)["tool"]["zlock"]["differs"] for step in "ab"] == [
        [{"name": "alpha", "here": "2.0", "elsewhere": ["5.0"], "reason": "unlisted"}],
        [{"name": "alpha", "here": "5.0", "elsewhere": ["2.0"], "reason": "unlisted", "where": "house"}],
    ]
