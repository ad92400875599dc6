"""Known vulnerabilities as OSV has them: records in files, read without asking anybody (OSV schema, version 1)."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from zlock.errors import InvalidInput
from zlock.index.archives import UNREADABLE
from zlock.index.packed import Zip
from zlock.model.form import Key, Misstated, read
from zlock.model.json import parse_json
from zlock.model.versions import parse_version
from zlock.regular import LIMIT, open_regular, read_regular

_ECOSYSTEM = "pypi"
_SHAPE = "name OSV records: JSON files, a folder of them, or the archive that OSV offers for each ecosystem"


class Affected(Struct, frozen=True, kw_only=True):
    """Releases of a package that a vulnerability is in.

    Attributes:
        name: The package.
        versions: Those that are listed one by one.
        ranges: The others: pairs of the first release that has it, and of what ends that: the first that does not have
            it any more, or the last that has, which `True` says; None where none is known.
    """

    name: NormalizedName
    versions: frozenset[Version]
    ranges: tuple[tuple[Version | None, Version | None, bool], ...]

    def holds(self, version: Version) -> bool:
        """Return whether a release has it (OSV schema, Evaluation)."""
        return version in self.versions or any(
            (begin is None or begin <= version) and (end is None or version < end or (last and version == end))
            for begin, end, last in self.ranges
        )

    @property
    def fixed(self) -> tuple[str, ...]:
        """The releases that are the first without it."""
        return tuple(str(end) for _, end, last in self.ranges if end is not None and not last)


class Vulnerability(Struct, frozen=True, kw_only=True):
    """A record of OSV.

    Attributes:
        id: Its id.
        aliases: What others call it.
        summary: What it is, on one line; perhaps empty.
        affected: The packages that have it.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    affected: tuple[Affected, ...]


def read_records(paths: Sequence[Path], names: Collection[NormalizedName]) -> tuple[list[Vulnerability], int]:
    """Return what files say of some packages, and how many records they hold; withdrawn ones are left out.

    Args:
        paths: Files of JSON, each a record or a list of records; archives (.zip) of such; folders with any of these.
        names: The packages.

    Raises:
        InvalidInput: One is not there, or holds something else: were it passed over, nothing would be found in it.
    """
    found: dict[str, Vulnerability] = {}
    count = 0
    for name, data in (each for path in paths for each in _texts(path)):
        for where, record in _records(name, data):
            count += 1
            try:
                vulnerability = _vulnerability(record, names)
            except Misstated as error:
                said = error.within(where) if where else error
                raise InvalidInput(f"`{name}` is not an OSV record: {said}", hint=_SHAPE) from error
            if vulnerability:
                found[vulnerability.id] = vulnerability
    if not count:
        raise InvalidInput(f"no OSV record was found in {', '.join(f'`{path}`' for path in paths)}", hint=_SHAPE)
    return list(found.values()), count


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.is_dir():
            for file in sorted([*path.rglob("*.json"), *path.rglob("*.zip")]):
                yield from _texts(file)
        elif path.suffix == ".zip":
            with open_regular(path) as stream, Zip(stream) as archive:
                for one in archive.infolist():
                    if one.filename.endswith(".json"):
                        yield f"{path}/{one.filename}", _unpacked(archive, one)
        else:
            yield str(path), read_regular(path)
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"`{path}` can't be read: {reason}", hint=_SHAPE) from error


def _unpacked(archive: Zip, one: zipfile.ZipInfo) -> bytes:
    if one.file_size > LIMIT:
        raise zipfile.BadZipFile(f"`{one.filename}` has more than {LIMIT >> 20} MiB")
    return archive.read(one)


def _records(name: str, data: bytes) -> Iterator[tuple[str, object]]:
    """Yield the records of a file, each with its place in it."""
    try:
        document = parse_json(data)
    except ValueError as error:
        raise InvalidInput(f"`{name}` is not JSON: {error}", hint=_SHAPE) from error
    if isinstance(document, list):
        yield from ((f"[{position}]", one) for position, one in enumerate(document))
    else:
        yield "", document


def _time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


class _Record(NamedTuple):
    id: str
    withdrawn: Annotated[str, _time] = ""
    aliases: tuple[str, ...] = ()
    summary: str = ""
    affected: tuple[Mapping[str, object], ...] = ()


class _Package(NamedTuple):
    ecosystem: str
    name: str


class _About(NamedTuple):
    """What an entry of `affected` is about; it may be commits of a repository alone."""

    package: _Package | None = None


class _Event(NamedTuple):
    introduced: str = ""
    fixed: str = ""
    last_affected: Annotated[str, Key("last_affected")] = ""
    limit: str = ""

    def check(self) -> None:
        if sum(map(bool, self)) != 1:
            raise Misstated("it has to have one of `introduced`, `fixed`, `last_affected` and `limit`")


class _Range(NamedTuple):
    type: Literal["ECOSYSTEM", "SEMVER", "GIT"]
    events: tuple[_Event, ...]

    def check(self) -> None:
        if not any(event.introduced for event in self.events):
            raise Misstated("nothing in it is `introduced`", "events")


class _Releases(NamedTuple):
    """What an entry of `affected` says of the releases of its package."""

    ranges: tuple[_Range, ...] = ()
    versions: tuple[str, ...] = ()


def _vulnerability(value: object, names: Collection[NormalizedName]) -> Vulnerability | None:
    stated = {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value
    record = read(_Record, stated)  # the schema has null for no list
    rows = []
    for position, row in enumerate(record.affected):
        try:
            package = read(_About, row).package
            if package is None or package.ecosystem.partition(":")[0].lower() != _ECOSYSTEM:
                continue
            if (name := canonicalize_name(package.name)) in names:
                rows.append(_affected(read(_Releases, row), name))
        except Misstated as error:
            raise error.within(f"affected[{position}]") from error
    if record.withdrawn or not rows:
        return None
    return Vulnerability(id=record.id, aliases=record.aliases, summary=record.summary, affected=tuple(rows))


def _affected(releases: _Releases, name: NormalizedName) -> Affected:
    return Affected(
        name=name,
        versions=frozenset(filter(None, map(parse_version, releases.versions))),
        ranges=tuple(
            span
            for position, one in enumerate(releases.ranges)
            if one.type != "GIT"
            for span in _spans(list(_bounds(one.events, f"ranges[{position}]")))
        ),
    )


def _bounds(events: Sequence[_Event], where: str) -> Iterator[tuple[Version | None, str]]:
    """Yield the versions that begin or end something, and which it is; "0" is before every release."""
    for position, event in enumerate(events):
        key, text = next((key, text) for key, text in event._asdict().items() if text)
        if key == "limit":
            continue
        version = parse_version(text)
        if version is None:
            raise Misstated(f"{text!r} is not a version", f"{where}.events[{position}].{key}")
        yield None if text == "0" else version, key


def _spans(bounds: Sequence[tuple[Version | None, str]]) -> Iterator[tuple[Version | None, Version | None, bool]]:
    """Yield the spans that events bound, in the order of their versions."""
    ordered = sorted(bounds, key=lambda row: (row[0] is not None, row[0] or Version("0"), row[1] != "introduced"))
    begin: Version | None = None
    is_open = False
    for version, key in ordered:
        if key == "introduced" and not is_open:
            begin, is_open = version, True
        elif key in ("fixed", "last_affected") and is_open:
            yield begin, version, key == "last_affected"
            is_open = False
    if is_open:
        yield begin, None, False
