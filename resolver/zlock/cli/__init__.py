"""The command line: arguments in, messages and exit codes out; no logic."""

import _signal  # type: ignore[import-not-found]  # `signal` would import others, before an interrupt is provided for
import gc
import os

TYPE_CHECKING = False  # importing `typing` would be such another
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

__all__ = ["main"]


def main(arguments: "Sequence[str] | None" = None) -> "NoReturn":
    """Run a command and exit with the code of the documentation."""
    for number in (_signal.SIGINT, _signal.SIGTERM):
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _end)
    # A command keeps most of what it makes, and ends; to look for garbage took a tenth of a short one.
    gc.set_threshold(100_000, 50, 50)
    from zlock.cli.run import run_to_end

    run_to_end(arguments)


def _end(_number: int, _frame: object) -> "NoReturn":
    """End at once: so early there is nothing to clean up, and an exception can be lost in an import."""
    os._exit(130)
