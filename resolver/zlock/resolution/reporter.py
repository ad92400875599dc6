"""Who hears how far a search is, and may end it."""

from __future__ import annotations

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
