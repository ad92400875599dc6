"""Where a requirement came from."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from zlock.errors import Located


class Source(StrEnum):
    """A place requirements come from, in the documented order."""

    FRAMEWORK = "framework"
    LOCAL = "local environment"
    STACK = "stack"
    INTEGRATIONS = "integrations"
    PYPROJECT = "pyproject"
    SCRIPT = "script"
    EXPLICIT = "explicit"
    CONFIGURATION = "configuration"  # constraints, overrides: they belong to no source of a step
    COMMAND_LINE = "command line"

    @property
    def rank(self) -> int:
        """The place in the documented order, 0 first."""
        return list(Source).index(self)


class Origin(Struct, frozen=True):
    """The source, the file or command, and the line of one requirement.

    Attributes:
        source: The source it belongs to.
        detail: What within the source: "integration `mlflow`", "`pip freeze`", "extra `train`"; may be empty.
        file: The file that states it, relative to the project folder where it is inside it.
        line: Its line in that file, or in what the command printed, from 1.
    """

    source: Source
    detail: str = ""
    file: str | None = None
    line: int | None = None

    @property
    def located(self) -> Located:
        """It as a line of an error's context."""
        return Located(str(self), self)

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        inside = ", ".join(part for part in (self.detail, place) if part)
        if self.source == Source.EXPLICIT and inside:
            return inside  # that it is listed is what a reader takes for granted
        return f"{self.source} ({inside})" if inside else str(self.source)
