"""Read tables of configuration by typed getters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zlock.errors import Collector, InvalidConfiguration
from zlock.model import debian
from zlock.redact import redact
from zlock.wording import did_you_mean, kind, listed


def check_key(key: str, known: Iterable[str], *, at: str) -> None:
    """Raise `InvalidConfiguration` for a key that is none of the known ones."""
    known = tuple(known)
    if key not in known:
        hint = did_you_mean(key, known) or f"known keys: {listed(known)}"
        raise InvalidConfiguration(f"unknown key `{key}` in `{at}`", hint=hint)


def strings(table: Mapping[str, object], key: str, *, at: str) -> tuple[str, ...]:
    """Take a list of strings from a table; empty where the key is absent."""
    value = table.get(key, ())
    if not isinstance(value, list | tuple):
        hint = f'write `["{redact(value)}"]`' if isinstance(value, str) else ""
        raise InvalidConfiguration(f"`{at}.{key}` must be a list of strings, not {kind(value)}", hint=hint)
    for place, item in enumerate(value, start=1):
        if not isinstance(item, str):
            raise InvalidConfiguration(
                f"item {place} of `{at}.{key}` must be a string, not {kind(item)}", hint="write it as text, in quotes"
            )
    return tuple(value)


def debian_packages(table: Mapping[str, object], key: str, *, at: str) -> tuple[str, ...]:
    """Take a list of names of Debian packages from a table; empty where the key is absent."""
    names = strings(table, key, at=at)
    problems = Collector()
    for name in names:
        refused = debian.refusal(name)
        if refused:
            problems.add(InvalidConfiguration(f"`{at}.{key}`: {refused[0]}", hint=refused[1]))
    problems.raise_if_any()
    return names
