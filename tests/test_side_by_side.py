"""Long tasks run side by side, and end together."""

from __future__ import annotations

from threading import Barrier, Event

import pytest

from zlock.errors import OutsideFailed, Problems
from zlock.process import Watch
from zlock.workflow.side_by_side import side_by_side


def quiet(message: str) -> None:
    """Show nothing."""


def test_results_come_in_the_order_of_the_tasks_and_lines_name_theirs() -> None:
    both = Barrier(2)
    said: list[str] = []

    def say(message: str) -> None:
        said.append(message)

    def task(watch: Watch, number: int) -> int:
        both.wait(timeout=20)  # neither ends unless both run
        watch.line(f"number {number}")
        return number

    tasks = [(name, lambda watch, number=number: task(watch, number)) for number, name in enumerate("ab")]
    assert side_by_side(tasks, 2, say) == [0, 1]
    assert sorted(said) == ["a: number 0", "b: number 1"]


def test_one_that_fails_lets_the_others_go_on_and_all_failures_are_told() -> None:
    done = Event()

    def fails(_watch: Watch) -> None:
        raise OutsideFailed("no")

    def works(_watch: Watch) -> None:
        done.set()

    with pytest.raises(Problems) as caught:
        side_by_side([("a", fails), ("b", works), ("c", fails)], 1, quiet)
    assert [error.message for error in caught.value.errors] == ["no", "no"]
    assert done.is_set()


def test_an_interrupt_stops_what_runs_and_begins_nothing_more() -> None:
    stopped: list[str] = []

    def runs(watch: Watch) -> None:
        watch.line("begun")
        assert watch.stop.wait(timeout=20)
        stopped.append("a")

    def never(_watch: Watch) -> None:
        stopped.append("b")

    def interrupt(message: str) -> None:
        raise KeyboardInterrupt(message)

    with pytest.raises(KeyboardInterrupt):
        side_by_side([("a", runs), ("b", never)], 1, interrupt)
    assert stopped == ["a"]
