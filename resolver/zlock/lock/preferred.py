"""Versions that a lock of another tool holds, which are preferred where ours has none yet."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

from msgspec import Struct
from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from zlock.errors import InvalidInput
from zlock.model import plain
from zlock.model.target import Target
from zlock.model.toml import parse_toml
from zlock.model.versions import parse_version, readable
from zlock.wording import kind

_MARKERS = ("marker", "markers", "resolution-markers")
"""What says where a row holds: in PEP 751 and of PDM, of Poetry, and of uv."""


class Held(Struct, frozen=True):
    """One version that a lock holds.

    Attributes:
        version: The version, as it is written.
        markers: Where it holds: where any of them does; everywhere if there are none.
    """

    version: str
    markers: tuple[Marker, ...]

    def holds_on(self, target: Target) -> bool:
        """Tell whether it is for a target; one whose markers can't be answered, as of a group, may be for any."""
        try:
            return not self.markers or any(map(target.holds, self.markers))
        except (UndefinedComparison, UndefinedEnvironmentName):
            return True


class Preferred(Struct, frozen=True):
    """The versions that a lock holds, by name; several where they differ from platform to platform."""

    held: Mapping[NormalizedName, tuple[Held, ...]]

    def on(self, target: Target) -> dict[NormalizedName, str]:
        """Return one version for each name: of several, the newest one that is for a target."""
        found = {}
        for name, rows in self.held.items():
            here = [one for one in rows if one.holds_on(target)] if len(rows) > 1 else rows
            found[name] = max(here or rows, key=lambda one: Version(one.version)).version
        return found


def preferred_in(text: str, name: str) -> Preferred:
    """Read `uv.lock`, `poetry.lock`, `pdm.lock` or a `pylock.toml` (PEP 751).

    Args:
        text: The file.
        name: What messages call it.

    Raises:
        InvalidInput: It is none of these, or malformed.
    """
    try:
        document = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"`{name}` is not valid TOML: {error}", hint="let its tool write it anew") from error
    held: dict[NormalizedName, list[Held]] = {}
    for at, row in enumerate(_rows(document, name)):
        if not isinstance(row, dict):
            raise _wrong(name, at, f"must be a table, not {kind(row)}")
        stated = row.get("name")
        if not isinstance(stated, str) or not stated:
            raise _wrong(name, at, "has no `name`")
        if "version" in row:  # a project that is installed from its folder may have none
            held.setdefault(canonicalize_name(stated), []).append(_held(row, name, at))
    return Preferred({package: tuple(dict.fromkeys(rows)) for package, rows in held.items()})


def _rows(document: Mapping[str, object], name: str) -> list[object]:
    """Return the packages of a lock, whose other keys say of which tool it is."""
    metadata = plain.table(document, "metadata")
    is_ours = "lock-version" in document
    if not (is_ours or isinstance(document.get("version"), int) or {"lock-version", "lock_version"} & metadata.keys()):
        raise InvalidInput(
            f"`{name}` is not a lock of uv, Poetry or PDM, nor a `pylock.toml`",
            hint="name one of these as `keep`, or leave it out",
        )
    rows = document.get("packages" if is_ours else "package", [])
    if not isinstance(rows, list):
        raise InvalidInput(f"the packages of `{name}` must be a list of tables", hint="let its tool write it anew")
    return rows


def _held(row: Mapping[str, object], name: str, at: int) -> Held:
    version = row["version"]
    try:
        if not isinstance(version, str) or parse_version(version) is None:
            raise _wrong(name, at, f"(`{row['name']}`) has no valid version: `{version}`")
        return Held(version, tuple(map(Marker, map(readable, _markers(row)))))
    except ValueError as error:
        raise _wrong(name, at, f"(`{row['name']}`) has no valid marker") from error


def _markers(row: Mapping[str, object]) -> Iterator[str]:
    """Yield the markers of a package: a text, a list of texts, or with Poetry one for each group."""
    for key in _MARKERS:
        stated = row.get(key, [])
        values = [stated] if isinstance(stated, str) else stated
        values = list(values.values()) if isinstance(values, dict) else values
        yield from (value for value in values if isinstance(value, str)) if isinstance(values, list) else ()


def _wrong(name: str, at: int, problem: str) -> InvalidInput:
    return InvalidInput(f"package {at + 1} of `{name}` {problem}", hint="let its tool write it anew")
