"""The layers of an image on their way: told in bytes, and ended where the run ends."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import IO

from zlock.process import CommandStopped, Watch
from zlock.reporting import Activity, Doing

_OFTEN = 0.1  # seconds between two news


class Flow:
    """Counts what comes of the base image and what goes to the target, in several threads.

    Attributes:
        watch: Hears how far it is, and ends it.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._lock = Lock()
        self._told = 0.0
        self._came = self._to_come = self._stored = self._to_store = 0
        self._making: dict[str, None] = {}

    @contextmanager
    def making(self, name: str) -> Iterator[None]:
        """Say that a layer is being made, until the end of the block."""
        with self._lock:
            self._making[name] = None
        self.watch.reporter(Doing(Activity.MAKING_LAYER, name))
        try:
            yield
        finally:
            with self._lock:
                del self._making[name]

    def begin(self, name: str, size: int, *, comes: bool) -> None:
        """Say that a layer is to be stored, and whether it comes from elsewhere before."""
        with self._lock:
            self._to_store += size
            self._to_come += size * comes
        self.watch.reporter(Doing(Activity.PUSHING_LAYER, name, received=size))

    def came(self, count: int) -> None:
        """Hear that bytes came."""
        self._move(came=count)

    def counted(self, file: IO[bytes]) -> IO[bytes]:
        """Return a file that is to be stored, so that what is read of it counts."""
        return _Counted(file, self)

    def stored(self, count: int) -> None:
        """Hear that bytes were taken.

        Raises:
            CommandStopped: The run has ended.
        """
        self._move(stored=count)

    def _move(self, *, came: int = 0, stored: int = 0) -> None:
        if self.watch.stop.is_set():
            raise CommandStopped("the run ended before a layer was stored", hint="run again")
        with self._lock:  # what is tried again counts again, but there is no more than all
            self._came = min(self._came + came, self._to_come)
            self._stored = min(self._stored + stored, self._to_store)
            now = time.monotonic()
            if now - self._told < _OFTEN:
                return
            self._told = now
            news = Doing(
                Activity.MOVING_LAYERS,
                next(iter(self._making), ""),
                done=self._came,
                total=self._to_come,
                received=self._stored,
                size=self._to_store,
            )
        self.watch.reporter(news)


class _Counted(io.BufferedReader):
    def __init__(self, file: IO[bytes], flow: Flow) -> None:
        super().__init__(file)  # type: ignore[arg-type]  # any binary file
        self._flow = flow

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._flow.stored(len(data))
        return data
