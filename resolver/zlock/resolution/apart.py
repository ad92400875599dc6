"""Why a step has another version of a package than other steps: what of its answer rules theirs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Literal

from msgspec.structs import replace
from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionError

from zlock.errors import OutsideFailed
from zlock.model.explanations import Differs, Stated
from zlock.model.requirement import DirectRequirement
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.complete import search_completely
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem
from zlock.resolution.trials import added, asking, without
from zlock.resolution.windows import Windows

_MOST_READ = 4  # candidates whose own needs are looked at
_BUDGET = 200  # steps of one search, beside two for each pin


def differences(problem: Problem, pins: Pins, name: NormalizedName, others: Iterable[str]) -> Iterator[Differs]:
    """Yield why a step has none of the versions that other steps have of a package, equal reasons as one.

    Args:
        problem: What the step asks.
        pins: What it has.
        name: The package.
        others: The versions.
    """
    groups: dict[Differs, list[str]] = {}
    for version in others:
        groups.setdefault(replace(why_differs(problem, pins, name, version), elsewhere=()), []).append(version)
    for reason, versions in groups.items():
        yield replace(reason, elsewhere=tuple(versions))


def why_differs(
    problem: Problem,
    pins: Pins,
    name: NormalizedName,
    other: str,
    stated: Callable[[DirectRequirement], Stated] = Stated.of,
) -> Differs:
    """Return why a step does not have a version that other steps have; `stated` says whose a requirement is."""
    package = problem.universe.package(name)
    pinned, position = pins[Node(name, "")], package.position(other)
    found = partial(Differs, name=name, here=str(package.versions[pinned]), elsewhere=(other,))
    if position is None:
        if package.versions.find(other) is None:
            return found(reason="unlisted", where=problem.universe.index_of(name))
        return found(reason="unfit", where=str(problem.universe.target))
    if ruling_out := tuple(forcing(problem, pins, name, 1 << position, stated)):
        return found(reason="forced", forcing=ruling_out)
    if problem.kept(package) == pinned:
        return found(reason="locked")
    days = _days_outside(problem, pins, name, position)
    if days is not None:
        return found(reason="older", days=days) if days else found(reason="major")
    asked = opponents(problem, name, 1 << position, partial(_proof, budget=_BUDGET + 2 * len(pins)))
    reason: Literal["forced", "unknown", "others"] = "forced" if asked else "others" if asked is None else "unknown"
    return found(reason=reason, forcing=tuple(map(stated, asked or ())))


def _days_outside(problem: Problem, pins: Pins, name: NormalizedName, position: int) -> int | None:
    """Return how much older than a pin a candidate is that is out of its window, 0 where only its major version is."""
    ages, windows, pinned = problem.ages, Windows(problem, pins), pins[Node(name, "")]
    if not windows.mask(name, any_major=True) >> position & 1:
        return ages.age(name, position) - ages.age(name, pinned)
    return None if position < pinned or windows.mask(name) >> position & 1 else 0


def opponents(
    problem: Problem, name: NormalizedName, mask: int, proof: Callable[[Problem], Unsolvable | None]
) -> list[DirectRequirement] | None:
    """Return requirements of a step with which there is no answer that has one of some candidates of a package.

    They are as few as was found; none where the candidates have no answer by themselves; None where there is an answer,
    or nothing was proven.

    Args:
        problem: What the step asks.
        name: The package.
        mask: The candidates.
        proof: Proves that a problem has no answer, if it can.
    """
    wanted = added(name)
    limited = replace(problem, limit=lambda other: mask if other == name else -1)
    found = proof(asking(limited, [*problem.requirements, wanted]))
    if found is None:
        return None
    left = _asked(found, wanted)
    for one in list(left):
        if one in left and (smaller := proof(asking(limited, [*without(left, one), wanted]))) is not None:
            left = _asked(smaller, wanted)
    return left


def _asked(proof: Unsolvable, wanted: DirectRequirement) -> list[DirectRequirement]:
    causes = {id(need.cause): need.cause for need in proof.needs()}
    return [one for one in causes.values() if isinstance(one, DirectRequirement) and one is not wanted]


def _proof(problem: Problem, budget: int) -> Unsolvable | None:
    try:
        search_completely(problem, budget)
    except Unsolvable as proof:
        return proof
    except (ResolutionError, OutsideFailed):
        return None
    return None


def forcing(
    problem: Problem,
    pins: Pins,
    name: NormalizedName,
    others: int,
    stated: Callable[[DirectRequirement], Stated],
) -> Iterator[Stated]:
    """Yield requirements that together rule out some candidates, the step's own first; nothing where one is left."""
    chosen: list[Need] = []
    asked = [need for needs in _needs(problem, pins) for need in needs if need.node.name == name]
    for need in sorted(asked, key=_whose):
        is_its_own = need.parent is not None and need.parent.name == name  # an extra and its base
        if not is_its_own and others & ~need.mask:
            chosen.append(need)
            others &= need.mask
    if 0 < others.bit_count() <= _MOST_READ:
        rows = sorted([need for needs in _needs(problem, pins) for need in needs], key=_whose)
        for position in bits(others):
            found = _against(problem, rows, name, position)
            others &= ~(1 << position) if found else -1
            chosen += [need for need in found if need not in chosen]
    for need in () if others else chosen:
        if isinstance(need.cause, DirectRequirement):
            yield stated(need.cause)
        elif need.parent is not None:
            holder = f"{need.parent} {problem.universe.package(need.parent.name).versions[need.position]}"
            yield Stated(requirement=str(need.cause._replace(marker="")), sources=(holder,))


def _against(problem: Problem, rows: Sequence[Need], name: NormalizedName, position: int) -> list[Need]:
    """Return what others need that admits none of what a candidate needs; nothing where all fit."""
    needs = problem.needs(Node(name, ""), position)
    for need in () if isinstance(needs, Rejected) else needs:
        for row in rows:
            other = row.parent.name if row.parent else ""
            if row.node.name == need.node.name != name != other and not row.mask & need.mask:
                return [row]
    return []


def _needs(problem: Problem, pins: Pins) -> list[Sequence[Need]]:
    """Return what a step needs, and each of its pins."""
    found = [problem.needs(node, position) for node, position in pins.items()]
    return [problem.roots(), *(needs for needs in found if not isinstance(needs, Rejected))]


def _whose(need: Need) -> tuple[str, str]:
    """Return what sorts needs by who has them, the step's own first."""
    return (need.parent.name, need.parent.extra) if need.parent else ("", "")
