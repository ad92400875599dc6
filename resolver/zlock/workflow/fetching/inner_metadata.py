"""What a wheel says of itself, held against its lock: an index may have shown other metadata beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from zlock.errors import IndexFailed
from zlock.index.archives import wheel_metadata
from zlock.index.files import check_identity
from zlock.index.metadata import parse_metadata
from zlock.lock.package import Package
from zlock.lock.selection import best_wheel, packages_on
from zlock.model.distribution import Dependency, Metadata
from zlock.model.ports import InvalidMetadata
from zlock.model.target import Target
from zlock.resolution.rules import Rules
from zlock.workflow.locks.current import LockedStep


def check_wheel(path: Path, filename: str, package: Package, one: LockedStep, rules: Rules) -> None:
    """Hold a wheel against the lock of a step, if it is one that the step installs.

    Raises:
        IndexFailed: It is broken, or requires what the lock does not have.
    """
    targets = [
        target
        for target in one.question.targets
        if target.holds(package.marker) and best_wheel(package.wheels, target).filename == filename
    ]
    if not targets:
        return
    name = canonicalize_name(package.name)
    try:
        with path.open("rb") as stream:
            metadata = parse_metadata(wheel_metadata(stream, filename))
        check_identity(metadata, name, filename)
    except InvalidMetadata as error:
        raise IndexFailed(f"`{filename}` is locked and broken: {error.reason}", hint=_hint(package)) from error
    found = {text for target in targets for text in _contradictions(metadata, package, one, target, rules)}
    if found:
        raise IndexFailed(
            f"`{filename}` requires what the lock of step `{one.step.name}` was not told of",
            context=[*sorted(found), "the metadata that its index shows beside it says something else"],
            hint=f"{_hint(package)}; or state what it requires in the step too",
        )


def _contradictions(
    metadata: Metadata, package: Package, one: LockedStep, target: Target, rules: Rules
) -> Iterator[str]:
    if not target.admits(metadata.requires_python):
        yield f"Python {metadata.requires_python}, and the target is {target}"
    locked = {other.name: other.version for other in packages_on(one.lock, target)}
    for dependency in map(rules.overridden, metadata.dependencies):
        if rules.is_excluded(dependency.name, metadata.name) or not _applies(dependency, package, target):
            continue
        version = locked.get(dependency.name)
        if version is None:
            yield f"`{dependency.name}{dependency.specifier}`, which is not locked"
        elif version and not SpecifierSet(dependency.specifier).contains(version, prereleases=True):
            yield f"`{dependency.name}{dependency.specifier}`, and {version} is locked"


def _applies(dependency: Dependency, package: Package, target: Target) -> bool:
    """Return whether a requirement holds for a package with those extras of it that a lock has."""
    if not dependency.marker:
        return True
    marker = Marker(dependency.marker)
    return any(marker.evaluate({**target.environment, "extra": extra}) for extra in ("", *package.needs))


def _hint(package: Package) -> str:
    return f"tell the owner of the index, and require another version than {package.name} {package.version}"
