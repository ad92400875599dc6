"""Lines of strings in a TOML document; `tomllib` tells none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cached_property

_HEADER = re.compile(r"\s*\[.*\]\s*(#.*)?")
_KEY = re.compile(r"\s*([^=#\[]+?)\s*=")
_BARE = re.compile(r"\s*(?:\[\[?)?\s*([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\s*(?:\]\]?\s*)?")


class TomlLines:
    """Tells the lines of strings in one document, which is looked through once whatever is asked.

    Args:
        document: A valid TOML document.
        above: The keys of the table in it that addresses begin in.
    """

    def __init__(self, document: str, above: Sequence[str] = ()) -> None:
        self._document = document
        self._above = above
        self._only: dict[str, int | None] = {}
        self._values: dict[int, str] = {}

    def line_of(self, text: str, address: Sequence[str]) -> int | None:
        """Return the line of a string, from 1; None where it can't be told.

        Args:
            text: The string, which has no escapes where it is written.
            address: The keys of the value that it is in, looked at where it stands in others too.
        """
        if text not in self._only:
            self._only[text] = _only_line(self._document, text)
        line = self._only[text]
        if line is not None:
            return line
        around = self._around((*self._above, *address))
        found = [begin + inside for begin, block in around if (inside := _only_line(block, text))]
        return found[0] if len(found) == 1 else None

    def line_of_key(self, address: Sequence[str]) -> int | None:
        """Return the line of a key, from 1, or of the inline table that it stands in; None where it can't be told."""
        for length in range(len(address), 0, -1):
            numbers = self._numbers.get((*self._above, *address[:length]))
            if numbers:
                return numbers[0] + 1
        return None

    def _around(self, address: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Yield what is stated at an address, or around it in an inline table, with the number of lines before it."""
        for length in range(1, len(address) + 1):
            for number in self._numbers.get(tuple(address[:length]), ()):
                if number not in self._values:
                    self._values[number] = _value(self._lines[number:])
                yield number, self._values[number]

    @cached_property
    def _lines(self) -> list[str]:
        return self._document.splitlines()

    @cached_property
    def _numbers(self) -> dict[tuple[str, ...], list[int]]:
        """For the keys of each value that has a line of its own, the numbers of lines before it."""
        found: dict[tuple[str, ...], list[int]] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(self._lines):
            if _HEADER.fullmatch(line):
                table = _keys(line) or table
            elif (key := _KEY.match(line)) and (keys := _keys(key[1], " = 0")):
                found.setdefault((*table, *keys), []).append(number)
        return found


def _only_line(document: str, text: str) -> int | None:
    """Return the line of a string that stands in a text once."""
    written = [f"{quote}{text}{quote}" for quote in "\"'"]
    if sum(map(document.count, written)) != 1:
        return None
    return document.count("\n", 0, max(map(document.find, written))) + 1


def _keys(text: str, value: str = "") -> tuple[str, ...]:
    """Return the keys that lead to the one thing that a text holds; none where it is not valid TOML by itself."""
    if bare := _BARE.fullmatch(text):
        return tuple(bare[1].split("."))
    try:
        tree: object = tomllib.loads(text + value)
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
        if "#" in line or line.rstrip().endswith(("]", "}")):
            text = "\n".join(lines[:end])
            try:
                tomllib.loads(text)
            except tomllib.TOMLDecodeError:
                continue
            return text
    return ""
