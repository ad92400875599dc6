"""What a run says of itself while it goes on: values, given to one reporter that the run carries.

The command line, the build hook and tests each bring a reporter; `cli/words.py` makes words of what it hears.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

Activity = Enum(
    "Activity",
    "ASKING_AGAIN ASKING_BUILD_REQUIREMENTS ASKING_FOR_PARENT ASKING_REGISTRY BUILDING CHECKING_WHEELHOUSE COMPARING "
    "EXPLAINING FETCHING FETCHING_FILES HASHING LOOKING_AT_PACKAGES LOOKING_FOR_FILES LOOKING_IN_STORE MERGING "
    "READING_LAYER READING_SOURCES RUNNING_PIPELINE SEARCHING SOLVING WAITING",
)
"""What takes long enough to be told of."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What a run is doing from now on, until it does something else.

    Attributes:
        what: What it does.
        subject: To what: a step, a package, a file, a reference.
        place: Where.
        done: How many are done, or how far it has come.
        total: How many there are; 0 where that is not known.
        received: The bytes that have come.
        building: The sdists that are being built meanwhile.
    """

    what: Activity
    subject: str = ""
    place: str = ""
    done: int = 0
    total: int = 0
    received: int = 0
    building: tuple[str, ...] = ()


class Reporter(Protocol):
    """Hears what a run says of itself."""

    def __call__(self, news: Doing, /) -> object:
        """Take news, from any thread."""
        ...


def unheard(_news: Doing, /) -> None:
    """Be a reporter for nobody."""
