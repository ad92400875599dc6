"""What to say of a name under which nothing can be used: unknown, yanked, pre-release, sdist, Python, platform."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable

from packaging.version import Version

from zlock.errors import NoEligibleRelease, UnknownPackage, ZlockError
from zlock.model.requirement import DirectRequirement
from zlock.resolution.problem import Problem
from zlock.resolution.universe import Package, Rejected

_SHOWN = 3


def find_hopeless(problem: Problem, known_names: Iterable[str]) -> list[ZlockError]:
    """Return an error for each direct requirement that no single release can meet, whatever the others say."""
    errors: dict[str, ZlockError] = {}
    for dependency, direct in problem.dependencies():
        package = problem.universe.package(dependency.name)
        if package.page is None and not package.candidates:
            errors.setdefault(package.name, _unknown(direct, known_names))
            continue
        mask = package.mask_of_url(dependency.url) if dependency.url else package.mask(dependency.specifier)
        if not problem.domain(package.name) & mask:
            errors.setdefault(f"{package.name}{dependency.specifier}", _nothing(problem, package, direct))
    return list(errors.values())


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


def _nothing(problem: Problem, package: Package, direct: DirectRequirement) -> NoEligibleRelease:
    specifier = direct.requirement.specifier
    rejected = [
        row for row in package.rejected if row.version is None or specifier.contains(row.version, prereleases=True)
    ]
    reason = why_nothing(problem, package, rejected, str(specifier))
    return NoEligibleRelease(
        f"nothing can be used for `{direct}`: {reason}",
        context=[f"required by {origin}" for origin in direct.origins],
        hint=_hint(problem, package, rejected, str(specifier)),
    )


def why_nothing(problem: Problem, package: Package, rejected: list[Rejected] | None = None, specifier: str = "") -> str:
    """Return in one line why no release of a package can be used; within a specifier, if one is given."""
    if package.page is None and not package.candidates:
        return f"no index knows `{package.name}`"
    mask = package.mask(specifier)
    prereleases = mask & ~package.finals & ~package.yanked
    if mask and prereleases and not mask & package.finals:
        shown = next(c.version for i, c in enumerate(package.candidates) if prereleases >> i & 1)
        return f"only pre-releases of `{package.name}` match, such as {shown}"
    if mask and not mask & ~package.yanked:
        candidate = next(c for i, c in enumerate(package.candidates) if mask >> i & 1)
        because = f": {candidate.yanked}" if candidate.yanked else ""
        return f"every matching release of `{package.name}` was yanked, such as {candidate.version}{because}"
    if mask:
        return f"the constraints leave no release of `{package.name}`"
    rows = package.rejected if rejected is None else rejected
    if rows:
        return _summary(package, rows, problem)
    if package.candidates:
        newest = ", ".join(str(candidate.version) for candidate in package.candidates[:_SHOWN])
        return f"no release of `{package.name}` matches; the newest that can be used: {newest}"
    return f"the index lists `{package.name}` without any usable file"


def _summary(package: Package, rejected: list[Rejected], problem: Problem) -> str:
    kinds = Counter(_kind(row.reason) for row in rejected)
    newest = max((row.version for row in rejected if row.version is not None), default=None)
    if set(kinds) == {"sdist"}:
        return f"`{package.name}` has only sdists for it, no wheels"
    wheels = sorted(
        {
            row.reason.removeprefix("wheel for ")
            for row in rejected
            if row.version == newest and _kind(row.reason) == "wheel"
        }
    )
    pythons = sorted({row.reason for row in rejected if row.version == newest and _kind(row.reason) == "python"})
    others = sorted({row.reason for row in rejected if row.version == newest and _kind(row.reason) == "other"})
    said = f"`{package.name}` {newest} has " if newest else f"`{package.name}`: "
    parts = []
    if wheels:
        shown = ", ".join(wheels[:_SHOWN]) + (f" and {len(wheels) - _SHOWN} more" if len(wheels) > _SHOWN else "")
        parts.append(f"wheels only for {shown}")
    parts += [_lower(reason) for reason in pythons[:1]] + others[:1]
    if newest and Version(str(newest)).is_prerelease and not parts:
        parts.append("only pre-releases")
    return f"{said}{'; '.join(parts) or 'no usable file'}, and the target is {problem.universe.target}"


def _lower(reason: str) -> str:
    return f"a file that {reason}"


def _kind(reason: str) -> str:
    if reason.startswith("wheel for "):
        return "wheel"
    if reason == "sdist":
        return "sdist"
    return "python" if reason.startswith("requires Python") else "other"


def _hint(problem: Problem, package: Package, rejected: list[Rejected], specifier: str) -> str:
    mask = package.mask(specifier)
    if mask & ~package.finals and not mask & package.finals:
        return 'name a pre-release in the requirement, or set `prerelease = "allow"`'
    if mask and not mask & ~package.yanked:
        return "pin one exactly with `==` to use it in spite of that"
    kinds = {_kind(row.reason) for row in rejected}
    if "sdist" in kinds and not problem.universe.rules.may_build(package.name):
        return f'to let zlock build it, which runs its code, set `build-sdists = ["{package.name}"]`'
    if "python" in kinds or "wheel" in kinds:
        return "choose another release, or another `python` or platform for this step"
    if any("cut-off" in row.reason for row in rejected):
        return f"set `exclude-newer-package.{package.name}`, or a later `exclude-newer`"
    return "give the requirement other bounds"
