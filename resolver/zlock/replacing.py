"""Files that are replaced whole or not at all: written beside their place first, and then put there."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from zlock.errors import OutsideFailed

STAGED = ".zlock-staged-"
"""What the names of files begin with that are on their way to their place."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file beside a place, to be written; it is put there at the end, and removed where that fails.

    Raises:
        OSError: The disk refused; what was there is as it was.
    """
    temporary = Path(stage(path, ""))
    try:
        with telling_where(path.parent):
            yield temporary
            put(str(temporary), path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def telling_where(folder: Path) -> Iterator[None]:
    """Have an error of the disk name the folder in which it was: that it is full names nothing, or what was copied."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC or not error.filename:
            error.filename = str(folder)
        raise


def replace_text(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a text: whole or not at all, and behind a link where that leads.

    A pipe or a device is not a file that could be replaced: it is written to.

    Raises:
        OutsideFailed: A folder has its name, its own folder is not there, or the disk refused; what was there is as
            it was.
    """
    try:
        if _takes_a_stream(path):
            path.write_text(text, encoding=encoding, newline="\n")
            return
        with replacing(Path(os.path.realpath(path))) as temporary:
            temporary.write_text(text, encoding=encoding, newline="\n")
            sync(str(temporary))
    except OSError as error:  # its own message names the staged file
        is_place = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
        raise OutsideFailed(
            f"`{path}` can't be written: {(error.strerror or str(error)).lower()}",
            hint="name a file in a folder that is there" if is_place else "check its rights and the space that is left",
        ) from error


def _takes_a_stream(path: Path) -> bool:
    """Return whether something has a name that is neither a file nor a folder.

    Raises:
        OSError: It is a folder, or a link that leads to itself.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(mode)


def own_prefix() -> str:
    """Return what the names of files begin with that this run stages."""
    return f"{STAGED}{os.getpid()}-"


def stage(path: Path, text: str) -> str:
    """Write a text beside its place, with the mode of what is there; return the temporary name."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    temporary = f"{path.parent}/{own_prefix()}{os.urandom(8).hex()}"
    try:
        with open(temporary, "x", encoding="utf-8", newline="\n", opener=partial(os.open, mode=0o600)) as stream:
            stream.write(text)
        os.chmod(temporary, mode)  # noqa: PTH101 - the name is text
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return temporary


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def put(temporary: str, path: Path) -> None:
    """Replace a file; Windows refuses for a moment while another program reads it."""
    for attempt in range(20):
        try:
            os.replace(temporary, path)  # noqa: PTH105 - the name is text
        except PermissionError:
            if os.name != "nt" or attempt == 19:  # noqa: PLR2004 - the last attempt
                raise
            time.sleep(0.05)
        else:
            return


def sync(file: str) -> None:
    """Bring a file to the disk."""
    handle = os.open(file, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    if os.name == "posix":
        sync(str(folder))
