"""Which files of a folder a build sees: `.dockerignore` as Docker reads it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zlock.errors import InvalidInput
from zlock.model.paths import files_in

_OPERATOR = re.compile(r"[\\\[&|~]")
"""What stands for itself between brackets, and may mean more to Python."""

Ignored = Callable[[str], bool]
"""Tells of a path with `/`, relative to the folder, whether it is left out."""


def read_ignore(*places: Path) -> Ignored | None:
    """Return the rule of the first file that is there, None where none is.

    Raises:
        InvalidInput: See `ignore_rule`.
    """
    for place in places:
        if place.is_file():
            return ignore_rule(place.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines())
    return None


def ignore_rule(lines: Sequence[str]) -> Ignored:
    """Return the rule of the lines of a `.dockerignore`: the last that matches a path or a folder around it counts.

    Raises:
        InvalidInput: A pattern is none; Docker refuses it, too.
    """
    rows = []
    for line in lines:
        text = line.strip()
        if text and not line.startswith("#"):
            kept = text.startswith("!")
            pattern = posixpath.normpath(text[kept:].strip()).lstrip("/")
            if pattern not in ("", "."):
                rows.append((_regex(pattern), kept))

    def is_ignored(path: str) -> bool:
        parts = path.split("/")
        around = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        ignored = False
        for regex, kept in rows:
            if ignored == kept and any(regex.fullmatch(one) for one in around):
                ignored = not kept
        return ignored

    return is_ignored


def _regex(pattern: str) -> re.Pattern[str]:
    """Return what a pattern matches: `*` and `?` within a name, `**` any number of folders."""
    found = ""
    position = 0
    while position < len(pattern):
        rest = pattern[position:]
        if rest.startswith("**"):
            position += 3 if rest.startswith("**/") else 2
            found += "(.*/)?" if position < len(pattern) else ".*"
            continue
        position += 1
        if rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            inside = _OPERATOR.sub(r"\\\g<0>", rest[1:end])
            found += f"[{inside}]"
            position += end
        elif rest[0] == "\\" and len(rest) > 1:
            found += re.escape(rest[1])
            position += 1
        else:
            found += {"*": "[^/]*", "?": "[^/]"}.get(rest[0], re.escape(rest[0]))
    try:
        return re.compile(found, re.DOTALL)
    except re.error as error:
        raise InvalidInput(f"`.dockerignore` has `{pattern}`, which is not a pattern", hint="correct it") from error


def walk(folder: Path, is_left_out: Ignored) -> Iterator[tuple[str, Path]]:
    """Yield each file of a folder that is not left out, see `files_in`."""
    return (row for row in files_in(folder) if not is_left_out(row[0]))
