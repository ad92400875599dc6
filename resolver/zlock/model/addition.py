"""A requirement that is added to what is stated of its name: nothing that it does not speak of is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from zlock.model.requirement import parsed

_HEAD = re.compile(r"\s*[A-Za-z0-9._-]+(\s*\[[^\]]*\])?")


def name_in(text: object) -> str:
    """Return the normalized name that a text is a requirement of; empty for a folder and the like."""
    return subject_of(text)[0]


def subject_of(text: object) -> tuple[str, str]:
    """Return the normalized name and the marker that a text is a requirement of; empty for a folder and the like.

    What is stated for other environments (another marker, PEP 508) is another requirement of that name.
    """
    try:
        found = parsed(text) if isinstance(text, str) else None
    except InvalidRequirement:
        found = None
    return (canonicalize_name(found.name), str(found.marker or "")) if found else ("", "")


def ambiguous(stated: Sequence[str], asked: Requirement) -> bool:
    """Say whether an added requirement without a marker could be for any of several, which have different ones."""
    return not asked.marker and bool(_missing(stated, asked)) and len(set(map(subject_of, stated))) > 1


def joined(stated: Sequence[str], asked: Requirement) -> str:
    """Return what takes the place of what is stated for one name when a requirement of it is added.

    Bounds or a URL that are added replace those that are stated, extras are added to them. The marker stays: a
    requirement with another one is stated beside them.

    Args:
        stated: The requirements of that name, of which at least one has the marker, if any is named.
        asked: The requirement that is added.

    Returns:
        The requirement, or nothing where what is stated says it all.
    """
    of_marker = [one for one in stated if not asked.marker or subject_of(one)[1] == str(asked.marker)]
    if not of_marker:
        return str(asked)
    if not _missing(of_marker, asked):
        return ""
    found = [parsed(one) for one in of_marker]
    asked = copy(asked)
    asked.extras = asked.extras.union(*(one.extras for one in found))
    asked.marker = found[0].marker
    if not (asked.specifier or asked.url):
        if len(found) == 1:  # its bounds stay as they are written
            return _HEAD.sub(f"{found[0].name}[{','.join(sorted(asked.extras))}]", of_marker[0], count=1)
        asked.url = next((one.url for one in found if one.url), None)
        asked.specifier = SpecifierSet(",".join(str(one.specifier) for one in found if one.specifier))
    return str(asked)


def _missing(stated: Sequence[str], asked: Requirement) -> bool:
    """Say whether a requirement has something that one of those stated lacks: bounds, a URL or an extra."""
    says_versions = bool(asked.specifier or asked.url)
    return any(
        not asked.extras <= one.extras or (says_versions and (one.specifier, one.url) != (asked.specifier, asked.url))
        for one in map(parsed, stated)
    )
