"""The options of the build hook, read into a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zlock.errors import Collector
from zlock.settings import checks
from zlock.settings.table import Table
from zlock.workflow.deliver.bills_of_materials import BILLS

KEYS = ["steps", "include", "on-outdated", "sboms"]
_HATCHLINGS = ["dependencies", "require-runtime-dependencies", "require-runtime-features", "enable-by-default"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HookOptions:
    """The options of the build hook; the attributes are the keys of the documentation."""

    steps: tuple[str, ...]
    include: str
    on_outdated: str
    sboms: tuple[str, ...]

    @classmethod
    def from_table(cls, values: Mapping[str, Any], file: Path) -> HookOptions:
        """Read the hook's table.

        Args:
            values: The table as it stands.
            file: What states it, for messages.

        Raises:
            InvalidConfiguration: A key is unknown or a value wrong; several mistakes come as `Problems`.
        """
        problems = Collector()
        table = Table(values, at="build.hooks.zlock", file=file, problems=problems)
        table.check_keys(KEYS, others=_HATCHLINGS)
        options = cls(
            steps=table.get("steps", _steps, ()),
            include=table.choice("include", ("metadata", "package")),
            on_outdated=table.choice("on-outdated", ("error", "warn")),
            sboms=table.get("sboms", _formats, ()),
        )
        problems.raise_if_any()
        return options


def _steps(value: object, at: str) -> tuple[str, ...]:
    steps = checks.sequence(value, at, checks.text)
    if not steps:
        raise checks.mistake(at, "the list names no step", hint="leave the key out for all steps")
    return steps


def _formats(value: object, at: str) -> tuple[str, ...]:
    return checks.sequence(value, at, lambda one, place: checks.choice(one, place, list(BILLS)))
