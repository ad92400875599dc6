"""Which pins of an answer are more than a year behind, what holds them there, and what a build would give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace
from packaging.utils import NormalizedName
from packaging.version import Version

from zlock.model.distribution import Dependency
from zlock.model.explanations import Behind, Stated
from zlock.model.versions import parse_specifier
from zlock.resolution.apart import forcing, opponents
from zlock.resolution.findings import Flaw, Rejected
from zlock.resolution.needs import Node, Pins
from zlock.resolution.package import bits
from zlock.resolution.problem import Problem
from zlock.resolution.trials import Trials
from zlock.resolution.unbuilt import allowing_builds

_YEAR = 365  # days
_FROM = (">=", ">", "~=", "==")


def find_behind(problem: Problem, pins: Pins, trials: Trials) -> Iterator[Behind]:
    """Yield what is more than a year behind and not kept, with the requirements that rule out all that is younger.

    What has not the extras that are asked for is told of at any age: it was taken as nothing younger could be. So is
    what newer releases that are for older Pythons are left out for: it may only be silent, from before that was known.

    Args:
        problem: What the step asks.
        pins: What it has.
        trials: Tries builds.
    """
    aged = {node.name for node, at in pins.items() if not node.extra and problem.ages.age(node.name, at) > _YEAR}
    poorer = {node.name for node, at in pins.items() if problem.universe.lacks(node, at)}
    unlimited = {
        node.name: found for node, at in pins.items() if not node.extra and (found := _limit(problem, node, at))
    }
    for name in sorted(aged | poorer | unlimited.keys()):
        if problem.kept(problem.universe.package(name)) != pins[Node(name, "")]:
            found = unlimited.get(name) or behind_of(problem, pins, name, trials, least=0 if name in poorer else _YEAR)
            if found is not None:
                yield found


def _limit(problem: Problem, node: Node, position: int) -> Behind | None:
    """Return what is to be said of the newest usable release, where newer ones are for older Pythons only."""
    package, target = problem.universe.package(node.name), problem.universe.target
    if problem.ages.age(node.name, position) or package.first(problem.usable(node.name)) != position:
        return None
    for one in package.rejected_above(position):
        if one.flaw is Flaw.PYTHON and not one.is_late and _is_for_older(one.detail, target.version):
            version = str(package.versions[position])
            return Behind(name=node.name, version=version, days=0, newer=str(one.version), python=one.detail)
    return None


def _is_for_older(requires_python: str, python: Version) -> bool:
    """Return whether a `Requires-Python` that excludes a Python does so for being too new."""
    clauses = [one for one in parse_specifier(requires_python) if one.operator in _FROM]
    return all(Version(one.version.removesuffix(".*")) <= python for one in clauses)


def behind_of(
    problem: Problem, pins: Pins, name: NormalizedName, trials: Trials, *, least: int = _YEAR
) -> Behind | None:
    """Return what is to be said of a pin that is more than some days behind, None of a younger one."""
    ages, position = problem.ages, pins[Node(name, "")]
    days = ages.age(name, position)
    if days <= least:
        return None
    younger = problem.usable(name) & (1 << position) - 1
    found = Behind(name=name, version=str(problem.universe.package(name).versions[position]), days=days)
    if sdist := _needs_sdist(problem, [node for node in pins if node.name == name], younger):
        return replace(found, sdist=sdist, gives=_given(problem, name, sdist, position, trials))
    if ruling_out := tuple(forcing(problem, pins, name, younger, Stated.of)):
        return replace(found, forcing=ruling_out)
    free = replace(problem, preferences={})
    asked = opponents(free, name, younger, trials.proof)
    if asked is not None:
        others = [one for one in asked if one.name != name]
        return replace(found, forcing=tuple(map(Stated.of, others)), is_alone=not others)
    later = trials.answer(replace(free, limit=lambda other: younger if other == name else -1)) or {}
    costs = {
        node.name: ages.age(node.name, at) - ages.age(node.name, pins[node])
        for node, at in later.items()
        if node in pins
    }
    cost, most = max(((cost, other) for other, cost in costs.items()), default=(0, name))
    return replace(found, costs=most, cost=cost) if cost > 0 else found


def _needs_sdist(problem: Problem, nodes: Sequence[Node], younger: int) -> NormalizedName | None:
    """Return what the newest release of a package needs, or its extras, that has an sdist, but no wheel that fits."""
    package = problem.universe.package(nodes[0].name)
    newest = package.first(younger)
    found = [problem.needs(node, newest) for node in sorted(nodes) if newest is not None]
    for need in (need for needs in found if not isinstance(needs, Rejected) for need in needs):
        other = problem.universe.package(need.node.name)
        if not any(other.candidate(one) for one in bits(need.mask & problem.domain(other.name))):
            admitted = other.versions.mask(need.cause.specifier) if isinstance(need.cause, Dependency) else 0
            versions = {other.versions[one] for one in bits(admitted)}
            is_sdist = any(row.flaw is Flaw.SDIST and row.version in versions for row in other.rejected)
            return other.name if is_sdist else None
    return None


def _given(problem: Problem, name: NormalizedName, sdist: NormalizedName, pinned: int, trials: Trials) -> str:
    """Return the version of a package that there is where an sdist may be built; empty where none newer was found."""
    pins = trials.answer(allowing_builds(replace(problem, preferences={}), {sdist}))
    position = pins.get(Node(name, "")) if pins else None
    return "" if position is None or position >= pinned else str(problem.universe.package(name).versions[position])
