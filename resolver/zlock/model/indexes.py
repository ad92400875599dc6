"""Where packages come from, as values."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.errors import InvalidConfiguration, InvalidRequirements
from zlock.model.paths import absolute, is_file_url, path_in, portable
from zlock.redact import redact


def address(url: str, folder: str = "") -> str:
    """Return an index as it may be shown and compared: no credentials, and one spelling of each.

    Args:
        url: Its URL, or the path of a folder.
        folder: The folder that a relative path counts from.
    """
    if "://" in url and not is_file_url(url):
        return redact(url).rstrip("/")
    return os.path.normpath(os.path.join(folder, path_in(url) if is_file_url(url) else url))  # noqa: PTH118 - text


class Index(Struct, frozen=True):
    """One index of the configuration.

    Attributes:
        url: Its URL with credentials, if it has some; or the absolute path of a folder.
        name: What the configuration calls it.
        default: It is asked last, in place of the machine's own.
        explicit: It is asked only for the names routed to it.
        in_context: Its URL may be written into build contexts and exports; it holds no credentials, and is on the
            network.
        folder: The folder that it is, as a lock names it (see `model.paths`); empty for what is on the network.
    """

    url: str
    name: str | None = None
    default: bool = False
    explicit: bool = False
    in_context: bool = False
    folder: str = ""

    @classmethod
    def parse(cls, text: str, base: Path, at: str) -> Index:
        """Return the index that a text names: a URL, or the path of a folder.

        Args:
            text: What is stated.
            base: The folder that a relative path counts from; links in it are left alone, as a link inside a project is
                the same place in every copy.
            at: Where it is stated, for messages.

        Raises:
            InvalidConfiguration: It is neither.
        """
        if "://" not in text or is_file_url(text):
            folder = Path(path_in(text) if is_file_url(text) else text)
            place = absolute(base / folder)
            return cls(url=str(place), folder=portable(place, base, fixed=folder.is_absolute()))
        problem = f"expected a URL of http or https with a host and no spaces, or of a file, got `{redact(text)}`"
        hint = "write `https://...`, or the path of a folder"
        with suppress(ValueError):  # of a host or a port that is none
            parts = urlsplit(text)
            if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and text.split() == [text]:
                if "?" not in text and "#" not in text:
                    return cls(url=text)
                problem = "has a query or a fragment"
                hint = "end it with the path; see `docs/indexes.md` for credentials"
        raise InvalidConfiguration(f"{at}: {problem}", hint=hint)

    @property
    def place(self) -> Path | None:
        """The folder that it is; None for one on the network."""
        return None if "://" in self.url else Path(self.url)

    @property
    def shown(self) -> str:
        """Its URL without credentials, or the path of its folder, in one spelling: what addresses are compared by."""
        return address(self.url)


def urls_of(indexes: Collection[Index]) -> tuple[str | None, list[str]]:
    """Return the URL of the default index, None where there is none among them, and those of the others."""
    default = next((index.url for index in indexes if index.default), None)
    return default, [index.url for index in indexes if not index.default]


class Toolchain(Struct, frozen=True):
    """What an sdist is built with.

    Attributes:
        python: The version of the target's Python.
        default_index: Where what the build requires comes from: the index that a step asks last.
    """

    python: str
    default_index: Index


class Route(Struct, frozen=True):
    """What a source of requirements says of a package: the one index that serves it.

    Attributes:
        name: The package.
        url: Of the index, without credentials and without a slash at its end.
        called: What the source calls that index, or empty.
        origin: Who says so.
        marker: Where it holds; empty for everywhere.
    """

    name: NormalizedName
    url: str
    origin: str
    called: str = ""
    marker: str = ""


class Routing(Struct, frozen=True, kw_only=True):
    """Which indexes are asked for which name, in which order.

    Attributes:
        indexes: In the order they are asked, the default one last.
        sources: Names that only one index, called by its name, may serve.
    """

    indexes: tuple[Index, ...]
    sources: dict[NormalizedName, str] = {}

    def for_name(self, name: NormalizedName) -> tuple[Index, ...]:
        """Return the indexes to ask for a name; the first that knows it wins."""
        if name in self.sources:
            return tuple(index for index in self.indexes if index.name == self.sources[name])
        return tuple(index for index in self.indexes if not index.explicit)

    def with_routes(self, routes: Collection[Route]) -> Routing:
        """Return what holds where sources route packages too; what the configuration routes itself stays.

        Raises:
            InvalidRequirements: A source names an index that the configuration does not have, as a file alone never
                adds one; or two name another index for one package.
        """
        own = {route.name: route for route in routes if route.name not in self.sources}
        named = {index.shown: index.name or index.folder or index.shown for index in self.indexes}
        for route in routes:
            _check_route(route, own, named)
        urls = {route.url for route in own.values()}
        return Routing(
            indexes=tuple(replace(one, name=named[one.shown]) if one.shown in urls else one for one in self.indexes),
            sources={**{name: named[route.url] for name, route in own.items()}, **self.sources},
        )


def _check_route(route: Route, own: Mapping[NormalizedName, Route], named: Mapping[str, str]) -> None:
    if route.name not in own:
        return
    other = own[route.name]
    if other.url != route.url:
        raise InvalidRequirements(
            f"`{route.name}` is to come from two indexes",
            context=(f"`{other.url}` by {other.origin}", f"`{route.url}` by {route.origin}"),
            hint=f"choose one: `index-sources` with `{route.name}` in the configuration",
        )
    if route.url not in named:
        taken = route.called in named.values()
        raise InvalidRequirements(
            f"`{route.name}` is to come from an index that the configuration does not have",
            context=(
                f"stated by {route.origin}; the lines to add:",
                "[[index]]",
                f'name = "{route.name if taken or not route.called else route.called}"',
                f'url = "{route.url}"',
                "explicit = true",
            ),
            hint="add them to `zlock.toml`; in a `pyproject.toml` the table is `[[tool.zlock.index]]`",
        )


class Cutoff(Struct, frozen=True, kw_only=True):
    """Files uploaded later than this do not count.

    Attributes:
        default: For every package, or None.
        packages: For single packages instead; None lifts the cut-off for one.
    """

    default: datetime | None = None
    packages: Mapping[NormalizedName, datetime | None] = {}

    def of(self, name: NormalizedName) -> datetime | None:
        """Return the cut-off of one package."""
        return self.packages.get(name, self.default)

    def __str__(self) -> str:
        limits = [f"{name} {limit or 'any'}" for name, limit in sorted(self.packages.items())]
        return ", ".join([*([str(self.default)] if self.default else []), *limits])
