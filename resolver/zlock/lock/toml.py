"""Writes TOML the way a lock is reviewed: one wheel a line, tables in the order given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Inline(dict[str, Any]):
    """A table that is written on one line."""


def dumps(tree: Mapping[str, Any]) -> str:
    """Return a document; values are texts, whole numbers, truth values, times, lists and tables."""
    lines: list[str] = []
    _table(lines, tree, ())
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(lines: list[str], table: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for key, value in table.items():
        if not _is_table(value):
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in table.items():
        name = ".".join(map(_key, (*path, key)))
        if isinstance(value, Mapping) and not isinstance(value, Inline):
            if not value or any(not _is_table(inner) for inner in value.values()):
                lines += ["", f"[{name}]"]
            _table(lines, value, (*path, key))
        elif _is_table(value):
            for row in value:
                lines += ["", f"[[{name}]]"]
                _table(lines, row, (*path, key))


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not isinstance(value, Inline)
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, Mapping) and not isinstance(row, Inline) for row in value)
    )


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items())
        return f"{{{inner}}}"
    return _list(value)


def _list(values: Sequence[Any]) -> str:
    if not values:
        return "[]"
    if len(values) == 1 and not isinstance(values[0], Mapping):
        return f"[{_value(values[0])}]"
    return "[\n" + "".join(f"    {_value(value)},\n" for value in values) + "]"


def _text(text: str) -> str:
    # JSON's escapes are TOML's; DEL is the one control character JSON leaves alone.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
