"""The keys of the tables of a configuration: one table of them is one class, one key a field of it.

All else follows from the field: how its value is read, what is a mistake in it, what it is where nothing is stated,
whether locks depend on it, and its row in the documentation and in the JSON Schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct, field

from zlock.checks import Check

if TYPE_CHECKING:  # a pipeline file that states settings reads no table
    from zlock.settings.table import Table

D = TypeVar("D")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Decides(Enum):
    """How a key comes into `inputs`, the digest of what a step asks."""

    POLICY = auto()
    """Its value stands in the policy as it is."""

    QUESTION = auto()
    """It is in another part of the question: the target, the indexes, what the sources ask."""

    NOTHING = auto()
    """It decides nothing of what is locked."""


POLICY, QUESTION, NOTHING = Decides


class Reader(Struct, Generic[T_co], frozen=True):
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


class Key(Struct, frozen=True, kw_only=True):
    """One key.

    Attributes:
        rule: How its value is read.
        default: Its value where it is not stated.
        decides: How it comes into `inputs`.
        shown: What the documentation calls the default where the value says less.
        required: How it is stated, where it has to be.
    """

    rule: Check[Any] | Reader[Any]
    default: object
    decides: Decides
    shown: str
    required: str

    def __call__(self) -> object:
        """Give the default: fields have their key as what makes it."""
        return self.default


def key(
    rule: Check[T] | Reader[T],
    default: D,
    decides: Decides,
    *,
    shown: str = "",
    required: str = "",
) -> T | D:
    """Make the field of a key; see `Key`."""
    made = Key(rule=rule, default=default, decides=decides, shown=shown, required=required)
    stated: T | D = field(default_factory=made)  # type: ignore[assignment]  # it gives the default
    return stated


def keys_of(kind: type) -> dict[str, Key]:
    """Return the keys of a table by the names of their fields."""
    made: dict[str, object]
    if is_dataclass(kind):
        made = {one.name: one.default_factory for one in fields(kind)}
    else:
        names, defaults = kind.__struct_fields__, kind.__struct_defaults__  # type: ignore[attr-defined]
        last = names[len(names) - len(defaults) :]
        made = {name: getattr(default, "factory", None) for name, default in zip(last, defaults, strict=True)}
    return {name: one for name, one in made.items() if isinstance(one, Key)}


def kebab(name: str) -> str:
    """Return the name of a field as TOML has it."""
    return name.replace("_", "-")


def read(kind: type[T], table: Table, **more: object) -> T:
    """Read a table.

    Args:
        kind: The class with the keys.
        table: The table; mistakes are collected there.
        more: Its fields that are not keys.
    """
    keys = keys_of(kind)
    table.check_keys(list(map(kebab, keys)), getattr(kind, "INSIDE", {}))
    for name, one in keys.items():
        if one.required and kebab(name) not in table:
            table.wrong(kebab(name), "is missing", hint=f"write `{one.required}`")
    return kind(**more, **{name: _value(one, table, kebab(name)) for name, one in keys.items()})


def _value(one: Key, table: Table, name: str) -> object:
    if isinstance(one.rule, Check):
        return table.get(name, one.rule, one.default)
    return one.rule.function(table, name) if name in table else one.default


def policy(stated: object) -> dict[str, object]:
    """Return what those keys of a table say that decide by their value, as far as they differ from the defaults."""
    return {
        kebab(name): _plain(getattr(stated, name))
        for name, one in keys_of(type(stated)).items()
        if one.decides is POLICY and getattr(stated, name) != one.default
    }


def _plain(value: object) -> object:
    """Return a value as the policy has it: what has no order sorted, and `all` for None, which are all packages."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(one) if one else "" for name, one in sorted(value.items())}
    if isinstance(value, (tuple, frozenset)):
        return sorted(str(getattr(one, "normalized", one)) for one in value)
    return "all" if value is None else value
