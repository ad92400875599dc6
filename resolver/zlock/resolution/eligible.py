"""What to say of a name under which nothing can be used: unknown, yanked, pre-release, sdist, Python, platform."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable

from zlock.errors import NoEligibleRelease, UnknownPackage, ZlockError
from zlock.model.machine import SYSTEMS
from zlock.model.origin import Source
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.resolution.misfits import Misfits
from zlock.resolution.problem import Problem
from zlock.resolution.universe import Package, Rejected, bits

_SHOWN = 3
_WHEEL = "wheel for "


def find_hopeless(problem: Problem, known_names: Iterable[str]) -> list[ZlockError]:
    """Return an error for each direct requirement that no single release can meet, whatever the others say."""
    errors: dict[str, ZlockError] = {}
    for dependency, direct in problem.dependencies():
        package = problem.universe.package(dependency.name)
        if package.page is None and not package.reference:
            errors.setdefault(package.name, _unknown(direct, known_names))
        elif not problem.mask_of(dependency, direct) & _usable(problem, package):
            errors.setdefault(f"{direct} {direct.hashes}", _nothing(problem, package, dependency.specifier, direct))
    return list(errors.values())


def _usable(problem: Problem, package: Package) -> int:
    named = problem.namers(package.name)
    return problem.domain(package.name) & (-1 if named else ~problem.unnamed(package.name))


def _unknown(direct: DirectRequirement, known_names: Iterable[str]) -> UnknownPackage:
    close = difflib.get_close_matches(direct.name, sorted(set(known_names) - {direct.name}), n=3, cutoff=0.75)
    hint = (
        f"did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else "check the name, or add its index"
    )
    return UnknownPackage(
        f"no index knows `{direct.name}`",
        context=[f"required as `{direct}` by {origin}" for origin in direct.origins],
        hint=hint,
    )


def _nothing(problem: Problem, package: Package, specifier: str, direct: DirectRequirement) -> NoEligibleRelease:
    if direct.hashes and package.mask(specifier) & problem.domain(package.name):
        reason, hint = f"no file of `{package.name}` has a hash that it asks for", "correct the hashes, or the version"
    else:
        reason, hint = why_nothing(problem, package, specifier), _hint(problem, package, specifier, direct)
    return NoEligibleRelease(
        f"nothing can be used for `{direct}`: {reason}",
        context=[f"required by {origin}" for origin in direct.origins],
        hint=hint,
    )


def _matching(package: Package, specifier: str) -> list[Rejected]:
    """Return what can't be used within a specifier; files of no version count only where there is no other file."""
    versions = {package.versions[position] for position in bits(package.versions.mask(specifier))}
    rows = [row for row in package.rejected if row.version in versions]
    return rows if package.versions else package.rejected


def _newest(rejected: list[Rejected]) -> list[Rejected]:
    newest = max((row.version for row in rejected if row.version is not None), default=None)
    return [row for row in rejected if row.version == newest]


def _misfits(rejected: list[Rejected], target: Target) -> Misfits:
    return Misfits.of((row.reason.removeprefix(_WHEEL) for row in rejected if _kind(row.reason) == "wheel"), target)


def why_nothing(problem: Problem, package: Package, specifier: str) -> str:
    """Return in one line why no release of a package within a specifier can be used."""
    if package.page is None and not package.reference:
        return f"no index knows `{package.name}`"
    package.settle()
    mask = package.mask(specifier)
    if mask:
        return _why_none_of(problem, package, mask, specifier)
    rows = _matching(package, specifier)
    if rows:
        return _summary(package, rows, problem)
    return _why_none_match(problem, package, specifier)


def _why_none_match(problem: Problem, package: Package, specifier: str) -> str:
    """Return why there is nothing within a specifier, though no file was rejected."""
    usable = problem.domain(package.name) & ~problem.unnamed(package.name)
    newest = ", ".join(str(package.versions[position]) for position in list(bits(usable))[:_SHOWN])
    if newest and package.reference:
        return f"{_as_referred_to(problem, package)}, which does not match `{specifier}`"
    if newest:
        return f"no release of `{package.name}` matches `{specifier}`; the newest that can be used: {newest}"
    if package.versions and specifier:
        return f"no release of `{package.name}` matches `{specifier}`, and none of the others can be used"
    return f"the index lists `{package.name}` without any usable file"


def _as_referred_to(problem: Problem, package: Package) -> str:
    """Return which version a package has by its URL, and where that is stated."""
    stated = [one for one in problem.requirements if one.requirement.url and one.name == package.name]
    by = f" by `{stated[0]}` ({stated[0].origins[0]})" if stated else " by its URL"
    return f"`{package.name}` is {package.versions[0]}{by}"


def _why_none_of(problem: Problem, package: Package, mask: int, specifier: str) -> str:
    """Return why candidates that match can't be used."""
    constraints = [one for one in problem.constraints if one.name == package.name]
    first = package.usable(next(bits(mask)))
    if not mask & ~package.yanked:
        because = f": {first.yanked}" if first.yanked else ""
        return f"every matching release of `{package.name}` was yanked, such as {first.version}{because}"
    if not mask & package.finals and not mask & problem.domain(package.name) & ~problem.unnamed(package.name):
        return f"only pre-releases of `{package.name}` match, such as {first.version}"
    if constraints:
        stated = " and ".join(f"`{one}`" for one in constraints)
        return f"no release of `{package.name}` within {stated} matches" + (f" `{specifier}`" if specifier else "")
    return f"no release of `{package.name}` that can be used matches" + (f" `{specifier}`" if specifier else "")


def _summary(package: Package, rejected: list[Rejected], problem: Problem) -> str:
    kinds = Counter(_kind(row.reason) for row in rejected)
    if set(kinds) == {"sdist"}:
        return f"`{package.name}` has only sdists for it, no wheels"
    rows = _newest(rejected)
    newest, target = rows[0].version, problem.universe.target
    wheels = [row for row in rows if _kind(row.reason) == "wheel"]
    pythons = sorted({row.reason for row in rows if _kind(row.reason) == "python"})
    others = sorted({row.reason for row in rows if _kind(row.reason) == "other"})
    if others and not wheels and not pythons:
        return f"`{package.name}`{f' {newest}' if newest else ''}: {others[0]}"
    parts = [f"wheels only for {_misfits(wheels, target)}"] if wheels else []
    parts += [f"a file that {reason}" for reason in pythons[:1]] + others[:1]
    return f"`{package.name}` {newest} has {'; '.join(parts) or 'no usable file'}, and the target is {target}"


def _kind(reason: str) -> str:
    if reason.startswith(_WHEEL):
        return "wheel"
    if reason == "sdist":
        return "sdist"
    return "python" if reason.startswith("requires Python") else "other"


def _hint(problem: Problem, package: Package, specifier: str, direct: DirectRequirement) -> str:
    mask = package.mask(specifier)
    override = problem.universe.rules.overrides.get(package.name)
    if override and not mask:
        return f"let the override `{override}` ({override.origins[0]}) admit a release that can be used"
    if mask and not mask & ~package.yanked:
        return "pin one exactly with `==` to use it in spite of that"
    if mask and not mask & package.finals:
        return 'name a pre-release in the requirement, or set `prerelease = "allow"`'
    if mask and any(one.name == package.name for one in problem.constraints):
        return "loosen the constraint or the requirement"
    rejected = _matching(package, specifier)
    return _hint_of_elsewhere(problem, rejected, direct) or _hint_of_rejected(problem, package, rejected)


def _hint_of_elsewhere(problem: Problem, rejected: list[Rejected], direct: DirectRequirement) -> str:
    """Return the way out for a package of another system: a list of what a developer's machine holds has such."""
    tags = [row.reason.rpartition("-")[2] for row in rejected if _kind(row.reason) == "wheel"]
    systems = {one.sys_platform for one in SYSTEMS if any(tag.startswith(one.tags) for tag in tags)}
    if not systems or problem.universe.target.environment["sys_platform"] in systems or "any" in tags:
        return ""
    leave_out = f'leave it out of the images with `exclude = ["{direct.name}"]`'
    if all(origin.source == Source.LOCAL for origin in direct.origins) or len(systems) > 1:
        return f"it is of another platform: {leave_out}"
    return f'{leave_out}, or ask for it where it belongs: `{direct} ; sys_platform == "{systems.pop()}"`'


def _hint_of_rejected(problem: Problem, package: Package, rejected: list[Rejected]) -> str:
    kinds = {_kind(row.reason) for row in rejected}
    if any("cut-off" in row.reason for row in rejected):
        if package.name in problem.universe.rules.cutoff.packages:
            return f"set a later `exclude-newer-package.{package.name}`"
        return f"set `exclude-newer-package.{package.name}`, or a later `exclude-newer`"
    python = _misfits(_newest(rejected), problem.universe.target).nearest_python(problem.universe.target)
    ways = [f'set `python = "{python}"` for this step'] if python else []
    if "sdist" in kinds and not problem.universe.rules.may_build(package.name):
        ways.append(f'to let zlock build it, which runs its code, set `build-sdists = ["{package.name}"]`')
    if ways:
        return "; or ".join(ways)
    if "python" in kinds or "wheel" in kinds:
        return "choose another release, or another `python` or platform for this step"
    return "give the requirement other bounds"
