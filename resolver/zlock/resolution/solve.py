"""The answer to a problem: searched fast, verified, and where that fails decided by the complete search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from packaging.utils import NormalizedName

from zlock.model.distribution import Dependency
from zlock.model.requirement import DirectRequirement
from zlock.resolution.problem import Node, Problem
from zlock.resolution.provider import Pins, search_fast
from zlock.resolution.search import Search
from zlock.resolution.universe import Candidate
from zlock.resolution.verify import find_flaw


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """One package of an answer.

    Attributes:
        name: The normalized name.
        candidate: What was chosen.
        extras: The extras that are needed of it.
        requires: The names it requires, sorted.
        index: The index it comes from, empty for a direct reference.
        hashes: `algorithm:digest` pairs its files are limited to by the requirements; empty for no limit.
    """

    name: NormalizedName
    candidate: Candidate
    extras: tuple[str, ...]
    requires: tuple[NormalizedName, ...]
    index: str
    hashes: tuple[str, ...]


def solve(problem: Problem, tick: Callable[[int], None] | None = None) -> Pins:
    """Return pins that are verified.

    Raises:
        Unsolvable: It is proven that there are none.
        NotProven: The budget of the complete search ended first.
        IndexFailed: Something could not be had.
    """
    problem.universe.fetch_ahead(dependency for dependency, _ in problem.dependencies())
    while True:
        pins = search_fast(problem)
        if pins is None or find_flaw(problem, pins):
            pins = _search_completely(problem, tick)
        named = _unjustified(problem, pins)
        if not named:
            return pins
        problem.admit_prereleases(named)


def _search_completely(problem: Problem, tick: Callable[[int], None] | None) -> Pins:
    """Run the complete search, letting pre-releases count where requirements it met name one."""
    from zlock.resolution.search import Unsolvable

    while True:
        try:
            pins = Search(problem, tick=tick).run()
        except Unsolvable:
            # Requirements deep in the graph may name pre-releases that did not count so far.
            further = problem.named_prereleases - problem.prereleases
            if not further or problem.policy.prerelease != "if-necessary-or-explicit":
                raise
            problem.admit_prereleases(further)
            continue
        flaw = find_flaw(problem, pins)
        assert not flaw, flaw  # noqa: S101 - the complete search is sound, a flaw is a bug in zlock
        return pins


def _unjustified(problem: Problem, pins: Pins) -> set[NormalizedName]:
    """Return names of which a requirement of the answer names a pre-release that did not count yet."""
    if problem.policy.prerelease != "if-necessary-or-explicit":
        return set()
    from zlock.resolution.universe import names_prerelease

    named: set[NormalizedName] = set()
    for node, position in pins.items():
        needs = problem.needs(node, position)
        if isinstance(needs, tuple):
            for need in needs:
                if isinstance(need.cause, Dependency) and names_prerelease(need.cause.specifier):
                    named.add(need.node.name)
    return named - problem.prereleases


def describe(problem: Problem, pins: Pins) -> list[Resolved]:
    """Return the packages of an answer, sorted by name."""
    rows = []
    for name in sorted({node.name for node in pins}):
        nodes = [node for node in pins if node.name == name]
        position = pins[Node(name, "")]
        package = problem.universe.package(name)
        requires = {
            need.node.name for node in nodes for need in _needs(problem, node, position) if need.node.name != name
        }
        hashes = tuple(
            digest
            for direct in (*problem.requirements, *problem.constraints)
            if isinstance(direct, DirectRequirement) and direct.name == name
            for digest in direct.hashes
        )
        rows.append(
            Resolved(
                name=name,
                candidate=package.candidates[position],
                extras=tuple(sorted(node.extra for node in nodes if node.extra)),
                requires=tuple(sorted(requires)),
                index=package.page.index if package.page else "",
                hashes=hashes,
            )
        )
    return rows


def _needs(problem: Problem, node: Node, position: int) -> tuple[object, ...]:
    needs = problem.needs(node, position)
    return needs if isinstance(needs, tuple) else ()
