"""Why there is no answer: the fewest requirements that already conflict, and what links them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.model.distribution import Dependency
from zlock.model.requirement import DirectRequirement
from zlock.resolution.clauses import Unsolvable, Verdict
from zlock.resolution.conflict import Conflict
from zlock.resolution.eligible import dead_ends, passed_over
from zlock.resolution.findings import Link, Rejected
from zlock.resolution.needs import Need, Node
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem
from zlock.resolution.trials import Trials, asking, without

_SECONDS = 1.0  # for the smallest conflict: a larger one that is proven is better than to wait
_MOST_CHAIN = 12
_MOST_WAYS = 8  # in which releases of one package require another, where there is more to be said than fits


def explain(problem: Problem, proof: Unsolvable) -> Conflict:
    """Return the smallest conflict that a proof rests on, itself proven: it was solved again on its own.

    Args:
        problem: What has no answer.
        proof: That it has none.
    """
    trials = Trials(_SECONDS)
    proof, core = _without_the_rest(problem, proof, trials)
    names = proof.names()
    for name in names:
        problem.universe.package(name).settle()
    constraints = [constraint for constraint in problem.constraints if constraint.name in names]
    for constraint in list(constraints):
        rest = without(constraints, constraint)
        smaller = trials.proof(asking(problem, core, rest))
        if smaller is not None:
            proof, constraints = smaller, rest
    core += _naming_urls(problem, core, {need.node.name for need in proof.needs()})
    links = _chain(problem, proof, core)
    nothings = (*dead_ends(problem, proof), *passed_over(problem, proof))
    return Conflict(
        requirements=tuple(core),
        constraints=tuple(constraints),
        links=tuple(links[:_MOST_CHAIN]),
        unshown=max(0, len(links) - _MOST_CHAIN),
        nothings=nothings,
        proof=proof,
    )


def gives_way(conflict: Conflict, problem: Problem) -> tuple[DirectRequirement, DirectRequirement] | None:
    """Return which requirement of a conflict gives way, and to which; None where all have to hold.

    It is the one of the earliest source whose name a later source requires too. What several sources state
    counts as the latest one's, since that one would still ask for it. It gives way to one that it is in conflict with,
    where that is of its name.
    """
    for one in sorted(conflict.requirements, key=_rank):
        for other in (*conflict.requirements, *(asked for _, asked in problem.dependencies())):
            if other.name == one.name and _rank(other) > _rank(one):
                return one, other
    return None


def _rank(requirement: DirectRequirement) -> int:
    return max(origin.source.rank for origin in requirement.origins)


# The fewest requirements


def _without_the_rest(
    problem: Problem, proof: Unsolvable, trials: Trials
) -> tuple[Unsolvable, list[DirectRequirement]]:
    """Leave out one requirement after the other, as long as there is still no answer."""
    core = _requirements_of(proof)
    for requirement in list(core):
        rest = without(core, requirement)
        smaller = trials.proof(asking(problem, rest)) if requirement in core and rest else None
        if smaller is not None:
            proof, core = smaller, _requirements_of(smaller)
    return proof, core


def _naming_urls(
    problem: Problem, core: Sequence[DirectRequirement], names: Collection[NormalizedName]
) -> list[DirectRequirement]:
    """Return the requirements whose URLs stand in for packages of a proof.

    A URL decides what a package is, whoever requires it, so no proof rests on the requirement that states it.
    """
    return [one for one in problem.requirements if one.requirement.url and one.name in names and one not in core]


def _requirements_of(proof: Unsolvable) -> list[DirectRequirement]:
    found = {id(need.cause): need.cause for need in proof.needs() if isinstance(need.cause, DirectRequirement)}
    return sorted(found.values(), key=lambda one: (one.source.rank, str(one)))


# The chain


Says = Dependency | Rejected


class _Found(NamedTuple):
    """What some candidates of one node require, or why they can't be used."""

    node: Node
    says: Says
    mask: int
    others: int = 0

    @property
    def to(self) -> NormalizedName | None:
        """The package that is required."""
        return self.says.name if isinstance(self.says, Dependency) else None

    @property
    def newest(self) -> int:
        """The position of the newest candidate that it is about."""
        return next(bits(self.mask), 0)


def _chain(problem: Problem, proof: Unsolvable, core: Sequence[DirectRequirement]) -> list[Link]:
    """Return what packages require of each other in a proof, from the step outwards."""
    found = _found(problem, proof)
    if len(found) > _MOST_CHAIN:
        found = list(_gathered(found))
    depths = _depths(found, [requirement.name for requirement in core])
    found.sort(key=lambda one: (depths.get(one.node.name, len(depths)), one.node, one.newest, str(one.says)))
    return [_link(problem, one) for one in found]


def _found(problem: Problem, proof: Unsolvable) -> list[_Found]:
    masks: dict[tuple[Node, Says], int] = {}
    for leaf in proof.facts:
        reason = leaf.reason
        if isinstance(reason, Verdict) and reason.rejected:
            says: Says = replace(reason.rejected, version=None)
            masks[reason.node, says] = masks.get((reason.node, says), 0) | reason.mask
        elif isinstance(reason, Need) and reason.parent and isinstance(reason.cause, Dependency):
            if str(reason.cause) == reason.parent.name:
                continue  # an extra and its base
            for says, mask in _stated(problem, reason.parent, reason.cause, leaf.terms.get(reason.parent, 0) >> 1):
                masks[reason.parent, says] = masks.get((reason.parent, says), 0) | mask
    return [_Found(node, says, mask) for (node, says), mask in masks.items()]


def _stated(problem: Problem, parent: Node, cause: Dependency, mask: int) -> Iterator[tuple[Dependency, int]]:
    """Yield what some candidates require of a package, each as it says it: what admits the same is one fact."""
    if cause.name in problem.universe.rules.overrides:
        yield cause._replace(marker="", specifier=""), mask
        return
    said: dict[Dependency, int] = {}
    for position in bits(mask):
        needs = problem.needs(parent, position)
        causes = [need.cause for need in (() if isinstance(needs, Rejected) else needs)]
        own = [one for one in causes if isinstance(one, Dependency) and one.name == cause.name]
        says = (cause if cause in own or not own else own[0])._replace(marker="")
        said[says] = said.get(says, 0) | 1 << position
    yield from said.items()


def _gathered(found: Sequence[_Found]) -> Iterator[_Found]:
    """Yield what was found, with one in the place of many in which releases of a node only differ in their bounds."""
    groups: dict[tuple[Node, NormalizedName | None], list[_Found]] = {}
    for one in found:
        groups.setdefault((one.node, one.to), []).append(one)
    for (_, to), group in groups.items():
        if to is None or len(group) <= _MOST_WAYS:
            yield from group
            continue
        newest = min(group, key=lambda one: one.newest)
        yield newest._replace(mask=reduce(or_, (one.mask for one in group)), others=len(group) - 1)


def _link(problem: Problem, found: _Found) -> Link:
    """Return what was found of some candidates, with their versions."""
    name = found.node.name
    package = problem.universe.package(name)
    usable = problem.domain(name) & ~problem.unnamed(name)
    positions = list(bits(found.mask & package.all))
    is_run = bool(positions) and positions[-1] - positions[0] + 1 == len(positions)
    is_every = found.mask & usable == usable and usable & (usable - 1)
    says = found.says
    return Link(
        node=found.node,
        versions=tuple(package.versions[position] for position in reversed(positions)),
        span="every" if is_every else "run" if is_run else "some",
        requires=says if isinstance(says, Dependency) else None,
        override=problem.universe.rules.overrides.get(says.name) if isinstance(says, Dependency) else None,
        others=found.others,
        rejected=says if isinstance(says, Rejected) else None,
    )


def _depths(links: Iterable[_Found], first: Iterable[NormalizedName]) -> dict[NormalizedName, int]:
    """Return in which order names are met on the way from the step outwards."""
    following: dict[NormalizedName, list[NormalizedName]] = {}
    for link in links:
        if link.to is not None:
            following.setdefault(link.node.name, []).append(link.to)
    order = list(dict.fromkeys(first))
    seen = set(order)
    for name in order:  # grows while it is walked
        for other in sorted(following.get(name, ())):
            if other not in seen:
                seen.add(other)
                order.append(other)
    return {name: depth for depth, name in enumerate(order)}
