"""What holds for every lock, on random indexes: judged from the files by a walk that knows nothing of zlock.

Set `ZLOCK_PROPERTY_PROJECTS` to a number for a longer run, and `ZLOCK_PROPERTY_SEED` for other projects.
"""

from __future__ import annotations

import os
import random
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from support.index import TinyIndex
from support.project import Project

PROJECTS = int(os.environ.get("ZLOCK_PROPERTY_PROJECTS", "12"))
SEED = int(os.environ.get("ZLOCK_PROPERTY_SEED", "0"))
PYTHON = "3.12"
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
MARKERS = ("platform_machine == 'aarch64'", "sys_platform == 'win32'", "python_version >= '3.12'", "extra == 'x'")
Pins = Mapping[str, str]


@dataclass
class Drawn:
    """A random index, and what two steps ask of it.

    Attributes:
        requires: What each release requires, by its name and version.
        steps: What each step asks for.
    """

    prefix: str
    dice: random.Random
    requires: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    steps: dict[str, list[str]] = field(default_factory=dict)

    def fill(self, index: TinyIndex) -> None:
        """List eight packages of three releases each and of one more, past the cut-off of configurations.

        Some have wheels for one machine only.
        """
        names = [f"{self.prefix}-{number}" for number in range(8)]
        for name in names:
            compiled = self.dice.random() < 0.4
            for version in ("1", "2", "3"):
                needs = [self._draw(names) for _ in range(self.dice.choice((0, 1, 1, 2)))]
                self.requires[name, version] = [
                    f"{need} ; {self.dice.choice(MARKERS)}" if self.dice.random() < 0.3 else need for need in needs
                ]
                machines = self.dice.choice([["x86_64", "aarch64"], ["x86_64", "aarch64"], ["x86_64"], ["aarch64"]])
                compiled_tags = [f"cp312-cp312-manylinux_2_17_{machine}" for machine in machines]
                for tag in compiled_tags if compiled else ["py3-none-any"]:
                    wheel = index.wheel(name, version, tag=tag, requires=self.requires[name, version], extras={"x": []})
                    wheel.upload_time = "2024-01-01T00:00:00Z"
            index.wheel(name, "4", extras={"x": []}).upload_time = "2025-01-01T00:00:00Z"
        self.steps = {step: [self._draw(names) for _ in range(self.dice.randint(2, 3))] for step in ("one", "two")}

    def _draw(self, names: Sequence[str]) -> str:
        bound = self.dice.choice(("", "", "", "", "<3", ">=2", "!=3", "<=2", "==2"))
        return f"{self.dice.choice(names)}{self.dice.choice(('', '', '[x]'))}{bound}"


def configure(
    project: Project,
    index: TinyIndex,
    steps: Mapping[str, Sequence[str]],
    platforms: Sequence[str] = tuple(MACHINES),
    **more: str,
) -> int:
    """Configure a project and lock it; return the exit code."""
    project.configure(
        {
            "python": PYTHON,
            "platforms": list(platforms),
            "index": [{"url": index.url, "default": True}],
            "steps": {step: {"docker": {"requirements": list(asked)}} for step, asked in steps.items()},
            **({"exclude-newer": "2024-06-01T00:00:00Z"} | more),
        }
    )
    result = project.run("resolve")
    assert result.code in (0, 1), result.stderr
    return result.code


@dataclass(frozen=True)
class Locked:
    """A random project with its locks, and a folder for others of the same index."""

    drawn: Drawn
    index: TinyIndex
    project: Project
    folder: Path


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Locked]]:
    """The random projects that have an answer, on both platforms."""
    with TinyIndex() as index:
        found = []
        for number in range(PROJECTS):
            drawn = Drawn(f"s{number}", random.Random(SEED * PROJECTS + number))
            drawn.fill(index)
            folder = tmp_path_factory.mktemp("project")
            project = Project(folder / "project")
            if configure(project, index, drawn.steps) == 0:
                found.append(Locked(drawn, index, project, folder))
        assert len(found) > PROJECTS / 3, "too few of the projects have an answer"
        yield found


def environment(platform: str) -> dict[str, str]:
    """Return the variables of markers (PEP 508)."""
    return {
        "python_version": PYTHON,
        "python_full_version": f"{PYTHON}.0",
        "implementation_name": "cpython",
        "sys_platform": "linux",
        "platform_machine": MACHINES[platform],
    }


def packages_on(lock: Mapping[str, Any], platform: str) -> dict[str, Any]:
    """Return the packages of a lock that a platform installs."""
    return {
        package["name"]: package
        for package in lock.get("packages", [])
        if "marker" not in package or Marker(package["marker"]).evaluate(environment(platform))
    }


def pins_on(lock: Mapping[str, Any], platform: str) -> dict[str, str]:
    return {name: package["version"] for name, package in packages_on(lock, platform).items()}


def flaws(drawn: Drawn, asked: Sequence[str], lock: Mapping[str, Any], platform: str) -> Iterator[str]:
    """Yield what a lock lacks or has too much on a platform, by a walk from what the step asks for."""
    packages = packages_on(lock, platform)
    reached: set[tuple[str, str]] = set()
    todo = [(text, "") for text in asked]
    while todo:
        text, extra = todo.pop()
        wish = Requirement(text)
        if wish.marker and not wish.marker.evaluate({**environment(platform), "extra": extra}):
            continue
        if wish.name not in packages:
            yield f"{wish} is not there"
            continue
        version = packages[wish.name]["version"]
        if not wish.specifier.contains(version, prereleases=True):
            yield f"{wish} is not met by {version}"
        for one in ("", *wish.extras):
            if (wish.name, one) not in reached:
                reached.add((wish.name, one))
                todo += [(need, one) for need in drawn.requires[wish.name, version]]
    for name in packages.keys() - {name for name, _ in reached}:
        yield f"nothing asks for {name}"
    for name, package in packages.items():
        tags = [tag for wheel in package["wheels"] for tag in parse_wheel_filename(wheel["url"].rpartition("/")[2])[3]]
        if not installable(platform) & set(tags):
            yield f"no wheel of {name} fits"


def installable(platform: str) -> set[Tag]:
    platforms = [f"manylinux_2_17_{MACHINES[platform]}"]
    return {*cpython_tags((3, 12), ["cp312"], platforms), *compatible_tags((3, 12), "cp312", platforms)}


def undeclared(project: Project, step: str) -> dict[str, Any]:
    """Return a lock without what it says of the files that ask, which is another for another order."""
    tree = tomllib.loads(project.lock_path(step).read_text(encoding="utf-8"))
    for key in ("declared", "declared-files", "integrity"):
        tree["tool"]["zlock"].pop(key, None)
    return tree


def test_every_lock_meets_each_requirement_on_each_platform_and_holds_nothing_else(locked: list[Locked]) -> None:
    pins = 0
    for one in locked:
        for step, asked in one.drawn.steps.items():
            lock = one.project.lock(step)
            for platform in MACHINES:
                pins += len(packages_on(lock, platform))
                assert not list(flaws(one.drawn, asked, lock, platform)), (step, platform, one.drawn)
    assert pins > 8 * len(locked), "the locks are too small to show much"


def test_another_order_of_steps_and_requirements_gives_the_same_pins_and_identity(locked: list[Locked]) -> None:
    for one in locked:
        turned = {step: asked[::-1] for step, asked in reversed(one.drawn.steps.items())}
        other = Project(one.folder / "turned")

        assert configure(other, one.index, turned) == 0
        for step in turned:
            assert undeclared(other, step) == undeclared(one.project, step), one.drawn


def test_what_is_locked_stays_when_it_is_solved_again(locked: list[Locked]) -> None:
    """Of each package there is a newer release by then; only who lets go of the pins gets it."""
    moved = 0
    for one in locked:
        again = Project(one.folder / "again")
        shutil.copytree(one.project.lock_path("one").parent, again.lock_path("one").parent)

        assert configure(again, one.index, one.drawn.steps, **{"exclude-newer": "2025-06-01T00:00:00Z"}) == 0
        for step in one.drawn.steps:
            before, after = one.project.lock(step), again.lock(step)
            own, own_after = before["tool"]["zlock"], after["tool"]["zlock"]
            assert own_after["inputs"] != own["inputs"]
            assert (after["packages"], own_after["identity"]) == (before["packages"], own["identity"]), one.drawn
        assert again.run("resolve", "--upgrade").code == 0
        moved += again.locked("one") != one.project.locked("one")
    assert moved > len(locked) / 2, "too few of the projects have something newer"


def test_locks_of_two_platforms_agree_with_those_of_each_alone(locked: list[Locked]) -> None:
    """Where each alone comes to the same versions; else one follows the other, or is the only one that can."""
    agreeing = 0
    for one in locked:
        alone: dict[str, dict[str, Pins]] = {step: {} for step in one.drawn.steps}
        for platform, machine in MACHINES.items():
            project = Project(one.folder / machine)
            assert configure(project, one.index, one.drawn.steps, [platform]) == 0
            for step in one.drawn.steps:
                alone[step][platform] = pins_on(project.lock(step), platform)
        versions = {pair for found in alone.values() for pins in found.values() for pair in pins.items()}
        if len(versions) == len({name for name, _ in versions}):
            agreeing += 1
            for step, found in alone.items():
                assert {platform: pins_on(one.project.lock(step), platform) for platform in MACHINES} == found, (
                    one.drawn
                )
    assert agreeing > len(locked) / 4, "too few of the projects have the same versions on each platform alone"
