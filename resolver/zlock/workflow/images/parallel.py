"""Long tasks side by side, each followed, all ended together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from threading import Event as Flag
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import ZlockError
from zlock.interrupts import interrupts_postponed
from zlock.process import Watch
from zlock.reporting import End, Ended, News, Reporter, TaskNews

_LOOK = 0.1  # seconds between two looks at whether there is an interrupt
_LONGEST = 75.0  # seconds for all to end once they are stopped: the patience of a watch, and what engines remove

Result = TypeVar("Result")
Said = SimpleQueue[TaskNews]
Work = Callable[[Watch], Result]
"""Does something until its watch stops it, whose reporter hears of it."""


class Task(Struct, Generic[Result], frozen=True, kw_only=True):
    """Something that takes long.

    Attributes:
        name: For people.
        work: What is done.
        ended: Says what became of it, from the result.
    """

    name: str
    work: Work[Result]
    ended: Callable[[Result], End]


def side_by_side(tasks: Sequence[Task[Result]], jobs: int, reporter: Reporter) -> list[Result | ZlockError]:
    """Run tasks, some at a time, and return their results in their order, or the errors in their place.

    One that fails lets the others go on, as what they make is of use; an interrupt stops all of them, and what they
    could not clean up is noted in it.

    Args:
        tasks: What to do.
        jobs: How many run at a time.
        reporter: Told of each task, from the calling thread.
    """
    said, stop = Said(), Flag()
    futures: list[Future[Result]] = []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures.extend(pool.submit(_run, task, said, stop) for task in tasks)
            _follow(len(futures), said, reporter)
        except BaseException as error:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            with interrupts_postponed():  # the interrupt comes again by itself, and would cut the cleaning up short
                wait([future for future in futures if not future.cancelled()], _LONGEST)
                for note in _left(tasks, futures):
                    error.add_note(note)
            raise
    results: list[Result | ZlockError] = []
    for future in futures:
        try:
            results.append(future.result())
        except ZlockError as error:
            results.append(error)
    return results


def _left(tasks: Sequence[Task[Result]], futures: Sequence[Future[Result]]) -> Iterator[str]:
    """Yield what stopped tasks could not clean up."""
    for task, future in zip(tasks, futures, strict=False):  # an interrupt may come before all are begun
        if not future.done():
            yield f"{task.name} has not ended yet"
        elif not future.cancelled():
            yield from getattr(future.exception(), "__notes__", ())


def _run(task: Task[Result], said: Said, stop: Flag) -> Result:
    began = time.monotonic()

    def hear(news: News) -> None:
        said.put(TaskNews(task=task.name, news=news))

    how = End.FAILED
    try:
        result = task.work(Watch(reporter=hear, stop=stop))
        how = task.ended(result)
    finally:
        hear(Ended(how, time.monotonic() - began))
    return result


def _follow(total: int, said: Said, reporter: Reporter) -> None:
    """Pass on what tasks say until each has said that it has ended."""
    done = 0
    while done < total:
        try:
            news = said.get(timeout=_LOOK)
        except Empty:
            continue
        done += isinstance(news.news, Ended)
        reporter(replace(news, done=done, total=total))
