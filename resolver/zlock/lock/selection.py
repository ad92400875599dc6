"""What of a lock one of its targets installs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from msgspec.structs import replace
from packaging.utils import parse_wheel_filename

from zlock.lock.files import PackageFile
from zlock.lock.lock import Lock
from zlock.lock.package import Package
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
    facts, installer = lock.facts, lock.facts.installer
    return replace(
        lock,
        environments=(str(target.marker),),
        packages=tuple(replace(with_wheels_for(one, [target]), marker="") for one in packages_on(lock, target)),
        facts=replace(
            facts,
            builds=tuple(build for build in facts.builds if build.platform == target.platform),
            installer=installer and replace(installer, wheels=_fitting(installer.wheels, [target])),
        ),
    )


def with_wheels_for(package: Package, targets: Sequence[Target]) -> Package:
    """Return a package of a lock with those of its wheels that any of some targets can install."""
    return replace(package, wheels=_fitting(package.wheels, targets))


def _fitting(wheels: Iterable[PackageFile], targets: Sequence[Target]) -> tuple[PackageFile, ...]:
    return tuple(wheel for wheel in wheels if any(target.rank(wheel.filename) is not None for target in targets))


def best_wheel(wheels: Sequence[PackageFile], target: Target) -> PackageFile:
    """Return the wheel that an installer takes: the best tags, of these the highest build number."""
    return min(sorted(wheels, key=_build, reverse=True), key=lambda one: target.rank(one.filename) or 0)


def _build(file: PackageFile) -> tuple[tuple[int | str, ...], str]:
    return parse_wheel_filename(file.filename)[2], file.filename


def misfits(lock: Lock, targets: Iterable[Target]) -> Iterator[str]:
    """Say what of a lock comes from a place of its own, and targets can't install.

    What indexes list was chosen for the targets that the lock says; what a URL names was taken as it is once.
    """
    placed = [one for one in lock.packages if one.archive or one.vcs or one.directory]
    for package, target in product(placed, targets):
        if target.holds(package.marker) and (why := _misfit(package, target)):
            yield f"`{package.name}` {package.shown} {why}, and the target is {target}"


def _misfit(package: Package, target: Target) -> str:
    if package.archive and not package.is_built and target.rank(package.archive.filename) is None:
        return f"is a wheel for {'-'.join(package.archive.filename[:-4].rsplit('-', 3)[1:])}"
    return "" if target.admits(package.requires_python) else f"requires Python {package.requires_python}"
