"""Read tables of configuration: typed getters, and close names for what is unknown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from zlock.errors import InvalidConfiguration

_CREDENTIALS = re.compile(r"(://)[^/@\s]+@")
_KINDS = ((bool, "a boolean"), (str, "a string"), (int | float, "a number"), (list, "a list"), (Mapping, "a table"))


def fold(name: str) -> str:
    """Fold a name of an integration, flavor or component type: case, `-` and `_` make no difference."""
    return name.strip().casefold().replace("-", "_")


def kind(value: object) -> str:
    """Name the kind of a value in the words of TOML."""
    return next((word for type_, word in _KINDS if isinstance(value, type_)), f"a {type(value).__name__}")


def close(name: str, known: Iterable[str]) -> str:
    """Write a hint with the known names that are close; empty where none is."""
    folded = {fold(each): each for each in sorted(known)}
    matches = difflib.get_close_matches(fold(name), folded, n=3)
    return "did you mean " + " or ".join(f"`{folded[match]}`" for match in matches) + "?" if matches else ""


def listed(names: Iterable[str]) -> str:
    """Write names for a message."""
    return ", ".join(f"`{name}`" for name in names)


def check_key(key: str, known: Iterable[str], *, at: str) -> None:
    """Raise `InvalidConfiguration` for a key that is none of the known ones."""
    known = tuple(known)
    if key not in known:
        hint = close(key, known) or f"known keys: {listed(known)}"
        raise InvalidConfiguration(f"unknown key `{key}` in `{at}`", hint=hint)


def strings(table: Mapping[str, object], key: str, *, at: str) -> tuple[str, ...]:
    """Take a list of strings from a table; empty where the key is absent."""
    value = table.get(key, ())
    if not isinstance(value, list | tuple):
        hint = f'write `["{redacted(value)}"]`' if isinstance(value, str) else ""
        raise InvalidConfiguration(f"`{at}.{key}` must be a list of strings, not {kind(value)}", hint=hint)
    for place, item in enumerate(value, start=1):
        if not isinstance(item, str):
            raise InvalidConfiguration(f"item {place} of `{at}.{key}` must be a string, not {kind(item)}")
    return tuple(value)


def redacted(text: str) -> str:
    """Leave out the credentials of the URLs in a text."""
    return _CREDENTIALS.sub(r"\1", text)
