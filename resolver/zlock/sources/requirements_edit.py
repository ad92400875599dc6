"""Lines of a requirements file, edited so that all others stay as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTIONS = re.compile(r"\s--?[a-zA-Z]")


def stated_in(text: str) -> tuple[str, ...]:
    """Return the requirements that lines of a file are, without their options and comments."""
    return tuple(requirement for _, requirement in _statements(text.splitlines()))


def with_requirement(text: str, requirement: str) -> str:
    """Return a file that has a requirement, in the place of those of its name with their options, or behind all."""
    name, lines, begins = _name(requirement), text.splitlines(keepends=True), _ended(text)
    places = [lines_of for lines_of, stated in _statements(text.splitlines()) if _name(stated) == name]
    if not places:
        return f"{begins}{requirement}\n"
    comment = _COMMENT.search(lines[places[0].stop - 1].rstrip("\r\n"))
    lines[places[0].start] = f"{requirement}{comment[0] if comment else ''}\n"
    dropped = {number for place in places for number in place} - {places[0].start}
    return "".join(line for number, line in enumerate(lines) if number not in dropped)


def without_requirement(text: str, name: str) -> str:
    """Return a file that has no requirement of a normalized name."""
    dropped = {line for place, stated in _statements(text.splitlines()) if _name(stated) == name for line in place}
    return "".join(line for number, line in enumerate(text.splitlines(keepends=True)) if number not in dropped)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _name(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return ""


def _statements(lines: list[str]) -> Iterator[tuple[range, str]]:
    """Yield each requirement with its lines, which a backslash joins."""
    begin = 0
    while begin < len(lines):
        end = begin
        while lines[end].endswith("\\") and end + 1 < len(lines):
            end += 1
        joined = " ".join(_COMMENT.sub("", line).removesuffix("\\").strip() for line in lines[begin : end + 1])
        requirement = _OPTIONS.split(f" {joined}")[0].strip()
        if requirement and _name(requirement):
            yield range(begin, end + 1), requirement
        begin = end + 1
