"""A lock as the requirements files that every pip and uv reads: what an index serves with hashes, the rest by URL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from zlock.errors import InvalidLock
from zlock.lock.package import Package


def hashed_requirements(packages: Iterable[Package], extras: Mapping[str, str] | None = None) -> str:
    """Return the packages that come from indexes, sorted, each with the hashes of all its files.

    One form only: locks that install the same give the same text. Empty where there are none.

    Args:
        packages: The packages.
        extras: What stands behind names, as from `extras_needed`; for files that are installed with dependencies.
    """
    extras = extras or {}
    return _lines(_hashed(package, extras.get(package.name, "")) for package in packages if package.files)


def extras_needed(packages: Iterable[Package]) -> dict[str, str]:
    """Return by name the extras that other packages need, in brackets.

    pip tells `a[x]` from `a`: where a package needs the former and the line has the latter, it looks for the newest
    `a[x]`, and with hashes it stops.
    """
    found: dict[str, set[str]] = {}
    for need in (need for package in packages for needs in package.needs.values() for need in needs):
        name, _, extra = need.rstrip("]").partition("[")
        if extra:
            found.setdefault(name, set()).add(extra)
    return {name: f"[{','.join(sorted(extras))}]" for name, extras in found.items()}


def direct_requirements(packages: Iterable[Package]) -> str:
    """Return the packages that come from URLs and repositories, sorted (PEP 508, direct references).

    They stand apart: pip checks hashes for all requirements of a file or for none, and a repository has no hash.
    An archive carries its own in the fragment, a repository is at its commit. Folders have no line.
    """
    return _lines(row for package in packages for row in _direct(package))


def hashed_line(requirement: str, hashes: Iterable[str], marker: str = "", between: str = " \\\n    ") -> str:
    """Return one requirement with its sha256 digests, a line each unless they are to stand in one.

    Raises:
        InvalidLock: A part of it would end the line, or begin another word: nothing that a reader of locks lets in.
    """
    condition = f" ; {marker}" if marker else ""
    words = [requirement + condition, *(f"--hash=sha256:{one}" for one in sorted(hashes))]
    return between.join(map(_on_one_line, words))


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in sorted(rows))


def _on_one_line(text: str) -> str:
    if not text.isprintable() or text.endswith("\\"):
        raise InvalidLock(f"{text!r} is not a line of requirements", hint="delete the lock and run `zlock resolve`")
    return text


def _hashed(package: Package, extras: str) -> str:
    hashes = [file.sha256 for file in package.files]
    return hashed_line(f"{package.name}{extras}=={package.version}", hashes, package.marker)


def _direct(package: Package) -> Iterator[str]:
    archive, vcs = package.archive, package.vcs
    if archive and archive.url:
        inside = [f"subdirectory={archive.subdirectory}"] if archive.subdirectory else []
        fragment = "&".join([f"sha256={archive.sha256}", *inside])
        yield hashed_line(f"{package.name} @ {archive.url}#{fragment}", (), package.marker)
    elif vcs and vcs.url:
        place = f"#subdirectory={vcs.subdirectory}" if vcs.subdirectory else ""
        yield hashed_line(f"{package.name} @ {vcs.type}+{vcs.url}@{vcs.commit_id}{place}", (), package.marker)
