"""A proven conflict, as it is told."""

from __future__ import annotations

from msgspec import Struct
from packaging.utils import NormalizedName

from zlock.model.requirement import DirectRequirement
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.findings import Link, Nothing


class Conflict(Struct, frozen=True, kw_only=True):
    """A proven conflict.

    Attributes:
        requirements: Direct requirements that can't hold together; none can be left out.
        constraints: Constraints that take part; none can be left out.
        links: What was found between them, from the step outwards.
        unshown: How many more links there are.
        nothings: Needs that no release can meet, and newer releases than can be used.
        proof: What it was read from.
    """

    requirements: tuple[DirectRequirement, ...]
    constraints: tuple[DirectRequirement, ...]
    links: tuple[Link, ...]
    unshown: int
    nothings: tuple[Nothing, ...]
    proof: Unsolvable

    @property
    def names(self) -> set[NormalizedName]:
        """The packages that it rests on what indexes list of."""
        return self.proof.names()
