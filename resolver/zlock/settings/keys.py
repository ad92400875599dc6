"""The keys of the tables of a configuration: one table of them is one dataclass, one key a field of it.

All else follows from the field: how its value is read, what is a mistake in it, what it is where nothing is stated,
whether locks depend on it, and its row in the documentation and in the JSON Schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum, auto
from typing import Any, Generic, NamedTuple, TypeVar

from zlock.settings.checks import Check
from zlock.settings.table import Table

D = TypeVar("D")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_ATTRIBUTE = re.compile(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", re.MULTILINE)


class Decides(Enum):
    """How a key comes into `inputs`, the digest of what a step asks."""

    POLICY = auto()
    """Its value stands in the policy as it is."""

    QUESTION = auto()
    """It is in another part of the question: the target, the indexes, what the sources ask."""

    NOTHING = auto()
    """It decides nothing of what is locked."""


@dataclass(frozen=True, slots=True)
class Reader(Generic[T_co]):
    """A rule for a key that takes more than its value: the file, its lines, or tables inside.

    Attributes:
        function: The rule; called with the table and the name of the key.
        words: What the documentation calls the values.
        schema: The same in the words of JSON Schema.
    """

    function: Callable[[Table, str], T_co]
    words: str
    schema: Mapping[str, object]


def reads(words: str, **schema: object) -> Callable[[Callable[[Table, str], T]], Reader[T]]:
    """Make a rule for a key of a function."""
    return lambda function: Reader(function, words, schema)


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One key.

    Attributes:
        rule: How its value is read.
        default: Its value where it is not stated.
        decides: How it comes into `inputs`.
        plain: Gives a value as the policy has it.
        shown: What the documentation calls the default where the value says less.
    """

    rule: Check[Any] | Reader[Any]
    default: object
    decides: Decides
    plain: Callable[[Any], object]
    shown: str


def key(
    rule: Check[T] | Reader[T],
    default: D,
    decides: Decides,
    *,
    plain: Callable[[T], object] = lambda value: value,
    shown: str = "",
    hash: bool | None = None,  # noqa: A002 - as `field` calls it
) -> T | D:
    """Make the field of a key; see `Key`. `hash` is that of `field`."""
    made = Key(rule=rule, default=default, decides=decides, plain=plain, shown=shown)
    stated: T | D = field(default_factory=lambda: default, hash=hash, metadata={"key": made})
    return stated


def keys_of(kind: type) -> Mapping[str, Key]:
    """Return the keys of a table by their names in TOML."""
    return {one.name.replace("_", "-"): one.metadata["key"] for one in fields(kind) if "key" in one.metadata}


def read(kind: type[T], table: Table, **more: object) -> T:
    """Read a table.

    Args:
        kind: The dataclass with the keys.
        table: The table; mistakes are collected there.
        more: The fields of the dataclass that are no keys.
    """
    keys = keys_of(kind)
    table.check_keys(list(keys))
    return kind(**more, **{name.replace("-", "_"): _value(one, table, name) for name, one in keys.items()})


def _value(one: Key, table: Table, name: str) -> object:
    if isinstance(one.rule, Check):
        return table.get(name, one.rule, one.default)
    return one.rule.function(table, name) if name in table else one.default


def policy(stated: object) -> dict[str, object]:
    """Return what those keys of a table say that decide by their value, as far as they differ from the defaults."""
    values = {name: getattr(stated, name.replace("-", "_")) for name in keys_of(type(stated))}
    return {
        name: one.plain(values[name])
        for name, one in keys_of(type(stated)).items()
        if one.decides is Decides.POLICY and values[name] != one.default
    }


class Row(NamedTuple):
    """What a person is told of a key, as Markdown."""

    name: str
    values: str
    default: str
    meaning: str


def rows(kind: type) -> list[Row]:
    """Return what is told of the keys of a table; its docstring says what each means."""
    meanings = {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(kind.__doc__ or "")}
    return [
        Row(name, one.rule.words, one.shown or _shown(one.default), meanings.get(name.replace("-", "_"), ""))
        for name, one in keys_of(kind).items()
    ]


def _shown(default: object) -> str:
    if default is None or default == {}:
        return "empty" if default == {} else "none"
    text = json.dumps(default, default=list)
    return f"`{text}`" if text.startswith("[") else text
