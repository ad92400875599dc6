"""Packages whose sdists may be built, before anything is: to see which builds a step would need, and what they give."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress

from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.errors import ZlockError
from zlock.model.distribution import File, Metadata
from zlock.model.page import Page
from zlock.model.ports import InvalidMetadata, PackageSource
from zlock.resolution.problem import Problem

_MOST = 4 << 20  # bytes of an sdist that is fetched for what it states


def allowing_builds(problem: Problem, names: Collection[NormalizedName]) -> Problem:
    """Return a problem in which the sdists of some packages may be built beside those that may be already."""
    rules, source = problem.universe.rules, Unbuilt(problem.universe.source)
    allowed = replace(rules, build_sdists=frozenset({*(rules.build_sdists or ()), *names}))
    return replace(problem, universe=problem.universe.varied(rules=allowed, source=source))


class Unbuilt:
    """A `PackageSource` in which an sdist requires what it states, and nothing where only a build could tell."""

    def __init__(self, source: PackageSource) -> None:
        self._source = source

    def page(self, name: NormalizedName) -> Future[Page | None]:
        """See `PackageSource.page`."""
        return self._source.page(name)

    def elsewhere(self, name: NormalizedName) -> Sequence[tuple[str, Page]]:
        """See `PackageSource.elsewhere`."""
        return self._source.elsewhere(name)

    def metadata(self, page: Page, file: File) -> Future[Metadata]:
        """See `PackageSource.metadata`."""
        if file.is_wheel:
            return self._source.metadata(page, file)
        stated = Metadata(page.name, "", file.requires_python, (), ())
        if file.size <= _MOST:
            with suppress(ZlockError, InvalidMetadata):
                stated = self._source.metadata(page, file).result()
        future: Future[Metadata] = Future()
        future.set_result(stated)
        return future
