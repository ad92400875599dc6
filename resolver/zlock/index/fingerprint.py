"""What local folders and archives ask, as digests: so a lock can be checked against them without a build."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from zlock.errors import InvalidRequirements
from zlock.index.archives import file_sha256
from zlock.index.metadata import with_portable_needs
from zlock.index.sourced import Sourced, on_this_machine, with_sources
from zlock.index.tree import read_build_system, static_metadata
from zlock.model.link import Link, LinkError
from zlock.model.paths import is_file_url, path_in
from zlock.model.ports import InvalidMetadata
from zlock.regular import read_regular

# What a backend is told by; other files that it reads are its own affair.
_TOLD_BY = ("pyproject.toml", "setup.py", "setup.cfg", "PKG-INFO")


class Fingerprints:
    """The digests of local places, each read once.

    Args:
        project: The project folder, which relative URLs count from.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._known: dict[str, tuple[str, tuple[str, ...]]] = {}

    def of(self, urls: list[str]) -> dict[str, str]:
        """Return the digest of each `file:` URL, and of the local places that those require, to the end.

        The digest of a folder that states its metadata (PEP 621, PEP 643) is that of the metadata and of what it is
        built with, so that nothing else in it counts. What only a build could tell is the bytes of the files that
        builds are told by, what an archive says is all its bytes. It is empty where nothing can be read.
        """
        found: dict[str, str] = {}
        waiting = list(urls)
        for url in waiting:
            if url not in found:
                found[url], needs = self._look(url)
                waiting += needs
        return dict(sorted(found.items()))

    def _look(self, url: str) -> tuple[str, tuple[str, ...]]:
        if url not in self._known:
            self._known[url] = self._read(url)
        return self._known[url]

    def _read(self, url: str) -> tuple[str, tuple[str, ...]]:
        place = self._project / path_in(url)
        try:
            if not place.is_dir():
                return f"sha256:{file_sha256(place)}", ()
            folder = place / Link.parse(url).subdirectory
            stated = _stated(folder, self._project)
            if stated is None:
                # Line ends are what a checkout makes of them.
                texts = [read_regular(path).replace(b"\r\n", b"\n").hex() for path in _told_by(folder)]
                return _digest(texts), ()
        except (OSError, LinkError):
            return "", ()
        found, requires = stated
        metadata = with_portable_needs(found.metadata, self._project, fixed=Path(path_in(url)).is_absolute())
        routes = [(route.name, route.url, route.marker) for route in found.routes]
        return (
            _digest([metadata, requires, *([routes] if routes else [])]),
            tuple(need.url for need in metadata.dependencies if is_file_url(need.url)),
        )


def _stated(folder: Path, project: Path) -> tuple[Sourced, tuple[str, ...]] | None:
    try:
        metadata = static_metadata(folder)
        if metadata is None:
            return None
        return with_sources(metadata, folder, place=on_this_machine, root=project), read_build_system(folder).requires
    except (InvalidMetadata, InvalidRequirements):
        return None


def _told_by(folder: Path) -> list[Path]:
    return [folder / name for name in _TOLD_BY if (folder / name).is_file()]


def _digest(value: object) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value).encode()).hexdigest()
