"""In which order a search decides nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from packaging.utils import NormalizedName

from zlock.resolution.needs import Node
from zlock.resolution.problem import Problem

_FEW_REJECTIONS = 5
_MANY_REJECTIONS = 20
_FAR = 180  # days
_LAST = 1 << 30


class Order:
    """What can stay as it was locked comes first, then what others push far back, what conflicted most, was met first.

    A rank is asked far more often than it changes, so it is kept.
    """

    def __init__(self, problem: Problem, first: Collection[NormalizedName]) -> None:
        self._problem = problem
        self._first = first
        self._met: dict[Node, int] = {}
        self._ranks: dict[Node, tuple[int, int, int]] = {}  # the lower, the earlier it is decided
        self._conflicts: dict[Node, int] = {}
        self._rejections: dict[Node, int] = {}  # how often decisions on others ruled out some of a node's candidates
        self._earlier: dict[Node, int] = {}  # what is decided before all else, as that happened too often

    def first(self, nodes: Iterable[Node], states: dict[Node, int]) -> Node:
        """Return which of some nodes is decided first."""
        if not self._problem.preferences:
            return min(nodes, key=self._ranks.__getitem__)
        return min(nodes, key=lambda node: (self._moves(node, states[node]), self._ranks[node]))

    def meet(self, node: Node) -> None:
        """Take a node in."""
        self._met[node] = len(self._met)
        if node.name in self._first:
            self._earlier[node] = 0
        self._rank(node)

    def conflict(self, node: Node) -> None:
        """Note that a node took part in a conflict."""
        self._conflicts[node] = self._conflicts.get(node, 0) + 1
        self._rank(node)

    def reject(self, node: Node, states: int) -> bool:
        """Note that others rule out some of a node's candidates; return whether it comes earlier for that.

        Where that goes on, a search that keeps the others walks down to a release that is years old, or through all
        there are. So the node is decided first from then on, and the others follow.
        """
        self._rejections[node] = self._rejections.get(node, 0) + 1
        if node in self._earlier or self._rejections[node] < _FEW_REJECTIONS or not self._has_fallen(node, states):
            return False
        self._earlier[node] = -len(self._earlier)
        self._rank(node)
        return True

    def _has_fallen(self, node: Node, states: int) -> bool:
        """Return whether what is left of a node is far behind its newest release, in days or else in number."""
        package = self._problem.universe.package(node.name)
        latest = max(package.page.uploaded, default=0) if package.page else 0
        if not latest:
            return self._rejections[node] >= _MANY_REJECTIONS
        return not states >> 1 & package.since(latest - _FAR)

    def _moves(self, node: Node, states: int) -> bool:
        kept = self._problem.kept(self._problem.universe.package(node.name))
        return kept is None or not states >> (kept + 1) & 1

    def _rank(self, node: Node) -> None:
        self._ranks[node] = self._earlier.get(node, _LAST), -self._conflicts.get(node, 0), self._met[node]
