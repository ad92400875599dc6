"""The index as the resolver sees it, on real clients and caches, for tests that look at single answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from packaging.utils import canonicalize_name

from zlock.index.auth import Credentials
from zlock.index.cache import Cache
from zlock.index.client import Client
from zlock.index.network import Network
from zlock.index.repository import Repository, Routed
from zlock.model.distribution import File, Metadata
from zlock.model.indexes import Index, Routing, Toolchain
from zlock.model.page import Page
from zlock.model.ports import MetadataBuilder

NETWORK = Network(timeout=10, retries=1)
"""Patient enough for a busy machine, and soon done with what fails."""


class Asker:
    """Asks a repository and waits for the answers."""

    def __init__(self, repository: Repository, source: Routed) -> None:
        self.repository = repository
        self.source = source

    def page(self, name: str) -> Page | None:
        """Return the page of a name."""
        return self.source.page(canonicalize_name(name)).result(timeout=60)

    def files(self, name: str) -> tuple[File, ...]:
        """Return the files of a name that some index knows."""
        page = self.page(name)
        assert page is not None
        return tuple(listed(page))

    def metadata(self, name: str, position: int = 0) -> Metadata:
        """Return the metadata of one file of a name."""
        page = self.page(name)
        assert page is not None
        return self.source.metadata(page, listed(page)[position]).result(timeout=60)


@contextmanager
def asking(
    cache: Path,
    *indexes: Index | str,
    environ: Mapping[str, str] | None = None,
    sources: Mapping[str, str] | None = None,
    network: Network = NETWORK,
    offline: bool = False,
    refresh: bool = False,
    python: str = "3.12",
    builder: Callable[[Toolchain], MetadataBuilder] | None = None,
) -> Iterator[Asker]:
    """Open a repository over some indexes; what it learnt is in the cache when this ends."""
    client = Client(network, Credentials({"HOME": str(cache), **(environ or {})}))
    routing = Routing(
        indexes=tuple(one if isinstance(one, Index) else Index.parse(one, cache, "an index") for one in indexes),
        sources={canonicalize_name(name): index for name, index in (sources or {}).items()},
    )
    repository = Repository(client, Cache(cache), offline=offline, refresh=refresh, builder=builder or _no_builder)
    try:
        yield Asker(repository, repository.routed(routing, python))
    finally:
        repository.close()


def _no_builder(toolchain: Toolchain) -> NoReturn:
    raise AssertionError(f"nothing is to be built here, on Python {toolchain.python}")


def listed(page: Page) -> list[File]:
    """Return a page's files, the oldest release first."""
    return [file for position in reversed(range(len(page.versions))) for file in page.files(position)]
