"""What an exception comes to that nothing expected: an error like others, and where it is a bug, a trace to send on."""

from __future__ import annotations

import os
import platform
import shlex
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from zlock._version import __version__
from zlock.errors import OutsideFailed, Unforeseen, ZlockError
from zlock.index.cache import default_folder
from zlock.redact import redact_all


def as_error(error: Exception, command: Sequence[str], cache: Path | None = None) -> ZlockError:
    """Return any exception as an error; of one that nobody foresaw the trace is kept.

    Args:
        error: The exception.
        command: What was done.
        cache: The cache folder, where the trace goes; None for the usual one.
    """
    if isinstance(error, ZlockError):
        return error
    if isinstance(error, UnicodeEncodeError):
        return OutsideFailed(
            f"the system has no way to write `{error.object}`: its encoding is {error.encoding}",
            hint="run with `PYTHONUTF8=1`, or in a locale of UTF-8 such as `LC_ALL=C.UTF-8`",
        )
    if isinstance(error, OSError):
        where = f": `{error.filename}`" if error.filename else ""
        return OutsideFailed(
            f"the system refused{where}: {error.strerror or error}",
            hint="check its place, its rights and the space that is left, then run again",
        )
    if isinstance(error, MemoryError):
        return OutsideFailed("the system has no more memory", hint="end other programs, or allow zlock more of it")
    return _bug(error, redact_all(shlex.join(command), os.environ), cache or default_folder(os.environ))


def _bug(error: Exception, command: str, cache: Path) -> Unforeseen:
    machine = f"zlock {__version__}, Python {platform.python_version()}, {platform.platform()}"
    trace = redact_all("".join([f"{machine}\n{command}\n", *traceback.format_exception(error)]), os.environ)
    said = redact_all("".join(traceback.format_exception_only(error)).strip(), os.environ)
    # A line that is too long is shortened behind the place of the trace.
    what = f"please report it as an issue of zlock; {_keep(trace, cache)}: `{command}` met `{said}`"
    return Unforeseen(f"this is a bug in zlock, {what}", hint="")  # one line has it all


def _keep(trace: str, cache: Path) -> str:
    """Write a trace where its owner alone can read it; say where that is."""
    refused = ""
    for folder in (cache, None):  # None is the system's own for temporary files
        try:
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix="bug-in-zlock-", suffix=".txt", dir=folder)
            try:
                with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
                    stream.write(trace)
            except OSError:
                Path(name).unlink()
                raise
        except OSError as refusal:
            refused = refused or refusal.strerror or str(refusal)
        else:
            return f"its trace is in `{name}`"
    return f"its trace can't be written anywhere ({refused})"
