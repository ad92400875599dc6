"""What a run says of itself while it goes on: values, given to one reporter that the run carries.

The command line, the build hook and tests each bring a reporter; `cli/words.py` makes words of what it hears.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from msgspec import Struct

Activity = Enum(
    "Activity",
    "ASKING_AGAIN ASKING_ARCHIVES ASKING_BUILD_REQUIREMENTS ASKING_FOR_PARENT ASKING_REGISTRY BUILDING BUILDING_IMAGE "
    "BUILDING_PARENT BUILDING_STAGE CHECKING_WHEELHOUSE COMPARING COMPILING EXPLAINING FETCHING FETCHING_FILES HASHING "
    "LOADING LOOKING_AT_PACKAGES LOOKING_FOR_FILES LOOKING_FOR_NEWER LOOKING_IN_STORE MAKING_ENVIRONMENT MAKING_LAYER "
    "MERGING MOVING_LAYERS PUSHING PUSHING_LAYER READING_LAYER READING_RECORDS READING_SOURCES RUNNING_PIPELINE "
    "SEARCHING SOLVING TRYING_CHANGES WAITING WRITING_INDEX",
)
"""What takes long enough to be told of."""

End = Enum("End", "BUILT EXISTS FAILED NOT_WRITTEN PUSHED WRITTEN")
"""What can become of a task."""


class Doing(Struct, frozen=True):
    """What a run is doing from now on, until it does something else.

    Attributes:
        what: What it does.
        subject: To what: a step, a package, a file, a reference.
        place: Where.
        done: How many are done, or how far it has come.
        total: How many there are; 0 where that is not known.
        received: The bytes that have come.
        size: The bytes that there are; 0 where that is not known.
        building: The sdists that are being built meanwhile.
    """

    what: Activity
    subject: str = ""
    place: str = ""
    done: int = 0
    total: int = 0
    received: int = 0
    size: int = 0
    building: tuple[str, ...] = ()


class Note(Struct, frozen=True):
    """What a person should know, on one line."""

    text: str


class Failing(Struct, frozen=True):
    """An error that a run will end with, laid out as far as it is known by now: more of it may follow."""

    text: str


class Line(Struct, frozen=True):
    """What a program has said, which the run has started."""

    text: str


class Ended(Struct, frozen=True):
    """What became of a task, and how many seconds it took."""

    how: End
    seconds: float


class TaskNews(Struct, frozen=True):
    """News of one task of several that run side by side; they come from one thread.

    Attributes:
        task: Its name.
        news: What it says; an `Ended` is the last.
        done: How many of the tasks have ended.
        total: How many there are.
    """

    task: str
    news: News
    done: int = 0
    total: int = 0


News = Doing | Note | Failing | Line | Ended | TaskNews
"""All that a run says of itself."""


class Reporter(Protocol):
    """Hears what a run says of itself."""

    def __call__(self, news: News, /) -> object:
        """Take news, from any thread."""
        ...


def unheard(_news: News, /) -> None:
    """Be a reporter for nobody."""


class Once:
    """Passes on what a run says of itself, each note once."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._notes: set[Note] = set()

    def __call__(self, news: News, /) -> None:
        """See `Reporter`."""
        if isinstance(news, Note):
            if news in self._notes:
                return
            self._notes.add(news)
        self._reporter(news)
