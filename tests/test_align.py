"""Steps solved together: one version of each package, and where that can't be, as few others as can be."""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Iterator, Mapping, Sequence

import pytest
from packaging.utils import NormalizedName, canonicalize_name

from support.graph import Graph, Packages, direct, pins_by_name
from test_soundness import Case, Oracle
from zlock.model.origin import Source
from zlock.model.target import Target
from zlock.resolution import answer_words
from zlock.resolution.align import Aligned, align
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.problem import Policy, Problem
from zlock.resolution.reporter import AtMost, Enough
from zlock.resolution.rules import Rules
from zlock.resolution.side import Member
from zlock.resolution.universe import Universe

PIPELINES = int(os.environ.get("ZLOCK_SOUNDNESS_PIPELINES", "3000"))
SEED = int(os.environ.get("ZLOCK_SOUNDNESS_SEED", "0"))
Steps = Mapping[str, Sequence[str]]
TABLES: Packages = {
    "frames": {"1.5": {"requires": ["arrays<2"]}, "2.2": {"requires": ["arrays>=1"]}},
    "arrays": {"1.26": {}, "2.1": {}},
    "science": {"1.11": {"requires": ["arrays<2"]}, "1.15": {"requires": ["arrays>=1.26"]}},
}


class World:
    """Steps over one index, each with its own policy, and with what was locked before."""

    def __init__(self, packages: Packages) -> None:
        self._graph = Graph(packages)
        self._universes = {"3.12": Universe(Target.parse("3.12"), self._graph, Rules())}

    def member(
        self,
        step: str,
        asked: Sequence[str],
        *,
        kept: Mapping[str, str] | None = None,
        policy: Policy | None = None,
        constraints: Sequence[str] = (),
        python: str = "3.12",
        group: str = "",
        opened: Collection[NormalizedName] | None = (),
    ) -> Member:
        """Return a step."""
        if python not in self._universes:
            self._universes[python] = Universe(Target.parse(python), self._graph, Rules())
        problem = Problem(
            universe=self._universes[python],
            requirements=[direct(text) for text in asked],
            constraints=[direct(text, Source.CONFIGURATION) for text in constraints],
            policy=policy or Policy(),
            preferences={canonicalize_name(name): version for name, version in (kept or {}).items()},
        )
        return Member(name=(step, ""), problem=problem, group=group, opened=opened)


def differences(result: Aligned) -> dict[str, tuple[str, ...]]:
    """Return per step why versions differ."""
    return {step: tuple(answer_words.differing(found)) for (step, _), found in result.differs.items()}


def bases(result: Aligned, members: Sequence[Member]) -> dict[str, dict[str, str]]:
    """Return the versions per step, extras left out."""
    problems = {member.name[0]: member.problem for member in members}
    pins = {step: pins_by_name(found, problems[step]) for (step, _), found in result.pins.items()}
    return {step: {name: version for name, version in found.items() if "[" not in name} for step, found in pins.items()}


def solved(packages: Packages, steps: Steps, settled: Sequence[Mapping[str, str]] = ()) -> dict[str, dict[str, str]]:
    """Return the versions per step, where all of them have an answer."""
    world = World(packages)
    members = [world.member(step, asked) for step, asked in steps.items()]
    result = align(members, [{canonicalize_name(name): one for name, one in pins.items()} for pins in settled])
    assert not result.failed
    return bases(result, members)


def differs(packages: Packages, steps: Steps) -> dict[str, tuple[str, ...]]:
    """Return per step why versions differ."""
    world = World(packages)
    return differences(align([world.member(step, asked) for step, asked in steps.items()]))


def test_a_bound_of_one_step_counts_for_all() -> None:
    steps = {"train": ["frames", "arrays<2"], "report": ["frames"], "plot": ["science"]}

    assert solved(TABLES, steps) == {
        "train": {"frames": "2.2", "arrays": "1.26"},
        "report": {"frames": "2.2", "arrays": "1.26"},
        "plot": {"science": "1.15", "arrays": "1.26"},
    }
    assert differs(TABLES, steps) == {}


def test_what_contradicts_differs_and_all_else_stays_the_same() -> None:
    """The other steps give up arrays 2.1, so that one package differs and not two."""
    steps = {"old": ["frames<2", "science"], "new": ["frames>=2", "science"], "other": ["frames>=2"]}

    assert solved(TABLES, steps) == {
        "old": {"frames": "1.5", "arrays": "1.26", "science": "1.15"},
        "new": {"frames": "2.2", "arrays": "1.26", "science": "1.15"},
        "other": {"frames": "2.2", "arrays": "1.26"},
    }
    newer = ("frames is 2.2 in this step and 1.5 in other steps: 1.5 conflicts with `frames>=2`",)
    assert differs(TABLES, steps) == {
        "old": ("frames is 1.5 in this step and 2.2 in other steps: 2.2 conflicts with `frames<2`",),
        "new": newer,
        "other": newer,
    }


def test_the_requirement_that_forces_a_difference_is_named_though_it_is_far_away() -> None:
    steps = {"old": ["frames<2"], "new": ["arrays>=2"]}

    assert differs(TABLES, steps) == {
        "new": ("arrays is 2.1 in this step and 1.26 in other steps: 1.26 conflicts with `arrays>=2`",),
        "old": ("arrays is 1.26 in this step and 2.1 in other steps: 2.1 conflicts with `arrays<2` of frames 1.5",),
    }


@pytest.mark.parametrize("order", [1, -1])
def test_what_few_steps_ask_for_gives_way_to_what_many_do(order: int) -> None:
    asked = {"a": ["x<2"], "b": ["x>=2"], "c": ["x>=2"], "d": ["x"]}
    steps = dict(list(asked.items())[::order])
    versions = solved({"x": {"1": {}, "2": {}, "3": {}}}, steps)

    assert {step: pins["x"] for step, pins in versions.items()} == {"a": "1", "b": "3", "c": "3", "d": "3"}


def test_a_step_for_itself_has_its_own_newest() -> None:
    world = World({"x": {"1.1": {}, "1.2": {}}})
    members = [world.member("a", ["x<1.2"]), world.member("b", ["x"], group="b"), world.member("c", ["x"])]
    result = align(members)

    assert bases(result, members) == {"a": {"x": "1.1"}, "b": {"x": "1.2"}, "c": {"x": "1.1"}}
    assert differences(result) == {}


def test_locks_that_stay_are_followed_where_that_can_be() -> None:
    packages: Packages = {"x": {"1.1": {}, "1.2": {}}, "y": {"1.1": {}, "1.2": {"requires": ["x>=1.2"]}}}
    settled = [{"x": "1.1", "y": "1.1"}]

    assert solved(packages, {"a": ["x", "y"]}, settled) == {"a": {"x": "1.1", "y": "1.1"}}
    assert solved(packages, {"a": ["y>=1.2"]}, settled) == {"a": {"x": "1.2", "y": "1.2"}}
    assert solved(packages, {"a": ["x>=1.2", "y"]}, settled) == {"a": {"x": "1.2", "y": "1.1"}}


def test_what_was_locked_stays_though_other_steps_have_something_else() -> None:
    world = World({"x": {"1.1": {}, "1.2": {}}, "y": {"1.1": {}, "1.2": {}}})
    members = [
        world.member("a", ["x", "y"], kept={"x": "1.1", "y": "1.1"}),
        world.member("b", ["x", "y"], kept={"x": "1.2"}),
    ]
    result = align(members)

    assert bases(result, members) == {"a": {"x": "1.1", "y": "1.1"}, "b": {"x": "1.2", "y": "1.1"}}
    assert differences(result) == {
        "a": ("x is 1.1 in this step and 1.2 in other steps: it was locked so",),
        "b": ("x is 1.2 in this step and 1.1 in other steps: it was locked so",),
    }


def test_steps_of_different_pythons_have_the_same_versions_as_far_as_files_fit() -> None:
    world = World(
        {
            "x": {"1.1": {}, "1.2": {"requires-python": ">=3.12"}},
            "y": {"1.1": {}, "1.2": {"requires": ["x>=1.2"]}},
        }
    )
    members = [world.member("a", ["y"]), world.member("b", ["y", "x"], python="3.10")]
    result = align(members)

    assert bases(result, members) == {"a": {"y": "1.1"}, "b": {"x": "1.1", "y": "1.1"}}
    members = [world.member("a", ["y>=1.2"]), world.member("b", ["y<1.2", "x"], python="3.10")]
    result = align(members)

    assert bases(result, members) == {"a": {"x": "1.2", "y": "1.2"}, "b": {"x": "1.1", "y": "1.1"}}
    assert (
        "x is 1.1 in this step and 1.2 in other steps: no file of 1.2 fits CPython 3.10 on linux/amd64"
        in differences(result)["b"][0]
    )


@pytest.mark.parametrize(
    ("first", "second", "versions"),
    [
        ({"asked": ["x>=1.2rc1"]}, {"asked": ["x"]}, {"a": "1.2", "b": "1.2"}),
        ({"asked": ["x==1.3rc1"]}, {"asked": ["x"]}, {"a": "1.3rc1", "b": "1.2"}),
        ({"asked": ["x"], "policy": Policy(prerelease="allow")}, {"asked": ["x"]}, {"a": "1.2", "b": "1.2"}),
        ({"asked": ["x==1.15"]}, {"asked": ["x"]}, {"a": "1.15", "b": "1.2"}),
        ({"asked": ["x"], "constraints": ["x<1.2"]}, {"asked": ["x"]}, {"a": "1.1", "b": "1.1"}),
        ({"asked": ["x"], "constraints": ["x<1.2"]}, {"asked": ["x>=1.2"]}, {"a": "1.1", "b": "1.2"}),
    ],
)
def test_what_one_step_may_use_is_not_forced_on_another(
    first: dict[str, list[str]], second: dict[str, list[str]], versions: dict[str, str]
) -> None:
    """Pre-releases, a yanked release that is pinned, constraints of one step."""
    world = World({"x": {"1.1": {}, "1.15": {"yanked": "bad"}, "1.2": {}, "1.3rc1": {}}})
    members = [world.member("a", **first), world.member("b", **second)]  # type: ignore[arg-type]

    assert {step: pins["x"] for step, pins in bases(align(members), members).items()} == versions


def test_a_step_without_an_answer_takes_no_other_down() -> None:
    world = World(TABLES)
    members = [world.member("a", ["frames"]), world.member("b", ["frames<2", "arrays>=2"]), world.member("c", ["gone"])]
    result = align(members)

    assert bases(result, members) == {"a": {"frames": "2.2", "arrays": "2.1"}}
    assert {step: type(error) for (step, _), error in result.failed.items()} == {"b": Unsolvable, "c": Unsolvable}


def pipelines() -> Iterator[tuple[Case, dict[str, list[str]]]]:
    """Yield random indexes with two to four steps each."""
    dice = random.Random(SEED)
    for _ in range(PIPELINES):
        case = Case.draw(dice)
        steps = {f"s{number}": list(case.asked) for number in range(dice.randint(2, 4))}
        for asked in steps.values():
            name = dice.choice(sorted(case.packages))
            if dice.random() < 0.7:
                asked[:] = [*asked[: dice.randint(0, 1)], f"{name}=={dice.choice(sorted(case.packages[name]))}"]
        yield case, steps


def is_plain(case: Case) -> bool:
    """Return whether what one step may use is what each may: without yanked releases and pre-releases."""
    releases = [(version, release) for one in case.packages.values() for version, release in one.items()]
    return not any("yanked" in release or not version.isdecimal() for version, release in releases)


def test_every_step_has_an_answer_that_has_one_by_itself_and_what_can_be_the_same_is() -> None:
    """The oracle decides; with the pins as the locks before, nothing changes."""
    dice = random.Random(1)
    split = 0
    for case, steps in pipelines():
        world = World(case.packages)
        members = [world.member(step, asked, opened=None) for step, asked in steps.items()]
        result = align(members)
        oracles = {step: Oracle(Case(case.packages, tuple(asked))) for step, asked in steps.items()}

        assert {step for step, _ in result.pins} == {
            step for step, oracle in oracles.items() if oracle.is_solvable()
        }, (case, steps)
        problems = {member.name[0]: member.problem for member in members}
        pins = {step: pins_by_name(found, problems[step]) for (step, _), found in result.pins.items()}
        for step, found in pins.items():
            assert not oracles[step].flaw(found), (oracles[step].flaw(found), case, steps)

        versions = {(name, version) for found in pins.values() for name, version in found.items()}
        agree = len(versions) == len({name for name, _ in versions})
        assert agree is not bool(result.differs), (case, steps)
        split += not agree
        if is_plain(case):
            together = Case(case.packages, tuple(text for step in pins for text in steps[step]))
            assert agree or not Oracle(together).is_solvable(), (case, steps)

        again = [
            world.member(step, dice.sample(steps[step], len(steps[step])), kept=pins[step], opened=None)
            for step in pins
        ]
        dice.shuffle(again)
        repeated = align(again)

        assert {step: pins_by_name(found, problems[step]) for (step, _), found in repeated.pins.items()} == pins, case
    assert split > PIPELINES / 20, "too few steps contradict each other"


def test_a_question_that_may_stay_open_ends_with_the_steps_it_may_take() -> None:
    world = World(TABLES)
    members = [world.member(step, ["frames<2", "arrays>=2"]) for step in ("train", "report")]

    with pytest.raises(Enough):
        align(members, reporter=AtMost(1))
    assert len(align(members, reporter=AtMost(100)).failed) == len(members)
