"""A lock as the requirements files that every pip and uv reads: what an index serves with hashes, the rest by URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def hashed_requirements(tree: Mapping[str, Any]) -> str:
    """Return the packages that come from indexes, sorted, each with the hashes of all its files.

    One form only: locks that install the same give the same text. Empty where there are none.
    """
    rows = [_hashed(package) for package in tree.get("packages", ()) if hashes_of(package)]
    return "".join(f"{row}\n" for row in sorted(rows))


def direct_requirements(tree: Mapping[str, Any]) -> str:
    """Return the packages that come from URLs and repositories, sorted (PEP 508, direct references).

    They stand apart: pip checks hashes for all requirements of a file or for none, and a repository has no hash.
    An archive carries its own in the fragment, a repository is at its commit. Folders have no line.
    """
    rows = [row for package in tree.get("packages", ()) for row in _direct(package)]
    return "".join(f"{row}\n" for row in sorted(rows))


def hashed_line(name: str, version: str, hashes: Sequence[str], marker: str = "") -> str:
    """Return one requirement with its sha256 digests, a line each."""
    condition = f" ; {marker}" if marker else ""
    return " \\\n".join([f"{name}=={version}{condition}", *(f"    --hash=sha256:{one}" for one in sorted(hashes))])


def hashes_of(package: Mapping[str, Any]) -> list[str]:
    """Return the sha256 digests of the files that an index lists for a locked package."""
    return [file["hashes"]["sha256"] for file in files_of(package)]


def files_of(package: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the files that an index lists for a locked package: its wheels, or its sdist."""
    return [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]


def _hashed(package: Mapping[str, Any]) -> str:
    return hashed_line(package["name"], package["version"], hashes_of(package), package.get("marker", ""))


def _direct(package: Mapping[str, Any]) -> Iterator[str]:
    marker = f" ; {package['marker']}" if "marker" in package else ""
    if "archive" in package and "url" in package["archive"]:
        archive = package["archive"]
        inside = [f"subdirectory={archive['subdirectory']}"] if "subdirectory" in archive else []
        fragment = "&".join([f"sha256={archive['hashes']['sha256']}", *inside])
        yield f"{package['name']} @ {archive['url']}#{fragment}{marker}"
    elif "vcs" in package and "url" in package["vcs"]:
        vcs = package["vcs"]
        place = f"#subdirectory={vcs['subdirectory']}" if "subdirectory" in vcs else ""
        yield f"{package['name']} @ {vcs['type']}+{vcs['url']}@{vcs['commit-id']}{place}{marker}"
