"""What a person who waits hears of tasks that run side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """News of one task of several.

    Attributes:
        task: Its name.
        state: What it is doing from now on, or what became of it; empty where its program has said something.
        line: What its program has said.
        is_over: Whether it has ended.
        done: How many of the tasks have ended.
        total: How many there are.
    """

    task: str
    state: str = ""
    line: str = ""
    is_over: bool = False
    done: int = 0
    total: int = 0


Hear = Callable[[Event], object]
"""Takes news, from one thread at a time."""
