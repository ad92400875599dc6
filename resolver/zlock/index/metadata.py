"""Core metadata: the headers that resolution reads, taken from METADATA and PKG-INFO texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from packaging.markers import UndefinedComparison
from packaging.utils import canonicalize_name
from packaging.version import Version

from zlock.model.distribution import Dependency, Metadata
from zlock.model.paths import is_file_url, portable_url
from zlock.model.ports import InvalidMetadata
from zlock.model.requirement import parsed
from zlock.model.target import Target
from zlock.model.versions import readable, valid_specifier
from zlock.redact import redact

# Name and extras, specifier, marker; what is left, such as a URL, is read whole.
_PARTS = re.compile(r"([A-Za-z0-9][\w.-]*(?<=\w))\s*(\[[^\[\]]*\])?\s*([^@;\[\]]*)(;.*)?", re.ASCII)
_WANTED = frozenset(
    {"metadata-version", "name", "version", "requires-dist", "requires-python", "provides-extra", "dynamic"}
)


def read_headers(text: str) -> dict[str, list[str]]:
    """Return the headers that matter, by lower-case name; the description after them is never looked at."""
    headers: dict[str, list[str]] = {}
    current: list[str] | None = None
    for ended in text.split("\n"):
        line = ended.removesuffix("\r")
        if line[:1] in (" ", "\t"):
            # A line of blanks alone goes on with the header too: licences with paragraphs are written so.
            if current:
                current[-1] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.isascii() or " " in name:
            break  # where the standard library's parser of messages ends the headers, too
        name = name.strip().lower()
        current = headers.setdefault(name, []) if name in _WANTED else None
        if current is not None:
            current.append(value.strip())
    return headers


def parse_metadata(text: str) -> Metadata:
    """Read core metadata (PEP 566, 643, 685).

    Two things that old releases have, and installers put up with, are no reason to refuse one: a `Requires-Python`
    that is not a specifier counts as none, and spellings of one extra are that extra.

    Raises:
        InvalidMetadata: A header is missing or can't be understood.
    """
    headers = read_headers(text)
    name, version = headers.get("name", [""])[0], headers.get("version", [""])[0]
    if not name or not version:
        raise InvalidMetadata("its metadata has no name or no version")
    try:
        parsed = str(Version(version))
    except ValueError as error:  # of too long a number, too
        raise InvalidMetadata(f"its metadata is invalid: {error}") from error
    return Metadata(
        canonicalize_name(name),
        parsed,
        valid_specifier(headers.get("requires-python", [""])[0]),
        tuple([parse_dependency(line) for line in headers.get("requires-dist", [])]),
        tuple(dict.fromkeys([canonicalize_name(extra) for extra in headers.get("provides-extra", [])])),
    )


@lru_cache(maxsize=65536)
def parse_dependency(line: str) -> Dependency:
    """Read one `Requires-Dist` (PEP 508).

    Raises:
        InvalidMetadata: It is not a requirement.
    """
    try:
        parts = _PARTS.fullmatch(readable(line))
        if parts is None:
            return _whole(line)
        name, extras, specifier, marker = parts.groups()
        return Dependency(
            canonicalize_name(name),
            _extras(extras) if extras else (),
            _specifier(specifier) if specifier else "",
            _marker(marker) if marker else "",
            "",
        )
    except (ValueError, UndefinedComparison) as error:
        raise InvalidMetadata(f"its metadata requires `{line[:200]}`, which is not a requirement") from error


def _whole(line: str) -> Dependency:
    requirement = parsed(line)
    marker = _marker(f";{requirement.marker}") if requirement.marker else ""
    url = redact(requirement.url) if requirement.url else ""
    return Dependency(
        canonicalize_name(requirement.name), _sorted(requirement.extras), str(requirement.specifier), marker, url
    )


def _sorted(extras: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(canonicalize_name(extra) for extra in extras))


# Lines are many, and made of few parts: most specifiers and markers were read before.


@lru_cache(maxsize=65536)
def _extras(text: str) -> tuple[str, ...]:
    return _sorted(parsed(f"a{text}").extras)


@lru_cache(maxsize=65536)
def _specifier(text: str) -> str:
    return str(parsed(f"a {text}").specifier)


@lru_cache(maxsize=65536)
def _marker(text: str) -> str:
    marker = str(parsed(f"a{text}").marker or "")
    if "~=" in marker or "===" in marker:
        # These can't compare what is not a version; better found here than in the midst of a solve.
        Target("3.12").holds(marker)
    return marker


def is_static(headers: dict[str, list[str]]) -> bool:
    """Return whether an sdist's PKG-INFO can be trusted without a build (PEP 643)."""
    try:
        major, minor = headers.get("metadata-version", ["1.0"])[0].split(".")[:2]
        recent = (int(major), int(minor)) >= (2, 2)
    except ValueError:
        return False
    dynamic = {value.lower() for value in headers.get("dynamic", [])}
    return recent and not dynamic & {"requires-dist", "requires-python", "provides-extra", "version"}


def with_portable_needs(metadata: Metadata, project: Path, *, fixed: bool) -> Metadata:
    """Return metadata whose requirements on local places are written as a step's are.

    A backend writes them as absolute (`{root:uri}/../other`), which is another URL in every copy of the project.

    Args:
        metadata: The metadata of a local place, or of what it requires.
        project: The project folder.
        fixed: The place is named by an absolute path, and so are those that it requires.
    """
    needs = [
        need._replace(url=portable_url(need.url, project, fixed=fixed)) if is_file_url(need.url) else need
        for need in metadata.dependencies
    ]
    return metadata._replace(dependencies=tuple(needs))
