"""Long tasks side by side, each followed, all ended together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Event
from typing import TypeVar

from zlock.errors import Collector
from zlock.model.ports import Progress
from zlock.process import Watch

_LOOK = 0.1  # seconds between two looks at whether all have ended

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
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = [pool.submit(task, _watch(name, said, stop)) for name, task in tasks]
            _follow(futures, said, progress)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
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
