"""Two locks of one step as one set of pins, from which a conflict is solved anew."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import replace
from packaging.version import Version

from zlock.errors import InvalidLock
from zlock.lock.diff import Rows, by_name
from zlock.lock.lock import Lock
from zlock.lock.store import lock_in

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


def pins_in(text: str) -> Lock | None:
    """Return one side of a conflict; None where it is not a lock.

    A text that git has put together from both sides is none that anyone has written, so its integrity is not looked
    at: what it pins is only preferred, and solved for.
    """
    try:
        return lock_in(Path("side"), text)
    except InvalidLock:
        return None


def merged(base: Lock | None, ours: Lock | None, theirs: Lock | None) -> Lock | None:
    """Return a lock with the pins of both sides, which answers nothing: its `inputs` are empty.

    A package that one side moved is as that side has it; one that both moved is the newer of the two. What either side
    says of differences to other steps is kept, as far as it is of these pins.
    """
    if ours is None or theirs is None:
        one = ours or theirs
        return one and replace(one, facts=replace(one.facts, inputs=""))
    old, mine, other = by_name(base), by_name(ours), by_name(theirs)
    rows = tuple(
        row
        for name in sorted({*mine, *other})
        for row in _chosen(old.get(name, ()), mine.get(name, ()), other.get(name, ()))
    )
    python = (theirs if base and ours.facts.python == base.facts.python else ours).facts.python
    said = {one.name for one in ours.facts.differs}
    differs = [*ours.facts.differs, *(one for one in theirs.facts.differs if one.name not in said)]
    facts = replace(ours.facts, inputs="", python=python, differs=tuple(sorted(differs, key=lambda one: one.name)))
    return replace(ours, packages=rows, facts=facts)


def _chosen(old: Rows, ours: Rows, theirs: Rows) -> Rows:
    if not ours or not theirs:
        return ours or theirs
    if _pins(ours) == _pins(old):
        return theirs
    return ours if _pins(theirs) == _pins(old) else max(ours, theirs, key=_newest)


def _pins(rows: Rows) -> list[str]:
    return [row.version or (row.vcs.commit_id if row.vcs else "") for row in rows]


def _newest(rows: Rows) -> Version:
    """Return the newest version; what has none, as a repository, is older than anything."""
    return max(Version(row.version or "0.dev0") for row in rows)
