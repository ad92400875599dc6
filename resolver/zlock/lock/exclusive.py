"""A folder is kept by one run at a time: another one waits, says so, and gives up in the end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from zlock.errors import OutsideFailed
from zlock.reporting import Activity, Doing, Reporter

_PATIENCE = 60.0  # seconds that another run is waited for
_LOOK = 0.1  # seconds


@contextlib.contextmanager
def exclusive(folder: Path, reporter: Reporter, *, patience: float = _PATIENCE, shared: bool = False) -> Iterator[bool]:
    """Keep other runs from replacing the same files half-way between; false where the system can't.

    Args:
        folder: What is kept.
        reporter: Hears who is waited for.
        patience: Seconds that another run is waited for.
        shared: Whether other runs may keep it at the same time that share it too.

    Raises:
        OutsideFailed: Another run keeps the folder, and has not ended after that time.
    """
    try:
        import fcntl  # noqa: F401

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        yield _is_taken(handle, folder, reporter, patience, shared=shared)
    finally:
        os.close(handle)


def _is_taken(handle: int, folder: Path, reporter: Reporter, patience: float, *, shared: bool) -> bool:
    import fcntl

    until = time.monotonic() + patience
    said = ""
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_NB | (fcntl.LOCK_SH if shared else fcntl.LOCK_EX))
        except BlockingIOError:
            holder = _holder(handle)
        except OSError:
            return False
        else:
            return True
        if time.monotonic() > until:
            raise OutsideFailed(
                f"`{folder}` is kept by {holder}, and still is after {patience:.0f} s",
                hint="end that one, or wait for it; then run again",
            )
        if holder != said:
            reporter(Doing(Activity.WAITING, str(folder), holder))
            said = holder
        time.sleep(_LOOK)


def _holder(handle: int) -> str:
    """Return who keeps a folder, by its process where the system tells: Linux does in `/proc/locks` (proc_locks(5))."""
    status = os.fstat(handle)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()  # such as: 1: FLOCK ADVISORY WRITE 4711 08:01:131090 0 EOF
            if words[1] == "FLOCK" and place in words:
                return f"another run of zlock, process {words[4]}"
    return "another run of zlock"
