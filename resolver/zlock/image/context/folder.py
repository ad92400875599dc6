"""Build contexts on disk: written whole or not at all, the same bytes and times each time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from zlock.image.plan import HEADING, ImagePlan, Program
from zlock.replacing import telling_where

_TIME = 315532800  # 1980, the oldest that zip files can hold: a copied file's time is part of its layer


NO_LINKS: Mapping[str, Path] = MappingProxyType({})


def folder_names(plans: Sequence[ImagePlan]) -> list[str]:
    """Return the name of each plan's folder: its tag; where the parent floats, the name says so."""
    return [f"{plan.tag}-floating" if plan.floats else plan.tag for plan in plans]


def write_context(context: Mapping[str, bytes], folder: Path, links: Mapping[str, Path] = NO_LINKS) -> None:
    """Write a build context, in place of what the folder held.

    Args:
        context: Paths with `/`, each with the bytes of the file, or with a `Program`.
        folder: Where it goes.
        links: Further paths, each with a file that may be large: it is linked where the disk can do that, else copied.

    Raises:
        OSError: The disk refused; the folder is then as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        telling_where(folder.parent),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".zlock-staged-") as staging,
    ):
        new, old = Path(staging) / "new", Path(staging) / "old"
        for path, data in context.items():
            _write(new / path, data)
        for path, source in links.items():
            _link(new / path, source.resolve())
        for base, _, _ in os.walk(new, topdown=False):
            _settle(Path(base), 0o755)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)


def is_context(folder: Path) -> bool:
    """Tell whether a folder is a build context of zlock's making: the heading of its Dockerfile says so."""
    heading = f"# {HEADING} sha256:".encode()
    try:
        with (folder / "Dockerfile").open("rb") as stream:
            return stream.read(len(heading)) == heading
    except OSError:
        return False


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    _settle(path, 0o755 if isinstance(data, Program) else 0o644)


def _link(path: Path, source: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.hardlink_to(source)  # its time and mode stay, as they are the source's too
    except OSError:  # another disk, or one that has no links
        shutil.copyfile(source, path)
        _settle(path, 0o644)


def _settle(path: Path, mode: int) -> None:
    path.chmod(mode)
    os.utime(path, (_TIME, _TIME))
