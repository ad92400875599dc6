"""Why there is no answer: the fewest requirements that already conflict, the chain between them, the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zlock.errors import NotProven
from zlock.model.distribution import Dependency
from zlock.model.requirement import DirectRequirement
from zlock.resolution.problem import Need, Node, Problem
from zlock.resolution.search import Clause, Search, Unsolvable, Verdict
from zlock.resolution.universe import Package, bits

_BUDGET = 20_000  # steps for each of the small questions below
_MOST_CHAIN = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A proven conflict.

    Attributes:
        requirements: Direct requirements that can't hold together; none can be left out.
        constraints: Constraints that take part.
        chain: What was found between them, one line each.
        changes: Single changes that would solve the whole step, the smallest first.
    """

    requirements: tuple[DirectRequirement, ...]
    constraints: tuple[DirectRequirement, ...]
    chain: tuple[str, ...]
    changes: tuple[str, ...]


def explain(problem: Problem, proof: Clause) -> Conflict:
    """Return the smallest conflict that a proof rests on, itself proven: it was solved again on its own."""
    core = _requirements_of(proof)
    for requirement in list(core):
        rest = [other for other in core if other is not requirement]
        smaller = _proof(_with(problem, rest)) if rest else None
        if smaller is not None:
            proof = smaller
            core = [other for other in rest if other in _requirements_of(smaller)] or rest
    constraints = tuple(
        constraint
        for constraint in problem.constraints
        if _proof(_with(problem, core, [c for c in problem.constraints if c is not constraint])) is None
    )
    final = _proof(_with(problem, core)) or proof
    return Conflict(
        requirements=tuple(core),
        constraints=constraints,
        chain=tuple(_chain(problem, final)),
        changes=tuple(_changes(problem, core)),
    )


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
    smaller = replace(
        problem, requirements=requirements, constraints=problem.constraints if constraints is None else constraints
    )
    smaller.admit_prereleases(problem.prereleases)
    return smaller


def _proof(problem: Problem) -> Clause | None:
    """Return the proof that there is no answer, None where there is one or it takes too long to say."""
    try:
        Search(problem, budget=_BUDGET).run()
    except Unsolvable as proof:
        return proof.clause
    except NotProven:
        return None
    return None


def _chain(problem: Problem, proof: Clause) -> list[str]:
    """Return what packages require of each other in a proof, from the step outwards."""
    rows: dict[tuple[Node, str], int] = {}
    for leaf in proof.leaves():
        reason = leaf.reason
        if isinstance(reason, Need) and reason.parent is not None and isinstance(reason.cause, Dependency):
            if reason.parent.name == reason.node.name:
                continue
            text = str(reason.cause._replace(marker="", extras=reason.cause.extras))
            key = (reason.parent, text)
            rows[key] = rows.get(key, 0) | leaf.terms[reason.parent] >> 1
        elif isinstance(reason, Verdict) and reason.reason:
            rows[reason.node, reason.reason] = rows.get((reason.node, reason.reason), 0) | reason.mask
    lines = []
    for (node, text), mask in sorted(rows.items(), key=lambda row: (str(row[0][0]), row[0][1])):
        package = problem.universe.package(node.name)
        says = text if text.startswith("requires ") else f"requires `{text}`"
        lines.append(f"`{node}` {_versions(package, mask & package.all, problem.domain(node.name))} {says}")
    if len(lines) > _MOST_CHAIN:
        lines[_MOST_CHAIN:] = [f"and {len(lines) - _MOST_CHAIN} more of this kind"]
    return [*lines, *_missing(problem, proof)]


def _missing(problem: Problem, proof: Clause) -> list[str]:
    """Return what is said of names in a proof that have no usable release at all."""
    from zlock.resolution.eligible import why_nothing

    lines: dict[str, None] = {}
    for leaf in proof.leaves():
        if isinstance(leaf.reason, Need):
            package = problem.universe.package(leaf.reason.node.name)
            if not problem.domain(package.name):
                lines[f"{why_nothing(problem, package)}"] = None
    return list(lines)


def _versions(package: Package, mask: int, domain: int) -> str:
    """Return a mask of candidates in few words."""
    positions = list(bits(mask))
    if mask & domain == domain and len(positions) > 1:
        return "(every version that may be used)"
    if len(positions) == 1:
        return str(package.candidates[positions[0]].version)
    newest, oldest = package.candidates[positions[0]].version, package.candidates[positions[-1]].version
    whole = positions[-1] - positions[0] + 1 == len(positions)
    return f"{oldest} to {newest}" if whole else f"({len(positions)} versions from {oldest} to {newest})"


def _changes(problem: Problem, core: Sequence[DirectRequirement]) -> list[str]:
    """Return the single requirements without whose limit the step has an answer, and which version it then takes."""
    found = []
    for requirement in core:
        if not str(requirement.requirement.specifier):
            continue
        others = [other for other in problem.requirements if other is not requirement]
        bare = replace(requirement, requirement=_without_specifier(requirement))
        relaxed = _with(problem, [*others, bare])
        try:
            pins = Search(relaxed, budget=_BUDGET).run()
        except (Unsolvable, NotProven):
            continue
        position = pins.get(Node(requirement.name, ""))
        if position is not None:
            version = problem.universe.package(requirement.name).candidates[position].version
            found.append(f"let `{requirement}` ({requirement.origins[0]}) admit {requirement.name} {version}")
    return found


def _without_specifier(direct: DirectRequirement):  # noqa: ANN202 - packaging's own type
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    bare = Requirement(str(direct.requirement))
    bare.specifier = SpecifierSet()
    return bare
