"""Long tasks run side by side, and end together."""

from __future__ import annotations

from threading import Barrier

import pytest

from zlock.errors import OutsideFailed
from zlock.process import Watch
from zlock.reporting import Activity, Doing, End, Ended, Line, News, TaskNews
from zlock.workflow.images.parallel import Task, Work, side_by_side


def named(name: str, work: Work[int]) -> Task[int]:
    return Task(name=name, work=work, ended=lambda _: End.BUILT)


def events(heard: list[News]) -> list[TaskNews]:
    return [news for news in heard if isinstance(news, TaskNews)]


def ends(heard: list[News]) -> list[tuple[End, int]]:
    return [(event.news.how, event.done) for event in events(heard) if isinstance(event.news, Ended)]


def test_results_come_in_the_order_of_the_tasks_and_news_names_theirs() -> None:
    both = Barrier(2)
    heard: list[News] = []

    def task(number: int) -> Work[int]:
        def work(watch: Watch) -> int:
            watch.reporter(Doing(Activity.BUILDING_IMAGE))
            both.wait(timeout=60)  # neither ends unless both run
            watch.reporter(Line(f"number {number}"))
            return number

        return work

    assert side_by_side([named("a", task(0)), named("b", task(1))], 2, heard.append) == [0, 1]
    for number, name in enumerate("ab"):
        *own, end = [event.news for event in events(heard) if event.task == name]
        assert own == [Doing(Activity.BUILDING_IMAGE), Line(f"number {number}")]
        assert isinstance(end, Ended)
    assert {event.total for event in events(heard)} == {2}
    assert ends(heard) == [(End.BUILT, 1), (End.BUILT, 2)]


def test_one_that_fails_lets_the_others_go_on_and_its_error_is_in_its_place() -> None:
    heard: list[News] = []

    def fails(_watch: Watch) -> int:
        raise OutsideFailed("no")

    def works(_watch: Watch) -> int:
        return 7

    results = side_by_side([named("a", fails), named("b", works), named("c", fails)], 1, heard.append)

    assert [str(result) for result in results] == ["no", "7", "no"]
    assert ends(heard) == [(End.FAILED, 1), (End.BUILT, 2), (End.FAILED, 3)]


def test_an_interrupt_stops_what_runs_and_begins_nothing_more() -> None:
    stopped: list[str] = []

    def runs(watch: Watch) -> int:
        watch.reporter(Doing(Activity.PUSHING))
        assert watch.stop.wait(timeout=60)
        stopped.append("a")
        return 0

    def never(_watch: Watch) -> int:
        stopped.append("b")
        return 0

    def interrupt(_news: News) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side([named("a", runs), named("b", never)], 1, interrupt)
    assert stopped == ["a"]
