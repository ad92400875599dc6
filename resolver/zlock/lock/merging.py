"""Two locks of one step as one set of pins, from which a conflict is solved anew."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.version import InvalidVersion, Version

from zlock.lock.diff import Rows, by_name

_SIDES = {"<": "ours", "|": "base", "=": "theirs", ">": "both"}
_MARKER = re.compile(r"(<{7}|\|{7}|={7}|>{7})(?= |$)")


def sides_of(text: str) -> tuple[str, str, str]:
    """Return base, ours and theirs of a text with conflict markers; the base is empty where the markers show none."""
    found: dict[str, list[str]] = {"ours": [], "base": [], "theirs": []}
    side = "both"
    has_base = False
    for line in text.splitlines(keepends=True):
        marker = _MARKER.match(line)
        if marker:
            side = _SIDES[marker[1][0]]
            has_base = has_base or side == "base"
        else:
            for name in found if side == "both" else (side,):
                found[name].append(line)
    base, ours, theirs = ("".join(found[name]) for name in ("base", "ours", "theirs"))
    return base if has_base else "", ours, theirs


def pins_in(text: str) -> Mapping[str, Any] | None:
    """Return one side of a conflict as plain values; None where it is no lock.

    A text that git has put together from both sides is none that anyone has written, so its integrity is not looked
    at: what it pins is only preferred, and solved for.
    """
    try:
        tree = tomllib.loads(text)
        stated = [tree["tool"]["zlock"]["python"]]
        for row in tree["packages"]:
            stated += [row["name"], row.get("version", "")]
            Marker(row.get("marker", "python_version >= '3'"))
    except (tomllib.TOMLDecodeError, RecursionError, KeyError, TypeError, InvalidMarker):
        return None
    return tree if all(isinstance(one, str) for one in stated) else None


def merged(
    base: Mapping[str, Any] | None, ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return a lock with the pins of both sides, which answers nothing: its `inputs` are empty.

    A package that one side moved is as that side has it; one that both moved is the newer of the two.
    """
    if ours is None or theirs is None:
        one = ours or theirs
        return one and _unanswering(one, one["packages"], one)
    old, mine, other = by_name(base), by_name(ours), by_name(theirs)
    rows = [
        row
        for name in sorted({*mine, *other})
        for row in _chosen(old.get(name, ()), mine.get(name, ()), other.get(name, ()))
    ]
    was = base["tool"]["zlock"]["python"] if base else None
    return _unanswering(ours, rows, theirs if ours["tool"]["zlock"]["python"] == was else ours)


def _unanswering(ours: Mapping[str, Any], rows: Rows, python: Mapping[str, Any]) -> Mapping[str, Any]:
    own = {**ours["tool"]["zlock"], "inputs": "", "python": python["tool"]["zlock"]["python"]}
    return {**ours, "packages": list(rows), "tool": {"zlock": own}}


def _chosen(old: Rows, ours: Rows, theirs: Rows) -> Rows:
    if not ours or not theirs:
        return ours or theirs
    if _pins(ours) == _pins(old):
        return theirs
    return ours if _pins(theirs) == _pins(old) else max(ours, theirs, key=_newest)


def _pins(rows: Rows) -> list[str]:
    return [f"{row.get('version')} {row.get('vcs', {}).get('commit-id')}" for row in rows]


def _newest(rows: Rows) -> Version:
    """Return the newest version; what has none, as a repository, is older than anything."""
    found = []
    for row in rows:
        try:
            found.append(Version(row.get("version", "0.dev0")))
        except InvalidVersion:
            found.append(Version("0.dev0"))
    return max(found)
