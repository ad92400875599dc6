"""Masks by bisection say what packaging says version by version."""

from __future__ import annotations

import random

import pytest
from packaging.specifiers import Specifier
from packaging.version import Version

from zlock.model.versions import Versions, release_of

OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "~=")


def random_version(draw: random.Random) -> str:
    epoch = draw.choice(["", "", "", "", "1!"])
    release = ".".join(str(draw.choice([0, 0, 1, 2, 10])) for _ in range(draw.randint(1, 4)))
    pre = draw.choice(["", "", "", "a1", "b2", "rc1"])
    post = draw.choice(["", "", "", ".post0", ".post1"])
    dev = draw.choice(["", "", "", ".dev3"])
    local = draw.choice(["", "", "", "", "+cpu", "+cu121"])
    return f"{epoch}{release}{pre}{post}{dev}{local}"


def random_clause(draw: random.Random) -> Specifier:
    operator = draw.choice(OPERATORS)
    version = random_version(draw)
    if operator not in ("==", "!="):
        version = version.partition("+")[0]
    elif draw.random() < 0.4:
        version = (
            f"{draw.choice(['', '1!'])}{'.'.join(str(draw.choice([0, 1, 2])) for _ in range(draw.randint(1, 3)))}.*"
        )
    if operator == "~=" and "." not in version.partition("!")[2] + version.partition("!")[0]:
        version = f"1.{version.partition('!')[2] or version}"
    return Specifier(f"{operator}{version}")


@pytest.mark.parametrize("seed", range(40))
def test_masks_equal_what_packaging_says_of_each_version(seed: int) -> None:
    draw = random.Random(seed)
    versions = sorted({Version(random_version(draw)) for _ in range(draw.randint(0, 60))}, reverse=True)
    texts = [str(version) for version in versions]
    masks = Versions(texts, [release_of(version) for version in versions] if seed % 2 else ())

    for _ in range(50):
        try:
            clause = random_clause(draw)
        except ValueError:
            continue
        found = masks.mask(str(clause))
        expected = sum(clause.contains(version, prereleases=True) << i for i, version in enumerate(versions))

        assert found == expected, (str(clause), [str(v) for i, v in enumerate(versions) if (found ^ expected) >> i & 1])


def test_all_clauses_of_a_specifier_have_to_hold() -> None:
    masks = Versions(["3.0", "2.1", "2.0", "1.0"])

    assert masks.mask(">=2.0,<3") == 0b0110
    assert masks.mask("") == 0b1111
    assert masks.mask("===2.0") == 0b0100


def test_a_bisection_parses_few_versions() -> None:
    masks = Versions([f"{major}.{minor}" for major in range(50, 0, -1) for minor in range(9, -1, -1)])

    masks.mask(">=25.3,<26")

    assert sum(parsed is not None for parsed in masks._parsed) < 60
