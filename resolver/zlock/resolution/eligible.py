"""What there is of a name under which nothing can be used: unknown, yanked, pre-release, sdist, Python, platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from zlock.model.distribution import Dependency
from zlock.model.machine import SYSTEMS
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.findings import Files, Flaw, Lack, Nothing, Rejected
from zlock.resolution.misfits import Misfits
from zlock.resolution.needs import Need
from zlock.resolution.package import Package, bits
from zlock.resolution.problem import Problem

_SHOWN = 3


def dead_ends(problem: Problem, proof: Unsolvable) -> list[Nothing]:
    """Return why no release at all can meet some needs in a proof."""
    found: dict[Nothing, None] = {}
    for need in proof.needs():
        if not need.mask & problem.domain(need.node.name) & ~problem.unnamed(need.node.name):
            found[find_nothing(problem, problem.universe.package(need.node.name), _specifier(need))] = None
    return list(found)


def passed_over(problem: Problem, proof: Unsolvable) -> Iterator[Nothing]:
    """Yield why releases can't be used that a proof's needs admit, and that are newer than all that can be."""
    admitted: dict[NormalizedName, int] = {}
    for need in proof.needs():
        name = need.node.name
        if not need.mask & problem.domain(name) & ~problem.unnamed(name):
            admitted[name] = 0  # a dead end, of which it is said
        found = need.mask | problem.universe.package(name).versions.mask(_specifier(need))
        admitted[name] = admitted.get(name, found) & found
    for name, mask in admitted.items():
        package = problem.universe.package(name)
        package.settle()
        usable = mask & problem.domain(name) & ~problem.unnamed(name)
        timely = {row.version for row in package.rejected if not row.is_late}
        above = mask & ~package.all & (usable & -usable) - 1 & ~problem.withheld(package)
        newer, *older = [*(one for one in bits(above) if package.versions[one] in timely), None]
        if newer is not None:
            why = find_nothing(problem, package, f"=={package.versions[newer]}")
            yield replace(why, older=len(older) - 1 if older else 0)


def _specifier(need: Need) -> str:
    if isinstance(need.cause, Dependency):
        return need.cause.specifier
    return str(need.cause.requirement.specifier)


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
    index, elsewhere = problem.universe.elsewhere(package, specifier)
    found = partial(found, index=index, elsewhere=elsewhere)
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
    for one in constraints:
        if one.hashes and not problem.mask_of_constraint(package, one):
            return found(lack=Lack.HASHES, limits=(one,), files=None)
    within = _within(constraints, found.keywords["specifier"])  # type: ignore[attr-defined]
    files = _files(package, within, problem.universe.target) if constraints else None
    if files:
        return found(lack=Lack.FILES, specifier=within, limits=constraints, files=files)
    return found(lack=Lack.LIMITED if constraints else Lack.EXCLUDED, limits=constraints)


def _within(constraints: Sequence[DirectRequirement], specifier: str) -> str:
    limits = [str(one.requirement.specifier) for one in constraints]
    return str(SpecifierSet(",".join(filter(None, [specifier, *limits]))))


def _files(package: Package, specifier: str, target: Target) -> Files | None:
    """Return the files within a specifier that can't be used; those of no version only where there are no others."""
    versions = {package.versions[position] for position in bits(package.versions.mask(specifier))}
    rows = [row for row in package.rejected if row.version in versions or not package.versions]
    rows = [row for row in rows if not row.is_late] or rows
    if not rows:
        return None
    late = [row for row in rows if row.flaw in (Flaw.LATE, Flaw.UNDATED)]  # but for that they could be used
    days = {row.version: row.detail for row in late}
    found = sorted({row.version for row in late or rows if row.version is not None}, reverse=True)
    # The newest final one; after the cut-off the first, which tells how much later that would have to be.
    version = min(found, key=lambda one: (one.is_prerelease, days.get(one, "")), default=None)
    newest = sorted(
        {row for row in late or rows if row.version == version}, key=lambda row: (row.flaw.value, row.detail)
    )
    tags = [row.detail for row in newest if row.flaw is Flaw.TAGS]
    others = [row for row in newest if row.flaw not in (Flaw.TAGS, Flaw.SDIST, Flaw.PYTHON)]
    return Files(
        flaws=frozenset(row.flaw for row in rows),
        systems=_systems(rows),
        is_place=package.reference is not None,
        version=version,
        misfits=Misfits.of(tags, target) if tags else None,
        python=next((row.detail for row in newest if row.flaw is Flaw.PYTHON), ""),
        other=replace(others[0], version=None) if others else None,
    )


def _systems(rows: Sequence[Rejected]) -> frozenset[str]:
    tags = {row.detail.rpartition("-")[2] for row in rows if row.flaw is Flaw.TAGS}
    found = {one.sys_platform for one in SYSTEMS if any(tag.startswith(one.tags) for tag in tags)}
    return frozenset() if "any" in tags else frozenset(found)
