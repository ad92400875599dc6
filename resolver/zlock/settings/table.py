"""Typed access to a table of the configuration; every mistake is collected with its key path and its file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zlock import checks
from zlock.errors import Collector, Located, ZlockError
from zlock.settings.location import Location
from zlock.wording import kind

if TYPE_CHECKING:
    from zlock.pyproject.lines import TomlLines

T = TypeVar("T")
Address = tuple[str | int, ...]
"""The keys that lead to a value; a number is that of a row, from 0, in a list of tables."""


class Table:
    """A table, the keys that lead to it, the file that states it, and what tells the lines in there.

    Getters return the value, or the default where the key is absent or its value wrong; what is wrong is in
    `problems`, which the tables inside share.
    """

    def __init__(
        self, values: object, *, address: Address = (), file: Path, problems: Collector, lines: TomlLines
    ) -> None:
        self.file = file
        self.problems = problems
        self.lines = lines
        self.address = address
        self._values: Mapping[str, object] = {}
        with self.collecting():
            self._values = checks.table(values, _path(address) or "tool.zlock")

    @contextmanager
    def collecting(self, *keys: str) -> Iterator[None]:
        """Collect an error about what is at some keys, with its place."""
        try:
            yield
        except ZlockError as error:
            found = Collector()
            found.add(error)
            place = Location(str(self.file), self.lines.line_of_key((*self.address, *keys)))
            for one in found.errors:
                one.context = (*one.context, Located(f"stated in {place}", place))
                self.problems.add(one)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def path(self, key: str) -> str:
        """Return the key path of a key, for messages."""
        return _path((*self.address, key))

    def check_keys(self, known: Sequence[str], inside: Mapping[str, Collection[str]] = {}) -> None:
        """Collect the keys that are not known; `inside` has those of tables in this one."""
        for key in self._values:
            if key not in known:
                with self.collecting(key):
                    error = checks.unknown_key(self.path(key), key, known)
                    spelt = key.replace("_", "-")
                    if inner := next((name for name, keys in inside.items() if spelt in keys), None):
                        error.hint = f"`{spelt}` belongs into the table `[{self.path(inner)}]`"
                    raise error

    def wrong(self, key: str, problem: str, *, hint: str) -> None:
        """Collect a mistake at a key."""
        with self.collecting(key):
            raise checks.mistake(self.path(key), problem, hint=hint)

    def get(self, key: str, check: Callable[[object, str], T], default: T) -> T:
        """Return what a check of `zlock.checks` makes of a value."""
        if key in self._values:
            with self.collecting(key):
                return check(self._values[key], self.path(key))
        return default

    def raw(self, key: str) -> object:
        """Return a value as it stands."""
        return self._values.get(key)

    def table(self, key: str) -> Table:
        """Return the table under a key."""
        return self._inner(self._values[key], key)

    def rows(self, key: str) -> list[Table]:
        """Return the tables in the list under a key; what is not one is collected as a mistake."""
        stated = self._values[key]
        if not isinstance(stated, list):
            self.wrong(key, f"expected a list of tables, got {kind(stated)}", hint=f"write `[[{key}]]`")
            return []
        made = [self._inner(values, key, number) for number, values in enumerate(stated)]
        return [table for table, values in zip(made, stated, strict=True) if isinstance(values, Mapping)]

    def _inner(self, values: object, *keys: str | int) -> Table:
        address = (*self.address, *keys)
        return Table(values, address=address, file=self.file, problems=self.problems, lines=self.lines)


def _path(address: Address) -> str:
    """Write the keys of an address as messages have them: `steps.train.index[0].url`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in address).removeprefix(".")
