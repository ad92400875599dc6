"""What of a lock one of its targets installs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from packaging.markers import Marker

from zlock.model.indexes import Index
from zlock.model.target import Target


def packages_on(tree: Mapping[str, Any], target: Target) -> list[Mapping[str, Any]]:
    """Return the packages of a lock that a target installs (PEP 751, packages.marker)."""
    return [package for package in tree.get("packages", ()) if applies(package, target)]


def indexes_of(packages: Sequence[Mapping[str, Any]], indexes: Iterable[Index]) -> list[Index]:
    """Return those of some indexes that packages of a lock come from; a portable lock names none."""
    places = {str(package.get("index", "")).rstrip("/") for package in packages}
    return [index for index in indexes if index.shown in places]


def pins_on(tree: Mapping[str, Any], target: Target) -> dict[str, str]:
    """Return the versions a lock pins on a target, by name."""
    return {package["name"]: package["version"] for package in packages_on(tree, target) if "version" in package}


def applies(package: Mapping[str, Any], target: Target) -> bool:
    """Return whether a target installs a package of a lock."""
    marker = package.get("marker")
    return marker is None or Marker(marker).evaluate(target.environment)


def narrowed(tree: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Return a lock as one for a single target reads: its packages without markers, the wheels that it can install.

    The identity of a lock with one target is that of its narrowed self, see `identity_of`.
    """
    packages = [_narrowed(package, target) for package in packages_on(tree, target)]
    own = dict(tree["tool"]["zlock"])
    if "builds" in own:
        own["builds"] = [build for build in own["builds"] if build["platform"] == target.platform]
    if "uv" in own:
        own["uv"] = _narrowed(own["uv"], target)
    return {**tree, "packages": packages, "tool": {"zlock": own}}


def _narrowed(package: Mapping[str, Any], target: Target) -> dict[str, Any]:
    return with_wheels_for({key: value for key, value in package.items() if key != "marker"}, [target])


def with_wheels_for(package: Mapping[str, Any], targets: Sequence[Target]) -> dict[str, Any]:
    """Return a package of a lock with those of its wheels that any of some targets can install."""
    found = dict(package)
    if "wheels" in found:
        found["wheels"] = [
            wheel for wheel in found["wheels"] if any(rank_of(wheel, target) is not None for target in targets)
        ]
    return found


def rank_of(wheel: Mapping[str, Any], target: Target) -> int | None:
    """Return how well a wheel fits a target, 0 the best (PEP 425); None where it can't be installed."""
    place = wheel.get("name") or wheel.get("url") or wheel["path"]
    stem = unquote(PurePosixPath(place).name).removesuffix(".whl")
    python, abi, platform = (part.split(".") for part in stem.split("-")[-3:])
    tags = ("-".join(parts) for parts in product(python, abi, platform))
    return min((target.tags[tag] for tag in tags if tag in target.tags), default=None)


def targets_of(tree: Mapping[str, Any]) -> tuple[Target, ...]:
    """Return what a lock is for."""
    own = tree["tool"]["zlock"]
    floors = {"manylinux": own.get("manylinux"), "musllinux": own.get("musllinux")}
    return tuple(Target.parse(own["python"], platform, **floors) for platform in own["platforms"])
