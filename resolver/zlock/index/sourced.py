"""What a source tree requires, once its `pyproject.toml` has said where that comes from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from msgspec.structs import replace
from packaging.markers import Marker
from packaging.utils import canonicalize_name

from zlock.model.distribution import Dependency, Metadata
from zlock.model.indexes import Route
from zlock.model.paths import absolute, file_url, is_file_url, path_in
from zlock.pyproject.document import Document
from zlock.pyproject.sources import DependencySources
from zlock.pyproject.table import StatedSource

_EXTRA = 'extra == "'

Place = Callable[[Path, str], str]
"""Names a place in a tree: takes it, absolute, and the fragment of its URL; returns a URL."""


class Sourced(NamedTuple):
    """Metadata with the places that dependencies come from, and the packages that one index alone serves."""

    metadata: Metadata
    routes: tuple[Route, ...] = ()


def with_sources(
    metadata: Metadata, folder: Path, *, place: Place, root: Path, within: str = "", limit: Path | None = None
) -> Sourced:
    """Return what a tree requires with what the tables of uv, hatch and Poetry in it say.

    Args:
        metadata: What it states, or a build of it said.
        folder: The tree.
        place: Names a local place that a table leads to.
        root: The folder that names of files in messages count from.
        within: The repository that this is, or empty.
        limit: The folder above which no workspace is looked for.

    Raises:
        InvalidRequirements: A table is wrong, or says what a lock can't hold.
    """
    path = folder / "pyproject.toml"
    if not path.is_file():
        return Sourced(metadata)
    sources = DependencySources(Document.read(path, root=root, within=within), root=root, limit=limit)
    dependencies: list[Dependency] = []
    routes: list[Route] = []
    for dependency in metadata.dependencies:
        found = () if dependency.url or dependency.name == metadata.name else _stated(sources, dependency)
        dependencies += _placed(dependency, found, folder, place)
        routes += [_route(dependency, one) for one in found if one.index]
    return Sourced(metadata._replace(dependencies=tuple(dependencies)), tuple(dict.fromkeys(routes)))


def _stated(sources: DependencySources, dependency: Dependency) -> tuple[StatedSource, ...]:
    _, found, rest = dependency.marker.rpartition(_EXTRA)
    extra = canonicalize_name(rest.partition('"')[0]) if found else ""
    return sources.of(dependency.name, extra=extra)


def _route(dependency: Dependency, source: StatedSource) -> Route:
    """Return which index a dependency comes from, where it is for one extra only with that."""
    route = source.route(dependency.name)
    return replace(route, marker=_both(f'{_EXTRA}{source.extra}"', source.marker)) if source.extra else route


def _placed(
    dependency: Dependency, found: tuple[StatedSource, ...], folder: Path, place: Place
) -> Iterator[Dependency]:
    """Yield a dependency as the tables have it, and as it is where they may leave it to the indexes."""
    for one in found:
        marker = _both(dependency.marker, one.marker)
        if one.specifier:
            yield dependency._replace(specifier=one.specifier, marker=marker)
        if one.url:
            yield dependency._replace(specifier="", marker=marker, url=_url(one.url, folder, place))
    for left in StatedSource.left(found, bounded=bool(dependency.specifier)):
        yield dependency._replace(marker=_both(dependency.marker, left))


def _both(marker: str, other: Marker | None) -> str:
    if other is None:
        return marker
    return str(Marker(f"({marker}) and ({other})")) if marker else str(other)


def _url(url: str, folder: Path, place: Place) -> str:
    if not is_file_url(url):
        return url
    return place(absolute(folder / path_in(url)), url.partition("#")[2])


def on_this_machine(place: Path, fragment: str) -> str:
    """Name a place of this machine."""
    return file_url(place.as_posix()) + (f"#{fragment}" if fragment else "")


def in_repository(address: str, tree: Path) -> Place:
    """Return what names a place in a repository, at one commit: `git+URL@COMMIT#subdirectory=...`.

    Args:
        address: `git+URL@COMMIT`.
        tree: Where the repository is checked out.
    """

    def name(place: Path, fragment: str) -> str:
        inner = Path(os.path.relpath(place, tree)).as_posix()
        _, _, subdirectory = fragment.partition("subdirectory=")
        folder = "/".join(part for part in (quote(inner) if inner != "." else "", subdirectory) if part)
        return f"{address}#subdirectory={folder}" if folder else address

    return name
