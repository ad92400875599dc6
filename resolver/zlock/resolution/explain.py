"""Why there is no answer: the fewest requirements that already conflict, the chain between them, the way out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from zlock.errors import NotProven, ZlockError
from zlock.model.distribution import Dependency
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement
from zlock.resolution.complete import search_completely
from zlock.resolution.eligible import why_nothing
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.problem import Problem
from zlock.resolution.search import Clause, Grounds, Named, Unsolvable, Verdict
from zlock.resolution.universe import Package, bits

_BUDGET = 20_000  # steps for each question whether a requirement is needed for the conflict
_BUDGET_OF_CHANGE = 5_000  # steps for each change that is tried: to offer none is better than to wait for one
_MOST_CHAIN = 12
_MOST_WAYS = 8  # in which releases of one package require another, where there is more to be said than fits
_MOST_TRIED = 3  # releases of one package that a change is tried with


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A proven conflict.

    Attributes:
        requirements: Direct requirements that can't hold together; none can be left out.
        constraints: Constraints that take part; none can be left out.
        chain: What was found between them, from the step outwards, one line each.
        changes: Single changes that would solve the whole step, the smallest first.
    """

    requirements: tuple[DirectRequirement, ...]
    constraints: tuple[DirectRequirement, ...]
    chain: tuple[str, ...]
    changes: tuple[str, ...]


def explain(problem: Problem, proof: Clause, *, with_changes: bool = True) -> Conflict:
    """Return the smallest conflict that a proof rests on, itself proven: it was solved again on its own.

    Args:
        problem: What has no answer.
        proof: That it has none.
        with_changes: Whether changes are looked for, each of which takes a solve.
    """
    proof, core = _without_the_rest(problem, proof)
    for leaf in proof.leaves():
        for node in leaf.terms:
            if node.name:
                problem.universe.package(node.name).settle()
    names = {node.name for leaf in proof.leaves() for node in leaf.terms}
    constraints = [constraint for constraint in problem.constraints if constraint.name in names]
    for constraint in list(constraints):
        rest = [other for other in constraints if other is not constraint]
        smaller = _proof(_with(problem, core, rest))
        if smaller is not None:
            proof, constraints = smaller, rest
    core += _naming_urls(problem, core, {need.node.name for need in _needs_of(proof)})
    return Conflict(
        requirements=tuple(core),
        constraints=tuple(constraints),
        chain=tuple(_chain(problem, proof, core)),
        changes=tuple(_changes(problem, proof, core, constraints)) if with_changes else (),
    )


def smallest_conflict(problem: Problem, proof: Clause) -> list[DirectRequirement]:
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


def _without_the_rest(problem: Problem, proof: Clause) -> tuple[Clause, list[DirectRequirement]]:
    """Leave out one requirement after the other, as long as there is still no answer."""
    core = _requirements_of(proof)
    for requirement in list(core):
        rest = [other for other in core if other is not requirement]
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


def _requirements_of(proof: Clause) -> list[DirectRequirement]:
    found: dict[int, DirectRequirement] = {}
    for leaf in proof.leaves():
        if isinstance(leaf.reason, Need) and isinstance(leaf.reason.cause, DirectRequirement):
            found[id(leaf.reason.cause)] = leaf.reason.cause
    return sorted(found.values(), key=lambda one: (one.source.rank, str(one)))


def _with(
    problem: Problem,
    requirements: Sequence[DirectRequirement],
    constraints: Sequence[DirectRequirement] | None = None,
) -> Problem:
    return replace(
        problem, requirements=requirements, constraints=problem.constraints if constraints is None else constraints
    )


def _proof(problem: Problem) -> Clause | None:
    """Return the proof that there is no answer, None where there is one or it takes too long to say."""
    try:
        search_completely(problem, _BUDGET)
    except Unsolvable as proof:
        return proof.clause
    except NotProven:
        return None
    return None


def _answer(problem: Problem) -> Pins | None:
    """Return an answer; None where there is none, it takes too long, or an index can't be asked."""
    try:
        return search_completely(problem, _BUDGET_OF_CHANGE)
    except (Unsolvable, ZlockError):
        return None


# The chain


@dataclass(kw_only=True, slots=True)
class _Link:
    """What some candidates of one node require of one name, or why they can't be used."""

    node: Node
    says: str
    to: NormalizedName | None
    mask: int = 0

    @property
    def newest(self) -> int:
        """The position of the newest candidate that it is about."""
        return next(bits(self.mask), 0)


def _chain(problem: Problem, proof: Clause, core: Sequence[DirectRequirement]) -> list[str]:
    """Return what packages require of each other in a proof, from the step outwards."""
    links = _links(problem, proof)
    if len(links) > _MOST_CHAIN:
        links = list(_gathered(links))
    depths = _depths(links, [requirement.name for requirement in core])
    links.sort(key=lambda link: (depths.get(link.node.name, len(depths)), link.node, link.newest, link.says))
    lines = [f"{_subject(problem, link)} {link.says}" for link in links]
    if len(lines) > _MOST_CHAIN:
        lines[_MOST_CHAIN:] = [f"and {len(lines) - _MOST_CHAIN} more of this kind"]
    return [*lines, *_dead_ends(problem, proof), *_passed_over(problem, proof)]


def _links(problem: Problem, proof: Clause) -> list[_Link]:
    found: dict[tuple[Node, str], _Link] = {}

    def add(node: Node, says: str, mask: int, to: NormalizedName | None = None) -> None:
        link = found.setdefault((node, says), _Link(node=node, says=says, to=to))
        link.mask |= mask

    for leaf in proof.leaves():
        reason = leaf.reason
        if isinstance(reason, Verdict) and reason.reason:
            says = reason.reason if reason.reason.startswith("requires ") else f"can't be used: {reason.reason}"
            add(reason.node, says, reason.mask)
        elif isinstance(reason, Need) and reason.parent and isinstance(reason.cause, Dependency):
            if str(reason.cause) == reason.parent.name:
                continue  # an extra and its base
            mask = leaf.terms.get(reason.parent, 0) >> 1
            add(reason.parent, _requires(problem, reason.cause), mask, reason.node.name)
    return list(found.values())


def _gathered(links: Sequence[_Link]) -> Iterator[_Link]:
    """Yield links, with one in the place of many in which releases of one node only differ in what bounds they set."""
    groups: dict[tuple[Node, NormalizedName | None], list[_Link]] = {}
    for link in links:
        groups.setdefault((link.node, link.to), []).append(link)
    for (node, to), group in groups.items():
        if to is None or len(group) <= _MOST_WAYS:
            yield from group
            continue
        newest = min(group, key=lambda link: link.newest)
        mask = 0
        for link in group:
            mask |= link.mask
        says = (
            f"requires `{to}`: the newest {newest.says.removeprefix('requires ')}, others {len(group) - 1} other ranges"
        )
        yield _Link(node=node, says=says, to=to, mask=mask)


def _requires(problem: Problem, cause: Dependency) -> str:
    """Return what a package requires; what an override has replaced is not its own words."""
    override = problem.universe.rules.overrides.get(cause.name)
    if override is None:
        return f"requires `{cause._replace(marker='')}`"
    asked = cause._replace(marker="", specifier="")
    return f"requires `{asked}`, which the override `{override}` by {override.origins[0]} limits"


def _depths(links: Iterable[_Link], first: Iterable[NormalizedName]) -> dict[NormalizedName, int]:
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


def _subject(problem: Problem, link: _Link) -> str:
    """Return the candidates that a link is about in few words."""
    package = problem.universe.package(link.node.name)
    usable = problem.domain(link.node.name) & ~problem.unnamed(link.node.name)
    if link.mask & usable == usable and usable & (usable - 1):
        return f"every usable `{link.node}`"
    return f"`{link.node}` {_versions(package, link.mask & package.all)}"


def _versions(package: Package, mask: int) -> str:
    positions = list(bits(mask))
    shown = [str(package.versions[position]) for position in reversed(positions)]
    if len(shown) == 1:
        return shown[0]
    if positions[-1] - positions[0] + 1 == len(positions):
        return f"{shown[0]} to {shown[-1]}"
    if len(shown) <= _MOST_TRIED:
        return f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"({len(shown)} versions from {shown[0]} to {shown[-1]})"


def _dead_ends(problem: Problem, proof: Clause) -> list[str]:
    """Return what is said of needs in a proof that no release at all can meet."""
    lines: dict[str, None] = {}
    for need in _needs_of(proof):
        if not need.mask & problem.domain(need.node.name) & ~problem.unnamed(need.node.name):
            lines[why_nothing(problem, problem.universe.package(need.node.name), _specifier(need))] = None
    return list(lines)


def _passed_over(problem: Problem, proof: Clause) -> Iterator[str]:
    """Yield why releases can't be used that a proof's needs admit, and that are newer than all that can be."""
    admitted: dict[NormalizedName, int] = {}
    for need in _needs_of(proof):
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
            said = why_nothing(problem, package, f"=={package.versions[newer]}")
            yield said + (f"; nor can {_older(len(older) - 1)} be used" if older[1:] else "")


def _older(count: int) -> str:
    return "1 older one" if count == 1 else f"{count} older ones"


def _needs_of(proof: Clause) -> Iterator[Need]:
    for leaf in proof.leaves():
        if isinstance(leaf.reason, Need):
            yield leaf.reason


def _specifier(need: Need) -> str:
    if isinstance(need.cause, Dependency):
        return need.cause.specifier
    return str(need.cause.requirement.specifier)


# The way out


def _changes(
    problem: Problem, proof: Clause, core: Sequence[DirectRequirement], constraints: Sequence[DirectRequirement]
) -> Iterator[str]:
    """Yield single changes, each tried: with it the step has an answer."""
    found = [*_loosened(problem, core), *_replaced(problem, core)]
    found += [*_loosened_constraints(problem, constraints), *_loosened_overrides(problem, proof)]
    found += _named(problem, proof)
    yield from found or _left_out(problem, core)


def _loosened(problem: Problem, core: Sequence[DirectRequirement]) -> Iterator[str]:
    for requirement in core:
        if requirement.requirement.specifier:
            others = [other for other in problem.requirements if other is not requirement]
            pins = _answer(_with(problem, [*others, _bare(requirement)]))
            if pins is not None and Node(requirement.name, "") in pins:
                yield f"let `{requirement}` ({requirement.origins[0]}) admit {_pin(problem, pins, requirement.name)}"


def _replaced(problem: Problem, core: Sequence[DirectRequirement]) -> Iterator[str]:
    for requirement in core:
        if requirement.requirement.url:
            bare = copy(requirement.requirement)
            bare.url = None
            other = _from_index(problem, problem.requirements, requirement)
            asked = [*other.requirements, replace(requirement, requirement=bare)]
            pins = _answer(replace(other, requirements=asked))
            if pins is not None and Node(requirement.name, "") in pins:
                pin = _pin(other, pins, requirement.name)
                yield f"take {pin} from an index in place of `{requirement}` ({requirement.origins[0]})"


def _loosened_constraints(problem: Problem, constraints: Sequence[DirectRequirement]) -> Iterator[str]:
    for constraint in constraints:
        rest = [other for other in problem.constraints if other is not constraint]
        pins = _answer(_with(problem, problem.requirements, rest))
        if pins is not None:
            said = f" admit {_pin(problem, pins, constraint.name)}" if Node(constraint.name, "") in pins else " go"
            yield f"let the constraint `{constraint}` ({constraint.origins[0]}){said}"


def _loosened_overrides(problem: Problem, proof: Clause) -> Iterator[str]:
    overrides = problem.universe.rules.overrides
    for name in dict.fromkeys(need.node.name for need in _needs_of(proof) if need.node.name in overrides):
        other = replace(problem, universe=problem.universe.without_override(name))
        pins = _answer(other)
        if pins is not None:
            said = f" admit {_pin(other, pins, name)}" if Node(name, "") in pins else " go"
            yield f"let the override `{overrides[name]}` ({overrides[name].origins[0]}){said}"


def _named(problem: Problem, proof: Clause) -> Iterator[str]:
    """Yield requirements which, beside the others, let a pre-release or a yanked release count."""
    for package, mask in _withheld(problem, proof).items():
        for position in list(bits(mask))[:_MOST_TRIED]:
            candidate = problem.universe.package(package).usable(position)
            asked = f"{package}=={candidate.version}"
            if _answer(_with(problem, [*problem.requirements, added(asked)])) is not None:
                kind = "a pre-release" if candidate.yanked is None else "yanked"
                yield f"require `{asked}`, which is {kind}"
                break


def _withheld(problem: Problem, proof: Clause) -> dict[NormalizedName, int]:
    """Return the candidates that a proof's needs admit and that only a requirement of the step can let count."""
    subjects = {leaf.reason.subject for leaf in proof.leaves() if isinstance(leaf.reason, Grounds)}
    found: dict[NormalizedName, int] = {}
    for need in _needs_of(proof):
        name = need.node.name
        package = problem.universe.package(name)
        package.settle()
        mask = package.yanked & ~problem.domain(name) | (problem.unnamed(name) if Named(name) in subjects else 0)
        if need.mask & mask:
            found[name] = found.get(name, need.mask) & need.mask & mask
    return found


def _left_out(problem: Problem, core: Sequence[DirectRequirement]) -> Iterator[str]:
    for requirement in core:
        others = [other for other in problem.requirements if other is not requirement]
        left = _from_index(problem, others, requirement) if requirement.requirement.url else _with(problem, others)
        if others and _answer(left) is not None:
            yield f"leave out `{requirement}` ({requirement.origins[0]})"


def _pin(problem: Problem, pins: Pins, name: NormalizedName) -> str:
    return f"{name} {problem.universe.package(name).versions[pins[Node(name, '')]]}"


def _bare(direct: DirectRequirement) -> DirectRequirement:
    bare = Requirement(str(direct.requirement))
    bare.specifier = SpecifierSet()
    return replace(direct, requirement=bare)


def added(text: str) -> DirectRequirement:
    """Return a requirement that a question is tried with beside those of the step."""
    return DirectRequirement(requirement=Requirement(text), origins=(Origin(source=Source.EXPLICIT),))
