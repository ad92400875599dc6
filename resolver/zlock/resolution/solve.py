"""The answer to a problem: searched fast, verified, and where that fails decided by the complete search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.utils import NormalizedName

from zlock.errors import NotProven
from zlock.model.distribution import Metadata
from zlock.resolution.complete import search_completely
from zlock.resolution.fresh import freshen
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.problem import Problem
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
        needs: The nodes that it and each of its extras need: by extra, with "" for the package itself.
        index: The index it comes from, empty for a direct reference.
        hashes: `algorithm:digest` pairs its files are limited to by the requirements; empty for no limit.
    """

    name: NormalizedName
    candidate: Candidate
    extras: tuple[str, ...]
    requires: tuple[NormalizedName, ...]
    index: str
    hashes: tuple[str, ...]
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def solve(problem: Problem, tick: Callable[[int], None] | None = None) -> Pins:
    """Return pins that are verified, for a step by itself; see `answer`."""
    problem.universe.fetch_ahead(dependency for dependency, _ in problem.dependencies())
    return freshen(problem, answer(problem, tick))


def answer(problem: Problem, tick: Callable[[int], None] | None = None) -> Pins:
    """Return pins that are verified.

    Raises:
        Unsolvable: It is proven that there are none.
        NotProven: The budget of the complete search ended first.
        IndexFailed: Something could not be had.
    """
    try:
        return search_completely(problem, tick=tick)
    except NotProven:
        from zlock.resolution.provider import search_otherwise  # hardly ever needed

        pins = search_otherwise(problem)
        if pins is None or find_flaw(problem, pins):
            raise
        return pins


def remarks(problem: Problem, pins: Pins) -> list[str]:
    """Return what a person should know of an answer: yanked releases in it, extras that are none."""
    found = []
    for node, position in sorted(pins.items()):
        package = problem.universe.package(node.name)
        candidate = package.usable(position)
        if node.extra:
            metadata = problem.universe.metadata(package, position)
            if isinstance(metadata, Metadata) and node.extra not in metadata.extras:
                found.append(f"{node.name} {candidate.version} has no extra `{node.extra}`")
        elif candidate.yanked is not None:
            because = f" ({candidate.yanked})" if candidate.yanked else ""
            if problem.kept(package) == position and not problem.is_pinned_by_step(package, position):
                found.append(f"{node.name} {candidate.version} was yanked since it was locked{because}, and is kept")
            else:
                found.append(f"{node.name} {candidate.version} was yanked{because}, and is used because it is pinned")
    return found


def describe(problem: Problem, pins: Pins) -> list[Resolved]:
    """Return the packages of an answer, sorted by name."""
    problem.universe.notes.update(dict.fromkeys(remarks(problem, pins)))
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
            if direct.name == name
            for digest in direct.hashes
        )
        rows.append(
            Resolved(
                name=name,
                candidate=package.usable(position),
                extras=tuple(sorted(node.extra for node in nodes if node.extra)),
                requires=tuple(sorted(requires)),
                index=package.page.index if package.page else "",
                hashes=hashes,
                needs=_by_extra(problem, nodes, position),
            )
        )
    return rows


def _by_extra(problem: Problem, nodes: Sequence[Node], position: int) -> dict[str, tuple[str, ...]]:
    """Return what a package and each of its extras need."""
    return {
        node.extra: tuple(
            sorted(
                {str(need.node) for need in _needs(problem, node, position)} - {node.name}
            )  # an extra needs its base
        )
        for node in sorted(nodes)
    }


def _needs(problem: Problem, node: Node, position: int) -> tuple[Need, ...]:
    needs = problem.needs(node, position)
    return needs if isinstance(needs, tuple) else ()
