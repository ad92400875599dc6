"""Who hears how far a search is, and may end it."""

from __future__ import annotations

import time

from resolvelib import BaseReporter

from zlock.resolution.needs import Need, Node, Pin

SearchReporter = BaseReporter[Need, Pin, Node]
SILENT = SearchReporter()


class Enough(Exception):
    """A question that may stay open took more steps than it may."""


class AtMost(SearchReporter):
    """Ends a search that makes more than some steps, by raising `Enough`."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def starting_round(self, index: int) -> None:
        """Count a step."""
        if index > self._steps:
            raise Enough


class Until(SearchReporter):
    """Ends a search that lasts beyond a time of `time.monotonic`, by raising `Enough`."""

    def __init__(self, end: float) -> None:
        self._end = end

    def starting_round(self, index: int) -> None:  # noqa: ARG002 - the reporter's interface has it
        """Look at the clock."""
        if time.monotonic() > self._end:
            raise Enough
