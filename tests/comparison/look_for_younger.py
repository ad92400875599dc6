"""Look for pins of a project's locks that are older than they have to be, by asking zlock for newer ones.

    python tests/comparison/look_for_younger.py --project DIR --index-url URL [--tries N] [--json]

The steps are locked from nothing in a copy of the project. Then, for each package that has a newer release which
fits the target, the same is done again with a constraint that asks for the newest one, and where that can't be for
ones ever further back. What comes of it is compared with the first locks as a whole: in libyears (the years between
each pin and the newest final release that fits, summed over all steps), in the age of the oldest pin, and in how many
packages differ across steps.

A pin is avoidably old where an attempt has fewer libyears and no older oldest pin, or as many and a younger one, and
no more packages that differ. The project has a `zlock.toml` and steps for linux/amd64 with wheels alone; its index has
upload times. An index is asked about every package of the project, see compare_with_uv.py.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import tomli_w
from packaging.version import Version

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from comparison.compare_with_uv import Case, Index, Judge

_SAME = 0.05  # years; less is not a difference


@dataclass(frozen=True, kw_only=True, slots=True)
class Locks:
    """What the steps are locked to.

    Attributes:
        pins: Per step the versions.
        ages: Per step and package the years behind.
    """

    pins: Mapping[str, Mapping[str, str]]
    ages: Mapping[tuple[str, str], float]

    @property
    def libyears(self) -> float:
        """The sum of the ages."""
        return sum(self.ages.values())

    @property
    def oldest(self) -> float:
        """The greatest age."""
        return max(self.ages.values(), default=0.0)

    @property
    def differing(self) -> int:
        """How many packages have several versions."""
        versions = {(name, version) for pins in self.pins.values() for name, version in pins.items()}
        return len(versions) - len({name for name, _ in versions})

    def is_better_than(self, other: Locks) -> bool:
        """Return whether these are younger as a whole, and nothing in them is older than the oldest of the others."""
        if self.differing > other.differing or self.oldest - other.oldest > _SAME:
            return False
        less = other.libyears - self.libyears
        return less > _SAME or (less >= -_SAME and other.oldest - self.oldest > _SAME)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What asking for a newer release of one package led to.

    Attributes:
        package: The package.
        pinned: Its versions in the locks.
        asked: The release that was asked for.
        libyears: What that came to; None where there is no answer.
        oldest: The oldest pin then, in years.
        differing: How many packages have several versions then.
        is_better: Whether the locks are younger so, as a whole: the pin was avoidably old.
    """

    package: str
    pinned: tuple[str, ...]
    asked: str
    libyears: float | None
    oldest: float | None
    differing: int | None
    is_better: bool


class Trial:
    """A project whose steps are locked again and again, each time from nothing."""

    def __init__(self, project: Path, index_url: str, work: Path, index: Index) -> None:
        self._folder = work / "project"
        shutil.copytree(project, self._folder)
        self._settings = tomllib.loads((self._folder / "zlock.toml").read_text(encoding="utf-8"))
        self._locks = self._folder / self._settings.get("lock-dir", "lockfiles")
        self._argv = [sys.executable, "-P", "-m", "zlock", "resolve", "--quiet", "--project", str(self._folder)]
        self._argv += ["--index-url", index_url, "--cache-dir", str(work / "cache")]
        self._index = index
        self._pythons: set[str] = set()

    def lock(self, constraint: str = "") -> Locks | None:
        """Lock the steps, with one more constraint; None where that has no answer."""
        shutil.rmtree(self._locks, ignore_errors=True)
        constraints = [*self._settings.get("constraints", ()), *([constraint] if constraint else ())]
        text = tomli_w.dumps({**self._settings, "constraints": constraints})
        (self._folder / "zlock.toml").write_text(text, encoding="utf-8")
        done = subprocess.run(self._argv, capture_output=True, text=True, check=False)
        if done.returncode == 1 and constraint:
            return None
        if done.returncode:
            sys.exit(done.stderr)
        return self._read()

    def _read(self) -> Locks:
        pins: dict[str, dict[str, str]] = {}
        ages: dict[tuple[str, str], float] = {}
        for path in sorted(self._locks.glob("pylock.*.toml")):
            lock = tomllib.loads(path.read_text(encoding="utf-8"))
            own = lock["tool"]["zlock"]
            judge = self.judge(own["python"])
            self._pythons.add(own["python"])
            pins[own["step"]] = {package["name"]: package["version"] for package in lock["packages"]}
            for name, version in pins[own["step"]].items():
                ages[own["step"], name] = judge.behind(name, Version(version))
        return Locks(pins=pins, ages=ages)

    @cache  # noqa: B019 - there is one trial in a run
    def judge(self, python: str) -> Judge:
        """Return what knows the releases that fit a Python."""
        return Judge(Case(name="", topic="", python=python, requirements=()), self._index)

    def newer(self, name: str, pinned: Version) -> list[Version]:
        """Return the final releases of a package above a version that some step's Python can use, newest first."""
        judges = [self.judge(python) for python in self._pythons]
        return sorted(
            {
                wheel.version
                for wheel in self._index.wheels(name)
                if wheel.version > pinned and not wheel.yanked and not wheel.version.is_prerelease
                if any(judge.target.fits(wheel) for judge in judges)
            },
            reverse=True,
        )


def look(trial: Trial, first: Locks, tries: int) -> Iterator[Finding]:
    """Yield what comes of asking for newer releases, one package after the other."""
    behind = sorted({name for (_, name), age in first.ages.items() if age > 0})
    for name in behind:
        pinned = sorted({Version(pins[name]) for pins in first.pins.values() if name in pins})
        for version in _spread(trial.newer(name, pinned[0]), tries):
            locks = trial.lock(f"{name}>={version}")
            yield Finding(
                package=name,
                pinned=tuple(map(str, pinned)),
                asked=f">={version}",
                libyears=round(locks.libyears, 2) if locks else None,
                oldest=round(locks.oldest, 2) if locks else None,
                differing=locks.differing if locks else None,
                is_better=locks is not None and locks.is_better_than(first),
            )
            if locks is not None:
                break


def _spread(versions: Sequence[Version], most: int) -> list[Version]:
    """Return a few of some versions: the first, then ever further apart, and the last."""
    places, place = [], 0
    while place < len(versions) - 1:
        places.append(place)
        place = 2 * place + 1
    return [versions[place] for place in [*places[: most - 1], len(versions) - 1]] if versions else []


def main() -> int:
    """Look, print, and return 1 if a pin is avoidably old."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True, metavar="DIR")
    parser.add_argument("--index-url", required=True, metavar="URL")
    parser.add_argument("--tries", type=int, default=6, metavar="N", help="releases that are asked for of one package")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zlock-younger-") as folder:
        work = Path(folder)
        index = Index(options.index_url, work / "pages", datetime.now(UTC))
        trial = Trial(options.project.resolve(), options.index_url, work, index)
        first = trial.lock()
        assert first is not None  # without a constraint the process has ended by now
        findings = []
        for finding in look(trial, first, options.tries):
            findings.append(finding)
            print(_line(finding), file=sys.stderr, flush=True)
    facts = {
        "libyears": round(first.libyears, 2),
        "oldest": round(first.oldest, 2),
        "differing": first.differing,
    }
    if options.json:
        print(json.dumps({**facts, "tried": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print(f"locked: {_shown(facts)}; {len(findings)} attempts, {sum(one.is_better for one in findings)} better")
    return int(any(finding.is_better for finding in findings))


def _line(finding: Finding) -> str:
    said = "no answer"
    if finding.libyears is not None:
        facts = {"libyears": finding.libyears, "oldest": finding.oldest, "differing": finding.differing}
        said = _shown(facts) + (", BETTER" if finding.is_better else "")
    return f"{finding.package} {' and '.join(finding.pinned)}, asked for {finding.asked}: {said}"


def _shown(facts: Mapping[str, Any]) -> str:
    return f"{facts['libyears']} libyears, the oldest pin {facts['oldest']} years, {facts['differing']} differing"


if __name__ == "__main__":
    sys.exit(main())
