"""The options of the build hook, read into a value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from zlock import checks
from zlock.checks import accepts
from zlock.errors import Collector
from zlock.model.bills import BILLS
from zlock.pyproject.lines import TomlLines
from zlock.settings.keys import NOTHING, key, read
from zlock.settings.table import Table

_HATCHLINGS = ("dependencies", "require-runtime-dependencies", "require-runtime-features", "enable-by-default")


@accepts("list of names", type="array", items=checks.text.schema)
def _steps(value: object, at: str) -> tuple[str, ...]:
    steps = checks.sequence(value, at, checks.text)
    if not steps:
        raise checks.mistake(at, "the list names no step", hint="leave the key out for all steps")
    return steps


class HookOptions(Struct, frozen=True, kw_only=True):
    """The options of the build hook; the attributes are the keys of the documentation."""

    steps: tuple[str, ...] = key(_steps, (), NOTHING, shown="all")
    include: str = key(checks.one_of("metadata", "package"), "metadata", NOTHING)
    on_outdated: str = key(checks.one_of("error", "warn"), "error", NOTHING)
    sboms: tuple[str, ...] = key(checks.list_of(checks.one_of(*BILLS), "list of formats"), (), NOTHING)

    @classmethod
    def from_table(cls, values: Mapping[str, object], file: Path) -> HookOptions:
        """Read the hook's table.

        Args:
            values: The table as it stands, with what hatchling reads there itself.
            file: What states it, for messages.

        Raises:
            InvalidConfiguration: A key is unknown or a value wrong; several mistakes come as `Problems`.
        """
        problems = Collector()
        own = {name: value for name, value in values.items() if name not in _HATCHLINGS}
        options = read(
            cls, Table(own, address=("build", "hooks", "zlock"), file=file, problems=problems, lines=TomlLines(""))
        )
        problems.raise_if_any()
        return options
