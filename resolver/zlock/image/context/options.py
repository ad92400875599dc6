"""What an installer takes: which options and variables it has, and what the lock decides.

An option that says how packages are fetched and written is passed on. One that says what is installed, from where or
for whom would be taken silently beside a lock, so it is refused with the place where that is decided.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

INDEXES = "indexes belong to the configuration: `[[index]]` and `index-sources`"
VERSIONS = "the lock decides: state it in `requirements` or `constraints`, then run `zlock resolve`"
UPGRADE = "the lock decides: run `zlock resolve --upgrade` or `--upgrade-package NAME`"
PRERELEASE = "the lock decides: set `prerelease` in the configuration, then run `zlock resolve`"
NEWER = "the lock decides: set `exclude-newer` in the configuration, then run `zlock resolve`"
BUILDS = "whether sdists are built is set by `build-sdists` in the configuration"
PLACE = "where packages go is set by `system` in the docker settings"
TARGET = "the target is set by `python`, `platforms` and `manylinux` in the configuration"
HASHES = "every file is checked against the lock's hashes, always"
NOTHING = "it would keep the installer from installing: leave it out"


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
    flags: frozenset[str]
    values: frozenset[str]
    variables: Mapping[str, str] = {}
    elsewhere: Mapping[str, str]
    prefix: str
    as_variables: Mapping[str, str]
    not_variables: frozenset[str]

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


def names(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def elsewhere(groups: Mapping[str, str]) -> dict[str, str]:
    """Return the place by name, from the names by place."""
    return {name: hint for hint, text in groups.items() for name in names(text)}
