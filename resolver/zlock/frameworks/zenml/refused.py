"""What ZenML refuses, in words that name the field, the file and the way out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from zlock.errors import InvalidConfiguration, InvalidPipeline, ZlockError
from zlock.settings.reader import FileQuestion
from zlock.wording import kind

STORE = "none://zlock"
"""What ZenML is told that its server is: where that is in an error, the file needs one."""
_IN_STORE = ("zen_store", "_configure_store", "active_stack", "active_stack_model", "zen_stores")
_LONGEST, _MOST = 600, 12  # letters of a line, and lines


def explained(error: BaseException, question: FileQuestion) -> ZlockError | None:
    """Say what is wrong where ZenML refuses what it is given, or where the file needs a server or a stack."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError) and error.title.endswith(("Update", "Settings")):
        return invalid(error, [])
    if _needs_store(error):
        return InvalidPipeline(
            f"`{question.shown}` needs a ZenML server or a stack while it is imported, and locking asks none",
            hint='ask it inside a step, or below `if __name__ == "__main__":`; a stack component can be named as text',
        )
    *_, last = ("", *(file for file, _ in _frames(error)))
    if not isinstance(error, Exception) or f"{os.sep}zenml{os.sep}" not in last:
        return None
    cause = error.__cause__ or error.__context__
    fields = f" {_fields(cause)[0]}" if isinstance(cause, ValidationError) else ""
    said = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    first, *others = [" ".join(line.split())[:_LONGEST] for line in said.splitlines() if line.strip()] or [
        type(error).__name__
    ]
    return InvalidPipeline(
        f"ZenML refuses what `{question.shown}` and the configuration of the run say: {first}{fields}",
        context=others[:_MOST],
        hint="correct what it names: in the code, or in the YAML file that configures the run",
    )


IN_PYTHON = 'write `settings={"docker": DockerSettings(...)}`'
IN_YAML = "write `settings: {docker: {requirements: [pandas]}}`"


def invalid(error: Any, context: Sequence[str], form: str = IN_PYTHON) -> InvalidConfiguration:
    """Say what ZenML's own classes found, each field once; zlock's settings among ZenML's are the wrong import."""
    message, hint = _fields(error, form)
    return InvalidConfiguration(message, context=context, hint=hint)


def _fields(error: Any, form: str = IN_PYTHON) -> tuple[str, str]:
    """Return what is wrong with each field, and the way out."""
    found: dict[str, str] = {}
    hint = "correct it where it is stated"
    for one in error.errors(include_url=False):
        at = ".".join(str(part) for part in one["loc"] if str(part).isidentifier() and str(part) != "str")
        given = one.get("input")
        if type(given).__module__.startswith("zlock."):
            found[at] = "these are zlock's `DockerSettings`, and the decorator is ZenML's"
            hint = "import them from ZenML too: `from zenml.config import DockerSettings`"
        elif at in ("settings", "settings.docker"):
            wanted = "`DockerSettings` or a dict" if form == IN_PYTHON else "a mapping"
            found[at], hint = f"expected {wanted}, got {kind(given)}", form
        else:
            found.setdefault(at, one["msg"].removeprefix("Value error, "))
    return "; ".join(f"`{at}`: {text}" if at else text for at, text in found.items()), hint


def _needs_store(error: BaseException) -> bool:
    if STORE in str(error):
        return True
    return any(name in _IN_STORE or f"{os.sep}zen_stores{os.sep}" in file for file, name in _frames(error))


def _frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield file and function of each call that led to an error, the last one last."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        yield code.co_filename, code.co_name
        trace = trace.tb_next
