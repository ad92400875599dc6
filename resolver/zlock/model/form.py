"""Values out of plain tables, as TOML and JSON hold them, and tables out of values: a field is a key.

The type of a field says what may stand under its key: a text, a whole number, a truth value, a time, one of several
words (`Literal`), a list (`tuple`), a table of one kind (`Mapping`), a table with keys of its own (a struct or a
named tuple), or anything (`object`). `Annotated` adds checks, functions that return the value or raise `ValueError`
with what is wrong.
A field without a default has to be there and is always written; one with a default is written where it is another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from zlock.model.controls import CONTROLS
from zlock.model.plain import holds_long

T = TypeVar("T")
_Read = Callable[[object], Any]
_CONTROL = f"[{CONTROLS}]"
_KINDS = {str: "a text", int: "a whole number", bool: "a truth value", datetime: "a time"}


class Key(Struct, frozen=True):
    """What a field is called in a table, where that is not its name with `-` for `_`; for `Annotated`."""

    name: str


class Misstated(ValueError):
    """A table is not of its form.

    Attributes:
        where: The key, from the outermost table, as `wheels[0].hashes`; empty for the table itself.
        why: What is wrong with what stands there.
    """

    def __init__(self, why: str, where: str = "") -> None:
        super().__init__(f"`{where}`: {why}" if where else why)
        self.where = where
        self.why = why

    def within(self, key: str) -> Misstated:
        """Return it as seen from the table or list that has this one under a key."""
        mark = "." if self.where and not self.where.startswith("[") else ""
        return Misstated(self.why, f"{key}{mark}{self.where}")


def matching(pattern: str, what: str) -> Callable[[str], str]:
    """Return the check that a text as a whole is of a pattern; `what` says what it is then."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):  # compiled when it is first needed: most runs read few kinds of text
            raise ValueError(f"{text!r} is not a valid {what}")
        return text

    return check


def _one_line(text: str) -> str:
    if not text.isprintable() and re.search(_CONTROL, text):
        raise ValueError(f"{text!r} holds control characters")
    return text


Line = Annotated[str, _one_line]
"""A text that neither ends a line nor tells a terminal what to do."""


def read(kind: type[T], value: object) -> T:
    """Return a plain value as what it is of.

    Raises:
        Misstated: It is not of that form.
    """
    found: T = _reader(kind)(value)  # type: ignore[arg-type]  # types can be hashed
    return found


def plain(value: object) -> Any:
    """Return a value as `read` takes it."""
    kind: Any = type(value)
    return _writer(kind)(value)


@cache
def _writer(kind: Any) -> Callable[[Any], object]:
    """Return what makes values of a type plain."""
    if hasattr(kind, "to_table"):
        return lambda value: value.to_table()
    if _is_record(kind):
        return lambda value: {
            field.key: plain(one)
            for field in _fields(kind)
            if (one := getattr(value, field.name)) != field.default or field.is_required
        }
    if issubclass(kind, Mapping):
        return lambda value: {key: plain(one) for key, one in value.items()}
    return (lambda value: [plain(one) for one in value]) if issubclass(kind, (tuple, list)) else lambda value: value


class _Field(Struct, frozen=True):
    name: str
    key: str
    read: _Read
    default: Any

    @property
    def is_required(self) -> bool:
        return self.default is NODEFAULT


@cache
def _fields(kind: Any) -> tuple[_Field, ...]:
    if hasattr(kind, "__struct_fields__"):
        stated = [(one.name, one.type, one.default_factory, one.default) for one in fields(kind)]
        return tuple(_field(name, hint, empty if made is NODEFAULT else made()) for name, hint, made, empty in stated)
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_field(name, hints[name], kind._field_defaults.get(name, NODEFAULT)) for name in kind._fields)


def _is_record(kind: Any) -> bool:
    return hasattr(kind, "__struct_fields__") or hasattr(kind, "_field_defaults")


def _field(name: str, hint: Any, default: object) -> _Field:
    keys = [one.name for one in get_args(hint) if isinstance(one, Key)] if get_origin(hint) is Annotated else []
    return _Field(name, (keys or [name.replace("_", "-")])[0], _reader(hint), default)


@cache
def _reader(kind: Any) -> _Read:
    """Return what reads a plain value as what a type says."""
    if generic := _GENERIC.get(get_origin(kind)):
        return generic(*get_args(kind))
    if hasattr(kind, "from_table"):
        return lambda value: kind.from_table(_table(value))
    read_one = _record if _is_record(kind) else _plain
    return lambda value: read_one(kind, value)


def _annotated(inner: Any, *notes: Any) -> _Read:
    return _checked(_reader(inner), [one for one in notes if callable(one)])


def _union(*kinds: Any) -> _Read:
    return _reader(next(one for one in kinds if one is not NoneType))  # neither format has a word for nothing here


def _literal(*words: str) -> _Read:
    return _checked(_reader(str), [matching("|".join(map(re.escape, words)), " or ".join(words))])


_GENERIC: dict[Any, Callable[..., _Read]] = {
    Annotated: _annotated,
    Union: _union,
    UnionType: _union,
    Literal: _literal,
    tuple: lambda inner, _: lambda value: tuple(_items(_reader(inner), value)),
    Mapping: lambda key, inner: lambda value: _mapping(_reader(key), _reader(inner), value),
}


def _checked(inner: _Read, checks: list[Callable[..., object]]) -> _Read:
    def checked(value: object) -> Any:
        found = inner(value)
        try:
            for check in checks:
                found = check(found)
        except Misstated:
            raise
        except ValueError as error:
            raise Misstated(str(error)) from error
        return found

    return checked


def _plain(kind: type, value: object) -> object:
    if not isinstance(value, str) and holds_long(value):
        raise Misstated("it holds a number of more than 64 bits")
    if kind is object or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
        return value
    raise Misstated(f"{value!r} is not {_KINDS[kind]}")


def _items(inner: _Read, value: object) -> Iterator[Any]:
    if not isinstance(value, list):
        raise Misstated(f"{value!r} is not a list")
    for position, one in enumerate(value):
        try:
            yield inner(one)
        except Misstated as error:
            raise error.within(f"[{position}]") from error


def _mapping(key: _Read, inner: _Read, value: object) -> dict[Any, Any]:
    found = {}
    for name, one in _table(value).items():
        try:
            found[key(name)] = inner(one)
        except Misstated as error:
            raise error.within(str(name)) from error
    return found


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise Misstated(f"{value!r} is not a table")
    return value


def _record(kind: type, value: object) -> object:
    """Return a table as a value; keys that its type does not know are those of a later version, and left alone."""
    table, stated = _table(value), {}
    for field in _fields(kind):
        if field.key in table:
            try:
                stated[field.name] = field.read(table[field.key])
            except Misstated as error:
                raise error.within(field.key) from error
        elif field.is_required:
            raise Misstated("it is not there", field.key)
    found = kind(**stated)
    if hasattr(found, "check"):  # holds its parts against each other
        found.check()
    return found
