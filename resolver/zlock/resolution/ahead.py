"""Fetching ahead of a search: all that one without backtracking would need, asked for at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any

from packaging.utils import NormalizedName

from zlock.errors import ZlockError
from zlock.model.distribution import Dependency
from zlock.resolution.package import Package, names_prerelease
from zlock.resolution.universe import Universe


def fetch_ahead(universe: Universe, roots: Iterable[Dependency]) -> None:
    """Walk the graph as a search that never has to backtrack would, and fetch all it needs at once.

    Failures are kept for whoever really asks.
    """
    _Walk(universe).run(roots)


class _Walk:
    """One walk over the graph that fetches ahead; each answer is worked on as it arrives."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._arrived: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._seen: set[tuple[NormalizedName, str, str]] = set()
        self._pending = 0

    def run(self, roots: Iterable[Dependency]) -> None:
        for root in roots:
            self._want(root)
        while self._pending:
            step = self._arrived.get()
            self._pending -= 1
            # What fails here matters only to a search that really asks for it.
            with contextlib.suppress(ZlockError):
                step()

    def _later(self, future: Future[Any], step: Callable[[], None]) -> None:
        self._pending += 1
        if future.done():
            self._arrived.put(step)
        else:
            self._universe.is_waiting = True
            future.add_done_callback(lambda _: self._arrived.put(step))

    def _want(self, dependency: Dependency) -> None:
        if dependency.name in self._universe.references:
            return
        for extra in ("", *dependency.extras):
            key = (dependency.name, extra, dependency.specifier)
            if key not in self._seen:
                self._seen.add(key)
                self._later(self._universe.source.page(dependency.name), partial(self._got_page, dependency, extra))

    def _got_page(self, dependency: Dependency, extra: str) -> None:
        package = self._universe.package(dependency.name)
        mask = package.mask(dependency.specifier) & ~package.yanked
        if not names_prerelease(dependency.specifier):
            mask &= package.finals
        position, newest = package.first(mask), package.finals & ~package.yanked
        self._universe.ask_ahead(package, newest & -newest)  # what it requires may limit older ones
        key = (package.name, extra, str(position))
        if position is not None and key not in self._seen:
            self._seen.add(key)
            self._later(self._universe.expect(package, position), partial(self._got_metadata, package, position, extra))

    def _got_metadata(self, package: Package, position: int, extra: str) -> None:
        for dependency in self._universe.dependencies(package, position, extra):
            self._want(dependency)
