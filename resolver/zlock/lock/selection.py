"""What of a lock one of its targets installs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from zlock.lock.lock import Lock
from zlock.lock.package import Package, PackageFile
from zlock.model.indexes import Index
from zlock.model.target import Target


def packages_on(lock: Lock, target: Target) -> tuple[Package, ...]:
    """Return the packages of a lock that a target installs (PEP 751, packages.marker)."""
    return tuple(package for package in lock.packages if target.holds(package.marker))


def indexes_of(packages: Sequence[Package], indexes: Iterable[Index]) -> list[Index]:
    """Return those of some indexes that packages of a lock come from; a portable lock names none."""
    places = {package.index.rstrip("/") for package in packages}
    return [index for index in indexes if index.shown in places]


def pins_on(lock: Lock, target: Target) -> dict[str, str]:
    """Return the versions a lock pins on a target, by name."""
    return {package.name: package.version for package in packages_on(lock, target) if package.version}


def narrowed(lock: Lock, target: Target) -> Lock:
    """Return a lock as one for a single target reads: its packages without markers, the wheels that it can install.

    The identity of a lock with one target is that of its narrowed self, see `identity_of`.
    """
    facts, uv = lock.facts, lock.facts.uv
    return replace(
        lock,
        environments=(str(target.marker),),
        packages=tuple(replace(with_wheels_for(one, [target]), marker="") for one in packages_on(lock, target)),
        facts=replace(
            facts,
            builds=tuple(build for build in facts.builds if build.platform == target.platform),
            uv=uv and replace(uv, wheels=_fitting(uv.wheels, [target])),
        ),
    )


def with_wheels_for(package: Package, targets: Sequence[Target]) -> Package:
    """Return a package of a lock with those of its wheels that any of some targets can install."""
    return replace(package, wheels=_fitting(package.wheels, targets))


def _fitting(wheels: Iterable[PackageFile], targets: Sequence[Target]) -> tuple[PackageFile, ...]:
    return tuple(wheel for wheel in wheels if any(rank_of(wheel.filename, target) is not None for target in targets))


def rank_of(filename: str, target: Target) -> int | None:
    """Return how well the wheel of a name fits a target, 0 the best (PEP 425); None where it can't be installed."""
    stem = filename.removesuffix(".whl")
    python, abi, platform = (part.split(".") for part in stem.split("-")[-3:])
    tags = ("-".join(parts) for parts in product(python, abi, platform))
    return min((target.tags[tag] for tag in tags if tag in target.tags), default=None)
