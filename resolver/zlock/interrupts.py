"""Ctrl-C, SIGTERM and SIGHUP: they end a run whenever they come, and tear nothing apart."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_SOON = 0.02  # seconds until a moment may be better
_PATIENCE = 5.0  # seconds for what has to be cleaned up

_raised = threading.Event()
_lost = threading.Event()


def heed_interrupts() -> None:
    """Let each of the signals end the run with a `KeyboardInterrupt`, as Python does for Ctrl-C alone.

    It comes once, so that nothing is torn apart that cleans up, and again only if the run has not ended by then.
    It doesn't come inside an import: there it can be lost, or be taken for a module that is missing or broken.
    What is ignored, as in a command in the background, stays so.
    """
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _unraisable
    if sys.platform != "win32":
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=_insist, args=(reading, threading.get_ident()), daemon=True).start()


def ignore_interrupts() -> None:
    """Let the signals be: the run is over."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def interrupts_postponed() -> Iterator[None]:
    """Let the signals wait, such as until a command that is being started is known and can be killed."""
    if threading.current_thread() is not threading.main_thread():  # signals don't reach it
        yield
        return
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)

    # A function, since a signal that is ignored here would be ignored by the command too.
    before = [(number, signal.signal(number, note)) for number in _ENDING]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        for number in dict.fromkeys(caught):
            signal.raise_signal(number)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    if not _raised.is_set() and not _is_importing(frame):
        _raised.set()
        raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and sys.platform != "win32":  # there nobody would send the signal again
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _insist(reading: int, main: int) -> None:
    """Once one of the signals has come, send it to the main thread again until the run has ended.

    Python itself would not notice one that comes just before a wait for something else begins.
    """
    number = 0
    while number not in _ENDING:
        number = os.read(reading, 1)[0]
    while True:
        time.sleep(_SOON)
        if _raised.is_set():
            _lost.wait(_PATIENCE)
            _lost.clear()
            _raised.clear()
        signal.pthread_kill(main, number)


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """Have an interrupt come again that came while an object was finalized, where no exception can get out."""
    if issubclass(found.exc_type, KeyboardInterrupt):
        _lost.set()
    else:
        sys.__unraisablehook__(found)
