"""What a run did, as values; the command line lays them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Self

from msgspec import Struct, field
from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.errors import Collector, ZlockError
from zlock.lock.facts import Facts
from zlock.model.debian import version_key
from zlock.model.explanations import Differs, GaveWay
from zlock.model.versions import parse_version

if TYPE_CHECKING:  # a check reads no packages
    from zlock.lock.lock import Lock

Status = Literal["written", "declared", "unchanged", "removed"]
"""What was done to a lock; "declared": it installs what it did, and only the files that ask were recorded anew."""


class Moves(Struct, frozen=True):
    """How pins differ from those before.

    Attributes:
        pins: How many there are now.
        added: Names that came in, with their versions.
        removed: Names that went, with their versions.
        moved: Names with their old and new versions.
        older: Those of them that went to an older version.
    """

    pins: int = 0
    added: Mapping[str, str] = MappingProxyType({})
    removed: Mapping[str, str] = MappingProxyType({})
    moved: Mapping[str, tuple[str, str]] = MappingProxyType({})
    older: frozenset[str] = frozenset()

    @classmethod
    def between(cls, old: Mapping[str, str], new: Mapping[str, str], is_older: Callable[[str, str], bool]) -> Self:
        """Compare two sets of pins, whose versions are ordered as a function says of a new and an old one."""
        moved = {name: (old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]}
        return cls(
            pins=len(new),
            added={name: new[name] for name in sorted(new.keys() - old.keys())},
            removed={name: old[name] for name in sorted(old.keys() - new.keys())},
            moved=moved,
            older=frozenset(name for name, (before, after) in moved.items() if is_older(after, before)),
        )


class StepReport(Struct, frozen=True):
    """What became of one step's lock.

    Attributes:
        name: The step.
        path: Its lock.
        status: What was done to the file.
        packages: How many it pins.
        moves: How they differ from those before.
        identity: The lock's identity.
        gave_way: Requirements that gave way to later sources.
        differs: Packages that have another version in another step, with the reason.
        debian: The Debian packages that it pins, in the same way; None where it pins none.
        undeclared: What differs from the files that the lock recorded, so that the build hook would refuse it.
    """

    name: str
    path: Path
    status: Status
    packages: int = 0
    moves: Moves = Moves()
    identity: str = ""
    gave_way: tuple[GaveWay, ...] = ()
    differs: tuple[Differs, ...] = ()
    debian: Moves | None = None
    undeclared: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, facts: Facts, status: Status = "unchanged") -> Self:
        """Return what a lock says of itself; its packages need not be read for it."""
        return cls(
            name=facts.step,
            path=path,
            status=status,
            packages=facts.packages,
            identity=facts.identity,
            gave_way=facts.gave_way,
            differs=facts.differs,
        )

    @classmethod
    def compare(cls, path: Path, before: Lock | None, lock: Lock, status: Status) -> Self:
        """Return what a lock holds, and how its pins differ from those of the lock before.

        Of the lock of another step, which a new one begins with, nothing was removed.
        """
        is_same = before is not None and before.facts.step == lock.facts.step
        moves = Moves.between(before.pins if before else {}, lock.pins, _is_older)
        old, new = before.facts.apt if before else None, lock.facts.apt
        debian = None
        if new or (old and is_same):
            debian = Moves.between(old.pins if old else {}, new.pins if new else {}, _is_older_debian)
        if not is_same:
            moves, debian = replace(moves, removed={}), debian and replace(debian, removed={})
        return replace(cls.of(path, lock.facts, status), moves=moves, debian=debian)


def _is_older(version: str, than: str) -> bool:
    """Return whether the newest of some versions is older than that of others; commits and paths have no order."""
    newest, other = (max(filter(None, map(parse_version, each.split(", "))), default=None) for each in (version, than))
    return newest is not None and other is not None and newest < other


def _is_older_debian(version: str, than: str) -> bool:
    newest, other = (max(map(version_key, each.split(", "))) for each in (version, than))
    return newest < other


class Failures:
    """What is wrong with single steps, while the others go on.

    Attributes:
        problems: All of it, each error once.
        of_steps: By step, what is wrong with it.
    """

    def __init__(self) -> None:
        self.problems = Collector()
        self.of_steps: dict[str, list[ZlockError]] = {}

    def add(self, error: ZlockError, *steps: str) -> None:
        """Keep an error, as that of steps."""
        self.problems.add(error)
        if len(steps) == 1:
            error.step = steps[0]
        for step in steps:
            self.of_steps.setdefault(step, []).append(error)

    @contextmanager
    def of(self, *steps: str) -> Iterator[None]:
        """Keep what goes wrong inside, as that of steps."""
        found = Collector()
        with found:
            yield
        for error in found.errors:
            self.add(error, *steps)


class Report(Struct, kw_only=True):
    """What a run did.

    Attributes:
        steps: The locks, in the order of the steps; those that were removed last.
        disregarded: The pipeline runs locally, so that no lock was looked at.
        failures: What is wrong with single steps.
        upgradable: The names that locks pin or steps ask for, where packages were to move.
    """

    steps: list[StepReport] = []
    disregarded: bool = False
    failures: Failures = field(default_factory=Failures)
    upgradable: frozenset[NormalizedName] = frozenset()
