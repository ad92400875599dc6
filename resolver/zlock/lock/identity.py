"""The digests of a lock: its identity (what it installs) and its integrity (its text)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from zlock.lock.question import digest_of_text, plain_text
from zlock.lock.toml import Row

FORMAT = 1

_OWN = "\n[tool.zlock]\n"
# Within `[tool.zlock]`, the only table that has these keys at the beginning of a line.
_OWNER = re.compile(r'^(step = "[^"]*"\n)(?:pipeline = ("(?:[^"\\]|\\.)*")\n)?', re.MULTILINE)
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
    return str(json.loads(found[2])) if found and found[2] else ""


def set_owner(text: str, owner: str) -> str:
    """Return a lock's text with another pipeline; that is no part of what is asked or installed."""
    line = f"pipeline = {json.dumps(owner, ensure_ascii=False)}\n" if owner else ""
    begin = own_begin(text)
    return text[:begin] + _OWNER.sub(lambda found: found[1] + line, text[begin:], count=1)


def is_signed(text: str) -> bool:
    """Return whether a lock's text is as it was written."""
    place = _INTEGRITY.search(text, own_begin(text))
    return place is not None and place[0] == _integrity(text, place)


def _integrity(text: str, place: re.Match[str]) -> str:
    bare = f'{text[: place.start()]}integrity = ""{text[place.end() :]}'
    return f'integrity = "sha256:{hashlib.sha256(bare.encode()).hexdigest()}"'


def identity_of(packages: Sequence[Mapping[str, Any]], builds: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the digest of what a lock installs: names, versions, markers, file hashes and commits.

    What sdists are built with counts too. No step name, no URL and no tool version: locks that install the same have
    the same identity.
    """
    rows = [text for _, text in sorted(map(_identity_row, packages))]
    texts = [*rows, *(plain_text([build["package"], build["requirements"]]) for build in builds)]
    return digest_of_text(f"[{','.join(texts)}]")


def _identity_row(package: Mapping[str, Any]) -> tuple[list[Any], str]:
    """Return what a package counts for, as a value, which orders them, and as a text."""
    if isinstance(package, Row) and package.identity:
        return package.identity
    row = _find_identity(package)
    found = row, plain_text(row)
    if isinstance(package, Row):
        package.identity = found
    return found


def _find_identity(package: Mapping[str, Any]) -> list[Any]:
    files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
    if "archive" in package:
        files.append(package["archive"])
    hashes = sorted(f"{k}:{v}" for file in files for k, v in file["hashes"].items())
    vcs = package.get("vcs", {})
    source = [vcs.get("commit-id", ""), vcs.get("subdirectory", ""), package.get("directory", {}).get("path", "")]
    return [package["name"], package.get("version", ""), package.get("marker", ""), hashes, source]
