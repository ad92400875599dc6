"""How it is shown what a run says of itself: notes, what it is doing, and tasks that run side by side."""

from __future__ import annotations

import re
import time

from zlock.cli.layout import Screen
from zlock.cli.words import end_words, words
from zlock.reporting import Doing, Ended, Failing, Line, News, Note, TaskNews

_LONG_SECONDS = 5.0  # from then on it is said how long something lasts
_STEP = re.compile(r"\s*(\[\d+/\d+] )?(step \d+|#\d+ \[)", re.IGNORECASE)
"""How an engine names the step of a Dockerfile that runs; where there is no terminal, its other lines are too many."""
_SHORT = 120  # characters of such a line


class Board:
    """Shows notes at once, and what is being done for as long as it lasts; with `-v` that is a line at once, too.

    Of tasks, those that have ended are one above the other, below them a line for each that runs; with `-v` there is a
    line for each change of its state.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._running: dict[str, _Row] = {}
        self._left = ""
        self._told: object = None

    def hear(self, news: News) -> None:
        """Show news."""
        if isinstance(news, Note):
            self._screen.note(news.text)
        elif isinstance(news, Failing):
            self._screen.fail_early(news.text)
        elif isinstance(news, Doing):
            self._show_doing(news)
        elif isinstance(news, TaskNews):
            self._show_task(news)

    def _show_doing(self, doing: Doing) -> None:
        since = time.monotonic()

        def text() -> str:
            lasts = time.monotonic() - since
            return words(doing) + (f" ({lasts:.0f} s)" if lasts >= _LONG_SECONDS else "")

        thing = doing.what, doing.subject  # how far it has come is not new
        self._screen.live(doing, text, at_once=self._screen.verbose and thing != self._told)
        self._told = thing

    def _show_task(self, news: TaskNews) -> None:
        task, said = news.task, news.news
        if isinstance(said, Ended):
            self._screen.say(f"{task}: {end_words(said)} ({news.done} of {news.total})")
            self._running.pop(task, None)
        elif not self._screen.verbose:
            if self._screen.is_terminal or isinstance(said, Doing):
                self._running.setdefault(task, _Row()).take(said)
            elif isinstance(said, Line) and _STEP.match(said.text):
                self._running.setdefault(task, _Row()).take(Line(said.text[:_SHORT]))
        elif isinstance(said, Doing) and not said.size:  # how far it has come is no line of its own
            self._screen.say(f"{task}: {words(said)}")
        elif isinstance(said, Line):
            self._screen.say(f"{task}: {said.text}")
        waiting = news.total - news.done - len(self._running)
        self._left = f"{waiting} waiting" if waiting else ""
        if self._running:
            self._screen.live(news, self._text)

    def _text(self) -> str:
        rows = [f"{task}: {row}" for task, row in self._running.items()]
        return "\n".join([*rows, *filter(None, [self._left])])


class _Row:
    """What one task is doing."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._state = self._line = ""

    def take(self, said: News) -> None:
        if isinstance(said, Doing):
            self._state = words(said)
        elif isinstance(said, Line):
            self._line = said.text.strip() or self._line

    def __str__(self) -> str:
        lasts = f"{time.monotonic() - self._since:.0f} s" if self._state else ""
        return " ".join(filter(None, (self._state, lasts, self._line)))
