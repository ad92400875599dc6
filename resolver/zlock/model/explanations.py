"""Why a solve came out as it did, as facts; `resolution/words.py` says them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from zlock.model.form import Line
from zlock.model.requirement import DirectRequirement


class Stated(Struct, frozen=True):
    """A requirement and whose it is, without lines, which would date in a lock.

    Attributes:
        requirement: The requirement as locks have it.
        sources: The sources that state it, in the order in which they were read.
    """

    requirement: Line
    sources: tuple[Line, ...]

    @classmethod
    def of(cls, direct: DirectRequirement) -> Stated:
        """Return what a source states."""
        sources = dict.fromkeys(str(origin.source) for origin in direct.origins)
        return cls(requirement=direct.normalized, sources=tuple(sources))

    @classmethod
    def at(cls, direct: DirectRequirement) -> Stated:
        """Return what a source states, with the place that does: for a person, not for a lock."""
        return cls(requirement=str(direct), sources=(str(direct.origins[0]),))


class GaveWay(Struct, frozen=True):
    """That a requirement was left out for the sake of a later source's.

    Attributes:
        loser: The requirement that was left out.
        winner: The one that it is in conflict with.
    """

    loser: Stated
    winner: Stated


class Differs(Struct, frozen=True):
    """That a step has another version of a package than other steps, and why.

    Attributes:
        name: The package.
        here: The version that the step has.
        elsewhere: The versions that other steps have.
        reason: "forced": requirements rule those out; "locked": its lock has it so; "older": they are too old for it;
            "major": they are of another major version; "others": other packages would differ; "unlisted": its index
            has none of them; "unfit": no file of them fits its target; "unknown": no answer with them was found.
        forcing: The requirements that rule them out, of the step or of a package that it has.
        where: The index that does not list them, empty for the only one; or the target that no file fits.
        days: How much older they are.
    """

    name: Line
    here: Line
    elsewhere: tuple[Line, ...]
    reason: Literal["forced", "locked", "older", "major", "others", "unlisted", "unfit", "unknown"]
    forcing: tuple[Stated, ...] = ()
    where: Line = ""
    days: int = 0


class Behind(Struct, frozen=True):
    """That a pin is far behind the newest release of its package, and why.

    Attributes:
        name: The package.
        version: The version.
        days: How far it is behind.
        forcing: The requirements that rule out all that is younger, of the step or of a package that it has.
        costs: The package that would lose most by a younger one, or empty.
        cost: How many days it would be older then.
        is_alone: Whether there is no answer with a younger one, whatever else is asked for.
        sdist: What the newest release needs and has no wheel.
        gives: The version that there is where that may be built; empty where that was not found out.
        newer: A newer release that says that it is not for the target's Python or later ones, or empty.
        python: Which Pythons that one is for.
    """

    name: str
    version: str
    days: int
    forcing: tuple[Stated, ...] = ()
    sdist: str | None = None
    gives: str = ""
    costs: str = ""
    cost: int = 0
    is_alone: bool = False
    newer: str = ""
    python: str = ""
