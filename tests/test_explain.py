"""The report of a conflict is proven, as is each way out that it offers."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

import pytest
from packaging.utils import canonicalize_name

from support.graph import Graph, Packages, Release, direct, pins_by_name, problem_of
from test_soundness import Case, Oracle
from zlock.model.requirement import DirectRequirement
from zlock.resolution import words
from zlock.resolution.changes import find_changes, settings_for
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.conflict import Conflict
from zlock.resolution.eligible import find_nothing
from zlock.resolution.explain import explain
from zlock.resolution.problem import Problem
from zlock.resolution.solve import solve
from zlock.resolution.trials import Trials

GRAPHS = 1500
DEPTH = 2000


def conflict_of(problem: Problem) -> Conflict | None:
    """Return the report of a conflict, None where there is an answer."""
    try:
        solve(problem)
    except Unsolvable as proof:
        return explain(problem, proof)
    return None


def conflicts(seed: int, *, constrained: bool = False) -> Iterator[tuple[Case, list[str], Conflict, Problem]]:
    """Yield random steps without an answer, with their constraints and the report."""
    dice = random.Random(seed)
    for _ in range(GRAPHS):
        case = Case.draw(dice)
        names = sorted(case.packages)
        limits = [f"{dice.choice(names)}{dice.choice(['<2', '==1', '>=2', '!=3'])}" for _ in range(3 * constrained)]
        problem = problem_of(case.packages, case.asked, constraints=limits)
        conflict = conflict_of(problem)
        if conflict is not None:
            yield case, limits, conflict, problem


def chain_of(conflict: Conflict) -> list[str]:
    return list(words.between(conflict))


def texts(requirements: Sequence[DirectRequirement]) -> list[str]:
    return [str(one) for one in requirements]


def test_what_a_conflict_names_has_no_answer_by_itself_and_none_of_it_can_be_left_out() -> None:
    """The oracle, not the engine, decides."""
    seen = 0
    for case, _, conflict, _ in conflicts(1):
        core = texts(conflict.requirements)
        seen += len(core) > 1

        assert not Oracle(Case(case.packages, tuple(core))).is_solvable(), (case, core)

        for left_out in core if len(core) > 1 else ():
            rest = [one for one in core if one != left_out]

            assert Oracle(Case(case.packages, tuple(rest))).is_solvable(), (case, core, left_out)
    assert seen > 10, "the graphs hold too few conflicts of several requirements"


def test_constraints_are_named_exactly_where_they_matter() -> None:
    """With those named there is no answer, without any one of them there is."""
    seen = 0
    for case, _, conflict, _ in conflicts(2, constrained=True):
        core, named = texts(conflict.requirements), texts(conflict.constraints)
        seen += bool(named)

        assert conflict_of(problem_of(case.packages, core, constraints=named)) is not None, (case, core, named)

        for left_out in named:
            rest = [one for one in named if one != left_out]

            assert conflict_of(problem_of(case.packages, core, constraints=rest)) is None, (case, core, named)
    assert seen > 10, "the graphs hold too few conflicts with constraints"


def test_each_change_that_is_offered_solves_the_step() -> None:
    """Doing what a change says, and nothing else, leads to an answer with the version it says."""
    kinds = set()
    for case, limits, conflict, problem in conflicts(3, constrained=True):
        for change in map(words.change, find_changes(problem, conflict).found):
            asked, constraints, pin = applied(change, list(case.asked), list(limits))
            kinds.add(change.partition(" ")[0] + ("+" if "constraint" in change else ""))
            changed = problem_of(case.packages, asked, constraints=constraints)

            pins = pins_by_name(solve(changed), changed)

            assert not pin or pins[pin[0]] == pin[1], (case, limits, change)
    assert kinds == {"relax", "relax+", "require", "leave"}


def applied(change: str, asked: list[str], limits: list[str]) -> tuple[list[str], list[str], tuple[str, str] | None]:
    """Return what is asked and its limits after a change, and the pin it promises."""
    stated = re.findall(r"`(.+?)`", change)[0]
    promised = re.search(r" to allow (\S+) (\S+)$", change)
    pin = (promised[1], promised[2]) if promised else None
    if change.startswith("require "):
        return [*asked, stated], limits, None
    if "the constraint" in change:
        return asked, [one for one in limits if str(direct(one)) != stated], pin
    kept = [one for one in asked if str(direct(one)) != stated]
    if pin is None:
        return kept, limits, None
    return [*kept, f"{stated.partition(']')[0] + ']' if ']' in stated else pin[0]}=={pin[1]}"], limits, pin


def chain(length: int) -> dict[str, dict[str, Release]]:
    """Return packages each of which needs the next one."""
    packages: dict[str, dict[str, Release]] = {
        f"p{number}": {"1": {"requires": [f"p{number + 1}"]}} for number in range(length)
    }
    packages[f"p{length}"] = {"1": {}, "2": {}}
    return packages


def test_a_deep_chain_is_solved_by_either_search() -> None:
    """Nothing recurses as deep as the graph."""
    problem = problem_of(chain(DEPTH), ["p0"])

    assert len(solve(problem)) == DEPTH + 1

    impossible_at_first: Packages = {**chain(DEPTH), "p0": {"2": {"requires": ["p1", f"p{DEPTH}<2", "q"]}, "1": {}}}

    assert len(solve(problem_of({**impossible_at_first, "q": {"1": {"requires": ["nowhere"]}}}, ["p0"]))) == 1


def test_a_deep_conflict_is_explained() -> None:
    """The explanation names both ends of a chain of thousands, and shows the beginning of what is between."""
    problem = problem_of(
        {**chain(DEPTH), f"p{DEPTH - 1}": {"1": {"requires": [f"p{DEPTH}<2"]}}}, ["p0", f"p{DEPTH}>=2"]
    )
    conflict = conflict_of(problem)

    assert conflict is not None
    assert texts(conflict.requirements) == ["p0", f"p{DEPTH}>=2"]
    assert chain_of(conflict)[0] == "`p0` 1 requires `p1`"
    assert re.fullmatch(r"and \d+ more of this kind", chain_of(conflict)[-1])
    assert list(map(words.change, find_changes(problem, conflict).found)) == [
        f"relax `p{DEPTH}>=2` (explicit) to allow p{DEPTH} 1"
    ]


@pytest.mark.parametrize(
    ("versions", "wanted"),
    [
        (["3"], "`a` 3 requires `b>=2`"),
        (["1", "2", "3"], "every usable `a` requires `b>=2`"),
        (["2", "3"], "`a` 2 to 3 requires `b>=2`"),
        (["1", "3"], "`a` 1 and 3 requires `b>=2`"),
    ],
)
def test_versions_are_told_in_few_words(versions: list[str], wanted: str) -> None:
    """Whole runs of releases are told by their ends."""
    releases: dict[str, Release] = {version: {"requires": ["nowhere"]} for version in ("1", "2", "3")}
    releases |= {version: {"requires": ["b>=2"]} for version in versions}

    conflict = conflict_of(problem_of({"a": releases, "b": {"1": {}, "2": {}}}, ["a", "b<2"]))

    assert conflict is not None
    assert wanted in chain_of(conflict)


def test_a_no_that_pre_releases_could_not_turn_reads_no_graph_to_find_out_who_names_one() -> None:
    """Only a pre-release fits, and it can't be used either; who might name it is then no question."""
    wide: dict[str, Release] = {str(number): {} for number in range(50)}
    graph = Graph({"lib": {"1": {}, "2": {}, "3b1": {"requires": ["gone"]}}, "wide": wide})
    conflict = conflict_of(problem_of(graph, ["lib>2", "wide"]))

    assert conflict is not None
    assert texts(conflict.requirements) == ["lib>2"]
    assert len({filename for filename in graph.read if filename.startswith("wide")}) <= 1


def test_many_releases_that_conflict_each_in_their_own_way_are_one_line_with_what_the_newest_requires() -> None:
    app: dict[str, Release] = {f"1.{number}": {"requires": [f"lib<{number + 1}"]} for number in range(20)}
    conflict = conflict_of(
        problem_of({"app": app, "lib": {str(number): {} for number in range(30)}}, ["app", "lib>=25"])
    )

    assert conflict is not None
    assert chain_of(conflict) == ["every usable `app` requires `lib`: the newest `lib<20`, others 19 other ranges"]


def test_packages_to_be_built_are_named_also_where_there_is_no_time_to_try() -> None:
    packages: Packages = {"app": {"1": {"requires": ["one", "two"]}}, "one": {"1": {"sdist": True}}}
    packages = {**packages, "two": {"1": {"sdist": True, "requires": ["deep"]}}, "deep": {"1": {"sdist": True}}}
    problem = problem_of(packages, ["app"])
    nothings = [find_nothing(problem, problem.universe.package(canonicalize_name(name)), "") for name in ("one", "two")]
    (untried,) = settings_for(problem, nothings, Trials(0))
    (tried,) = settings_for(problem, nothings, Trials(60))

    assert words.change(untried) == (
        'set `build-sdists = ["one", "two"]` to let zlock build them, which runs their code; '
        "whether that is enough was not tried, as it would take longer"
    )
    assert (tried.names, tried.is_tried) == (("deep", "one", "two"), True)
