"""All indexes of a run: pages and metadata by name, fetched ahead, cached, each name from one index only."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import NormalizedName

from zlock.errors import ZlockError
from zlock.index.cache import Cache, pack, unpack
from zlock.index.client import Client
from zlock.index.network import CONNECTIONS
from zlock.index.pages import Pages
from zlock.index.pool import Known, Pool
from zlock.model.distribution import Dependency, File, Metadata
from zlock.model.indexes import Index, Routing, Toolchain, address
from zlock.model.page import Page
from zlock.model.ports import InvalidMetadata, MetadataBuilder

if TYPE_CHECKING:
    from zlock.index.files import Files

_MISSPELT = 2  # names that somebody may have misspelt all, as that is no reason to doubt an index
Group = tuple[str, NormalizedName]
"""An index and a name: metadata of one project is stored in one file."""
Route = tuple[Index, ...]
"""The indexes that are asked for a name, in their order."""


class Repository:
    """What zlock knows of packages: the only place that asks indexes.

    Args:
        client: The way to the network.
        cache: Where pages and metadata are kept.
        offline: Use only what the cache and local folders hold.
        refresh: Ask for every page again, whatever its age.
        builder: Gives what builds sdists for their metadata.
        until: The cut-off that builds have, in words; empty for none.
    """

    def __init__(
        self,
        client: Client,
        cache: Cache,
        *,
        offline: bool = False,
        refresh: bool = False,
        builder: Callable[[Toolchain], MetadataBuilder],
        until: str = "",
    ) -> None:
        self._client = client
        self._cache = cache
        self._offline = offline
        self._refresh = refresh
        self._builder = builder
        # A digest, since what is kept of builds is in files of this name.
        self._until = f" until {hashlib.sha256(until.encode()).hexdigest()[:16]}" if until else ""
        self._indexes: dict[Index, Pages] = {}
        self._trusted: dict[tuple[NormalizedName, Index], None] = {}  # not asked for, as the cache is young enough
        self._pool = Pool(CONNECTIONS)
        self._lock = threading.Lock()
        self._pages: dict[tuple[NormalizedName, Route], Future[Page | None]] = {}
        self._metadata: dict[tuple[Group, str], Future[Metadata]] = {}
        self._stored: dict[Group, dict[str, bytes]] = {}
        self._changed: set[Group] = set()
        self._stamps: dict[str, str] = {}

    def routed(self, routing: Routing, python: str) -> Routed:
        """Return the packages as one routing and one Python see them; what several see is fetched once."""
        for index in routing.indexes:
            if index not in self._indexes:
                pages = Pages(index, self._client, self._cache, offline=self._offline, refresh=self._refresh)
                self._indexes[index] = pages
        return Routed(self, routing, Toolchain(python, routing.indexes[-1]))

    def page(self, name: NormalizedName, route: Route) -> Future[Page | None]:
        """Return what the first of some indexes that knows a name lists, see `PackageSource.page`."""
        with self._lock:
            future = self._pages.get((name, route))
            if future is None:
                future = self._known_page(name, route) or self._pool.submit(lambda: self._find_page(name, route))
                self._pages[name, route] = future
            return future

    def _known_page(self, name: NormalizedName, route: Route) -> Future[Page | None] | None:
        """Return a page that needs no index to be asked: in a warm run that is every one."""
        try:
            for index in route:
                known = self._indexes[index].known(name, is_last=index is route[-1])
                if known is None:
                    return None
                self._trusted[name, index] = None
                if known.page is not None:
                    return Known(known.page)
        except ZlockError as error:
            return Known(error=error)
        return Known(None)

    def is_current(self, names: Collection[NormalizedName]) -> bool:
        """Return whether what was read of packages is what their indexes say now, as far as they can be asked.

        Raises:
            IndexFailed: An index could not be asked, or gave no usable answer.
        """
        with self._lock:
            rows = [] if self._offline else [row for row in self._trusted if row[0] in names]
        asked = [self._pool.submit(partial(self._indexes[index].is_as_stored, name)) for name, index in rows]
        found = [future.result() for future in asked]
        for row in rows:
            self._trusted.pop(row, None)
        return all(found)

    def _find_page(self, name: NormalizedName, route: Route) -> Page | None:
        """Return the page of the first index that knows a name; nothing is mixed, and a failure is no "no"."""
        for index in route:
            page = self._indexes[index].page(name, is_last=index is route[-1])
            if page is not None:
                return page
        return None

    def metadata(self, page: Page, file: File, toolchain: Toolchain) -> Future[Metadata]:
        """See `PackageSource.metadata`; what an sdist has to be built for is what a Python makes of it."""
        group, key = (page.index, page.name), _key(file)
        place = key if file.is_wheel else self._built(key, toolchain.python, toolchain)
        with self._lock:
            future = self._metadata.get((group, place))
            if future is None:
                row = self._known_metadata(group, key, place)
                if row is not None:
                    future = _done(row)
                else:
                    future = self._pool.submit(lambda: self._find_metadata(group, file, key, toolchain))
                self._metadata[group, place] = future
            return future

    def _known_metadata(self, group: Group, key: str, place: str) -> object:
        """Return the stored row of a file, or None.

        A file without any hash may have other bytes by now, so what is stored of it counts only where there is no
        other way.
        """
        if group not in self._stored:
            self._stored[group] = self._cache.read("metadata", *group) or {}
        stored = self._stored[group]
        found = stored.get(key) or stored.get(place) if self._offline or not key.startswith("url ") else None
        return None if found is None else unpack(found)

    @cached_property
    def _files(self) -> Files:
        """The way to files, for runs that don't find all they need in the cache."""
        from zlock.index.files import Files

        return Files(self._client, offline=self._offline)

    def _find_metadata(self, group: Group, file: File, key: str, toolchain: Toolchain) -> Metadata:
        names = self._names(file, key)
        row = self._known_build(group, key, toolchain)
        if row is None and names[0] in self._stored[group]:
            row = unpack(self._stored[group][names[0]])
        if row is not None:
            return _done(row).result()
        asked: list[MetadataBuilder] = []

        def builder() -> MetadataBuilder:
            asked.append(self._builder(toolchain))
            return asked[0]

        def place() -> str:
            return self._built(key, asked[0].runs_on(), toolchain) if asked else key

        try:
            metadata = self._files.metadata(file, group[1], builder)
        except InvalidMetadata as error:
            self._learn(group, place(), error.reason)
            raise
        for name in (place(),) if asked else filter(None, names):
            self._learn(group, name, _to_row(metadata))
        return metadata

    def _names(self, file: File, key: str) -> tuple[str, ...]:
        """Return under what a file is known: what counts now is the first.

        Where its index gives no hash that is its URL with what its server says of it, and its URL for offline runs.
        """
        if self._offline or not key.startswith("url "):
            return (key,)
        stamp = self._stamps.get(file.url)
        if stamp is None:
            stamp = self._stamps[file.url] = self._files.stamp(file.url)
        return (f"{key} {stamp}", key) if stamp else ("", key)

    def _known_build(self, group: Group, key: str, toolchain: Toolchain) -> object:
        """Return what a build came to on the Python that stands in for one that this machine does not have, or None."""
        if not any(place.startswith(f"{key} on ") for place in list(self._stored[group])):
            return None
        python = self._builder(toolchain).runs_on()
        return self._known_metadata(group, key, self._built(key, python, toolchain))

    def _built(self, key: str, python: str, toolchain: Toolchain) -> str:
        """Return where the metadata of an sdist is stored that had to be built: Pythons may make different of it."""
        return f"{key} on {python}{self._with(toolchain)}"

    def _with(self, toolchain: Toolchain) -> str:
        """Return what builds are made with, as names of files have it."""
        index = hashlib.sha256(toolchain.default_index.shown.encode()).hexdigest()[:16]
        return f" with {index}{self._until}"

    def _learn(self, group: Group, key: str, row: object) -> None:
        with self._lock:
            self._stored[group][key] = pack(row)
            self._changed.add(group)

    def known_names(self) -> set[str]:
        """Return the names that indexes were seen to know, for close matches."""
        names = {str(name) for name, _, page in self._answers() if page}
        return names.union(*(pages.names() for pages in self._indexes.values()))

    def strangers(self) -> dict[str, list[NormalizedName]]:
        """Return the indexes that know none of the names that they were asked for as the last, with these names.

        An index that was asked for one or two names is none of them: these may be misspelt.
        """
        absent, serving = dict[Index, list[NormalizedName]](), set[Index]()
        for name, route, page in self._answers():
            if page:
                serving.update([index for index in route if index.shown == address(page.index)][:1])
            elif route:
                absent.setdefault(route[-1], []).append(name)
        return {
            index.shown: sorted(names)
            for index, names in absent.items()
            if len(names) > _MISSPELT and index not in serving
        }

    def _answers(self) -> list[tuple[NormalizedName, Route, Page | None]]:
        """Return what indexes have answered so far."""
        with self._lock:
            done = [(*key, page) for key, page in self._pages.items() if page.done() and not page.exception()]
        return [(name, route, page.result()) for name, route, page in done]

    def sha256(self, file: File) -> tuple[str, int]:
        """Return the sha256 and size of a file whose index does not give them, by reading it whole.

        Raises:
            IndexFailed: It can't be had, or differs from what its index says of it.
        """
        key = _key(file)
        names = [name and hashlib.sha256(name.encode()).hexdigest() for name in self._names(file, key)]
        if names[0] and (known := self._cache.read("hashes", "", names[0])):
            return known[0], known[1]
        with self._lock:
            futures = [future for (_, known), future in self._metadata.items() if known == key and future.done()]
        expected = next((future.result() for future in futures if not future.exception()), None)
        found = self._files.sha256(file, expected)
        for name in filter(None, names):
            self._cache.write("hashes", "", name, found)
        return found

    def build_requirements(self, index: str, file: File, toolchain: Toolchain) -> list[str]:
        """Return what building a wheel of an sdist of an index requires.

        Raises:
            IndexFailed: It can't be had.
            InvalidMetadata: It is broken.
            BuildFailed: Its backend failed.
        """
        builder = self._builder(toolchain)
        key = f"{file.sha256}-{builder.runs_on()}{self._with(toolchain)}"
        known: list[str] | None = self._cache.read("builds", index, key) if file.sha256 else None
        if known is None:
            known = self._files.build_requirements(file, builder)
            if file.sha256:
                self._cache.write("builds", index, key, known)
        return known

    def fetch(self, url: str) -> bytes:
        """Return what a remote URL holds.

        Raises:
            IndexFailed: It can't be had.
        """
        answer = self._client.get(url, decode=False)
        from zlock.index.files import ASK, check_status

        check_status(answer, self._client, way=ASK)
        return answer.body

    def close(self) -> None:
        """Store what was learnt and let go of the network."""
        with self._lock:
            for group in self._changed:
                # What another run stored meanwhile is kept.
                rows = (self._cache.read("metadata", *group) or {}) | self._stored[group]
                self._cache.write("metadata", *group, rows)
            self._changed.clear()
        self._pool.close()
        self._client.close()


class Routed:
    """The packages of a repository as one routing and one Python see them: a `PackageSource`."""

    def __init__(self, repository: Repository, routing: Routing, toolchain: Toolchain) -> None:
        self._repository = repository
        self._routing = routing
        self._toolchain = toolchain

    def page(self, name: NormalizedName) -> Future[Page | None]:
        """See `PackageSource.page`."""
        return self._repository.page(name, self._routing.for_name(name))

    def elsewhere(self, name: NormalizedName) -> Sequence[tuple[str, Page]]:
        """See `PackageSource.elsewhere`."""
        if name in self._routing.sources:
            return ()  # no other index is to hear of it
        found = []
        for index in dict.fromkeys((*self._routing.for_name(name), *self._routing.indexes)):
            with suppress(ZlockError):
                if page := self._repository.page(name, (index,)).result():
                    found.append((index.name or index.shown, page))
        return found

    def metadata(self, page: Page, file: File) -> Future[Metadata]:
        """See `PackageSource.metadata`."""
        return self._repository.metadata(page, file, self._toolchain)


def popular_names() -> list[str]:
    """Return the 3,000 most downloaded names; an index as large as the public one can't be asked for all of its own."""
    return Path(__file__).with_name("popular.txt").read_text(encoding="utf-8").split()


def _key(file: File) -> str:
    """Return what tells a file's bytes from all others: its hash, as far as its index gives one."""
    if file.sha256:
        return file.sha256
    return " ".join(["hash", file.url, *map(":".join, file.hashes)]) if file.hashes else f"url {file.url}"


def _done(row: Any) -> Future[Metadata]:
    """Return a future that already holds what a stored row says: metadata, or as a text why it can't be used."""
    if isinstance(row, str):
        return Known(error=InvalidMetadata(row))
    name, version, requires_python, dependencies, extras = row
    made = tuple(map(partial(tuple.__new__, Dependency), dependencies))  # as `_make` does, which is slower
    return Known(Metadata(name, version, requires_python, made, extras))


def _to_row(metadata: Metadata) -> tuple[object, ...]:
    return (*metadata[:3], tuple([tuple(one) for one in metadata.dependencies]), metadata.extras)
