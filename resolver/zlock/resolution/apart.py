"""Why a step has another version of a package than other steps: what of its answer rules theirs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from packaging.utils import NormalizedName

from zlock.model.explanations import Differs, Stated
from zlock.model.requirement import DirectRequirement
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem
from zlock.resolution.windows import Windows

_MOST_READ = 4  # candidates whose own needs are looked at


def why_differs(
    problem: Problem,
    pins: Pins,
    name: NormalizedName,
    others: Sequence[str],
    stated: Callable[[DirectRequirement], Stated] = Stated.of,
) -> Differs:
    """Return why a step does not have a version of other steps.

    Args:
        problem: What the step asks.
        pins: What it has.
        name: The package.
        others: The versions that other steps have.
        stated: Says whose a requirement is.
    """
    package, pinned = problem.universe.package(name), pins[Node(name, "")]
    found = partial(Differs, name=name, here=str(package.versions[pinned]), elsewhere=tuple(others))
    usable = sum(1 << position for one in others if (position := package.position(one)) is not None)
    if not usable:
        if all(package.versions.find(one) is None for one in others):
            return found(reason="unlisted", where=problem.universe.index_of(name))
        return found(reason="unfit", where=str(problem.universe.target))
    ruling_out = tuple(forcing(problem, pins, name, usable, stated))
    if ruling_out:
        return found(reason="forced", forcing=ruling_out)
    if problem.kept(package) == pinned:
        return found(reason="locked")
    ages, windows = problem.ages, Windows(problem, pins)
    if not usable & windows.mask(name, any_major=True):
        days = min(ages.age(name, position) for position in bits(usable)) - ages.age(name, pinned)
        return found(reason="older", days=days)
    return found(reason="others" if usable & windows.mask(name) else "major")


def forcing(
    problem: Problem,
    pins: Pins,
    name: NormalizedName,
    others: int,
    stated: Callable[[DirectRequirement], Stated],
) -> Iterator[Stated]:
    """Yield requirements that together rule out some candidates, the step's own first; nothing where one is left."""
    rows = list(_needs(problem, pins))
    chosen: list[Need] = []
    for need in rows:
        if need.node.name == name and others & ~need.mask:
            chosen.append(need)
            others &= need.mask
    if 0 < others.bit_count() <= _MOST_READ:
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


def _needs(problem: Problem, pins: Pins) -> Iterator[Need]:
    """Yield what a step and its pins need, its own first."""
    yield from problem.roots()
    for node, position in sorted(pins.items()):
        needs = problem.needs(node, position)
        yield from () if isinstance(needs, Rejected) else needs
