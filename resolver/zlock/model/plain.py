"""Looks into what was read from JSON or TOML, of which nothing is known before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def holds_long(value: object) -> bool:
    """Return whether a number in a value is one of more than 64 bits."""
    if isinstance(value, dict | list):
        return any(map(holds_long, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and value.bit_length() > 64  # noqa: PLR2004 - as it says


def at(value: object, *keys: str | int) -> object:
    """Return what stands under keys of tables and places of lists; None where that is not there."""
    for key in keys:
        if isinstance(key, str):
            value = value.get(key) if isinstance(value, Mapping) else None
        else:
            value = value[key] if isinstance(value, list) and key < len(value) else None
    return value


def table(value: object, *keys: str | int) -> Mapping[str, object]:
    """Return the table that stands under keys, see `at`; empty where there is none."""
    found = at(value, *keys)
    return found if isinstance(found, Mapping) else {}


def rows(value: object, *keys: str | int) -> Sequence[object]:
    """Return the list that stands under keys, see `at`; empty where there is none."""
    found = at(value, *keys)
    return found if isinstance(found, list) else []


def tables(value: object, *keys: str | int) -> list[Mapping[str, object]]:
    """Return what is a table in the list that stands under keys."""
    return [row for row in rows(value, *keys) if isinstance(row, Mapping)]


def texts(value: object, *keys: str | int) -> dict[str, str]:
    """Return what is text in the table that stands under keys."""
    return {key: text for key, text in table(value, *keys).items() if isinstance(text, str)}
