"""The solve against an oracle that tries everything, on small random graphs that are as nasty as they can be.

Set `ZLOCK_SOUNDNESS_GRAPHS` to a number for a longer run, and `ZLOCK_SOUNDNESS_SEED` for other graphs.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from resolvelib.resolvers import ResolverException

from support.graph import Packages, Release, pins_by_name, problem_of
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.needs import Pins
from zlock.resolution.problem import Problem
from zlock.resolution.provider import Provider
from zlock.resolution.reporter import SILENT
from zlock.resolution.resolvers import CompleteResolver, OtherResolver
from zlock.resolution.solve import solve

GRAPHS = int(os.environ.get("ZLOCK_SOUNDNESS_GRAPHS", "24000"))
SEED = int(os.environ.get("ZLOCK_SOUNDNESS_SEED", "0"))
BATCHES = 12
FINALS = ("1", "2", "3")
MIXED = ("1", "2", "2.5rc1", "3", "4b1")
ONLY_PRE = ("1a1", "2rc1")
EXTRAS = ("x", "y")


@dataclass(frozen=True)
class Case:
    """A random step over a random index."""

    packages: Packages
    asked: tuple[str, ...]

    @classmethod
    def draw(cls, dice: random.Random) -> Case:
        """Draw one: cycles, extras, yanks, pre-releases and unknown names in changing measure."""
        names = [f"p{number}" for number in range(dice.randint(2, 5))]
        wild = dice.random() < 0.5
        specifiers = _specifiers(MIXED if wild else FINALS)
        packages: dict[str, dict[str, Release]] = {}
        for name in names:
            pool = dice.choice([FINALS, MIXED, MIXED, ONLY_PRE]) if wild else FINALS
            versions = dice.sample(pool, dice.randint(1, min(3, len(pool))))
            packages[name] = {version: _release(dice, names, specifiers) for version in versions}
        asked = tuple(
            f"{dice.choice(names)}{dice.choice(['', '', '[x]', '[y]'])}{dice.choice(specifiers)}"
            for _ in range(dice.randint(1, 3))
        )
        return cls(packages, asked)

    def __str__(self) -> str:
        return f"{self.asked} over {self.packages}"


@cache
def _specifiers(pool: tuple[str, ...]) -> list[str]:
    texts = [f"{operator}{version}" for operator in ("==", "<", ">=", "!=") for version in pool]
    return ["", *texts, *([""] * (len(texts) // 2))]


def _release(dice: random.Random, names: Sequence[str], specifiers: Sequence[str]) -> Release:
    def draw() -> str:
        name = "unknown" if dice.random() < 0.03 else dice.choice(names)
        extra = dice.choice(["[x]", "[y]", "[x,y]"]) if dice.random() < 0.15 else ""
        return f"{name}{extra}{dice.choice(specifiers)}"

    release: Release = {"requires": [draw() for _ in range(dice.choice((0, 0, 1, 1, 2, 3)))]}
    if dice.random() < 0.25:
        release["extras"] = {extra: [draw()] for extra in EXTRAS if dice.random() < 0.7}
    if dice.random() < 0.08:
        release["yanked"] = "bad"
    return release


# The oracle: nothing of zlock below, only `packaging`


@dataclass(frozen=True)
class Wish:
    name: str
    extras: tuple[str, ...]
    specifier: str

    @staticmethod
    @cache
    def read(text: str) -> Wish:
        one = Requirement(text)
        return Wish(one.name, tuple(sorted(one.extras)), str(one.specifier))


@cache
def admits(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


@cache
def is_pre(version: str) -> bool:
    return Version(version).is_prerelease


@cache
def names_pre(specifier: str) -> bool:
    return any(s.operator in ("==", ">=", "<=", ">", "<", "~=") and is_pre(s.version) for s in SpecifierSet(specifier))


class Oracle:
    """Tries every choice of versions."""

    def __init__(self, case: Case) -> None:
        self._packages = case.packages
        self._roots = [Wish.read(text) for text in case.asked]
        self._usable = {name: self._find_usable(name) for name in case.packages}

    def _find_usable(self, name: str) -> list[str]:
        exact = [wish.specifier for wish in self._roots if wish.name == name and wish.specifier.startswith("==")]
        return [
            version
            for version, release in self._packages[name].items()
            if "yanked" not in release or any(admits(specifier, version) for specifier in exact)
        ]

    def wishes(self, name: str, version: str, extra: str) -> Iterator[Wish]:
        """Yield what a release requires; with an extra, what that adds."""
        release = self._packages[name][version]
        texts = release.get("extras", {}).get(extra, ()) if extra else release.get("requires", ())
        return map(Wish.read, texts)

    def is_solvable(self) -> bool:
        """Return whether any choice answers the step."""
        return self._try({}, list(self._roots), frozenset(), frozenset())

    def _try(
        self, pins: Mapping[str, str], todo: list[Wish], done: frozenset[tuple[str, str]], named: frozenset[str]
    ) -> bool:
        todo = list(todo)
        while todo:
            wish = todo.pop()
            if wish.name not in self._packages:
                return False
            if names_pre(wish.specifier):
                named |= {wish.name}
            if wish.name not in pins:
                choices = [version for version in self._usable[wish.name] if admits(wish.specifier, version)]
                return any(self._try({**pins, wish.name: version}, [*todo, wish], done, named) for version in choices)
            version = pins[wish.name]
            if not admits(wish.specifier, version):
                return False
            for extra in ("", *wish.extras):
                if (wish.name, extra) not in done:
                    done |= {(wish.name, extra)}
                    todo.extend(self.wishes(wish.name, version, extra))
        return self._are_justified(pins, named)

    def _are_justified(self, pins: Mapping[str, str], named: frozenset[str]) -> bool:
        return all(
            not is_pre(version) or name in named or all(map(is_pre, self._unyanked(name)))
            for name, version in pins.items()
        )

    def _unyanked(self, name: str) -> list[str]:
        return [version for version, release in self._packages[name].items() if "yanked" not in release]

    def flaw(self, pins: Mapping[str, str]) -> str:
        """Return what is wrong with an answer, by a walk of its own."""
        reached: set[str] = set()
        named: set[str] = set()
        todo = list(self._roots)
        while todo:
            wish = todo.pop()
            if names_pre(wish.specifier):
                named.add(wish.name)
            version = pins.get(wish.name)
            if version is None or version not in self._usable[wish.name] or not admits(wish.specifier, version):
                return f"{wish} is not met"
            for extra in ("", *wish.extras):
                node = f"{wish.name}[{extra}]" if extra else wish.name
                if pins.get(node) != version:
                    return f"{node} is not pinned to {version}"
                if node not in reached:
                    reached.add(node)
                    todo.extend(self.wishes(wish.name, version, extra))
        if pins.keys() - reached:
            return f"orphans: {pins.keys() - reached}"
        bases = {name: version for name, version in pins.items() if "[" not in name}
        return "" if self._are_justified(bases, frozenset(named)) else "a pre-release that nothing names"


def cases(batch: int) -> Iterator[Case]:
    """Yield the cases of a batch."""
    dice = random.Random(SEED * BATCHES + batch)
    for _ in range(GRAPHS // BATCHES):
        yield Case.draw(dice)


def answer(problem: Problem) -> dict[str, str] | None:
    """Return an answer by names, None where there is proven to be none."""
    try:
        return pins_by_name(solve(problem), problem)
    except Unsolvable:
        return None


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_solve_agrees_with_trying_everything(batch: int) -> None:
    """Every answer is right, and "no answer" is only said where there is none; nothing depends on the order asked."""
    dice = random.Random(batch)
    solvable = 0
    for case in cases(batch):
        oracle = Oracle(case)
        expected = oracle.is_solvable()
        solvable += expected
        problem = problem_of(case.packages, case.asked)

        solved = answer(problem)

        assert (solved is not None) is expected, case
        assert solved is None or not oracle.flaw(solved), (oracle.flaw(solved), case)

        asked = dice.sample(case.asked, len(case.asked))
        releases = {name: dict(reversed(list(versions.items()))) for name, versions in case.packages.items()}

        assert answer(problem_of(releases, asked)) == solved, case
    share = solvable / (GRAPHS // BATCHES)
    assert 0.2 < share < 0.8, "the graphs must be neither all solvable nor all impossible"


def otherwise(problem: Problem) -> Pins | None:
    """Return what resolvelib's own resolver finds, None where that is nothing or wrong."""
    try:
        found = OtherResolver(Provider(problem), SILENT).resolve(problem.roots(), max_rounds=200)
    except ResolverException:
        return None
    return {node: pin.position for node, pin in found.mapping.items()}


def completely(problem: Problem) -> Pins | None:
    """Return what the complete resolver finds, None where it proves that there is nothing."""
    try:
        found = CompleteResolver(Provider(problem), SILENT).resolve(problem.roots())
    except Unsolvable:
        return None
    return {node: pin.position for node, pin in found.mapping.items()}


def without_circles(case: Case) -> Case:
    """Return a case in which packages require only those after them."""
    packages = {
        name: {version: _forward(name, release) for version, release in versions.items()}
        for name, versions in case.packages.items()
    }
    return Case(packages, case.asked)


def _forward(name: str, release: Release) -> Release:
    def kept(texts: Sequence[str]) -> list[str]:
        return [text for text in texts if Wish.read(text).name > name]

    extras = {extra: kept(texts) for extra, texts in release.get("extras", {}).items()}
    return {**release, "requires": kept(release["requires"]), "extras": extras}


def test_both_resolvers_agree_where_nothing_requires_itself_in_a_circle() -> None:
    """They agree on whether there is an answer, and each answer is right; who names a pre-release is a circle, too."""
    solvable = drawn = 0
    for case in map(without_circles, cases(0)):
        if any(map(is_pre, (version for versions in case.packages.values() for version in versions))):
            continue
        drawn += 1
        problem = problem_of(case.packages, case.asked)
        found, other = completely(problem), otherwise(problem_of(case.packages, case.asked))
        solvable += found is not None

        assert (found is None) is (other is None), case
        for pins in (found, other):
            assert pins is None or not Oracle(case).flaw(pins_by_name(pins, problem)), case
    assert 0.2 < solvable / drawn < 0.9, "the graphs must be neither all solvable nor all impossible"


def test_in_circles_resolvelib_counts_only_where_it_is_verified() -> None:
    """What the walk lets through is right, and there is nothing of it where it is proven that there is none."""
    solvable = failed = 0
    for case in cases(0):
        problem = problem_of(case.packages, case.asked)
        found, other = completely(problem), otherwise(problem)
        solvable += found is not None
        failed += found is not None and other is None

        assert found is not None or other is None, case
        assert other is None or not Oracle(case).flaw(pins_by_name(other, problem)), case
    assert failed < solvable / 20, f"resolvelib fails on {failed} of {solvable} graphs that have an answer"
