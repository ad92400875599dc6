"""Locks of format 1, which said in sentences what gave way and what differs: they are read as the values they were."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from packaging.requirements import InvalidRequirement

from zlock.model.explanations import GaveWay, Stated
from zlock.model.form import Misstated, plain
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, parsed

_SOURCE = "|".join(re.escape(str(source)) for source in Source)
_STATED = rf"`[^`]+` of (?:{_SOURCE})(?:, (?:{_SOURCE}))*"
_GAVE_WAY = re.compile(rf"({_STATED}) gave way to ({_STATED})")
_DIFFERS = re.compile(r"([a-z0-9-]+) is (\S+) here and (\S+(?: and \S+)*) elsewhere: (.*)")
_OTHERS = r"\S+(?: and \S+)*"
_REASONS = {
    "forced": re.compile(rf"(?P<forcing>(?:{_STATED}(?: and {_STATED})*)?) can't be had with {_OTHERS}"),
    "unlisted": re.compile(
        rf"the index (?:`(?P<where>[^`]*)`, which it|that it) is taken from,? does not list {_OTHERS}"
    ),
    "unfit": re.compile(rf"no file of {_OTHERS} fits (?P<where>.*)"),
    "unknown": re.compile(rf"no answer with {_OTHERS} was found"),
    "locked": re.compile(r"it was locked so"),
    "others": re.compile(rf"with {_OTHERS}, other packages would differ"),
}


def as_values(own: Mapping[str, object]) -> dict[str, object]:
    """Return the `[tool.zlock]` of a lock of format 1 as format 2 has it.

    Raises:
        Misstated: It holds what no zlock has written.
    """
    return {
        **own,
        "gave-way": list(_rows(own, "gave-way", _gave_way)),
        "differs": list(_rows(own, "differs", _differs)),
    }


def _rows(
    own: Mapping[str, object], key: str, parse: Callable[[str], dict[str, object] | None]
) -> Iterator[dict[str, object]]:
    lines = own.get(key, [])
    for line in lines if isinstance(lines, list) else [lines]:
        row = parse(line) if isinstance(line, str) else None
        if row is None:
            raise Misstated(f"{line!r} is none of its sentences", key)
        yield row


def _gave_way(line: str) -> dict[str, object] | None:
    found = _GAVE_WAY.fullmatch(line)
    if found is None:
        return None
    row: dict[str, object] = plain(GaveWay(loser=_stated(found[1]), winner=_stated(found[2])))
    return row


def _differs(line: str) -> dict[str, object] | None:
    found = _DIFFERS.fullmatch(line)
    if found is None:
        return None
    for reason, pattern in _REASONS.items():
        if said := pattern.fullmatch(found[4]):
            more = {key: value for key, value in said.groupdict().items() if value}
            forcing = [plain(_stated(one)) for one in re.findall(_STATED, more.pop("forcing", ""))]
            row = {"name": found[1], "here": found[2], "elsewhere": found[3].split(" and "), "reason": reason}
            return {**row, "forcing": forcing, **more}
    return None


def _stated(text: str) -> Stated:
    """Return a requirement with its sources, normalized as sources are recorded."""
    _, requirement, sources = text.split("`")
    try:
        stated = parsed(requirement)
    except InvalidRequirement as error:
        raise Misstated(f"{requirement!r} is no requirement") from error
    names = sources.removeprefix(" of ").split(", ")
    direct = DirectRequirement(requirement=stated, origins=tuple(Origin(source=Source(name)) for name in names))
    return Stated.of(direct)
