"""One entry of a table that says where a dependency comes from, and what it comes to."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from packaging.markers import Marker
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import InvalidRequirements
from zlock.model.indexes import Route, address
from zlock.model.link import git_url, with_subdirectory
from zlock.model.origin import Origin
from zlock.model.paths import file_url
from zlock.model.versions import readable
from zlock.pyproject.document import Document
from zlock.wording import did_you_mean


class StatedSource(Struct, frozen=True, kw_only=True):
    """Where one table says that a dependency comes from.

    Attributes:
        origin: The table.
        url: What a requirement would name after `@`; a relative `file:` URL counts from the folder of the file that
            requires it. Empty for an index.
        index: The URL of the one index that serves it, without credentials; empty for what has a URL itself.
        called: What the file calls that index, or empty.
        specifier: Versions that the table limits it to, beside those of the requirement.
        marker: Where that holds, or None for everywhere.
        extra: The only extra that it is for, or empty.
        group: The only dependency group that it is for, or empty.
        is_all: Whether the dependency is one only where a marker of its table holds, as Poetry has it; else what the
            table leaves out is the indexes' affair.
    """

    origin: Origin
    url: str = ""
    index: str = ""
    called: str = ""
    specifier: str = ""
    marker: Marker | None = None
    extra: str = ""
    group: str = ""
    is_all: bool = False

    @staticmethod
    def left(sources: Sequence[StatedSource], *, bounded: bool) -> tuple[Marker | None, ...]:
        """Return where a requirement stays beside what tables say of it, a marker each, None for everywhere.

        Args:
            sources: What they say.
            bounded: Whether it has bounds, which hold for what is at a URL, too.
        """
        if sources and sources[0].is_all:
            return tuple(one.marker for one in sources if bounded or not one.url)
        stays = not sources or bounded or any(one.marker or not one.url for one in sources)
        return (None,) if stays else ()

    def route(self, name: NormalizedName) -> Route:
        """Return what `index` says of a package."""
        marker = str(self.marker or "")
        return Route(name=name, url=self.index, called=self.called, origin=str(self.origin), marker=marker)


class Table(Struct, frozen=True):
    """One entry of a table of sources.

    Attributes:
        document: The file.
        keys: Where it is there; the last one is the dependency as it is spelled.
        folder: The folder of the file that requires the dependency, from which a relative URL counts.
        nth: Which of several tables of that name.
    """

    document: Document
    keys: tuple[str, ...]
    folder: Path
    nth: int = 0

    @property
    def name(self) -> NormalizedName:
        """The dependency."""
        return canonicalize_name(self.keys[-1])

    @property
    def origin(self) -> Origin:
        """Where the entry stands."""
        return self.document.origin(*self.keys, nth=self.nth)

    def error(self, problem: str, *, hint: str = "correct that table") -> InvalidRequirements:
        """Make an error that names the entry and its line."""
        return InvalidRequirements(f"`{'.'.join(self.keys)}` {problem}", context=(self.origin.located,), hint=hint)

    def check_keys(self, row: Mapping[str, object], known: Collection[str]) -> None:
        """Refuse what is not a key, and what is one and can't be carried over."""
        for key in sorted(row.keys() - set(known)):
            hint = did_you_mean(key, known) or "leave it out, or state the requirement in another way"
            raise self.error(f"has `{key}`, which a lock can't carry", hint=hint)

    def text(self, row: Mapping[str, object], key: str) -> str:
        """Take a text from the entry; empty where there is none."""
        value = row.get(key, "")
        if not isinstance(value, str):
            raise self.error(f"has a `{key}` that is not a string")
        return value

    def indexed(self, called: str, url: str) -> StatedSource:
        """Return an index as what serves the dependency."""
        return StatedSource(
            origin=self.origin, index=address_in(url, self.document), called="" if "://" in called else called
        )

    def marker(self, text: str) -> Marker:
        """Parse a marker."""
        try:
            return Marker(readable(text))
        except ValueError as error:
            raise self.error(f"has no valid marker: `{text}`") from error

    def placed(self, form: str, row: Mapping[str, object]) -> StatedSource:
        """Read a `path`, a `git` or a `url`, which every tool writes alike."""
        written, folder = self.text(row, form), self.text(row, "subdirectory")
        if form == "path":
            place = Path(os.path.normpath(self.document.folder / written))
            return self.local(place, fixed=Path(written).is_absolute(), subdirectory=folder)
        if form == "url":
            return StatedSource(origin=self.origin, url=with_subdirectory(written, folder))
        revisions = [text for key in ("rev", "tag", "branch") if (text := self.text(row, key))]
        if len(revisions) > 1:
            raise self.error("must have only one of `rev`, `tag` and `branch`")
        return StatedSource(origin=self.origin, url=git_url(written, "".join(revisions), folder))

    def local(self, place: Path, *, fixed: bool, subdirectory: str = "") -> StatedSource:
        """Return a folder or archive of this machine; `fixed` where it is named by an absolute path."""
        if not place.exists():
            raise self.error(f"names what is not there: `{place}`", hint="correct the path")
        path = place.as_posix() if fixed else Path(os.path.relpath(place, self.folder)).as_posix()
        return StatedSource(origin=self.origin, url=with_subdirectory(file_url(path), subdirectory))

    def index_named(self, name: str, rows: Iterable[Mapping[str, object]]) -> str:
        """Return the URL of an index by its name in one of the rows that say it."""
        for row in rows:
            if str(row.get("name", "")).lower() == name.lower() and isinstance(row.get("url"), str):
                return str(row["url"])
        raise self.error(f"names the index `{name}`, whose URL this file does not say", hint="say its `name` and `url`")


def key_of(document: Document, above: tuple[str, ...], name: NormalizedName) -> tuple[str, ...] | None:
    """Return the keys of a dependency in a table, whichever way its name is spelled there; None where it has none."""
    spelled = next((one for one in document.table(*above) if canonicalize_name(one) == name), None)
    return None if spelled is None else (*above, spelled)


def address_in(url: str, document: Document) -> str:
    """Return the address of an index that a file states; a path counts from the folder of the file."""
    bare = re.split(r"[?#]", url)[0].replace("file:///${PROJECT_ROOT}", document.folder.as_posix())
    return address(bare, str(document.folder))
