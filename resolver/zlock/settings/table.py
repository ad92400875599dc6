"""Typed access to a table of the configuration; every mistake is collected with its key path and its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from zlock.errors import Collector, ZlockError
from zlock.settings import checks
from zlock.settings.place import Place

T = TypeVar("T")


class Table:
    """A table, its key path and the file that states it.

    Getters return the value, or the default where the key is absent or its value wrong; what is wrong is in
    `problems`, which the tables inside share.
    """

    def __init__(self, values: object, *, at: str, file: Path, problems: Collector) -> None:
        self.at = at
        self.file = file
        self.problems = problems
        self._values: Mapping[str, Any] = {}
        with self:
            self._values = checks.table(values, at or "tool.zlock")

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Collect an error, with the file that states what is wrong."""
        if not isinstance(error, ZlockError):
            return False
        found = Collector()
        found.add(error)
        for one in found.errors:
            one.context = (*one.context, f"stated in {Place(str(self.file), None)}")
            self.problems.add(one)
        return True

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def path(self, key: str) -> str:
        """Return the key path of a key, for messages."""
        return f"{self.at}.{key}" if self.at else key

    def check_keys(self, known: Sequence[str], *, others: Sequence[str] = ()) -> None:
        """Collect the keys that are not known; others stand here for somebody else and are never suggested."""
        for key in self._values:
            if key not in known and key not in others:
                with self:
                    raise checks.unknown_key(self.path(key), key, known)

    def wrong(self, key: str, problem: str, *, hint: str) -> None:
        """Collect a mistake at a key."""
        with self:
            raise checks.mistake(self.path(key), problem, hint=hint)

    def get(self, key: str, check: Callable[[object, str], T], default: T) -> T:
        """Return what a check of `settings.checks` makes of a value."""
        if key in self._values:
            with self:
                return check(self._values[key], self.path(key))
        return default

    def raw(self, key: str) -> Any:
        """Return a value as it stands."""
        return self._values.get(key)

    def text(self, key: str) -> str | None:
        """Return a string."""
        none: str | None = None
        return self.get(key, checks.text, none)

    def flag(self, key: str) -> bool:
        """Return a boolean, false where the key is absent."""
        return self.get(key, checks.boolean, default=False)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        return self.get(key, lambda value, at: checks.sequence(value, at, checks.text), ())

    def choice(self, key: str, options: Sequence[str]) -> str:
        """Return one of some strings, the first where the key is absent."""
        return self.get(key, lambda value, at: checks.choice(value, at, options), options[0])

    def values(self, key: str) -> Mapping[str, Any]:
        """Return a table as it stands."""
        return self.get(key, checks.table, {})

    def table(self, key: str) -> Table:
        """Return a table inside, empty where the key is absent."""
        return Table(self._values.get(key, {}), at=self.path(key), file=self.file, problems=self.problems)

    def tables(self, key: str) -> Iterator[Table]:
        """Return each table inside a table, or of a list of tables."""
        value = self._values.get(key, ())
        if isinstance(value, Mapping):
            rows = [(f"{key}.{name}", row) for name, row in value.items()]
        else:
            rows = [(f"{key}[{position}]", row) for position, row in enumerate(value)]
        for name, row in rows:
            yield Table(row, at=self.path(name), file=self.file, problems=self.problems)
