"""What a run did, as values; the command line lays them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What became of one step's lock.

    Attributes:
        name: The step.
        path: Its lock.
        status: "written", "unchanged" or "removed".
        packages: How many it pins.
        added: Names that came in, with their versions.
        removed: Names that went, with their versions.
        moved: Names with their old and new versions.
        identity: The lock's identity.
        gave_way: Requirements that gave way to later sources.
    """

    name: str
    path: Path
    status: str
    packages: int = 0
    added: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    identity: str = ""
    gave_way: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class Report:
    """What a run did, and what a person should know about it."""

    steps: list[StepReport] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    disregarded: bool = False

    def note(self, *lines: str) -> None:
        """Add notes, each once."""
        self.notes.update(dict.fromkeys(lines))
