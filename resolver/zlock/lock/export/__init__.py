"""A lock in the formats of other tools: each a module of its name with a function `export`, imported once asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from zlock.errors import InvalidInput
from zlock.lock.lock import Lock
from zlock.lock.package import Package
from zlock.lock.wheelhouse import leads_into, with_wheels
from zlock.model.indexes import Routing
from zlock.model.target import Target


class Exported(Struct, frozen=True, kw_only=True):
    """What a format is made from.

    Attributes:
        lock: The lock; for one platform only where the command asked for one.
        targets: What it is for.
        lock_folder: The lock's folder, from which its paths count.
        folder: The folder of the output, from which the output's paths are to count.
        wheelhouse: The project's wheelhouse; None where no format asks for it.
        routing: The indexes whose URLs may be named, as far as the lock's packages come from them; and which packages
            come from one alone.
    """

    lock: Lock
    targets: tuple[Target, ...]
    lock_folder: Path
    folder: Path
    wheelhouse: Path | None = None
    routing: Routing = field(default_factory=lambda: Routing(indexes=()))

    @property
    def step(self) -> str:
        """The step's name."""
        return self.lock.facts.step

    def is_in_wheelhouse(self, package: Package) -> bool:
        """Return whether a package is a wheel of the wheelhouse, though a source states its URL: the lock is portable.

        Installers find it there by its name, other archives not: their names there are made from their hashes.
        """
        return not package.is_built and self.leads_into_wheelhouse(package)

    def leads_into_wheelhouse(self, package: Package) -> bool:
        """Return whether the path of a package's archive leads into the wheelhouse."""
        path = package.archive.path if package.archive else ""
        return bool(path) and self.wheelhouse is not None and leads_into(self.wheelhouse, self.lock_folder, path)


class Export(Protocol):
    """What a module of a format offers as `export`."""

    def __call__(self, source: Exported) -> str:
        """Return the text of the output.

        Raises:
            InvalidInput: The format can't hold what the lock has.
        """
        ...


def export(name: str, source: Exported) -> str:
    """Return a lock in a format.

    Raises:
        InvalidInput: The format can't hold what the lock has.
        OutsideFailed: The library that writes it is not installed.
    """
    from importlib import import_module

    function: Export = import_module(f"{__name__}.{name}").export
    return function(source)


def refuse_local_archives(source: Exported, what: str) -> None:
    """Refuse archives that have no URL, but for wheels of the wheelhouse.

    Raises:
        InvalidInput: There are such archives; all are named.
    """
    local = [
        one for one in source.lock.packages if one.archive and one.archive.path and not source.is_in_wheelhouse(one)
    ]
    of_urls = [one for one in local if source.lock.facts.is_portable and source.leads_into_wheelhouse(one)]
    portable = [(one.name, "a URL, which a portable lock does not have") for one in of_urls]
    _refuse(source, portable, what, hint='set `urls = "index"`, or require a released version')
    lock = replace(source.lock, packages=tuple(local))
    refuse(replace(source, lock=lock), {"archive": "a local file, which has no URL"}, what)


def refuse(source: Exported, kinds: Mapping[str, str], what: str) -> None:
    """Refuse packages of kinds that a format can't hold.

    Args:
        source: What is exported.
        kinds: Keys of PEP 751's packages (`vcs`, `directory`, ...), each with where such a package comes from.
        what: The format, for the message.

    Raises:
        InvalidInput: There are such packages; all are named.
    """
    found = [(one.name, said) for one in source.lock.packages for key, said in kinds.items() if getattr(one, key)]
    _refuse(source, found, what, hint="export `pylock`, or require a released version")


def _refuse(source: Exported, found: Sequence[tuple[str, str]], what: str, *, hint: str) -> None:
    if found:
        raise InvalidInput(
            f"{what} can't hold all of step `{source.step}`",
            context=[f"`{name}` comes from {said}" for name, said in found],
            hint=hint,
        )


def with_wheelhouse(source: Exported) -> Lock:
    """Return the lock with wheels of the wheelhouse as what an index serves, as the rest of a portable lock is."""
    return with_wheels(source.lock, source.is_in_wheelhouse)
