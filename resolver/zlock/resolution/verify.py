"""The check of every answer: an independent walk from what was asked."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import NormalizedName

from zlock.model.ports import InvalidMetadata
from zlock.resolution.needs import Need, Node
from zlock.resolution.problem import Problem


def find_flaw(problem: Problem, pins: Mapping[Node, int]) -> str:
    """Return what is wrong with an answer; empty where it is right.

    Right is: every need of the step and of every pin is met by a pin that policy and constraints admit, a
    pre-release is named by one of these needs where policy asks for it, and every pin is reached from the step.
    """
    reached: set[Node] = set()
    named: set[NormalizedName] = set()
    todo: list[Need] = problem.roots()
    while todo:
        need = todo.pop()
        position = pins.get(need.node)
        if position is None:
            return f"{need.node} is needed and not pinned"
        if not need.mask >> position & 1:
            return f"{need.node} is pinned against {need.cause}"
        if not problem.domain(need.node.name) >> position & 1:
            return f"{need.node} is pinned to a release that may not be used"
        if need.names_prerelease:
            named.add(need.node.name)
        if need.node in reached:
            continue
        reached.add(need.node)
        needs = problem.needs(need.node, position)
        if isinstance(needs, InvalidMetadata):
            return f"{need.node} is pinned to a release that can't be used: {needs.reason}"
        todo.extend(needs)
    for node in reached:
        if node.name not in named and problem.unnamed(node.name) >> pins[node] & 1:
            return f"{node} is pinned to a pre-release that no requirement names"
    orphans = pins.keys() - reached
    return f"{', '.join(sorted(map(str, orphans)))} pinned without being needed" if orphans else ""


def reach(problem: Problem, pins: Mapping[Node, int]) -> dict[Node, int]:
    """Return the pins that are reached from the step."""
    reached: dict[Node, int] = {}
    todo = [need.node for need in problem.roots()]
    while todo:
        node = todo.pop()
        if node in pins and node not in reached:
            reached[node] = pins[node]
            needs = problem.needs(node, pins[node])
            if isinstance(needs, tuple):
                todo.extend(need.node for need in needs)
    return reached
