"""Pages of projects: from folders, from the network, and from the cache for as long as their index lets them count."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping

from msgspec import Struct
from msgspec.msgpack import Decoder, encode
from msgspec.structs import astuple
from packaging.utils import NormalizedName

from zlock.errors import IndexFailed
from zlock.index.cache import Cache, Damaged, Parts
from zlock.index.client import Client
from zlock.index.network import PAGE, Answer, not_cached
from zlock.model.distribution import File
from zlock.model.indexes import Index
from zlock.model.link import shown
from zlock.model.page import Page

# Seconds for which a page counts as current where the index does not say; what uv assumes too.
_FRESH = 600
_MAX_AGE = r"(?<!-)max-age=\"?(\d{1,9})"
_VERSIONS = 2  # where they are in what is stored
_FILES = Decoder(tuple[File, ...])
_PARSING = threading.Lock()


class Known(Struct, frozen=True):
    """What the cache says of a name: its page, or that the index does not know it."""

    page: Page | None


class Pages:
    """The pages of one index.

    A page is stored under its index's URL without credentials, and so is the fact that the index does not know a
    name: without it a run offline could not tell which index to believe. Where another index is asked next, that a
    name is absent decides whom to believe, so it counts only for as long as the index says; else for as long as a page.
    """

    def __init__(self, index: Index, client: Client, cache: Cache, *, offline: bool, refresh: bool) -> None:
        self._index = index
        self._client = client
        self._cache = cache
        self._offline = offline
        self._refresh = refresh
        self._folder = index.place
        bare = index.url if self._folder else client.credentials.add_index(index.name, index.url)
        self._base = bare.rstrip("/") + "/"

    def page(self, name: NormalizedName, *, is_last: bool) -> Page | None:
        """Return what the index lists under a name; None where it does not know it.

        Args:
            name: The name.
            is_last: Whether no other index is asked for it.

        Raises:
            IndexFailed: The index could not be asked, or gave no usable answer.
        """
        if self._folder is not None:
            from zlock.index.folder import folder_page

            return folder_page(name, self._folder)
        known = self.known(name, is_last=is_last)
        return known.page if known else self._ask(name, self._cache.read_parts("pages", self._base, name))

    def known(self, name: NormalizedName, *, is_last: bool) -> Known | None:
        """Return what the cache says of a name and still counts, see `page`; None where the index has to be asked.

        Raises:
            IndexFailed: The network is to be left alone, and the cache does not know.
        """
        if self._folder is not None:
            return None
        stored = self._cache.read_parts("pages", self._base, name)
        if stored and self._counts(stored.until):
            return Known(self._page(name, stored))
        if not stored:
            absent = self._cache.read("absent", self._base, name)
            if absent is not None and self._counts(absent[is_last]):
                return Known(None)
        if self._offline:
            raise not_cached(f"`{name}` is not in the cache")
        return None

    def is_as_stored(self, name: NormalizedName) -> bool:
        """Ask again for a page that the cache has, and return whether it still is what the cache said.

        Raises:
            IndexFailed: The index could not be asked, or gave no usable answer.
        """
        before = self._cache.read_parts("pages", self._base, name)
        page = self._ask(name, before)
        now = self._cache.read_parts("pages", self._base, name)
        if before is None or now is None:
            return before is None and page is None
        said = before.value[2:]
        return said == now.value[2:] and all(before.part(one) == now.part(one) for one in range(len(said[_VERSIONS])))

    def _page(self, name: NormalizedName, stored: Parts) -> Page:
        def files(position: int) -> tuple[File, ...]:
            try:
                return _FILES.decode(stored.part(position))
            except Damaged:
                return self._again(name, str(versions[position]))

        row = stored.value[2:]  # behind what validates it
        versions = row[_VERSIONS]
        return Page(*(name, self._base, *row, files))

    def _again(self, name: NormalizedName, version: str) -> tuple[File, ...]:
        """Return a release's files from a page that is asked for again, as what was stored of it is damaged."""
        self._cache.remove("pages", self._base, name)
        if self._offline:
            raise not_cached(f"what the cache holds of `{name}` is damaged")
        page = self._ask(name, None)
        return page.files(page.versions.index(version)) if page and version in page.versions else ()

    def names(self) -> set[str]:
        """Return the names that the index was seen to know."""
        if self._folder is not None:
            from zlock.index.folder import folder_names

            return folder_names(self._folder)
        return self._cache.keys("pages", self._base)

    def _counts(self, until: float) -> bool:
        return self._offline or (time.time() < until and not self._refresh)

    def _ask(self, name: NormalizedName, stored: Parts | None) -> Page | None:
        from zlock.index.files import check_status  # most runs find all they need in the cache
        from zlock.index.simple import ACCEPT, parse_page

        url = f"{self._base}{name}/"
        answer = self._client.get(url, {"Accept": ACCEPT, **_validators(stored)}, limit=PAGE)
        if answer.status == 406:  # noqa: PLR2004 - it can't read what is accepted; HTML is what every index has
            answer = self._client.get(url, {"Accept": "text/html"}, limit=PAGE)
        if answer.status == 304 and stored:  # noqa: PLR2004 - what is stored still counts
            self._cache.prolong("pages", self._base, name, _until(answer, _FRESH))
            return self._page(name, stored)
        if answer.status == 404:  # noqa: PLR2004 - the next index may know it
            self._store_absence(name, answer, known=bool(stored))
            return None
        if answer.status in (401, 403):
            raise self._refused(name, answer)
        check_status(answer, self._client)
        # Threads that parse side by side only wait for each other, and keep the solve waiting too.
        with _PARSING:
            page = parse_page(name, self._base, answer)
            if _is_private(answer):
                return page
            self._store(page, answer)
        # What was stored is read release by release; all files of all pages would fill the memory.
        kept = self._cache.read_parts("pages", self._base, name)
        return self._page(name, kept) if kept else page

    def _store(self, page: Page, answer: Answer) -> None:
        value = (answer.headers.get("etag", ""), answer.headers.get("last-modified", ""), *astuple(page)[2:-1])
        releases = [encode(page.files(position)) for position in range(len(page.versions))]
        self._cache.write_parts(
            "pages", self._base, page.name, value=value, parts=releases, until=_until(answer, _FRESH)
        )

    def _store_absence(self, name: str, answer: Answer, *, known: bool) -> None:
        """Keep that a name is unknown, with when that stops to count: before other indexes, and where none follows."""
        if known:
            self._cache.remove("pages", self._base, name)
        if not _is_private(answer):
            self._cache.write("absent", self._base, name, (_until(answer, 0), _until(answer, _FRESH)))

    def _refused(self, name: str, answer: Answer) -> IndexFailed:
        from zlock.index.files import way_in

        way = way_in(self._client, answer.url)
        if answer.status == 403:  # noqa: PLR2004 - what some indexes say of every package that they don't have
            way += "; or, if it is to serve some packages only, make it `explicit` and name them in `index-sources`"
        return IndexFailed(
            f"the index {_shown(self._index)} refused `{name}`: `{shown(answer.url)}` answered {answer.status}",
            hint=way,
        )


def _shown(index: Index) -> str:
    return f"`{index.name or shown(index.url)}`"


def _validators(stored: Parts | None) -> Mapping[str, str]:
    """Return the headers that let an index answer that nothing has changed (RFC 9110, 13.1)."""
    if not stored:
        return {}
    headers = {"If-None-Match": stored.value[0], "If-Modified-Since": stored.value[1]}
    return {name: value for name, value in headers.items() if value}


def _is_private(answer: Answer) -> bool:
    return "no-store" in answer.headers.get("cache-control", "").lower()


def _until(answer: Answer, default: int) -> float:
    """Return when an answer stops to count as current (RFC 9111, 5.2.2)."""
    control = answer.headers.get("cache-control", "").lower()
    age = re.search(_MAX_AGE, control)
    return time.time() + (0 if "no-cache" in control else int(age[1]) if age else default)
