"""What of each package a step may have for the sake of others: releases that are not much older than it has alone."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import NormalizedName

from zlock.resolution.needs import Node
from zlock.resolution.problem import Problem


class Windows:
    """The windows around an answer of a step.

    Those of what the step asks for itself hold releases of the same major version only; what is kept stays as it is.

    Args:
        problem: What the step asks.
        pins: The answer.
    """

    def __init__(self, problem: Problem, pins: Mapping[Node, int]) -> None:
        self._problem = problem
        self._ages = problem.ages
        self._pins = {node.name: position for node, position in pins.items()}
        self._masks: dict[tuple[NormalizedName, bool], int] = {}

    def mask(self, name: NormalizedName, *, any_major: bool = False) -> int:
        """Return the candidates in the window of a package."""
        key = (name, any_major)
        if key not in self._masks:
            self._masks[key] = self._find(name, any_major=any_major)
        return self._masks[key]

    def kept(self, name: NormalizedName) -> int:
        """Return the candidates of a package where windows are open: what is kept stays even so."""
        pinned = self._pins.get(name)
        return (
            -1 if pinned is None or self._problem.kept(self._problem.universe.package(name)) != pinned else 1 << pinned
        )

    def _find(self, name: NormalizedName, *, any_major: bool) -> int:
        package, pinned = self._problem.universe.package(name), self._pins.get(name)
        if pinned is None:
            return self._ages.within(name, self._problem.policy.step_back)
        if package.reference or self._problem.kept(package) == pinned:
            return 1 << pinned
        mask = self._ages.within(name, self._ages.age(name, pinned) + self._problem.policy.step_back)
        return package.same_major(pinned, mask) if name in self._problem.direct and not any_major else mask
