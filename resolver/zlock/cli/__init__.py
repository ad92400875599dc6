"""The command line: arguments in, messages and exit codes out; no logic."""

from zlock.cli.run import main

__all__ = ["main"]
