"""What an installer takes: which options and variables it has, and what the lock decides.

An option that says how packages are fetched and written is passed on. One that says what is installed, from where or
for whom would be taken silently beside a lock, so it is refused with the place where that is decided.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Self

from msgspec import Struct

from zlock.model.form import read


class Options(Struct, frozen=True, kw_only=True):
    """What one installer takes; names are without their dashes.

    Attributes:
        command: How its command is called.
        flags: Options without a value.
        values: Options with one.
        variables: What is not an option but a variable of its environment.
        elsewhere: What is decided elsewhere, with the place.
        prefix: How the variables begin that it reads options from.
        as_variables: What is decided elsewhere and no option but such a variable; a dash at the end stands for any end.
        not_variables: Options that it takes from no variable, or that may stand in one.
    """

    command: str
    prefix: str
    flags: tuple[str, ...]
    values: tuple[str, ...]
    elsewhere: Mapping[str, str]
    as_variables: Mapping[str, str]
    not_variables: tuple[str, ...]
    variables: Mapping[str, str] = MappingProxyType({})

    @classmethod
    @cache
    def of(cls, installer: str) -> Self:
        """Return what an installer takes, as `options.toml` has it."""
        tables = tomllib.loads(Path(__file__).with_name("options.toml").read_text(encoding="utf-8"))
        places = tables["places"]
        stated = dict(tables[installer])
        for key in ("elsewhere", "as-variables"):
            stated[key] = {name: places[place] for place, names in stated[key].items() for name in names}
        return read(cls, stated)

    @property
    def known(self) -> list[str]:
        """All names that are passed on."""
        return sorted({*self.flags, *self.values, *self.variables})

    def decided(self, variable: str) -> str:
        """Return where it is decided what a variable would decide; empty where that is free."""
        if not variable.startswith(self.prefix):
            return ""
        option = variable.removeprefix(self.prefix).lower().replace("_", "-")
        for name, hint in self.as_variables.items():
            if option == name or (name.endswith("-") and option.startswith(name)):
                return hint
        if option in self.not_variables:
            return ""
        # Some of uv's are in the singular: `UV_CONSTRAINT`.
        return self.elsewhere.get(option) or self.elsewhere.get(f"{option}s", "")
