"""What a command that lists an environment printed, made fit to be read as requirements."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from zlock.model.link import Link, LinkError
from zlock.model.paths import real
from zlock.redact import redact
from zlock.sources.lines import joined_lines

_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_NAME_IN_COMMENT = re.compile(r"#.*\((?P<name>[\w.-]+)={2,3}[^()]+\)")  # pip names an editable install so
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s+|=)(?P<target>.+)$")
_MARKER = re.compile(r"\s+;|;\s+")  # what ends a URL or a path; either may hold a semicolon
_NAMED = re.compile(r"(?P<name>[\w.-]*\w)\s*(?:\[[^\]]*\])?\s*(?:@\s*(?P<target>\S+)|[<>=!~(].*|\s--.*)?", re.ASCII)
_EGG_EXTRAS = re.compile(r"([#&]egg=[\w.-]+)(\[[^\]]*\])")
_PATH = re.compile(r"\.{1,2}$|\.{0,2}[\\/]|~|[A-Za-z]:[\\/]")
_ARCHIVE = re.compile(r"\.(?:whl|zip|tar|tar\.(?:gz|bz2|xz)|tgz|tbz)$")


class Entry(Struct, frozen=True, kw_only=True):
    """One line that asks for something, understood as far as this needs it.

    Attributes:
        number: Its first line, from 1.
        span: How many lines it takes, with those it is continued on.
        text: All of it on one line, without a comment.
        name: The package's normalized name; None where the line does not tell.
        place: The path on this machine that it points to; None for everything else.
        rewritten: What stands for it instead; empty for itself.
    """

    number: int
    span: int
    text: str
    name: NormalizedName | None = None
    place: Path | None = None
    rewritten: str = ""

    def is_inside(self, project: Path) -> bool:
        """Say whether it points to the project's folder or one in it; an archive there is a package of its own."""
        if self.place is None or _ARCHIVE.search(self.place.name):
            return False
        return self.place.is_relative_to(real(project))

    def __str__(self) -> str:
        shown = f"`{redact(self.text)}`"
        return f"`{self.name}`: {shown}" if self.name else shown


class Printed(Struct, frozen=True, kw_only=True):
    """The lines that a command printed and the entries in them."""

    lines: tuple[str, ...]
    entries: tuple[Entry, ...]

    def without(self, entries: Collection[Entry]) -> str:
        """Write the text again, with blank lines in place of some entries and others rewritten.

        Every line that stays keeps its number.
        """
        lines = list(self.lines)
        for entry in self.entries:
            replaced = "" if entry in entries else entry.rewritten
            if replaced or entry in entries:
                blank = [""] * (entry.span - 1)
                lines[entry.number - 1 : entry.number - 1 + entry.span] = [replaced, *blank]
        return "".join(f"{line}\n" for line in lines)


def read_printed(text: str, *, project: Path, names: Mapping[str, NormalizedName]) -> Printed:
    """Find the entries in what a command printed.

    Args:
        text: What it printed.
        project: The folder it ran in; relative paths count from here.
        names: Which package was installed from which URL, for lines that name only a path.
    """
    lines = tuple(text.splitlines())
    by_place = {place: name for url, name in names.items() if (place := _local_path(url, project)) is not None}
    entries = []
    named_before: NormalizedName | None = None
    for parts in joined_lines(lines):
        joined = "".join(part for _, part in parts)
        content = _COMMENT.sub("", joined).strip()
        if content:
            number, span = parts[0][0], len(parts)
            entry = _entry(
                content, number=number, span=span, project=project, by_place=by_place, named_before=named_before
            )
            entries.append(entry)
            named_before = None
        elif comment := _NAME_IN_COMMENT.match(joined.strip()):
            named_before = canonicalize_name(comment["name"])
    return Printed(lines=lines, entries=tuple(entries))


def _entry(
    text: str,
    *,
    number: int,
    span: int,
    project: Path,
    by_place: Mapping[Path, NormalizedName],
    named_before: NormalizedName | None,
) -> Entry:
    editable = _EDITABLE.match(text)
    link, rewritten = None, ""
    if editable:
        target, marker = _split_marker(editable["target"])
        extras = _EGG_EXTRAS.search(target)
        target = _EGG_EXTRAS.sub(r"\1", target)
        link = _read_link(target)
        name = canonicalize_name(link.egg) if link and link.egg else None
        if link and link.vcs and link.egg:  # a requirement on the commit that it names (PEP 508)
            rewritten = f"{link.egg}{extras[2] if extras else ''} @ {link.stored}{marker}"
    else:
        name, target = _split_name(text)
    place = _local_path(target, project, editable=editable is not None)
    if place is not None:
        name, rewritten = name or named_before or by_place.get(place), ""
    return Entry(number=number, span=span, text=text, name=name, place=place, rewritten=rewritten)


def _split_marker(text: str) -> tuple[str, str]:
    found = _MARKER.search(text)
    target, marker = (text[: found.start()], text[found.end() :]) if found else (text, "")
    return target.strip().strip("'\""), f" ; {marker.strip()}" if marker else ""


def _split_name(text: str) -> tuple[NormalizedName | None, str]:
    """Split `name @ target`; the name is None in a bare target, the target empty in anything else."""
    if text.startswith("-"):
        return None, ""
    requirement, _ = _split_marker(text)
    named = _NAMED.fullmatch(requirement)
    if named is None or (_ARCHIVE.search(requirement) and not named["target"]):
        return None, requirement
    return canonicalize_name(named["name"]), named["target"] or ""


def _local_path(target: str, project: Path, *, editable: bool = False) -> Path | None:
    """Find the path on this machine that a URL or a path points to; None if it points elsewhere."""
    link = _read_link(target)
    if link is not None:
        path = link.path if link.scheme == "file" else ""
    else:
        is_path = "://" not in target and (editable or _PATH.match(target) or _ARCHIVE.search(target))
        path = re.sub(r"\[[^\]]*\]$", "", target.partition("#")[0]) if is_path else ""
    # Path.expanduser() raises where there is no such user.
    return real(project / os.path.expanduser(path)) if path else None  # noqa: PTH111


def _read_link(target: str) -> Link | None:
    """Read a URL; None for what is none, about which who reads the line will complain."""
    with suppress(LinkError):
        return Link.parse(target)
    return None
