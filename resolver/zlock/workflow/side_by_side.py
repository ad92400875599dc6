"""Long tasks side by side, each followed, all ended together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from threading import Event
from typing import TypeVar

from zlock.errors import Collector
from zlock.interrupts import interrupts_postponed
from zlock.model.ports import Progress
from zlock.process import Watch

_LOOK = 0.1  # seconds between two looks at whether all have ended
_LONGEST = 12.0  # seconds for all to end once they are stopped: the patience of a watch, and some to kill what is left

Result = TypeVar("Result")
Said = SimpleQueue[str]


def side_by_side(tasks: Sequence[tuple[str, Callable[[Watch], Result]]], jobs: int, progress: Progress) -> list[Result]:
    """Run tasks, some at a time, and return their results in their order.

    One that fails lets the others go on, as what they make is of use; an interrupt stops all of them.

    Args:
        tasks: Each one's name for people, and what it does until its watch stops it.
        jobs: How many run at a time.
        progress: Told each line of each task, from the calling thread.

    Raises:
        ZlockError: What went wrong; several errors come as `Problems`.
    """
    said, stop = Said(), Event()
    futures: list[Future[Result]] = []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for name, task in tasks:
                futures.append(pool.submit(task, _watch(name, said, stop)))
            _follow(futures, said, progress)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            with interrupts_postponed():  # the interrupt comes again by itself, and would cut the cleaning up short
                wait([future for future in futures if not future.cancelled()], _LONGEST)
            raise
    problems = Collector()
    results = []
    for future in futures:
        with problems:
            results.append(future.result())
    problems.raise_if_any()
    return results


def _watch(name: str, said: Said, stop: Event) -> Watch:
    return Watch(line=lambda line: said.put(f"{name}: {line}"), stop=stop)


def _follow(futures: list[Future[Result]], said: Said, progress: Progress) -> None:
    while not (done := all(future.done() for future in futures)) or not said.empty():
        try:
            progress(said.get(timeout=0 if done else _LOOK))
        except Empty:
            continue
