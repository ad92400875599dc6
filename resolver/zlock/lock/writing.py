"""Locks on disk, written whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from zlock.errors import OutsideFailed
from zlock.interrupts import interrupts_postponed
from zlock.lock.exclusive import exclusive
from zlock.lock.store import check_place, existing_lock
from zlock.model.paths import real
from zlock.replacing import STAGED, own_prefix, put, stage, sync, sync_folder
from zlock.reporting import Reporter

_SEVERAL = 4  # files; fewer are not worth starting threads for
_SYNCING = 16


def write_all(
    texts: Mapping[Path, str],
    remove: tuple[Path, ...],
    *,
    project: Path,
    reporter: Reporter,
    owners: Mapping[Path, Collection[str]] = {},
) -> None:
    """Write locks: all are staged before the first is replaced, and each is replaced whole.

    Args:
        texts: The locks, each by its place.
        remove: Locks that are to be gone.
        project: The project's folder.
        reporter: Hears who is waited for.
        owners: The pipelines whose lock may be at a place, where it matters who wrote there last.

    Raises:
        NameTaken: A lock is of none of its owners; no lock was changed.
        InvalidLock: A lock's place lies outside the project through a link.
        OutsideFailed: The disk refused, or another run keeps the folder; no lock was changed unless it says so.
    """
    for path in texts:
        check_place(path, project)
    done: list[str] = []
    places = {real(path): text for path, text in texts.items()}
    try:
        folders = sorted({path.parent for path in (*places, *remove)})
        with contextlib.ExitStack() as stack:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
                if stack.enter_context(exclusive(folder, reporter)):
                    _clear(folder, STAGED)
                stack.callback(_clear, folder, own_prefix())
            if any((now := existing_lock(path)) and now.owner not in those for path, those in owners.items()):
                raise NameTaken
            staged = [(stage(place, text), place) for place, text in places.items()]
            _sync_all([temporary for temporary, _ in staged])
            stack.enter_context(interrupts_postponed())
            for temporary, place in staged:
                put(temporary, place)
                done.append(place.name)
            for path in remove:
                path.unlink(missing_ok=True)
                done.append(path.name)
            for folder in folders:
                sync_folder(folder)
    except OSError as error:
        raise OutsideFailed(
            f"the locks could not be written: {error.strerror or error}",
            context=[f"changed before that: {', '.join(f'`{name}`' for name in done)}"] if done else [],
            hint="free or unlock the folder, then run again",
        ) from error


class NameTaken(Exception):
    """Another run has written a lock meanwhile where this one was to write, and it is somebody else's."""


def _clear(folder: Path, prefix: str) -> None:
    """Remove what was staged and not used: by this run, or by one that was killed."""
    for stale in folder.iterdir():
        if stale.name.startswith(prefix):
            with contextlib.suppress(OSError):
                stale.unlink()


def _sync_all(files: Sequence[str]) -> None:
    """Bring files to the disk; side by side, as each waits for it, and the disk takes many at once."""
    if len(files) < _SEVERAL:
        for file in files:
            sync(file)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_SYNCING) as pool:
        list(pool.map(sync, files))
