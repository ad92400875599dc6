"""Which pins of an answer are more than a year behind, and what holds them there."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName

from zlock.model.distribution import Dependency
from zlock.model.explanations import Behind, Stated
from zlock.resolution.ages import Ages
from zlock.resolution.apart import forcing
from zlock.resolution.findings import Flaw, Rejected
from zlock.resolution.needs import Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem

_YEAR = 365  # days


def find_behind(problem: Problem, pins: Pins) -> Iterator[Behind]:
    """Yield what is more than a year behind and not kept, with the requirements that rule out all that is younger."""
    ages = Ages(problem)
    for node, position in sorted(pins.items()):
        package, days = problem.universe.package(node.name), ages.age(node.name, position)
        if node.extra or days <= _YEAR or problem.kept(package) == position:
            continue
        younger = ages.within(node.name, days - 1) & problem.domain(node.name) & ~problem.unnamed(node.name)
        younger &= (1 << position) - 1
        yield Behind(
            name=node.name,
            version=str(package.versions[position]),
            days=days,
            forcing=tuple(forcing(problem, pins, node.name, younger, Stated.of)),
            sdist=_needs_sdist(problem, node, younger),
        )


def _needs_sdist(problem: Problem, node: Node, younger: int) -> NormalizedName | None:
    """Return what the newest release of a package needs and what has no wheel that fits, but an sdist."""
    package = problem.universe.package(node.name)
    newest = next((one for one in bits(younger) if package.candidate(one)), None)
    needs = () if newest is None else problem.needs(node, newest)
    for need in () if isinstance(needs, Rejected) else needs:
        other = problem.universe.package(need.node.name)
        if not any(other.candidate(one) for one in bits(need.mask & problem.domain(other.name))):
            admitted = other.versions.mask(need.cause.specifier) if isinstance(need.cause, Dependency) else 0
            versions = {other.versions[one] for one in bits(admitted)}
            is_sdist = any(row.flaw is Flaw.SDIST and row.version in versions for row in other.rejected)
            return other.name if is_sdist else None
    return None
