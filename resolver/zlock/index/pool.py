"""A pool of threads that never holds up the end of a run."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar, cast

T = TypeVar("T")


class Known(Future[T]):
    """A future whose result or error is there from the start, without what waiting for one takes."""

    def __init__(self, result: T | None = None, error: Exception | None = None) -> None:
        self._known = result  # `Future.__init__` would make a lock and a condition, for each page and all metadata
        self._error = error

    def done(self) -> bool:
        """See `Future`."""
        return True

    def result(self, timeout: float | None = None) -> T:  # noqa: ARG002 - nothing is waited for
        """See `Future`."""
        if self._error is not None:
            raise self._error
        return cast(T, self._known)

    def exception(self, timeout: float | None = None) -> Exception | None:  # noqa: ARG002 - as above
        """See `Future`."""
        return self._error

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """See `Future`."""
        fn(self)


class Pool:
    """Runs calls in daemon threads: unlike the executors of the standard library, it is not joined at exit."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = 0
        self._idle = 0
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Start a call; its result or its error ends up in the future."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - it is the future's to raise
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            if not self._idle and self._threads < self._size:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True).start()
            elif self._idle:
                self._idle -= 1
        self._jobs.put(run)
        return future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            with self._lock:
                self._idle += 1

    def close(self) -> None:
        """Let the threads end after what they are doing."""
        for _ in range(self._threads):
            self._jobs.put(None)
