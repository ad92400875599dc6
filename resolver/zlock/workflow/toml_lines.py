"""Lines of strings in a TOML document; `tomllib` tells none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

_HEADER = re.compile(r"\s*\[.*\]\s*(#.*)?")
_KEY = re.compile(r"\s*([^=#\[]+?)\s*=")


def line_of(document: str, text: str, address: Sequence[str]) -> int | None:
    """Return the line of a string, from 1; None where it can't be told.

    Args:
        document: A valid TOML document.
        text: The string, which has no escapes where it is written.
        address: The keys of the value that it is in, looked at where it stands in others too.
    """
    line = _only_line(document, text)
    if line is not None:
        return line
    found = [
        begin + inside for begin, block in _blocks(document, tuple(address)) if (inside := _only_line(block, text))
    ]
    return found[0] if len(found) == 1 else None


def _only_line(document: str, text: str) -> int | None:
    """Return the line of a string that stands in a text once."""
    written = [f"{quote}{text}{quote}" for quote in "\"'"]
    if sum(map(document.count, written)) != 1:
        return None
    return document.count("\n", 0, max(map(document.find, written))) + 1


def _blocks(document: str, address: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield what is stated at an address, or around it in an inline table, with the number of lines before it."""
    lines = document.splitlines()
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines):
        if _HEADER.fullmatch(line):
            table = _keys(line) or table
        elif key := _KEY.match(line):
            path = (*table, *_keys(f"{key[1]} = 0"))
            if len(path) > len(table) and path == address[: len(path)]:
                yield number, _value(lines[number:])


def _keys(text: str) -> tuple[str, ...]:
    """Return the keys that lead to the one thing that a text holds; none where it is no TOML by itself."""
    try:
        tree: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return ()
    found = []
    while isinstance(tree, dict) and tree:
        (key, tree) = next(iter(tree.items()))
        found.append(key)
    return tuple(found)


def _value(lines: Sequence[str]) -> str:
    """Return the lines of a key's value: as many as make a document."""
    for end, line in enumerate(lines, 1):
        text = "\n".join(lines[:end])
        if "]" in line or "}" in line:
            try:
                tomllib.loads(text)
            except tomllib.TOMLDecodeError:
                continue
            return text
    return ""
