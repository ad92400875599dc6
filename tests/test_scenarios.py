"""Cases of the solve as data: one file each in `scenarios/`, whose description says why it exists.

A file states what the sources ask, the index with the releases it lists, and what comes out: the pins (with
`notes`, and with what `gave_way`), or the class of the error with parts of its text, one of them per line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from support.graph import Graph, digest, direct, pins_by_name
from zlock.errors import Collector, Problems, ZlockError
from zlock.merge import merge
from zlock.model.indexes import Cutoff
from zlock.model.origin import Source
from zlock.model.requirement import DirectRequirement, Gathered
from zlock.model.target import Target
from zlock.reporting import News, Note
from zlock.resolution import answer_words
from zlock.resolution.align import align
from zlock.resolution.behind import find_behind
from zlock.resolution.changes import find_changes
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.explain import explain, gives_way
from zlock.resolution.hopeless import errors_of, find_hopeless
from zlock.resolution.problem import Policy, Problem
from zlock.resolution.rules import Rules
from zlock.resolution.side import Member, versions_of
from zlock.resolution.solve import describe, solve
from zlock.resolution.trials import Trials
from zlock.resolution.universe import Universe
from zlock.resolution.words import no_solution

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))
OF_STEPS = sorted((Path(__file__).parent / "scenarios" / "steps").glob("*.toml"))
KEYS = {
    "description",
    "known",
    "config",
    "index",
    "expect",
    "error",
    "constraints",
    "steps",
    "differs",
    *(source.name.lower() for source in Source),
}


class Scenario:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.data: dict[str, Any] = tomllib.loads(path.read_text())
        assert self.data.keys() <= KEYS, path
        assert self.data["description"].endswith("."), path
        self.config: dict[str, Any] = self.data.get("config", {})
        self.heard: list[News] = []
        self.universe = Universe(
            self._target(), Graph(self.data.get("index", {})), self._rules(), reporter=self.heard.append
        )
        self.gave_way: list[str] = []
        self.behind: list[str] = []

    def _target(self) -> Target:
        config = self.config
        return Target.parse(
            config.get("python", "3.12"),
            config.get("platform", "linux/amd64"),
            manylinux=config.get("manylinux"),
            musllinux=config.get("musllinux"),
        )

    def _rules(self) -> Rules:
        config = self.config
        cutoff = config.get("exclude-newer")
        packages = {
            canonicalize_name(name): datetime.fromisoformat(when)
            for name, when in config.get("exclude-newer-package", {}).items()
        }
        overrides = [direct(text, Source.CONFIGURATION) for text in config.get("overrides", ())]
        return Rules(
            cutoff=Cutoff(default=datetime.fromisoformat(cutoff) if cutoff else None, packages=packages),
            build_sdists=frozenset(map(canonicalize_name, config.get("build-sdists", ()))),
            overrides={one.name: one for one in overrides},
            exclude=frozenset(
                (canonicalize_name(name), canonicalize_name(parent) if parent else None)
                for name, parent in config.get("exclude", ())
            ),
        )

    def _requirements(self) -> list[DirectRequirement]:
        hashes = self.config.get("hashes", {})
        return list(
            merge(
                Gathered(
                    source=source,
                    requirements=tuple(
                        direct(text, source, hashes=[f"sha256:{digest(name)}" for name in hashes.get(text[:1], ())])
                        for text in self.data.get(source.name.lower(), ())
                    ),
                )
                for source in Source
            )
        )

    def _problem(self, requirements: Sequence[DirectRequirement]) -> Problem:
        return Problem(
            universe=self.universe,
            requirements=requirements,
            constraints=[direct(text, Source.CONFIGURATION) for text in self.data.get("constraints", ())],
            policy=Policy(
                prerelease=self.config.get("prerelease", "if-necessary-or-explicit"),
                resolution=self.config.get("resolution", "highest"),
                step_back=self.config.get("step-back", 180),
            ),
            preferences={canonicalize_name(name): version for name, version in self.config.get("keep", {}).items()},
        )

    def solve(self) -> dict[str, str]:
        """Return the pins; raise what the command would show."""
        requirements = self._requirements()
        while True:
            problem = self._problem(requirements)
            try:
                pins = solve(problem)
            except Unsolvable as proof:
                self._raise_hopeless(problem)
                conflict = explain(problem, proof)
                way = gives_way(conflict, problem) if self.config.get("conflicts") == "later" else None
                if way is None:
                    raise no_solution("train", conflict, find_changes(problem, conflict)) from None
                requirements.remove(way[0])
                self.gave_way.append(f"{way[0]} to {way[1]}")
                continue
            describe(problem, pins)
            self.behind = [answer_words.behind(one) for one in find_behind(problem, pins, Trials(60))]
            return {name: version for name, version in pins_by_name(pins, problem).items() if "[" not in name}

    def members(self) -> list[Member]:
        """Return the steps."""
        how = self.config.get("align", True)
        return [
            Member(
                name=(step, ""),
                problem=self._problem([direct(text) for text in asked]),
                group="" if how else step,
                opened=None if how == "always" else frozenset(self.config.get("align-packages", ())),
            )
            for step, asked in self.data["steps"].items()
        ]

    def _raise_hopeless(self, problem: Problem) -> None:
        problems = Collector()
        for error in errors_of(problem, find_hopeless(problem), self.data.get("known", ())):
            problems.add(error)
        problems.raise_if_any()


def text_of(error: ZlockError) -> str:
    """Return all that a person sees of an error."""
    errors = error.errors if isinstance(error, Problems) else (error,)
    return "\n".join("\n".join((one.message, *one.context, f"hint: {one.hint}")) for one in errors)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_comes_out_as_it_says(path: Path) -> None:
    """The pins are exactly the expected ones, or the error says what it has to."""
    scenario = Scenario(path)
    if "error" in scenario.data:
        expected = scenario.data["error"]
        with pytest.raises(ZlockError) as caught:
            scenario.solve()
        text = text_of(caught.value)
        kinds = [kind.__name__ for kind in type(caught.value).__mro__]

        assert expected["class"] in kinds, text
        assert [part for part in expected["says"] if part not in text] == [], text
        assert [part for part in expected.get("silent", ()) if part in text] == [], text
        if expected.get("in-order"):
            assert sorted(expected["says"], key=text.index) == expected["says"], text
        return
    expected = dict(scenario.data["expect"])
    notes, gave_way, behind = (expected.pop(key, []) for key in ("notes", "gave_way", "behind"))

    assert scenario.solve() == expected
    assert scenario.gave_way == gave_way
    assert scenario.behind == behind
    assert list(dict.fromkeys(news.text for news in scenario.heard if isinstance(news, Note))) == notes


@pytest.mark.parametrize("path", OF_STEPS, ids=lambda path: path.stem)
def test_scenario_of_several_steps_comes_out_as_it_says(path: Path) -> None:
    scenario = Scenario(path)
    members = scenario.members()
    for order in (members, members[::-1]):
        found = align(order)

        pins = {step: versions_of(problem_of(order, step), found.pins[step, ""]) for step in scenario.data["steps"]}
        assert pins == scenario.data["expect"]
        differs = {step: sorted(answer_words.differing(rows)) for (step, _), rows in found.differs.items()}
        assert differs == {step: sorted(rows) for step, rows in scenario.data.get("differs", {}).items()}


def problem_of(members: Sequence[Member], step: str) -> Problem:
    """Return what a step asks."""
    return next(member.problem for member in members if member.name[0] == step)


def test_a_solved_scenario_stays_as_it_is_when_its_pins_are_kept() -> None:
    """Solving again with the answer as the old lock changes nothing."""
    for path in SCENARIOS:
        scenario = Scenario(path)
        if "expect" in scenario.data:
            pins = scenario.solve()
            scenario.config["keep"] = pins

            assert scenario.solve() == pins, path.stem
