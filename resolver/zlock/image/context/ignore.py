"""Which files of a folder a build sees: `.dockerignore` as Docker reads it."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zlock.errors import InvalidInput
from zlock.model.paths import files_in
from zlock.regular import read_regular

_OPERATOR = re.compile(r"[\\\[&|~]")
"""What stands for itself between brackets, and may mean more to Python."""
_NAME, _FOLDERS = "[^/]*", ("(.*/)?", ".*")
_MOST_FOLDERS = 3  # of which each may begin at every folder of a path, for each place where the one before does

Ignored = Callable[[str], bool]
"""Tells of a path with `/`, relative to the folder, whether it is left out."""


def read_ignore(*places: Path) -> Ignored | None:
    """Return the rule of the first file that is there, None where none is.

    Raises:
        InvalidInput: See `ignore_rule`.
    """
    for place in places:
        if place.is_file():
            return ignore_rule(read_regular(place).decode("utf-8-sig", "surrogateescape").splitlines())
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
    parts = list(_parts(pattern))
    if sum(part in _FOLDERS for part in parts) > _MOST_FOLDERS:
        raise InvalidInput(
            f"`.dockerignore` has `{pattern}`, with more than {_MOST_FOLDERS} times `**`", hint="write it with fewer"
        )
    found, is_open = "", False
    for position, part in enumerate(parts):
        if part in (_NAME, "/", *_FOLDERS):
            found += ")" * is_open
            rest = itertools.takewhile(lambda one: one not in ("/", *_FOLDERS), parts[position + 1 :])
            is_open = part == _NAME and _NAME in rest
            found += "(?>[^/]*?" if is_open else part
        else:
            found += part
    try:
        return re.compile(found, re.DOTALL)
    except re.error as error:
        raise InvalidInput(f"`.dockerignore` has `{pattern}`, which is not a pattern", hint="correct it") from error


def _parts(pattern: str) -> Iterator[str]:
    """Yield what a pattern is made of, as regular expressions; of `**` that follow one another the last alone."""
    position = 0
    while position < len(pattern):
        rest = pattern[position:]
        if rest.startswith("**"):
            position += 3 if rest.startswith("**/") else 2
            if not pattern.startswith("**", position):
                yield _FOLDERS[position == len(pattern)]
            continue
        position += 1
        if rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            inside = _OPERATOR.sub(r"\\\g<0>", rest[1:end])
            yield f"[{inside}]"
            position += end
        elif rest[0] == "\\" and len(rest) > 1:
            yield re.escape(rest[1])
            position += 1
        else:
            yield {"*": _NAME, "?": "[^/]"}.get(rest[0], re.escape(rest[0]))


def walk(folder: Path, is_left_out: Ignored) -> Iterator[tuple[str, Path]]:
    """Yield each file of a folder that is not left out, see `files_in`."""
    return (row for row in files_in(folder) if not is_left_out(row[0]))
