"""The two ways to an answer, both resolvers as resolvelib has them, over one provider: who asks takes them in turn."""

from __future__ import annotations

from collections.abc import Iterable

from resolvelib import AbstractResolver
from resolvelib.resolvers import Resolution, ResolverException, Result
from resolvelib.resolvers.criterion import Criterion
from resolvelib.structs import DirectedGraph, RequirementInformation

from zlock.resolution.complete import search_completely
from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pin, Pins
from zlock.resolution.problem import Problem
from zlock.resolution.provider import Provider, joined
from zlock.resolution.verify import walk

Answer = Result[Need, Pin, Node]
BUDGET = 200_000  # conflicts and decisions of the complete search
_ROUNDS = 5000


class CompleteResolver(AbstractResolver[Need, Pin, Node]):
    """The complete search: it finds an answer, or the proof that there is none."""

    base_exception = ResolverException
    provider: Provider

    def resolve(  # type: ignore[override]  # as resolvelib's own has it
        self,
        requirements: Iterable[Need],  # noqa: ARG002 - the problem knows them
        max_rounds: int = BUDGET,
    ) -> Answer:
        """Return an answer.

        Raises:
            Unsolvable: It is proven that there is none.
            ResolutionTooDeep: The budget ended first.
        """
        return _result(self.provider.problem, search_completely(self.provider.problem, max_rounds, self.reporter))


class OtherResolver(AbstractResolver[Need, Pin, Node]):
    """resolvelib's own search: its answers count where they are right, and that it finds none proves nothing."""

    base_exception = ResolverException
    provider: Provider

    def resolve(  # type: ignore[override]  # as resolvelib's own has it
        self, requirements: Iterable[Need], max_rounds: int = _ROUNDS
    ) -> Answer:
        """Return an answer.

        Raises:
            ResolverException: It found none, or one that is wrong.
        """
        # Not through its `Resolver`: what that does with the last state recurses as deep as the graph.
        state = Resolution(self.provider, self.reporter).resolve(joined(requirements), max_rounds=max_rounds)
        found = {node: pin.position for node, pin in state.mapping.items()}
        pins, flaw = walk(self.provider.problem, found)
        if flaw:
            raise ResolverException(flaw)
        return _result(self.provider.problem, pins)


def _result(problem: Problem, pins: Pins) -> Answer:
    """Return pins with who needs whom, the step itself being None."""
    mapping = {node: Pin(node, position) for node, position in pins.items()}
    graph: DirectedGraph[Node | None] = DirectedGraph()
    for node in (None, *mapping):
        graph.add(node)
    asked: dict[Node, list[RequirementInformation[Need, Pin]]] = {node: [] for node in mapping}
    for parent in (None, *mapping.values()):
        needs = problem.needs(*parent) if parent else problem.roots()
        for need in () if isinstance(needs, Rejected) else needs:
            graph.connect(parent and parent.node, need.node)
            asked[need.node].append(RequirementInformation(need, parent))
    return Result(mapping, graph, {node: Criterion([mapping[node]], rows, []) for node, rows in asked.items()})
