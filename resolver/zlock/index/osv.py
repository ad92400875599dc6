"""Known vulnerabilities as OSV has them: records in files, read without asking anybody (OSV schema, version 1)."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from zlock.errors import InvalidInput
from zlock.regular import LIMIT, read_regular

_ECOSYSTEM = "PyPI"
_SHAPE = "get records of OSV again: files of JSON, or the archive of them that OSV has of each ecosystem"


@dataclass(frozen=True, kw_only=True, slots=True)
class Affected:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Vulnerability:
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
        InvalidInput: One is not there, or holds something else.
    """
    found: dict[str, Vulnerability] = {}
    count = 0
    for name, data in (each for path in paths for each in _texts(path)):
        for record in _records(name, data):
            count += 1
            if vulnerability := _vulnerability(name, record, names):
                found[vulnerability.id] = vulnerability
    if not count:
        raise InvalidInput(f"no record of OSV is in {', '.join(f'`{path}`' for path in paths)}", hint=_SHAPE)
    return list(found.values()), count


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.is_dir():
            for file in sorted([*path.rglob("*.json"), *path.rglob("*.zip")]):
                yield from _texts(file)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for one in archive.infolist():
                    if one.filename.endswith(".json") and one.file_size <= LIMIT:
                        yield f"{path}/{one.filename}", archive.read(one)
        else:
            yield str(path), read_regular(path)
    except (OSError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"`{path}` can't be read: {reason}", hint=_SHAPE) from error


def _records(name: str, data: bytes) -> Iterator[Mapping[str, object]]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"`{name}` is not JSON: {error}", hint=_SHAPE) from error
    for record in document if isinstance(document, list) else [document]:
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            raise InvalidInput(f"`{name}` holds something that is not a record of OSV", hint=_SHAPE)
        yield record


def _vulnerability(name: str, record: Mapping[str, object], names: Collection[NormalizedName]) -> Vulnerability | None:
    if record.get("withdrawn"):
        return None
    try:
        stated = [(row, _name_in(row)) for row in _list(record.get("affected"))]
        rows = [_affected(row, package) for row, package in stated if package in names and isinstance(row, dict)]
    except (TypeError, AttributeError, KeyError, InvalidVersion) as error:
        raise InvalidInput(f"`{name}` is not a record as OSV has them: {error}", hint=_SHAPE) from error
    if not rows:
        return None
    return Vulnerability(
        id=str(record["id"]),
        aliases=tuple(map(str, _list(record.get("aliases")))),
        summary=str(record.get("summary") or ""),
        affected=tuple(rows),
    )


def _name_in(row: object) -> NormalizedName:
    """Return the package that a row is about; nothing for one of another ecosystem."""
    affected = row.get("package") if isinstance(row, dict) else None
    if not isinstance(affected, dict) or str(affected.get("ecosystem")).partition(":")[0] != _ECOSYSTEM:
        return canonicalize_name("")
    return canonicalize_name(str(affected.get("name")))


def _affected(row: Mapping[str, object], name: NormalizedName) -> Affected:
    ranges = [one for one in _list(row.get("ranges")) if isinstance(one, dict) and one.get("type") != "GIT"]
    return Affected(
        name=name,
        versions=frozenset(filter(None, map(_version, _list(row.get("versions"))))),
        ranges=tuple(span for one in ranges for span in _spans(_list(one.get("events")))),
    )


def _spans(events: Sequence[object]) -> Iterator[tuple[Version | None, Version | None, bool]]:
    """Yield the spans that events bound, in the order of their versions; "0" is before every release."""
    rows = [(key, value) for event in events if isinstance(event, dict) for key, value in event.items()]
    ordered = sorted(
        ((None if value == "0" else Version(str(value)), key) for key, value in rows if key != "limit"),
        key=lambda row: (row[0] is not None, row[0] or Version("0"), row[1] != "introduced"),
    )
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


def _version(value: object) -> Version | None:
    """Return a version; releases from before PEP 440 have some that none can be locked as."""
    try:
        return Version(str(value))
    except InvalidVersion:
        return None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
