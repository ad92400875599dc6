"""Lines of a requirements file, edited so that all others stay as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zlock.model.addition import name_in, subject_of
from zlock.model.requirement import parsed
from zlock.sources.lines import joined_lines

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTIONS = re.compile(r"\s+(?=--?[a-zA-Z])")
_HASH = "--hash"


def stated_in(text: str) -> tuple[str, ...]:
    """Return the requirements that lines of a file are, without their options and comments."""
    return tuple(requirement for _, requirement, _ in _statements(text.splitlines()))


def hashes_in(text: str, name: str) -> int:
    """Return how many hashes the requirements of a normalized name have."""
    of_name = (options for _, stated, options in _statements(text.splitlines()) if name_in(stated) == name)
    return sum(one.startswith(_HASH) for options in of_name for one in options)


def with_requirement(text: str, requirement: str) -> str:
    """Return a file that has a requirement, in the place of those of its name and marker, or behind all others.

    Options stay, but hashes only where bounds and URL do: they are those of the version that was stated.
    """
    subject, lines = subject_of(requirement), text.splitlines(keepends=True)
    found = [one for one in _statements(text.splitlines()) if subject_of(one[1]) == subject]
    if not found:
        return f"{_ended(text)}{requirement}\n"
    place, stated, options = found[0]
    if _versions(stated) != _versions(requirement):
        options = [one for one in options if not one.startswith(_HASH)]
    comment = _COMMENT.search(lines[place.stop - 1].rstrip("\r\n"))
    between = " \\\n    " if len(place) > 1 else " "
    lines[place.start] = f"{between.join([requirement, *options])}{comment[0] if comment else ''}\n"
    dropped = {number for lines_of, _, _ in found for number in lines_of} - {place.start}
    return "".join(line for number, line in enumerate(lines) if number not in dropped)


def without_requirement(text: str, name: str) -> str:
    """Return a file that has no requirement of a normalized name."""
    dropped = {line for place, stated, _ in _statements(text.splitlines()) if name_in(stated) == name for line in place}
    return "".join(line for number, line in enumerate(text.splitlines(keepends=True)) if number not in dropped)


def _ended(text: str) -> str:
    """Return a text to which a line can be added, which a backslash at its end would join to the last one."""
    ended = text if not text or text.endswith("\n") else f"{text}\n"
    return f"{ended}\n" if ended.endswith("\\\n") else ended


def _versions(text: str) -> tuple[object, object]:
    one = parsed(text)
    return one.specifier, one.url


def _statements(lines: list[str]) -> Iterator[tuple[range, str, list[str]]]:
    """Yield the lines of each requirement, which a backslash joins, with the requirement and its options."""
    for parts in joined_lines(lines):
        joined = " ".join(_COMMENT.sub("", part).removesuffix("\\").strip() for _, part in parts)
        requirement, *options = _OPTIONS.split(f" {joined}".rstrip())
        if name_in(requirement.strip()):
            yield range(parts[0][0] - 1, parts[-1][0]), requirement.strip(), options
