"""Why a step has another version of a package than other steps: what of its answer rules theirs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from packaging.utils import NormalizedName

from zlock.model.explanations import Differs, Stated
from zlock.model.requirement import DirectRequirement
from zlock.resolution.ages import Ages
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem
from zlock.resolution.windows import Windows


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
    ages = Ages(problem)
    windows = Windows(problem, ages, pins)
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
    needs = [need for need in _needs(problem, pins) if need.node.name == name and others & ~need.mask]
    chosen: list[Need] = []
    for need in needs:
        if others & ~need.mask:
            chosen.append(need)
            others &= need.mask
    for need in () if others else chosen:
        if isinstance(need.cause, DirectRequirement):
            yield stated(need.cause)
        elif need.parent is not None:
            holder = f"{need.parent} {problem.universe.package(need.parent.name).versions[need.position]}"
            yield Stated(requirement=str(need.cause._replace(marker="")), sources=(holder,))


def _needs(problem: Problem, pins: Pins) -> Iterator[Need]:
    """Yield what a step and its pins need, its own first."""
    yield from problem.roots()
    for node, position in sorted(pins.items()):
        needs = problem.needs(node, position)
        yield from () if isinstance(needs, Rejected) else needs
