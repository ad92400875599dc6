"""Ctrl-C and SIGTERM at moments that must not be torn apart."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_postponed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait, such as until a command that is being started is known and can be killed."""
    if threading.current_thread() is not threading.main_thread():  # signals don't reach it
        yield
        return
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)

    # A function, since a signal that is ignored here would be ignored by the command too.
    before = [(number, signal.signal(number, note)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        if caught:
            signal.raise_signal(caught[0])
