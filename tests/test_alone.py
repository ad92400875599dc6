"""What a step has alone: what it asks for as young as can be, then the rest; what was locked stays."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from packaging.version import Version

from support.graph import Packages, pins_by_name, problem_of
from test_soundness import Case, Oracle
from zlock.resolution.alone import choose
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.needs import Pins
from zlock.resolution.problem import Policy, Problem
from zlock.resolution.solve import answer, solve

GRAPHS = 3000


def day(number: int) -> str:
    return f"{date(2020, 1, 1) + timedelta(days=number)}T00:00:00Z"


def web() -> Packages:
    """Storage of 2020 works with every client; today's needs a client that is some days back."""
    client = {f"1.{n}": {"uploaded": day(2000 + n), "requires": [f"core=={n}"]} for n in range(60)}
    core = {str(n): {"uploaded": day(2000 + n)} for n in range(60)}
    bridge = {str(n): {"uploaded": day(2003 + n), "requires": [f"core=={n}"]} for n in range(0, 57, 8)}
    storage = {"0.4": {"uploaded": day(0), "requires": ["core>=0"]}} | {
        str(n + 1): {"uploaded": day(2004 + n), "requires": [f"bridge=={n}"]} for n in range(0, 57, 8)
    }
    return {"client": client, "core": core, "bridge": bridge, "storage": storage}  # type: ignore[dict-item]


def pins(packages: Packages, *asked: str, kept: Mapping[str, str] | None = None, **policy: str) -> dict[str, str]:
    problem = problem_of(packages, asked, preferences=kept, policy=Policy(**policy))  # type: ignore[arg-type]
    return pins_by_name(solve(problem), problem)


def test_a_few_days_back_on_one_package_keep_another_from_falling_years_behind() -> None:
    assert pins(web(), "client", "storage") == {"client": "1.56", "core": "56", "bridge": "56", "storage": "57"}


def test_what_is_young_enough_is_not_exchanged() -> None:
    packages: Packages = {
        "a": {"1": {"uploaded": day(0)}, "2": {"uploaded": day(25), "requires": ["b<2"]}},
        "b": {"1": {"uploaded": day(0)}, "2": {"uploaded": day(25)}},
    }

    assert pins(packages, "a", "b") == {"a": "2", "b": "1"}


@pytest.mark.parametrize("kept", [{"client": "1.59"}, {"storage": "0.4"}])
def test_what_is_locked_is_old_for_a_reason(kept: dict[str, str]) -> None:
    found = pins(web(), "client", "storage", kept=kept)

    assert kept.items() <= found.items()


def test_where_the_lowest_is_wanted_nothing_is_made_younger() -> None:
    assert pins(web(), "client", "storage", resolution="lowest")["storage"] == "0.4"


def test_without_upload_times_fewest_releases_are_stepped_back() -> None:
    bare: Packages = {
        name: {version: {"requires": release.get("requires", [])} for version, release in releases.items()}
        for name, releases in web().items()
    }

    assert pins(bare, "client", "storage") == {"client": "1.56", "core": "56", "bridge": "56", "storage": "57"}


def test_what_a_requirement_holds_back_stays_and_nothing_else_gets_older_for_it() -> None:
    packages: Packages = {
        "a": {
            "1": {"uploaded": day(0)},
            "2": {"uploaded": day(900)},
            "3": {"uploaded": day(1000), "requires": ["b<2"]},
        },
        "b": {"1": {"uploaded": day(0)}, "2": {"uploaded": day(1000)}},
    }

    assert pins(packages, "a", "b<2") == {"a": "3", "b": "1"}
    assert pins(packages, "a>=3", "b") == {"a": "3", "b": "1"}
    assert pins(packages, "a", "b") == {"a": "2", "b": "2"}


def test_a_pin_that_is_old_already_may_go_back_for_one_that_gains_more() -> None:
    """But not so far that it would be as old as that one was."""

    def tools(days_back: int) -> Packages:
        return {
            "app": {
                "1": {"uploaded": day(500 - days_back)},
                "2": {"uploaded": day(500), "requires": ["base<2"]},
                "3": {"uploaded": day(1100)},
            },
            "base": {"1": {"uploaded": day(300)}, "2": {"uploaded": day(1000)}},
        }

    assert pins(tools(20), "app<3", "base") == {"app": "1", "base": "2"}
    assert pins(tools(150), "app<3", "base") == {"app": "2", "base": "1"}


def test_ages_count_from_the_newest_release_that_can_be_used() -> None:
    packages: Packages = {
        "a": {
            "1": {"uploaded": day(0)},
            "2": {"uploaded": day(10)},
            "3": {"uploaded": day(500), "requires-python": ">=3.99"},
            "4b1": {"uploaded": day(700)},
        }
    }
    problem = problem_of(packages, ["a"])
    ages = problem.ages
    package = problem.universe.package(problem.roots()[0].node.name)
    by_version = {str(version): ages.age(package.name, at) for at, version in enumerate(package.versions)}

    assert (by_version["1"], by_version["2"]) == (10, 0)


def oldest_first(problem: Problem, found: Pins) -> list[int]:
    return sorted(problem.ages.of(found).values(), reverse=True)


def test_an_answer_stays_right_and_its_oldest_pin_never_gets_older() -> None:
    """On random graphs with random upload times, by the oracle's walk."""
    dice = random.Random(3)
    younger = 0
    for _ in range(GRAPHS):
        case = Case.draw(dice)
        for releases in case.packages.values():
            days = sorted(dice.randint(0, 2000) for _ in releases)
            for version, uploaded in zip(sorted(releases, key=Version), days, strict=True):
                if dice.random() < 0.95:
                    releases[version]["uploaded"] = day(uploaded)
        problem = problem_of(case.packages, case.asked)
        try:
            before = answer(problem)
        except Unsolvable:
            continue
        after = choose(problem, before)

        assert not Oracle(case).flaw(pins_by_name(after, problem)), case
        assert oldest_first(problem, after)[:1] <= oldest_first(problem, before)[:1], case
        younger += after != before
    assert younger
