"""Typed access to a table of the configuration; every mistake is collected with its key path and its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zlock import checks
from zlock.errors import Collector, Located, ZlockError
from zlock.settings.place import Place

if TYPE_CHECKING:
    from zlock.settings.toml_lines import TomlLines

T = TypeVar("T")


class Table:
    """A table, its key path, the file that states it, and what tells the lines in there.

    Getters return the value, or the default where the key is absent or its value wrong; what is wrong is in
    `problems`, which the tables inside share.
    """

    def __init__(self, values: object, *, at: str, file: Path, problems: Collector, lines: TomlLines) -> None:
        self.at = at
        self.file = file
        self.problems = problems
        self.lines = lines
        self._values: Mapping[str, object] = {}
        self._key = ""
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
            one.context = (*one.context, Located(f"stated in {Place(str(self.file), None)}", self._place))
            self.problems.add(one)
        return True

    @property
    def _place(self) -> Place:
        address = [*(self.at.split(".") if self.at else ()), *([self._key] if self._key else ())]
        return Place(str(self.file), self.lines.line_of_key(address))

    def _of(self, key: str) -> Table:
        """Return the table itself, to collect what is wrong at a key."""
        self._key = key
        return self

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def path(self, key: str) -> str:
        """Return the key path of a key, for messages."""
        return f"{self.at}.{key}" if self.at else key

    def check_keys(self, known: Sequence[str]) -> None:
        """Collect the keys that are not known."""
        for key in self._values:
            if key not in known:
                with self._of(key):
                    raise checks.unknown_key(self.path(key), key, known)

    def wrong(self, key: str, problem: str, *, hint: str) -> None:
        """Collect a mistake at a key."""
        with self._of(key):
            raise checks.mistake(self.path(key), problem, hint=hint)

    def get(self, key: str, check: Callable[[object, str], T], default: T) -> T:
        """Return what a check of `zlock.checks` makes of a value."""
        if key in self._values:
            with self._of(key):
                return check(self._values[key], self.path(key))
        return default

    def raw(self, key: str) -> object:
        """Return a value as it stands."""
        return self._values.get(key)

    def inner(self, name: str, values: object) -> Table:
        """Return a table inside, by its name and what it holds."""
        return Table(values, at=self.path(name), file=self.file, problems=self.problems, lines=self.lines)

    def table(self, key: str) -> Table:
        """Return the table under a key."""
        return self.inner(key, self._values[key])
