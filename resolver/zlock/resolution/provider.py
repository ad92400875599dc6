"""A problem as resolvelib asks it: a requirement is a `Need`, a candidate a `Pin`, and an identifier a `Node`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from resolvelib import AbstractProvider
from resolvelib.structs import RequirementInformation

from zlock.resolution.findings import Rejected
from zlock.resolution.needs import Need, Node, Pin
from zlock.resolution.problem import Problem


class Provider(AbstractProvider[Need, Pin, Node]):
    """Answers resolvelib's questions with masks.

    Attributes:
        problem: The problem that is asked.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._seen: dict[Node, int] = {}

    def identify(self, requirement_or_candidate: Need | Pin) -> Node:
        """Return the node that a need or a pin is about."""
        return requirement_or_candidate.node

    def get_preference(
        self,
        identifier: Node,
        resolutions: Mapping[Node, Pin],  # noqa: ARG002 - resolvelib's signature
        candidates: Mapping[Node, Iterator[Pin]],  # noqa: ARG002 - resolvelib's signature
        information: Mapping[Node, Iterator[RequirementInformation[Need, Pin]]],
        backtrack_causes: Sequence[RequirementInformation[Need, Pin]],
    ) -> tuple[bool, bool, int]:
        """Decide what conflicts first, then what has no choice, then what was met first.

        What was met first is usually closest to the step, and deciding it early prunes most.
        """
        conflicting = any(
            cause.requirement.node == identifier or (cause.parent and cause.parent.node == identifier)
            for cause in backtrack_causes
        )
        mask = self.problem.domain(identifier.name)
        for row in information[identifier]:
            mask &= row.requirement.mask
        return not conflicting, bool(mask & (mask - 1)), self._seen.setdefault(identifier, len(self._seen))

    def find_matches(
        self,
        identifier: Node,
        requirements: Mapping[Node, Iterator[Need]],
        incompatibilities: Mapping[Node, Iterator[Pin]],
    ) -> Callable[[], Iterator[Pin]]:
        """Return the candidates that all needs admit, best first, looked at one by one."""
        mask = self.problem.domain(identifier.name)
        unnamed = self.problem.unnamed(identifier.name)
        if unnamed and not self._is_named(identifier, requirements):
            kept = self.problem.kept(self.problem.universe.package(identifier.name))
            mask &= ~unnamed | (1 << kept if kept is not None else 0)
        for need in requirements[identifier]:
            mask &= need.mask
        for pin in incompatibilities[identifier]:
            mask &= ~(1 << pin.position)
        return lambda: (Pin(identifier, position) for position in self.problem.ordered(identifier.name, mask))

    @staticmethod
    def _is_named(node: Node, requirements: Mapping[Node, Iterator[Need]]) -> bool:
        """Return whether a need met so far names a pre-release; what asks for an extra asks for its base too."""
        base = Node(node.name, "")
        known = (*requirements[node], *requirements.get(base, ()))
        return any(need.names_prerelease for need in known)

    def is_satisfied_by(self, requirement: Need, candidate: Pin) -> bool:
        """Return whether a pin is one of those a need admits."""
        return bool(requirement.mask >> candidate.position & 1)

    def get_dependencies(self, candidate: Pin) -> Iterable[Need]:
        """Return what a pin needs; one that can't be used needs what can't be had."""
        needs = self.problem.needs(candidate.node, candidate.position)
        if isinstance(needs, Rejected):
            cause = next(iter(self.problem.requirements))
            return (Need(candidate.node, 0, candidate.node, candidate.position, cause),)
        return joined(needs)


def joined(needs: Iterable[Need]) -> list[Need]:
    """Return what some needs come to for each node: resolvelib looks at all of a node again for each that it adds."""
    found: dict[Node, Need] = {}
    for need in needs:
        known = found.get(need.node, need)
        naming = known.names_prerelease or need.names_prerelease
        found[need.node] = known._replace(mask=known.mask & need.mask, names_prerelease=naming)
    return list(found.values())
