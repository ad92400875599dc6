"""What the packages of a lock are built with that have no wheel: foreign code that decides what is installed."""

from __future__ import annotations

from collections.abc import Sequence

from zlock.lock.facts import Build, Facts
from zlock.resolution.solve import Resolved


def build_of(package: Resolved, platform: str, requires: Sequence[str], resolved: Sequence[Resolved] | None) -> Build:
    """Return the build of a package with what was chosen for it; None where no index has that."""
    return Build(
        package=package.name,
        version=str(package.candidate.version),
        platform=platform,
        requires=tuple(requires),
        requirements=tuple(_line(one) for one in resolved or ()),
        locked=resolved is not None,
    )


def build_pins(facts: Facts | None, package: str, platform: str) -> dict[str, str]:
    """Return the versions that a lock builds a package with, by name."""
    rows = [row for row in facts.builds if (row.package, row.platform) == (package, platform)] if facts else []
    return dict(line.partition(" ")[0].split("==", 1) for row in rows for line in row.requirements)


def _line(one: Resolved) -> str:
    hashes = sorted(f"--hash=sha256:{file.sha256}" for file in one.candidate.files)
    return " ".join([f"{one.name}=={one.candidate.version}", *hashes])
