"""Lines of strings in a TOML document; `tomllib` tells none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cached_property

_Numbers = dict[tuple[str | int, ...], list[int]]
_HEADER = re.compile(r"\s*\[.*\]\s*(#.*)?")
_KEY = re.compile(r"\s*([^=#\[]+?)\s*=")
_COMMENT = re.compile(r"^[ \t]*#.*", re.MULTILINE)
_BARE = re.compile(r"\s*(?:\[\[?)?\s*([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\s*(?:\]\]?\s*)?")


class TomlLines:
    """Tells the lines of strings in one document, which is looked through once whatever is asked.

    Args:
        document: A valid TOML document.
        above: The keys of the table in it that addresses begin in.

    Attributes:
        document: The document.
    """

    def __init__(self, document: str, above: Sequence[str] = ()) -> None:
        self.document = document
        self._document = _COMMENT.sub("", document)
        self._above = above
        self._only: dict[str, int | None] = {}
        self._values: dict[int, str] = {}

    def line_of(self, text: str, address: Sequence[str | int]) -> int | None:
        """Return the line of a string, from 1; None where it can't be told.

        Args:
            text: The string, of which nothing but quotes and backslashes is escaped where it is written.
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

    def line_of_key(self, address: Sequence[str | int]) -> int | None:
        """Return the line of a key, from 1, or of the nearest table around it; None where it can't be told.

        Args:
            address: The keys that lead there; a number is that of a row, from 0, among tables of one name.
        """
        names, found = list(self._above), None
        rows, begin, end = list[int](), 0, len(self._lines)
        headers, values = self._stated
        for part in address:
            if isinstance(part, int):
                begin, end = [*rows, end][part : part + 2] if part < len(rows) else (begin, end)
                found = begin if part < len(rows) else found
            else:
                names.append(part)
                rows = headers.get(tuple(names), [])
                stated = [*values.get(tuple(names), ()), *rows, *self._dotted.get(tuple(names), ())]
                found = next((one for one in stated if begin <= one < end), found)
        return None if found is None else found + 1

    def _around(self, address: Sequence[str | int]) -> Iterator[tuple[int, str]]:
        """Yield what is stated at an address, or around it in an inline table, with the number of lines before it."""
        for length in range(1, len(address) + 1):
            for number in self._stated[1].get(tuple(address[:length]), ()):
                if number not in self._values:
                    self._values[number] = _value(self._lines[number:])
                yield number, self._values[number]

    @cached_property
    def _lines(self) -> list[str]:
        return self._document.splitlines()

    @cached_property
    def _stated(self) -> tuple[_Numbers, _Numbers]:
        """The numbers of lines before those that state something, by keys.

        First for the keys of each table, before its headers, or before those of tables in it; then for the keys of each
        value that has a line of its own.
        """
        headers: _Numbers = {}
        values: _Numbers = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(self._lines):
            if _HEADER.fullmatch(line):
                keys = _keys(line)
                table = keys or table
                for length in range(1, len(keys) + 1):
                    if length == len(keys) or keys[:length] not in headers:
                        headers.setdefault(keys[:length], []).append(number)
            elif (key := _KEY.match(line)) and (keys := _keys(key[1], " = 0")):
                values.setdefault((*table, *keys), []).append(number)
        return headers, values

    @cached_property
    def _dotted(self) -> _Numbers:
        """For the keys of each table, the numbers of lines before those of the values in it."""
        found: _Numbers = {}
        for keys, numbers in self._stated[1].items():
            for length in range(1, len(keys)):
                found.setdefault(keys[:length], []).extend(numbers)
        return found


def _only_line(document: str, text: str) -> int | None:
    """Return the line of a string that stands in a text once."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    written = (f'"{escaped}"', f"'{text}'")
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
