"""The answer to a problem: found the quick way or by the complete search, and what is known of its packages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionTooDeep

from zlock.errors import NotProven, OutsideFailed
from zlock.resolution.ahead import fetch_ahead
from zlock.resolution.alone import choose
from zlock.resolution.answer_words import passed_over
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.complete import Unread
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.package import Candidate
from zlock.resolution.problem import Problem
from zlock.resolution.provider import Provider
from zlock.resolution.quick import descend
from zlock.resolution.reporter import SILENT, SearchReporter
from zlock.resolution.resolvers import CompleteResolver, OtherResolver
from zlock.resolution.universe import Universe
from zlock.resolution.words import not_proven


class Resolved(Struct, frozen=True, eq=False, kw_only=True):
    """One package of an answer; that of several steps is the same object, so that it is written once.

    Attributes:
        name: The normalized name.
        candidate: What was chosen.
        requires: The names it requires, sorted.
        needs: The nodes that it and each of its extras need: by extra, with "" for the package itself.
        index: The index it comes from, empty for a direct reference.
        hashes: `algorithm:digest` pairs its files are limited to by the requirements; empty for no limit.
    """

    name: NormalizedName
    candidate: Candidate
    requires: tuple[NormalizedName, ...]
    index: str
    hashes: tuple[str, ...]
    needs: Mapping[str, tuple[str, ...]] = {}


Described = dict[tuple[Universe, tuple[Node, ...], int, tuple[str, ...]], Resolved]
"""What is known of packages, by their nodes, the candidate and the hashes they are limited to."""


def solve(problem: Problem, reporter: SearchReporter = SILENT) -> Pins:
    """Return pins that are verified, for a step by itself; see `answer`."""
    fetch_ahead(problem.universe, (dependency for dependency, _ in problem.dependencies()))
    return alone(problem, reporter)[1]


def alone(problem: Problem, reporter: SearchReporter = SILENT) -> tuple[Problem, Pins]:
    """Return what a step has by itself, with all that is needed at hand; see `answer` for what it raises.

    With it comes the problem that it answers: the strictest that has an answer.
    """
    strict, *others = [*problem.stricter(), problem]
    try:
        return strict, choose(strict, answer(strict, reporter))
    except (Unsolvable, NotProven):
        if strict is problem:
            raise
    plain = answer(problem, reporter)  # where there is none, nothing between has one
    for other in others[:-1]:
        with contextlib.suppress(Unsolvable, NotProven):
            return other, choose(other, answer(other, reporter))
    return problem, choose(problem, plain)


def answer(problem: Problem, reporter: SearchReporter = SILENT) -> Pins:
    """Return pins that are verified.

    Raises:
        Unsolvable: It is proven that there are none.
        NotProven: The budget of the complete search ended first, and the other one found nothing.
        OutsideFailed: Something could not be had, or not be built.
    """
    with contextlib.suppress(OutsideFailed):  # what was only looked at may not be needed
        if (quick := descend(problem)) is not None:
            return quick
    provider = Provider(problem)
    ends: list[ResolutionTooDeep] = []
    for resolver in (CompleteResolver(provider, reporter), OtherResolver(provider, reporter)):
        try:
            found = resolver.resolve(problem.roots())
        except Unsolvable:
            raise
        except ResolutionTooDeep as error:
            ends.append(error)
        except resolver.base_exception:
            continue
        else:
            return {node: pin.position for node, pin in found.mapping.items()}
    end = ends[0]  # that of the complete search
    raise not_proven(end.round_count, end.names if isinstance(end, Unread) else ())


def remarks(problem: Problem, pins: Pins) -> list[str]:
    """Return what a person should know of an answer: broken releases that it has none of, yanked ones, lost extras."""
    lines = [line for node, position in sorted(pins.items()) for line in _remarks(problem, node, position)]
    for name, rejected in sorted(problem.universe.broken.items()):
        pinned = problem.universe.package(name).versions[pins[Node(name, "")]] if Node(name, "") in pins else None
        for reason in dict.fromkeys(one.detail for one in rejected):
            versions = sorted((one.version for one in rejected if one.version and one.detail == reason), reverse=True)
            if versions and (pinned is None or versions[0] > pinned):
                lines.append(passed_over(name, versions, reason))
    return lines


def _remarks(problem: Problem, node: Node, position: int) -> Iterator[str]:
    package = problem.universe.package(node.name)
    if node.extra:
        if problem.universe.lacks(node, position):
            yield f"{node.name} {package.usable(position).version} has no extra `{node.extra}`"
    elif package.yanked >> position & 1 and (candidate := package.usable(position)).yanked is not None:
        because = f" ({candidate.yanked})" if candidate.yanked else ""
        if problem.kept(package) == position and not problem.is_pinned_by_step(package, position):
            yield f"{node.name} {candidate.version} was yanked since it was locked{because}, and is kept"
        else:
            yield f"{node.name} {candidate.version} was yanked{because}, and is used because it is pinned"


def describe(problem: Problem, pins: Pins, known: Described | None = None) -> list[Resolved]:
    """Return the packages of an answer, sorted by name.

    Args:
        problem: What was asked.
        pins: The answer.
        known: What was described before; what is found is added.
    """
    universe, known = problem.universe, {} if known is None else known
    for remark in remarks(problem, pins):
        universe.note(remark)
    hashes: dict[NormalizedName, tuple[str, ...]] = {}
    for direct in (*problem.requirements, *problem.constraints):
        if direct.hashes:
            hashes[direct.name] = (*hashes.get(direct.name, ()), *direct.hashes)
    nodes: dict[NormalizedName, list[Node]] = {}
    for node in sorted(pins):
        nodes.setdefault(node.name, []).append(node)
    rows = []
    for name, own in nodes.items():
        key = (universe, tuple(own), pins[own[0]], hashes.get(name, ()))
        if key not in known:
            known[key] = _resolved(*key)
        rows.append(known[key])
    return rows


def _resolved(universe: Universe, nodes: Sequence[Node], position: int, hashes: tuple[str, ...]) -> Resolved:
    name = nodes[0].name
    package = universe.package(name)
    needs = {node.extra: _needs(universe, node, position) for node in nodes}
    return Resolved(
        name=name,
        candidate=package.usable(position),
        requires=tuple(sorted({need.node.name for rows in needs.values() for need in rows} - {name})),
        index=package.page.index if package.page else "",
        hashes=hashes,
        needs={
            extra: tuple(sorted({str(need.node) for need in rows} - {name}))  # an extra needs its base
            for extra, rows in needs.items()
        },
    )


def _needs(universe: Universe, node: Node, position: int) -> tuple[Need, ...]:
    needs = universe.needs(node, position)
    return () if isinstance(needs, Rejected) else needs
