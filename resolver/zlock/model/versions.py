"""Sets of versions as masks: which of a package's versions a specifier admits, found by bisection.

Versions stand newest first, and bit `i` is version `i`. A specifier's clause admits all versions on one side of
its own, but for those that share its release numbers: pre-releases, post-releases and local versions of it follow
rules of their own (PEP 440). So the versions with the same release are asked one by one, and the rest follow from
where they stand. That parses a handful of versions where asking each would parse hundreds.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

# Python refuses to read numbers of more than some thousand digits, and no version has any of more than twenty.
_ENDLESS = re.compile(r"\d{500}")
_LONG_NAME = re.compile(r"\s*[\w.-]{256}")  # more than any file system has for the name of a file
_PLAIN = re.compile(r"(==|!=|<=|>=|<|>)(\d+(?:\.\d+)*)", re.ASCII)
Release = tuple[int, tuple[int, ...]]
"""Epoch and release numbers of a version (PEP 440)."""


def is_endless(text: str) -> bool:
    """Return whether a number in a version, specifier or marker has more digits than anybody reads (500)."""
    return len(text) >= 500 and _ENDLESS.search(text) is not None  # noqa: PLR2004 - as the pattern has it


def readable(text: str) -> str:
    """Return a text with versions in it, before `packaging` reads it.

    Raises:
        ValueError: A number in it is endless: it would be one in the midst of a solve; or the name that it begins with
            is longer than a file's can be. Or a character can't be seen or ends a line, of which there are more for
            readers of files than the newline: texts become lines of files.
    """
    if _LONG_NAME.match(text):
        raise ValueError("the name is too long: no file can have one of more than 255 characters")
    if is_endless(text):
        raise ValueError("a number in it has no end")
    if not text.isprintable() and (unseen := [one for one in text if one != "\t" and not one.isprintable()]):
        raise ValueError(f"it holds {unseen[0]!a}, which can't be seen or ends a line")
    return text


@lru_cache(maxsize=65536)
def parse_version(text: str) -> Version | None:
    """Return a version (PEP 440), or None for what is none."""
    try:
        return None if is_endless(text) else Version(text)
    except InvalidVersion:
        return None


@lru_cache(maxsize=65536)
def parse_specifier(text: str) -> SpecifierSet:
    """Return a specifier; texts come from parsed requirements, so they are valid."""
    return SpecifierSet(text)


@lru_cache(maxsize=65536)
def valid_specifier(text: str) -> str:
    """Return a `Requires-Python` as it counts: an invalid one, such as the `>=3.6.*` of old releases, as none."""
    try:
        SpecifierSet(readable(text))
    except ValueError:
        return ""
    return text


class Versions(Sequence[Version]):
    """The versions of one package, newest first, parsed when they are looked at."""

    __slots__ = ("_masks", "_parsed", "_releases", "_texts", "all")

    def __init__(self, texts: Sequence[str], releases: Sequence[Release] = ()) -> None:
        self._texts = texts
        self._releases = releases
        self._parsed: list[Version | None] = [None] * len(texts)
        self._masks: dict[str, int] = {}
        self.all = (1 << len(texts)) - 1

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, position: int) -> Version:  # type: ignore[override]  # slices are never asked for
        found = self._parsed[position]
        if found is None:
            found = parse_version(self._texts[position])
            assert found is not None  # noqa: S101 - pages hold valid versions only
            self._parsed[position] = found
        return found

    def text(self, position: int) -> str:
        """Return a version as it is normalized."""
        return self._texts[position]

    def release(self, position: int) -> Release:
        """Return the epoch and the release numbers of a version."""
        return self._releases[position] if self._releases else release_of(self[position])

    def find(self, text: str) -> int | None:
        """Return the position of a version, None where it is not there."""
        version = parse_version(text)
        normalized = str(version)
        return self._texts.index(normalized) if version is not None and normalized in self._texts else None

    def mask(self, specifier: str) -> int:
        """Return the versions that a specifier admits, pre-releases included."""
        found = self._masks.get(specifier)
        if found is None:
            found = self.all
            for clause in filter(None, map(str.strip, specifier.split(","))):
                found &= self._clause(clause)
            self._masks[specifier] = found
        return found

    def _clause(self, text: str) -> int:
        found = self._masks.get(text)
        if found is None:
            found = self._masks[text] = self._find(text)
        return found

    def _find(self, text: str) -> int:
        plain = _PLAIN.fullmatch(text)  # nearly all are
        operator, bare = plain.groups() if plain else (_specifier(text).operator, _specifier(text).version)
        if operator == "===" or not len(self):
            return self._ask(text, 0, len(self))
        if operator == "~=":
            return self._compatible(bare)
        prefix = bare.endswith(".*")
        wanted = (0, tuple(map(int, bare.split(".")))) if plain else release_of(Version(bare.removesuffix(".*")))
        length = len(wanted[1]) if prefix else None
        if not prefix:
            wanted = wanted[0], _trimmed(wanted[1])
        # `newer` and `older` bound the versions of the clause's own release (or release prefix).
        newer = bisect_left(range(len(self)), True, key=lambda place: self._key(place, length) <= wanted)
        if prefix:
            older = bisect_left(range(len(self)), True, newer, key=lambda place: self._key(place, length) < wanted)
        else:  # few versions share a release
            older = next((place for place in range(newer, len(self)) if self._key(place, None) != wanted), len(self))
        equal = operator in ("==", ">=", "<=") if plain else None
        inside = self._range(newer, older) if prefix else self._ask(text, newer, older, equal)
        if operator == "==":
            return inside
        if operator == "!=":
            outside = self.all & ~self._range(newer, older)
            return outside if prefix else outside | inside
        return inside | (self._range(0, newer) if operator in (">=", ">") else self._range(older, len(self)))

    def _compatible(self, bare: str) -> int:
        """Return what `~=` admits: at least this, and the same release but for its last number (PEP 440)."""
        version = Version(bare)
        prefix = ".".join(map(str, version.release[:-1]))
        epoch = f"{version.epoch}!" if version.epoch else ""
        return self._clause(f">={bare}") & self._clause(f"=={epoch}{prefix}.*")

    def _ask(self, text: str, begin: int, end: int, equal: bool | None = None) -> int:
        """Return which of some versions a clause admits.

        Args:
            text: The clause.
            begin: Where the versions begin.
            end: Where they end.
            equal: Whether it admits what is equal to its own version, where that and theirs are nothing but numbers.
        """
        found = 0
        for position in range(begin, end):
            if equal is None or not self._texts[position].replace(".", "").isdigit():
                admits = _specifier(text).contains(self[position], prereleases=True)
            else:
                admits = equal
            found |= admits << position
        return found

    @staticmethod
    def _range(begin: int, end: int) -> int:
        return (1 << end) - (1 << begin) if end > begin else 0

    def _key(self, position: int, length: int | None) -> Release:
        """Return the release of a version, as far as it counts: without zeros at its end, or up to a length."""
        epoch, release = self.release(position)
        if length is None:
            return epoch, _trimmed(release)
        return epoch, (release + (0,) * (length - len(release)))[:length]


@lru_cache(maxsize=65536)
def _specifier(text: str) -> Specifier:
    return Specifier(text)


def release_of(version: Version) -> Release:
    """Return the part of a version that decides where most specifiers part."""
    return version.epoch, version.release


def _trimmed(release: tuple[int, ...]) -> tuple[int, ...]:
    """Return a release without the zeros at its end, which mean nothing (PEP 440)."""
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return release[:end]
