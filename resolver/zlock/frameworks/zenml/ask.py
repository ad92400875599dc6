"""Questions to ZenML in the project's environment, with its active stack; ZenML asks its server or its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zlock.errors import CommandFailed
from zlock.process import CommandExited, run_command

_SECONDS = 120.0
_QUIET = {"ZENML_ANALYTICS_OPT_IN": "false", "ZENML_LOGGING_VERBOSITY": "ERROR", "ZENML_ENABLE_RICH_TRACEBACK": "0"}


def ask_zenml(
    program: Sequence[str], what: str, *, interpreter: Path, folder: Path, environ: Mapping[str, str], stdin: str = ""
) -> str:
    """Run a program with the interpreter that has ZenML, and return what it prints.

    Args:
        program: What the interpreter runs: a file, or options.
        what: What is asked for, in an error's words.
        interpreter: The project's interpreter.
        folder: The project's folder.
        environ: The environment of zlock.
        stdin: What the program reads.

    Raises:
        CommandFailed: ZenML is not there, or can't say.
    """
    command = [str(interpreter), *program]
    try:
        done = run_command(command, cwd=folder, timeout=_SECONDS, environ={**environ, **_QUIET}, stdin=stdin)
    except CommandExited as error:
        said = error.completed.stderr.strip().rpartition("\n")[2]
        raise CommandFailed(
            f"`{interpreter}` can't ask ZenML for {what}",
            context=[said] if said else [],
            hint="where ZenML or its store is missing, install `zenml[local]` there; else correct what it says: "
            "`zenml stack describe` shows the active stack",
        ) from error
    return done.stdout
