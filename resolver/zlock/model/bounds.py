"""Poetry's version constraints, as the specifiers and markers of the standards say them (PEP 440, PEP 508)."""

from __future__ import annotations

import re

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version


def specifier(constraint: str) -> str:
    """Return a constraint as a specifier set; `^1.2` and `~1.2` are bounds, a bare version is that version.

    Raises:
        ValueError: No specifier can say it: alternatives (`||`), or no constraint at all.
    """
    if "|" in constraint:
        raise ValueError("alternatives")
    parts = re.sub(r"(?<=[<>=^~!])\s+", "", constraint).replace(",", " ").split()
    try:
        return ",".join(dict.fromkeys(str(one) for part in parts for one in SpecifierSet(_one(part))))
    except ValueError as error:  # of a number that is too long, too
        raise ValueError(f"`{constraint[:80]}`") from error


def python_marker(constraint: str) -> str:
    """Return a constraint on Python as a marker, empty where it limits nothing.

    Raises:
        ValueError: No marker can say it.
    """
    found = SpecifierSet(specifier(constraint))
    return " and ".join(sorted(map(_marker, found)))


def _marker(one: Specifier) -> str:
    is_exact = one.version.removesuffix(".*").count(".") > 1
    return f'{"python_full_version" if is_exact else "python_version"} {one.operator} "{one.version}"'


def _one(part: str) -> str:
    if part == "*":
        return ""
    if part.startswith("^"):
        version = Version(part[1:])
        return f">={version},<{_next(version, _significant(version))}"
    if part.startswith("~") and not part.startswith("~="):
        version = Version(part[1:])
        return f">={version},<{_next(version, min(1, len(version.release) - 1))}"
    return part if part[0] in "<>=!~" else f"=={part}"


def _significant(version: Version) -> int:
    """Return the place of the first number that is not zero, of the last one where all are."""
    return next((at for at, number in enumerate(version.release) if number), len(version.release) - 1)


def _next(version: Version, place: int) -> str:
    numbers = [*version.release[:place], version.release[place] + 1]
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, numbers)) + ".0" * (len(version.release) - len(numbers))
