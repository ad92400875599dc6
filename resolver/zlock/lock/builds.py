"""What the packages of a lock are built with that have no wheel: foreign code that decides what is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zlock.resolution.solve import Resolved


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What one sdist or repository is built with on one platform.

    Attributes:
        package: The normalized name of the package.
        version: Its version.
        platform: The target's platform.
        requires: What its build requires (PEP 518, PEP 517), sorted.
        requirements: What that comes to: lines of a requirements file, `name==version` with the hashes of wheels;
            None where no index has what it takes.
    """

    package: str
    version: str
    platform: str
    requires: tuple[str, ...]
    requirements: tuple[str, ...] | None

    @classmethod
    def of(
        cls, package: Resolved, platform: str, requires: Sequence[str], resolved: Sequence[Resolved] | None
    ) -> Build:
        """Return the build of a package with what was chosen for it."""
        return cls(
            package=package.name,
            version=str(package.candidate.version),
            platform=platform,
            requires=tuple(requires),
            requirements=None if resolved is None else tuple(_line(one) for one in resolved),
        )

    def to_table(self) -> dict[str, Any]:
        """Return it as a table of the lock."""
        return {
            "package": self.package,
            "version": self.version,
            "platform": self.platform,
            "requires": list(self.requires),
            "requirements": list(self.requirements or ()),
            **({"locked": False} if self.requirements is None else {}),
        }


def build_pins(tree: Mapping[str, Any], package: str, platform: str) -> dict[str, str]:
    """Return the versions that a lock builds a package with, by name."""
    rows = tree["tool"]["zlock"].get("builds", ()) if tree else ()
    lines = [
        line for row in rows if (row["package"], row["platform"]) == (package, platform) for line in row["requirements"]
    ]
    return dict(line.partition(" ")[0].split("==", 1) for line in lines)


def _line(one: Resolved) -> str:
    hashes = sorted(f"--hash=sha256:{file.sha256}" for file in one.candidate.files)
    return " ".join([f"{one.name}=={one.candidate.version}", *hashes])
