"""What may stand in a lock, which is foreign text until it is read: one form for each kind of word in it (PEP 751)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import PurePath, PurePosixPath
from typing import Annotated

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from zlock.model.controls import CONTROLS
from zlock.model.digest import SHA256, is_digest
from zlock.model.form import Line, matching, read
from zlock.model.paths import LONGEST_NAME
from zlock.model.target import Target
from zlock.model.url import plain_url

_SOME_TARGET = Target("3.12")
_NAME = r"[a-z0-9]+(?:-+[a-z0-9]+)*"


def _path(text: str) -> str:
    if not text:
        raise ValueError("the path is empty")
    return read(Line, text)


def _inside(text: str) -> str:
    """Accept a path that leads to something below where it counts from, as this machine reads it."""
    if any(pure.anchor or ".." in pure.parts for pure in (PurePosixPath(text), PurePath(text))):
        raise ValueError(f"{text!r} leads out of its folder")
    return _path(text)


def _file(text: str) -> str:
    """Accept the name of a file, which may become one in a folder."""
    if text in ("", ".", "..") or "/" in text or "\\" in text or len(text) > LONGEST_NAME:
        raise ValueError(f"{text!r} is not a name of a file")
    return read(Line, text)


def _url(*schemes: str, query: bool = False) -> Callable[[str], str]:
    return lambda text: plain_url(text, *schemes, query=query)


def _parsed(parse: Callable[[str], object], what: str) -> Callable[[str], str]:
    """Return the check that a standard's parser takes a text, which is kept as it is."""

    @lru_cache(maxsize=4096)
    def check(text: str) -> str:
        try:
            parse(text)
        except (ValueError, KeyError, TypeError) as error:  # the last two of markers that can't be evaluated
            raise ValueError(f"{text!r} is not a valid {what}") from error
        return text

    return check


def _normalized_version(text: str) -> str:
    if str(Version(text)) != text:
        raise InvalidVersion(text)
    return text


def _evaluated(text: str) -> None:
    """Evaluate a marker for some target: one that compares what can't be compared does so everywhere."""
    Marker(text).evaluate(_SOME_TARGET.environment)


def _time(time: datetime) -> datetime:
    try:
        time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{time} is out of range") from error
    return time


def _count(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return number


def _positive(number: int) -> int:
    if number < 1:
        raise ValueError(f"{number} is below 1")
    return number


def _hashes(hashes: Mapping[str, str]) -> Mapping[str, str]:
    for name, digest in {"sha256": "", **hashes}.items():
        if not is_digest(name, digest):
            raise ValueError(f"{digest!r} is not a {name} of digits in lower case")
    return hashes


Name = Annotated[str, matching(_NAME, "normalized name of a package")]
Node = Annotated[str, matching(rf"{_NAME}(?:\[{_NAME}\])?", "name of a package or an extra of it")]
VersionText = Annotated[str, _parsed(_normalized_version, "normalized version")]
MarkerText = Annotated[Line, _parsed(_evaluated, "environment marker that a target can evaluate")]
SpecifierText = Annotated[str, _parsed(SpecifierSet, "version specifier")]
Step = Annotated[str, matching(rf"[^/\\{CONTROLS}]+", "name of a step")]
Word = Annotated[str, matching(rf"[^\s{CONTROLS}]+", "word without spaces")]
Digest = Annotated[str, matching(SHA256, "digest: `sha256:` and 64 digits in lower case")]
Hashes = Annotated[Mapping[str, str], _hashes]
Commit = Annotated[str, matching(r"[0-9a-f]{40}|[0-9a-f]{64}", "commit id of git")]
LockVersion = Annotated[str, matching(r"1\.[0-9]+", "version 1 of the format")]
Format = Annotated[int, _positive]
Time = Annotated[datetime, _time]
Count = Annotated[int, _count]
Path = Annotated[str, _path]
PathInside = Annotated[str, _inside]
FileName = Annotated[str, _file]
FileUrl = Annotated[str, _url("http", "https", query=True)]
IndexUrl = Annotated[str, _url("http", "https")]
RepositoryUrl = Annotated[str, _url("https", "http", "ssh", "git", "file")]
BuildLine = Annotated[
    str, matching(rf"{_NAME}==[0-9A-Za-z.+!-]+(?: --hash=sha256:[0-9a-f]{{64}})+", "pin of a wheel with its hashes")
]
