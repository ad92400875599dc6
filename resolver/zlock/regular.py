"""Files that a checkout names: read only where they are files, and only as far as anybody writes them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

LIMIT = 64 << 20
"""Bytes that a lock, a configuration, or a file of requirements has at the most."""


class NotRegular(OSError):
    """It is a device, a pipe or the like, or has more bytes than are taken; `strerror` says which."""


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file to read; links are followed, and a pipe without a writer holds nobody up.

    Raises:
        NotRegular: It is not a regular file.
        OSError: It can't be read.
    """
    stream = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - it is the caller's to close
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise NotRegular(errno.EINVAL, "it is not a regular file", os.fspath(path))
    return stream


def read_regular(path: str | os.PathLike[str], limit: int = LIMIT) -> bytes:
    """Return the bytes of a file; see `open_regular`.

    Raises:
        NotRegular: It is not a regular file, or has more bytes than the limit.
        OSError: It can't be read.
    """
    with open_regular(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise NotRegular(errno.EFBIG, f"it has more than {limit >> 20} MiB", os.fspath(path))
    return data


def read_named(path: Path, described: str, wrong: Callable[..., Exception], *, is_shown: bool = True) -> bytes:
    """Return the bytes of a file that something names.

    Args:
        path: The file.
        described: What messages call it.
        wrong: Makes the error of what is wrong with it and, as `hint`, the way out.
        is_shown: Whether its path may be shown.
    """
    try:
        if path.is_fifo():
            raise wrong(f"{described} is a pipe", hint="name a file")
        return read_regular(path)
    except FileNotFoundError as error:
        raise wrong(f"{described} is missing", hint=f"zlock looked for `{path}`" if is_shown else "") from error
    except IsADirectoryError as error:
        raise wrong(f"{described} is a folder", hint="name a file in it") from error
    except (OSError, ValueError) as error:  # the latter: its name can't be one
        reason = getattr(error, "strerror", None) or error
        hint = "let your user read it" if isinstance(error, PermissionError) else "name a regular file"
        raise wrong(f"{described} can't be read: {reason}", hint=hint) from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
