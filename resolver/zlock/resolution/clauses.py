"""What a search knows: facts, assumptions and what follows from them, as sets of states that can't all hold.

The state of a node is the set of what it may still be: bit 0 for "not there at all", bit `i + 1` for candidate `i`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from packaging.utils import NormalizedName
from resolvelib.resolvers import ResolutionImpossible
from resolvelib.structs import RequirementInformation

from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pin
from zlock.resolution.problem import Problem


class Clause:
    """A set of terms that can't all hold.

    Attributes:
        terms: Per node the set of its states; the clause is broken where every node is inside its set.
        reason: The need, verdict or grounds it states; None for one that was learnt.
        parents: For a learnt one, the two it follows from.
        watched: The two nodes for whose sake a search looks at it: as long as neither is inside its set, nothing
            follows from the clause, whatever becomes of the others.
        level: The level at which a search looked at all of it.
    """

    __slots__ = ("level", "parents", "reason", "terms", "watched")

    def __init__(
        self,
        terms: dict[Node, int],
        reason: Need | Verdict | Grounds | None,
        parents: tuple[Clause, Clause] | None = None,
    ) -> None:
        self.terms = terms
        self.reason = reason
        self.parents = parents
        self.watched: tuple[Node, ...] = ()
        self.level = 0

    def leaves(self) -> Iterator[Clause]:
        """Yield the facts it rests on, each once."""
        seen: set[int] = set()
        todo = [self]
        while todo:
            clause = todo.pop()
            if id(clause) in seen:
                continue
            seen.add(id(clause))
            if clause.parents:
                todo.extend(clause.parents)
            else:
                yield clause


class Verdict(Struct, frozen=True):
    """That some candidates of a node can't be used at all."""

    node: Node
    mask: int
    rejected: Rejected | None = None


class Named(Struct, frozen=True):
    """That pre-releases of a package count only beside a requirement that names one."""

    name: NormalizedName

    def supporters(self, problem: Problem) -> Mapping[Node, int]:
        """Return the candidates that are known to name one."""
        return problem.namers(self.name)


class Needed(Struct, frozen=True):
    """That some nodes, which might only hold each other up, are there only beside what needs one of them."""

    nodes: frozenset[Node]

    def supporters(self, problem: Problem) -> Mapping[Node, int]:
        """Return the candidates of other nodes that are known to need one."""
        return problem.supporters(self.nodes)


class Grounds(Struct, frozen=True):
    """That something counts only beside what supports it, and who was known to."""

    subject: Named | Needed
    supporters: dict[Node, int]

    def is_outdated(self, problem: Problem) -> bool:
        """Return whether more supporters are known by now."""
        return self.supporters != self.subject.supporters(problem)


class Unsolvable(ResolutionImpossible[Need, Pin]):
    """It is proven that there is no answer.

    Attributes:
        facts: What the proof rests on.
        causes: The needs among it, each with the pin that needs it; that of a direct requirement has none.
    """

    def __init__(self, proof: Clause) -> None:
        self.facts = tuple(proof.leaves())
        super().__init__([_cause(leaf.reason) for leaf in self.facts if isinstance(leaf.reason, Need)])

    def names(self) -> set[NormalizedName]:
        """Return the packages that the proof is about."""
        return {node.name for leaf in self.facts for node in leaf.terms if node.name}

    def needs(self) -> Iterator[Need]:
        """Yield the needs that the proof rests on."""
        return (cause.requirement for cause in self.causes)


def _cause(need: Need) -> RequirementInformation[Need, Pin]:
    return RequirementInformation(need, Pin(need.parent, need.position) if need.parent else None)
