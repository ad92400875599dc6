"""Changed problems that are tried for what is told of a conflict, within a time for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from msgspec.structs import replace
from resolvelib.resolvers import ResolutionError, ResolutionTooDeep

from zlock.errors import ZlockError
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, parsed
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.complete import search_completely
from zlock.resolution.needs import Pins
from zlock.resolution.problem import Problem
from zlock.resolution.reporter import Enough, Until

_BUDGET = 20_000  # steps for each question whether something is needed for a conflict
_BUDGET_OF_CHANGE = 5_000  # steps for each change that is tried: to offer none is better than to wait for one
_SHARE = 0.5  # of the time that is left, for each question: one that takes long leaves some to the others


class Trials:
    """Tries changed problems.

    Args:
        seconds: For all of them together.

    Attributes:
        untried: How many were not tried to the end, for lack of time.
    """

    def __init__(self, seconds: float) -> None:
        self.untried = 0
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self._end

    def proof(self, problem: Problem) -> Unsolvable | None:
        """Return the proof that there is no answer, None where there is one, or nobody can say in time."""
        try:
            self._search(problem, _BUDGET)
        except Unsolvable as proof:
            return proof
        except (ResolutionTooDeep, ZlockError):
            return None
        return None

    def answer(self, problem: Problem) -> Pins | None:
        """Return an answer; None where there is none, it takes too long, or an index can't be asked."""
        try:
            return self._search(problem, _BUDGET_OF_CHANGE)
        except (ResolutionError, ZlockError):
            return None

    def _search(self, problem: Problem, budget: int) -> Pins | None:
        try:
            now = time.monotonic()
            clock = Until(now + (self._end - now) * _SHARE)
            clock.starting_round(0)
            return search_completely(problem, budget, clock)
        except Enough:
            self.untried += 1
            return None


def asking(
    problem: Problem,
    requirements: Sequence[DirectRequirement],
    constraints: Sequence[DirectRequirement] | None = None,
) -> Problem:
    """Return a problem with other requirements, and with other constraints where they are given."""
    return replace(
        problem, requirements=requirements, constraints=problem.constraints if constraints is None else constraints
    )


def without(requirements: Iterable[DirectRequirement], left_out: DirectRequirement) -> list[DirectRequirement]:
    """Return some requirements but for one."""
    return [one for one in requirements if one is not left_out]


def added(text: str) -> DirectRequirement:
    """Return a requirement that a question is tried with beside those of the step."""
    return DirectRequirement(requirement=parsed(text), origins=(Origin(source=Source.EXPLICIT),))
