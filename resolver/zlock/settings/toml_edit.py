"""Lists of requirements in a TOML document, edited so that all else stays as it is written: comments, order, layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zlock.model.addition import name_in, subject_of

if TYPE_CHECKING:
    from tomlkit.container import Container
    from tomlkit.items import Array, Table


def stated_in(text: str, address: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of a list that are texts; none where there is no such list.

    Args:
        text: A valid TOML document.
        address: The keys that lead to the list.
    """
    from tomlkit import parse

    return tuple(str(item) for item in _list_at(parse(text), address) or () if isinstance(item, str))


def with_list(text: str, address: Sequence[str], values: Sequence[str]) -> str:
    """Return a document whose list holds these values and no others."""
    from tomlkit import array, parse

    document = parse(text)
    found = array()
    found.extend(values)
    _table_at(document, address[:-1])[address[-1]] = found.multiline(len(values) > 1)
    return document.as_string()


def with_flag(text: str, address: Sequence[str], *, value: bool) -> str:
    """Return a document that says whether something is so; where it is not, and nothing says so, it stays as it is."""
    from tomlkit import parse

    document = parse(text)
    table = _table_at(document, address[:-1])
    if table.get(address[-1], False) is not value:
        table[address[-1]] = value
    return document.as_string()


def with_requirement(text: str, address: Sequence[str], requirement: str) -> str:
    """Return a document whose list has a requirement, in the place of those of its name and marker, or last."""
    from tomlkit import array, parse, string

    document = parse(text)
    found = _list_at(document, address)
    if found is None:
        _table_at(document, address[:-1]).append(address[-1], found := array())
    places = [place for place, item in enumerate(found) if subject_of(item) == subject_of(requirement)]
    # Markers have quotes, which are easier to read where nothing escapes them.
    value = string(requirement, literal='"' in requirement and "'" not in requirement)
    if places:
        found[places[0]] = value
        _drop(found, places[1:])
    else:
        found.append(value)
    return document.as_string()


def without_requirement(text: str, address: Sequence[str], name: str) -> str:
    """Return a document whose list has no requirement of a name.

    An empty list stays, as it may take the place of another one; only `extra-requirements` never does.
    """
    from tomlkit import parse

    document = parse(text)
    found = _list_at(document, address)
    if found is not None:
        places = [place for place, item in enumerate(found) if name and name_in(item) == name]
        _drop(found, places)
        if places and not found and address[-1] == "extra-requirements":
            _table_at(document, address[:-1]).remove(address[-1])
    return document.as_string()


def _table_at(document: Container, address: Sequence[str]) -> Container | Table:
    """Return a table, made where it is not there."""
    from tomlkit import table

    inside: Container | Table = document
    for number, name in enumerate(address):
        # A table that only leads to others needs no line of its own.
        if name not in inside:
            inside.append(name, table(is_super_table=number < len(address) - 1))
        inside = inside[name]
    return inside


def _list_at(document: Container, address: Sequence[str]) -> Array | None:
    from tomlkit.items import Array

    value: object = document
    for name in address:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value if isinstance(value, Array) else None


def _drop(found: Array, places: Sequence[int]) -> None:
    for place in reversed(places):
        del found[place]
