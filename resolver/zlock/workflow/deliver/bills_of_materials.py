"""Bills of materials of the locks that a build ships, as files that a wheel can hold (PEP 770)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zlock.lock.export import Exported, export
from zlock.lock.store import read_lock
from zlock.model.bills import BILLS
from zlock.workflow.deliver.shipment import Shipment


def write_bills(shipment: Shipment, formats: Iterable[str], folder: Path) -> list[Path]:
    """Write a bill for each lock in each format into a folder, and return the files.

    Raises:
        OutsideFailed: The library of a format is not installed.
        InvalidLock: A lock was edited or cut short.
        IndexFailed: No installer says which index is the public one.
    """
    files = []
    for name in formats:
        for step, lock in shipment.locks.items():
            found = read_lock(lock)
            if found is None:  # outdated, which is reported elsewhere
                continue
            source = Exported(lock=found, targets=found.facts.targets, lock_folder=lock.parent, folder=lock.parent)
            file = folder / f"zlock.{step}.{BILLS[name].ending}"
            file.write_text(export(name, source), encoding="utf-8", newline="\n")
            files.append(file)
    return files
