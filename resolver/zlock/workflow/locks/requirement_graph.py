"""Why packages are in a lock: the requirements of sources that lead to them, with file and line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from zlock.lock.graph import Graph
from zlock.lock.selection import packages_on
from zlock.merge import merge
from zlock.model.explanations import Stated
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.workflow.locks.current import LockedStep


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class TargetGraph:
    """What a step installs on one or more of its targets, and what asks for it.

    Attributes:
        targets: Those of the step's targets on which it is the same.
        roots: What its sources ask for there, in the documented order.
        graph: What the packages need of each other.
    """

    targets: tuple[Target, ...]
    roots: tuple[DirectRequirement, ...]
    graph: Graph


def standing(locked: LockedStep) -> tuple[DirectRequirement, ...]:
    """Return what a step asks for, without what gave way to later sources when its lock was made."""
    losers = {one.loser for one in locked.facts.gave_way}
    return tuple(one for one in merge(locked.gathered) if Stated.of(one) not in losers)


def graphs_of(locked: LockedStep) -> list[TargetGraph]:
    """Return what a step installs, once for all targets on which that is the same."""
    found: list[TargetGraph] = []
    for target in locked.question.targets:
        graph = Graph.of(packages_on(locked.lock, target))
        roots = tuple(one for one in standing(locked) if _counts(one, target, graph))
        for position, known in enumerate(found):
            if (known.graph, known.roots) == (graph, roots):
                found[position] = TargetGraph(targets=(*known.targets, target), roots=roots, graph=graph)
                break
        else:
            found.append(TargetGraph(targets=(target,), roots=roots, graph=graph))
    return found


def nodes_of(direct: DirectRequirement) -> Iterator[str]:
    """Yield the nodes that a requirement asks for: the extras it names, and the package itself."""
    yield from sorted(f"{direct.name}[{canonicalize_name(extra)}]" for extra in direct.requirement.extras)
    yield direct.name


def _counts(direct: DirectRequirement, target: Target, graph: Graph) -> bool:
    """Return whether a requirement leads to a package on a target; the configuration may exclude some."""
    return direct.name in graph.versions and target.holds(direct.requirement.marker)
