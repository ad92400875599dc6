"""Writes TOML the way a lock is reviewed: one wheel a line, keys in the order given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from zlock.model.toml import check_size, parse_toml

_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_LINE = re.compile(r'([A-Za-z0-9_-]+) = "([^"\\]*)"')
_LIST = re.compile(r"([A-Za-z0-9_-]+) = \[")
_ITEM = re.compile(r'    "([^"\\]*)",')
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def section(header: str, table: Mapping[str, object]) -> str:
    """Return a table with its header, which the document itself has none of; tables inside stand on their keys' lines.

    Values are texts, whole numbers, truth values, times, and lists and tables of these.
    """
    lines = [header] if header else []
    lines += [f"{_key(key)} = {_lines(value)}" for key, value in table.items()]
    return "".join(f"{line}\n" for line in lines)


@lru_cache(maxsize=4096)
def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def inline(value: object) -> str:
    """Return a value on one line."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):  # one without a zone would mean another time on another machine
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)} = {inline(one)}' for key, one in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(inline, value))}]"
    raise TypeError(f"TOML has no form for {value!r}")


def _lines(value: object) -> str:
    """Return a value at the end of a `key =`: a list of several, or of tables, has a line for each."""
    if isinstance(value, (list, tuple)) and (len(value) > 1 or any(isinstance(one, dict) for one in value)):
        return "[\n" + "".join(f"    {inline(one)},\n" for one in value) + "]"
    return inline(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    # JSON's escapes are TOML's; DEL is the one control character JSON leaves alone.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_table(text: str) -> dict[str, object]:
    """Return a table as `dumps` wrote it, without its header; lines that other tables have too are read once."""
    check_size(text)
    lines = text.rstrip("\n").split("\n")
    if any(line.startswith("[") for line in lines):  # tables inside it
        return parse_toml(text)
    table: dict[str, object] = {}
    begin = 0
    while begin < len(lines):
        listed = _LIST.fullmatch(lines[begin])
        end = lines.index("]", begin) if lines[begin].endswith(" = [") else begin
        if plain := _LINE.fullmatch(lines[begin]):
            table[plain[1]] = plain[2]
        elif listed and all(items := [_ITEM.fullmatch(line) for line in lines[begin + 1 : end]]):
            table[listed[1]] = [item[1] for item in items if item]
        else:
            table |= _read("\n".join(lines[begin : end + 1]))
        begin = end + 1
    return table


_read = lru_cache(maxsize=4096)(parse_toml)
