"""The check of every answer: an independent walk from what was asked."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import NormalizedName

from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pins
from zlock.resolution.problem import Problem


def walk(problem: Problem, pins: Mapping[Node, int]) -> tuple[Pins, str]:
    """Return the pins that are reached from a step, and what is wrong with them; empty where they are right.

    Right is: every need of the step and of every pin is met by a pin that policy and constraints admit, and a
    pre-release is named by one of these needs where policy asks for it.
    """
    reached: Pins = {}
    named: set[NormalizedName] = set()
    todo: list[Need] = problem.roots()
    while todo:
        need = todo.pop()
        node = need.node
        position = pins.get(node)
        if position is None:
            return reached, f"{node} is needed and not pinned"
        if not need.mask >> position & 1:
            return reached, f"{node} is pinned against {need.cause}"
        if need.names_prerelease:
            named.add(node.name)
        if node in reached:
            continue
        if not problem.domain(node.name) >> position & 1:
            return reached, f"{node} is pinned to a release that may not be used"
        reached[node] = position
        needs = problem.needs(node, position)
        if isinstance(needs, Rejected):
            return reached, f"{node} is pinned to a release that can't be used: {needs.flaw.name} {needs.detail}"
        todo.extend(needs)
    for node, position in reached.items():
        if node.name not in named and problem.unnamed(node.name) >> position & 1:
            return reached, f"{node} is pinned to a pre-release that no requirement names"
    return reached, ""
