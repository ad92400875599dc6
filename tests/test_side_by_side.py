"""Long tasks run side by side, and end together."""

from __future__ import annotations

from threading import Barrier

import pytest

from zlock.errors import OutsideFailed
from zlock.process import Watch
from zlock.reporting import Event, News
from zlock.workflow.images.parallel import Say, Task, Work, side_by_side


def named(name: str, work: Work[int]) -> Task[int]:
    return Task(name=name, work=work, ended=lambda result, seconds: f"made {result} in {seconds:.0f} s")


def events(heard: list[News]) -> list[Event]:
    return [news for news in heard if isinstance(news, Event)]


def test_results_come_in_the_order_of_the_tasks_and_news_names_theirs() -> None:
    both = Barrier(2)
    heard: list[News] = []

    def task(number: int) -> Work[int]:
        def work(watch: Watch, say: Say) -> int:
            say("working")
            both.wait(timeout=20)  # neither ends unless both run
            watch.line(f"number {number}")
            return number

        return work

    assert side_by_side([named("a", task(0)), named("b", task(1))], 2, heard.append) == [0, 1]
    for number, name in enumerate("ab"):
        own = [(event.state, event.line, event.is_over) for event in events(heard) if event.task == name]
        assert own == [("working", "", False), ("", f"number {number}", False), (f"made {number} in 0 s", "", True)]
    assert {event.total for event in events(heard)} == {2}
    assert [event.done for event in events(heard) if event.is_over] == [1, 2]


def test_one_that_fails_lets_the_others_go_on_and_its_error_is_in_its_place() -> None:
    heard: list[News] = []

    def fails(_watch: Watch, _say: Say) -> int:
        raise OutsideFailed("no")

    def works(_watch: Watch, _say: Say) -> int:
        return 7

    results = side_by_side([named("a", fails), named("b", works), named("c", fails)], 1, heard.append)

    assert [str(result) for result in results] == ["no", "7", "no"]
    assert [event.state for event in events(heard) if event.is_over] == ["failed", "made 7 in 0 s", "failed"]


def test_an_interrupt_stops_what_runs_and_begins_nothing_more() -> None:
    stopped: list[str] = []

    def runs(watch: Watch, say: Say) -> int:
        say("begun")
        assert watch.stop.wait(timeout=20)
        stopped.append("a")
        return 0

    def never(_watch: Watch, _say: Say) -> int:
        stopped.append("b")
        return 0

    def interrupt(_news: News) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side([named("a", runs), named("b", never)], 1, interrupt)
    assert stopped == ["a"]
