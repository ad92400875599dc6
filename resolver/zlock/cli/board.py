"""How tasks that run side by side are shown: those that have ended one above the other, below them those that run."""

from __future__ import annotations

import time

from zlock.cli.layout import Screen
from zlock.model.event import Event


class Board:
    """On a terminal a line for each task that runs; elsewhere, and with `-v`, a line for each change of its state."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._is_live = screen.is_terminal and not screen.verbose
        self._running: dict[str, _Row] = {}
        self._left = ""

    def hear(self, event: Event) -> None:
        """Show news."""
        if event.is_over:
            self._screen.say(f"{event.task}: {event.state} ({event.done} of {event.total})")
        elif not self._is_live:
            self._tell(event)
        if self._is_live:
            self._draw(event)

    def _tell(self, event: Event) -> None:
        if event.state:
            self._screen.say(f"{event.task}: {event.state}")
        elif self._screen.verbose:
            self._screen.log(f"{event.task}: {event.line}")

    def _draw(self, event: Event) -> None:
        if event.is_over:
            self._running.pop(event.task, None)
        else:
            self._running.setdefault(event.task, _Row()).take(event)
        waiting = event.total - event.done - len(self._running)
        self._left = f"{waiting} waiting" if waiting else ""
        if self._running or waiting:
            self._screen.live(f"{event.task}: {event.state}{event.line}", self._text)

    def _text(self) -> str:
        rows = [f"{task}: {row}" for task, row in self._running.items()]
        return "\n".join([*rows, *filter(None, [self._left])])


class _Row:
    """What one task is doing."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._state = self._line = ""

    def take(self, event: Event) -> None:
        self._state = event.state or self._state
        self._line = event.line.strip() or self._line

    def __str__(self) -> str:
        lasts = f"{time.monotonic() - self._since:.0f} s" if self._state else ""
        return " ".join(filter(None, (self._state, lasts, self._line)))
