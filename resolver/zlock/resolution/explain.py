"""Why there is no answer: the fewest requirements that already conflict, what links them, the way out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionError, ResolutionTooDeep

from zlock.errors import ZlockError
from zlock.model.distribution import Dependency
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement
from zlock.resolution.clauses import Grounds, Named, Unsolvable, Verdict
from zlock.resolution.complete import search_completely
from zlock.resolution.eligible import find_nothing
from zlock.resolution.findings import Change, Conflict, Kind, Link, Nothing, Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem

_BUDGET = 20_000  # steps for each question whether a requirement is needed for the conflict
_BUDGET_OF_CHANGE = 5_000  # steps for each change that is tried: to offer none is better than to wait for one
_MOST_CHAIN = 12
_MOST_WAYS = 8  # in which releases of one package require another, where there is more to be said than fits
_MOST_TRIED = 3  # releases of one package that a change is tried with


def explain(problem: Problem, proof: Unsolvable, *, with_changes: bool = True) -> Conflict:
    """Return the smallest conflict that a proof rests on, itself proven: it was solved again on its own.

    Args:
        problem: What has no answer.
        proof: That it has none.
        with_changes: Whether changes are looked for, each of which takes a solve.
    """
    proof, core = _without_the_rest(problem, proof)
    for leaf in proof.facts:
        for node in leaf.terms:
            if node.name:
                problem.universe.package(node.name).settle()
    names = {node.name for leaf in proof.facts for node in leaf.terms}
    constraints = [constraint for constraint in problem.constraints if constraint.name in names]
    for constraint in list(constraints):
        rest = _without(constraints, constraint)
        smaller = _proof(_with(problem, core, rest))
        if smaller is not None:
            proof, constraints = smaller, rest
    core += _naming_urls(problem, core, {need.node.name for need in proof.needs()})
    links = _chain(problem, proof, core)
    return Conflict(
        requirements=tuple(core),
        constraints=tuple(constraints),
        links=tuple(links[:_MOST_CHAIN]),
        unshown=max(0, len(links) - _MOST_CHAIN),
        nothings=(*_dead_ends(problem, proof), *_passed_over(problem, proof)),
        changes=tuple(_changes(problem, proof, core, constraints)) if with_changes else (),
    )


def smallest_conflict(problem: Problem, proof: Unsolvable) -> list[DirectRequirement]:
    """Return the requirements of a step that a proof needs, none of which can be left out."""
    return _without_the_rest(problem, proof)[1]


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


def _without_the_rest(problem: Problem, proof: Unsolvable) -> tuple[Unsolvable, list[DirectRequirement]]:
    """Leave out one requirement after the other, as long as there is still no answer."""
    core = _requirements_of(proof)
    for requirement in list(core):
        rest = _without(core, requirement)
        smaller = _proof(_with(problem, rest)) if requirement in core and rest else None
        if smaller is not None:
            proof, core = smaller, _requirements_of(smaller)
    return proof, core


def _naming_urls(
    problem: Problem, core: Sequence[DirectRequirement], names: Collection[NormalizedName]
) -> list[DirectRequirement]:
    """Return the requirements whose URLs stand in for packages of a proof, if with an index there would be an answer.

    A URL decides what a package is, whoever requires it, so no proof rests on the requirement that states it.
    """
    stated = [one for one in problem.requirements if one.requirement.url and one.name in names and one not in core]
    return [one for one in stated if _answer(_from_index(problem, core, one)) is not None]


def _from_index(problem: Problem, requirements: Sequence[DirectRequirement], direct: DirectRequirement) -> Problem:
    """Return a problem with some requirements, in which a package comes from an index and not from its URL."""
    universe = problem.universe.without_reference(direct.name)
    rest = [one for one in requirements if not (one.requirement.url and one.name == direct.name)]
    return replace(problem, universe=universe, requirements=rest)


def _requirements_of(proof: Unsolvable) -> list[DirectRequirement]:
    found = {id(need.cause): need.cause for need in proof.needs() if isinstance(need.cause, DirectRequirement)}
    return sorted(found.values(), key=lambda one: (one.source.rank, str(one)))


def _with(
    problem: Problem,
    requirements: Sequence[DirectRequirement],
    constraints: Sequence[DirectRequirement] | None = None,
) -> Problem:
    return replace(
        problem, requirements=requirements, constraints=problem.constraints if constraints is None else constraints
    )


def _proof(problem: Problem) -> Unsolvable | None:
    """Return the proof that there is no answer, None where there is one or it takes too long to say."""
    try:
        search_completely(problem, _BUDGET)
    except Unsolvable as proof:
        return proof
    except ResolutionTooDeep:
        return None
    return None


def _answer(problem: Problem) -> Pins | None:
    """Return an answer; None where there is none, it takes too long, or an index can't be asked."""
    try:
        return search_completely(problem, _BUDGET_OF_CHANGE)
    except (ResolutionError, ZlockError):
        return None


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
            says: Says = reason.rejected._replace(version=None)
            masks[reason.node, says] = masks.get((reason.node, says), 0) | reason.mask
        elif isinstance(reason, Need) and reason.parent and isinstance(reason.cause, Dependency):
            if str(reason.cause) == reason.parent.name:
                continue  # an extra and its base
            is_limited = reason.cause.name in problem.universe.rules.overrides
            says = reason.cause._replace(marker="", specifier="" if is_limited else reason.cause.specifier)
            mask = leaf.terms.get(reason.parent, 0) >> 1
            masks[reason.parent, says] = masks.get((reason.parent, says), 0) | mask
    return [_Found(node, says, mask) for (node, says), mask in masks.items()]


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


def _dead_ends(problem: Problem, proof: Unsolvable) -> list[Nothing]:
    """Return why no release at all can meet some needs in a proof."""
    found: dict[Nothing, None] = {}
    for need in proof.needs():
        if not need.mask & problem.domain(need.node.name) & ~problem.unnamed(need.node.name):
            found[find_nothing(problem, problem.universe.package(need.node.name), _specifier(need))] = None
    return list(found)


def _passed_over(problem: Problem, proof: Unsolvable) -> Iterator[Nothing]:
    """Yield why releases can't be used that a proof's needs admit, and that are newer than all that can be."""
    admitted: dict[NormalizedName, int] = {}
    for need in proof.needs():
        name = need.node.name
        if not need.mask & problem.domain(name) & ~problem.unnamed(name):
            admitted[name] = 0  # a dead end, of which it is said
        found = need.mask | problem.universe.package(name).versions.mask(_specifier(need))
        admitted[name] = admitted.get(name, found) & found
    for name, mask in admitted.items():
        package = problem.universe.package(name)
        package.settle()
        usable = mask & problem.domain(name) & ~problem.unnamed(name)
        newer, *older = [*bits(mask & ~package.all & (usable & -usable) - 1), None]
        if newer is not None:
            why = find_nothing(problem, package, f"=={package.versions[newer]}")
            yield replace(why, older=len(older) - 1 if older else 0)


def _specifier(need: Need) -> str:
    if isinstance(need.cause, Dependency):
        return need.cause.specifier
    return str(need.cause.requirement.specifier)


# The way out


def _changes(
    problem: Problem, proof: Unsolvable, core: Sequence[DirectRequirement], constraints: Sequence[DirectRequirement]
) -> Iterator[Change]:
    """Yield single changes, each tried: with it the step has an answer."""
    found = []
    for kind, requirement, changed in _ways(problem, proof, core, constraints):
        pins = _answer(changed)
        position = pins.get(Node(requirement.name, "")) if pins else None
        if position is not None:
            version = changed.universe.package(requirement.name).versions[position]
            found.append(Change(kind=kind, requirement=requirement, pin=(requirement.name, version)))
        elif pins is not None and kind in ("constraint", "override"):
            found.append(Change(kind=kind, requirement=requirement))
    found += _named(problem, proof)
    yield from found or _left_out(problem, core)


def _ways(
    problem: Problem, proof: Unsolvable, core: Sequence[DirectRequirement], constraints: Sequence[DirectRequirement]
) -> Iterator[tuple[Kind, DirectRequirement, Problem]]:
    """Yield what may be let go, with the problem that is left then."""
    for one in core:
        if one.requirement.specifier:
            yield "bound", one, _with(problem, [*_without(problem.requirements, one), _bare(one)])
    for one in core:
        if one.requirement.url:
            other, bare = _from_index(problem, problem.requirements, one), copy(one.requirement)
            bare.url = None
            yield "url", one, _with(other, [*other.requirements, replace(one, requirement=bare)])
    for one in constraints:
        yield "constraint", one, _with(problem, problem.requirements, _without(problem.constraints, one))
    overrides = problem.universe.rules.overrides
    for name in dict.fromkeys(need.node.name for need in proof.needs() if need.node.name in overrides):
        yield "override", overrides[name], replace(problem, universe=problem.universe.without_override(name))


def _without(requirements: Iterable[DirectRequirement], left_out: DirectRequirement) -> list[DirectRequirement]:
    return [one for one in requirements if one is not left_out]


def _named(problem: Problem, proof: Unsolvable) -> Iterator[Change]:
    """Yield requirements which, beside the others, let a pre-release or a yanked release count."""
    for package, mask in _withheld(problem, proof).items():
        for position in list(bits(mask))[:_MOST_TRIED]:
            candidate = problem.universe.package(package).usable(position)
            asked = added(f"{package}=={candidate.version}")
            if _answer(_with(problem, [*problem.requirements, asked])) is not None:
                yield Change(kind="name", pin=(package, candidate.version), yanked=candidate.yanked is not None)
                break


def _withheld(problem: Problem, proof: Unsolvable) -> dict[NormalizedName, int]:
    """Return the candidates that a proof's needs admit and that only a requirement of the step can let count."""
    subjects = {leaf.reason.subject for leaf in proof.facts if isinstance(leaf.reason, Grounds)}
    found: dict[NormalizedName, int] = {}
    for need in proof.needs():
        name = need.node.name
        package = problem.universe.package(name)
        package.settle()
        mask = package.yanked & ~problem.domain(name) | (problem.unnamed(name) if Named(name) in subjects else 0)
        if need.mask & mask:
            found[name] = found.get(name, need.mask) & need.mask & mask
    return found


def _left_out(problem: Problem, core: Sequence[DirectRequirement]) -> Iterator[Change]:
    for requirement in core:
        others = _without(problem.requirements, requirement)
        left = _from_index(problem, others, requirement) if requirement.requirement.url else _with(problem, others)
        if others and _answer(left) is not None:
            yield Change(kind="leave", requirement=requirement)


def _bare(direct: DirectRequirement) -> DirectRequirement:
    bare = Requirement(str(direct.requirement))
    bare.specifier = SpecifierSet()
    return replace(direct, requirement=bare)


def added(text: str) -> DirectRequirement:
    """Return a requirement that a question is tried with beside those of the step."""
    return DirectRequirement(requirement=Requirement(text), origins=(Origin(source=Source.EXPLICIT),))
