"""What a search has decided and what followed from it, in order, so that it can be taken back."""

from __future__ import annotations

from bisect import bisect_left

from msgspec import Struct

from zlock.errors import Unsound
from zlock.resolution.clauses import Clause
from zlock.resolution.needs import Node, Pins

ABSENT = 1
ROOT = Node("", "")  # type: ignore[arg-type]


class Assignment(Struct, frozen=True):
    """That a node may be less from here on.

    Attributes:
        node: The node.
        level: How many decisions were made before it, itself included.
        states: What the node may be.
        cause: The clause from which that follows, None for a decision.
    """

    node: Node
    level: int
    states: int
    cause: Clause | None


class Trail:
    """What nodes may be, and how that came.

    Attributes:
        full: Per node all that it could be.
        states: Per node what it still may be.
        level: How many decisions stand.
        forced: What has to be there, and has needs that were not looked at.
        open: What has to be there, and has a choice left.
        loaded: The candidates whose needs were looked at.
    """

    def __init__(self) -> None:
        self.full: dict[Node, int] = {ROOT: 0b11}
        self.states: dict[Node, int] = {ROOT: 0b11}
        self.level = 0
        self.forced: dict[Node, None] = {}
        self.open: set[Node] = set()
        self.loaded: set[tuple[Node, int]] = set()
        self._assignments: list[Assignment] = []
        self._places: dict[Node, list[int]] = {}  # indexes of assignments
        self.assign(ROOT, 0b10, None)

    def pins(self) -> Pins:
        """Return what is there."""
        there = ((node, states) for node, states in self.states.items() if node != ROOT and not states & ABSENT)
        return {node: states.bit_length() - 2 for node, states in there}

    def decide(self, node: Node, states: int) -> None:
        """Let a node be less, for no reason but to get on."""
        self.level += 1
        self.assign(node, states, None)

    def assign(self, node: Node, states: int, cause: Clause | None) -> None:
        """Let a node be less, as follows from a clause."""
        self._places.setdefault(node, []).append(len(self._assignments))
        self._set(node, states)
        self._assignments.append(Assignment(node, self.level, states, cause))

    def load(self, node: Node, position: int) -> None:
        """Note that the needs of a candidate were looked at."""
        self.loaded.add((node, position))
        self._set(node, self.states[node])

    def _set(self, node: Node, states: int) -> None:
        self.states[node] = states
        self.open.discard(node)
        self.forced.pop(node, None)
        if states & ABSENT or node == ROOT:
            return
        if states & (states - 1):
            self.open.add(node)
        elif (node, states.bit_length() - 2) not in self.loaded:
            self.forced[node] = None

    def take_back(self, level: int) -> None:
        """Take back all that was decided after a level, and what followed."""
        while self._assignments and self._assignments[-1].level > level:
            node = self._assignments.pop().node
            places = self._places[node]
            places.pop()
            self._set(node, self._assignments[places[-1]].states if places else self.full[node])
        self.level = level

    def satisfier(self, clause: Clause) -> tuple[Assignment | None, int]:
        """Return what broke a clause, and the level at which it was otherwise about to break."""
        latest: int | None = None
        previous = 0
        for node, states in clause.terms.items():
            place = self._place(node, states, len(self._assignments))
            if latest is None or place > latest:
                if latest is not None:
                    previous = max(previous, self._assignments[latest].level)
                latest = place
            else:
                previous = max(previous, self._assignments[place].level)
        if latest is None:
            return None, 0
        # It may need earlier assignments of its own node to break the term.
        found = self._assignments[latest]
        if found.cause is not None and found.node in found.cause.terms:
            rest = clause.terms[found.node] | found.cause.terms[found.node]
            if rest != self.full[found.node]:
                previous = max(previous, self._assignments[self._place(found.node, rest, latest)].level)
        return found, previous

    def _place(self, node: Node, states: int, before: int) -> int:
        """Return the first index at which a node is inside a set; from there on it stays inside."""
        places = self._places[node]
        found = bisect_left(places, True, key=lambda place: not self._assignments[place].states & ~states)
        if found == len(places) or places[found] >= before:
            raise Unsound(f"a conflict names `{node}`, which never took part in it")
        return places[found]
