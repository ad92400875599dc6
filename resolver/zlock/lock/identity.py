"""The digests of a lock, what it installs (identity) and its text (integrity), and what that text shows unparsed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from zlock.lock.question import digest_of_text, plain_text

if TYPE_CHECKING:
    from zlock.lock.facts import Build
    from zlock.lock.package import Package

FORMAT = 2
"""The format of `[tool.zlock]` that is written; format 1, with sentences for `gave-way` and `differs`, is read."""

_OWN = "\n[tool.zlock]\n"
# Within `[tool.zlock]`, the only table that has these keys at the beginning of a line.
_OWNER = re.compile(r'^pipeline = ("(?:[^"\\]|\\.)*")$', re.MULTILINE)
_FILE = re.compile(r'^(?:    |sdist = )\{(?:[^"\n]*, )?path = "([^"\n]*)"', re.MULTILINE)
_FILE_OR_ARCHIVE = re.compile(r'^(?:    |sdist = |archive = )\{(?:[^"\n]*, )?path = "([^"\n]*)"', re.MULTILINE)
_MAKER = re.compile(r"""^created-by = ["'](.*)["']""", re.MULTILINE)
_INTEGRITY = re.compile(r'^integrity = "[^"]*"$', re.MULTILINE)


def own_begin(text: str) -> int:
    """Return where zlock's own table begins in a lock's text, behind the packages; 0 where there is none."""
    return max(text.rfind(_OWN), 0)


def resign(text: str) -> str:
    """Return a lock's text with the integrity of what it holds: the sha256 of the text with the integrity empty."""
    place = _INTEGRITY.search(text, own_begin(text))
    return f"{text[: place.start()]}{_integrity(text, place)}{text[place.end() :]}" if place else text


def owner_in(text: str) -> str:
    """Return the pipeline that a lock's text says it belongs to, empty where it says none."""
    found = _OWNER.search(text, own_begin(text))
    with contextlib.suppress(ValueError):  # no text of TOML either, as readers will say
        return str(json.loads(found[1])) if found else ""
    return ""


def wheelhouse_in(text: str) -> str:
    """Return the folder that a portable lock has its files in, as it stands there; empty where it has none.

    An archive counts where the lock says nothing of local ones, whose paths lead elsewhere.
    """
    begin = own_begin(text)
    rows = _FILE if "\nlocal = " in text[begin:] else _FILE_OR_ARCHIVE
    match = rows.search(text, 0, begin)
    return str(PurePosixPath(match[1]).parent) if match else ""


def is_own(text: str) -> bool:
    """Return whether a lock's text is one of zlock's, or what is left of one: not one that another tool says is its."""
    made = _MAKER.search(text)
    return made is None or made[1] == "zlock"


def is_whole(text: str) -> bool:
    """Return whether a lock's text is as it was written; one line end more, which editors leave there, is none."""
    text = text.removesuffix("\n") if text.endswith("\n\n") else text
    begin = own_begin(text)
    place = _INTEGRITY.search(text, begin)
    return begin > 0 and place is not None and place[0] == _integrity(text, place)


def _integrity(text: str, place: re.Match[str]) -> str:
    bare = f'{text[: place.start()]}integrity = ""{text[place.end() :]}'
    return f'integrity = "sha256:{hashlib.sha256(bare.encode()).hexdigest()}"'


def identity_of(packages: Iterable[Package], builds: Iterable[Build] = ()) -> str:
    """Return the digest of what a lock installs: names, versions, markers, file hashes and commits.

    What sdists are built with counts too. No step name, no URL and no tool version: locks that install the same have
    the same identity.
    """
    rows = [text for _, text in sorted(package.identity for package in packages)]
    texts = [*rows, *(plain_text([build.package, build.requirements]) for build in builds)]
    return digest_of_text(f"[{','.join(texts)}]")
