"""What there is of a name under which nothing can be used: unknown, yanked, pre-release, sdist, Python, platform."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from zlock.errors import ZlockError
from zlock.model.machine import SYSTEMS
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.resolution.findings import Files, Flaw, Lack, Nothing, Rejected
from zlock.resolution.misfits import Misfits
from zlock.resolution.package import Package, bits
from zlock.resolution.problem import Problem
from zlock.resolution.words import no_release, unknown_package

_SHOWN = 3


def find_hopeless(problem: Problem, known_names: Iterable[str]) -> list[ZlockError]:
    """Return an error for each direct requirement that no single release can meet, whatever the others say."""
    errors: dict[str, ZlockError] = {}
    rules = problem.universe.rules
    for dependency, direct in problem.dependencies():
        package = problem.universe.package(dependency.name)
        if package.page is None and not package.reference:
            errors.setdefault(package.name, unknown_package(direct, _close(direct.name, known_names)))
        elif not problem.mask_of(dependency, direct) & _usable(problem, package):
            found = _nothing(problem, package, dependency.specifier, direct)
            errors.setdefault(f"{direct} {direct.hashes}", no_release(found, direct, rules))
    return list(errors.values())


def _usable(problem: Problem, package: Package) -> int:
    named = problem.namers(package.name)
    return problem.domain(package.name) & (-1 if named else ~problem.unnamed(package.name))


def _close(name: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, sorted(set(known) - {name}), n=3, cutoff=0.75)


def _nothing(problem: Problem, package: Package, specifier: str, direct: DirectRequirement) -> Nothing:
    if direct.hashes and package.mask(specifier) & problem.domain(package.name):
        return Nothing(name=package.name, specifier=specifier, target=problem.universe.target, lack=Lack.HASHES)
    return find_nothing(problem, package, specifier)


def find_nothing(problem: Problem, package: Package, specifier: str) -> Nothing:
    """Return why no release of a package within a specifier can be used."""
    found = partial(Nothing, name=package.name, specifier=specifier, target=problem.universe.target)
    if package.page is None and not package.reference:
        return found(lack=Lack.UNKNOWN)
    package.settle()
    found = partial(found, files=_files(package, specifier, problem.universe.target))
    usable = problem.domain(package.name) & ~problem.unnamed(package.name)
    if mask := package.mask(specifier):
        return _none_of(problem, package, mask, usable, found)
    if found.keywords["files"]:
        return found(lack=Lack.FILES)
    newest = tuple(package.versions[position] for position in list(bits(usable))[:_SHOWN])
    if newest and package.reference:
        stated = [one for one in problem.requirements if one.requirement.url and one.name == package.name]
        return found(lack=Lack.URL, versions=(package.versions[0],), limits=tuple(stated[:1]))
    is_listed = newest or (package.versions and specifier)
    return found(lack=Lack.UNMATCHED, versions=newest) if is_listed else found(lack=Lack.EMPTY)


def _none_of(problem: Problem, package: Package, mask: int, usable: int, found: Callable[..., Nothing]) -> Nothing:
    """Return why candidates that match can't be used."""
    constraints = tuple(one for one in problem.constraints if one.name == package.name)
    first = package.usable(next(bits(mask)))
    if not mask & ~package.yanked:
        return found(lack=Lack.YANKED, versions=(first.version,), because=first.yanked or "")
    if not mask & (package.finals | usable):
        return found(lack=Lack.PRERELEASES, versions=(first.version,))
    return found(lack=Lack.LIMITED if constraints else Lack.EXCLUDED, limits=constraints)


def _files(package: Package, specifier: str, target: Target) -> Files | None:
    """Return the files within a specifier that can't be used; those of no version only where there are no others."""
    versions = {package.versions[position] for position in bits(package.versions.mask(specifier))}
    rows = [row for row in package.rejected if row.version in versions or not package.versions]
    if not rows:
        return None
    version = max((row.version for row in rows if row.version is not None), default=None)
    newest = sorted({row for row in rows if row.version == version}, key=lambda row: (row.flaw.value, row.detail))
    tags = [row.detail for row in newest if row.flaw is Flaw.TAGS]
    others = [row for row in newest if row.flaw not in (Flaw.TAGS, Flaw.SDIST, Flaw.PYTHON)]
    return Files(
        flaws=frozenset(row.flaw for row in rows),
        systems=_systems(rows),
        is_place=package.reference is not None,
        version=version,
        misfits=Misfits.of(tags, target) if tags else None,
        python=next((row.detail for row in newest if row.flaw is Flaw.PYTHON), ""),
        other=others[0]._replace(version=None) if others else None,
    )


def _systems(rows: Sequence[Rejected]) -> frozenset[str]:
    tags = {row.detail.rpartition("-")[2] for row in rows if row.flaw is Flaw.TAGS}
    found = {one.sys_platform for one in SYSTEMS if any(tag.startswith(one.tags) for tag in tags)}
    return frozenset() if "any" in tags else frozenset(found)
