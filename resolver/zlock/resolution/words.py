"""Why a step has no answer, in words: the errors, with the way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.version import Version

from zlock.errors import Located, NoEligibleRelease, NoSolution, NotProven, UnknownPackage
from zlock.model.origin import Source
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.resolution.conflict import Conflict
from zlock.resolution.findings import Change, Changes, Files, Flaw, Lack, Link, Nothing
from zlock.resolution.rules import Rules
from zlock.resolution.unusable_words import nothing, rejected
from zlock.wording import listed

_SHOWN = 3
_OTHER_BOUNDS = "give the requirement other bounds"
_ANOTHER_INDEX = "ask the owner of its index, or take it from another one with `index-sources`"


# Requirements that nothing can meet


def unknown_package(direct: DirectRequirement, usual: str, close: Sequence[str]) -> UnknownPackage:
    """Return the error of a requirement whose name no index knows.

    Args:
        direct: The requirement.
        usual: The project whose module has that name, or empty.
        close: Names that look like it.
    """
    near = f"did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else ""
    return UnknownPackage(
        f"`{direct.name}` was not found in any configured index",
        context=[Located(f"required as `{direct}` by {origin}", origin) for origin in direct.origins],
        hint=module_of(direct, usual) or near or "check the name, or add its index",
    )


def wrong_index(index: str, names: Sequence[str]) -> UnknownPackage:
    """Return the error of an index that knows none of the names that it was asked for."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return UnknownPackage(
        f"the index `{index}` knows none of the {len(names)} packages that it was asked for: "
        f"{listed(names[:_SHOWN])}{more}",
        hint="is it the right one? It is `--index-url`, the default `[[index]]`, or what pip and uv of this machine "
        "are configured for; an index that has the packages can be added as `[[index]]`",
    )


def module_of(direct: DirectRequirement, usual: str) -> str:
    """Say which project the module is of that has a requirement's name; empty for none."""
    return f"require `{usual}`, whose module is imported as `{direct.requirement.name}`" if usual else ""


def no_release(
    one: Nothing, direct: DirectRequirement, rules: Rules, usual: str, settings: Sequence[Change], *, solves: bool
) -> NoEligibleRelease:
    """Return the error of a requirement that no release can meet, with the way out.

    Args:
        one: Why.
        direct: The requirement.
        rules: The rules.
        usual: The project whose module has that name, or empty.
        settings: Settings with which there is an answer.
        solves: Whether that is one of the whole step, or of the requirement alone.
    """
    alone = "" if solves or not settings else f"for `{direct.name}` alone it is enough to "
    ways = "; or ".join(map(change, settings))
    return NoEligibleRelease(
        f"no usable release matches `{direct}`: {nothing(one)}",
        context=[
            *(Located(f"required by {origin}", origin) for origin in direct.origins),
            *(Located(f"limited to `{limit}` by {limit.origins[0]}", limit.origins[0]) for limit in one.limits),
        ],
        hint="; or ".join(filter(None, [module_of(direct, usual), _way_out(one, direct, rules, alone + ways)])),
    )


def _way_out(one: Nothing, direct: DirectRequirement, rules: Rules, settings: str) -> str:
    override = rules.overrides.get(one.name)
    if override and one.lack in (Lack.FILES, Lack.URL, Lack.UNMATCHED, Lack.EMPTY):
        return f"relax the override `{override}` ({override.origins[0]}) to allow a release that can be used"
    known = {
        Lack.HASHES: "correct the hashes, or the version",
        Lack.YANKED: "pin one exactly with `==` to use it in spite of that",
        Lack.PRERELEASES: 'name a pre-release in the requirement, or set `prerelease = "allow"`',
        Lack.LIMITED: "loosen the constraint or the requirement",
    }.get(one.lack)
    if known or one.files is None:
        return known or _other_index(one) or (_ANOTHER_INDEX if one.lack is Lack.EMPTY else _OTHER_BOUNDS)
    elsewhere = _way_elsewhere(one.files, one.target, direct)
    is_brought = all(origin.source == Source.LOCAL for origin in direct.origins)
    if elsewhere and (is_brought or Flaw.SDIST not in one.files.flaws):
        return elsewhere
    return "; or ".join(filter(None, [_way_of_files(one, one.files, rules, settings), elsewhere]))


def _other_index(one: Nothing) -> str:
    return f'to take it from there: `index-sources = {{ {one.name} = "{one.elsewhere[0]}" }}`' if one.elsewhere else ""


def _way_elsewhere(files: Files, target: Target, direct: DirectRequirement) -> str:
    """Return the way out for a package of another system: a list of what a developer's machine holds has such."""
    if not files.systems or target.environment["sys_platform"] in files.systems:
        return ""
    leave_out = f'leave it out of the images with `exclude = ["{direct.name}"]`'
    if all(origin.source == Source.LOCAL for origin in direct.origins) or len(files.systems) > 1:
        return f"it is of another platform: {leave_out}"
    return f'{leave_out}, or ask for it where it belongs: `{direct} ; sys_platform == "{min(files.systems)}"`'


def _way_of_files(one: Nothing, files: Files, rules: Rules, settings: str) -> str:
    ways = [*filter(None, [settings, _other_index(one)])]
    if Flaw.UNDATED in files.flaws:
        ways.append(f"set `exclude-newer-package.{one.name} = false`, which lifts all but that of `--exclude-newer`")
    elif Flaw.LATE in files.flaws:
        own = f"`exclude-newer-package.{one.name}`"
        is_own = one.name in rules.cutoff.packages
        ways.append(f"set a later {own}" if is_own else f"set {own} to a later day, or a later `exclude-newer`")
    if not ways and Flaw.SDIST in files.flaws and not rules.may_build(one.name):
        ways = [change(Change(kind="build", names=tuple(sorted({*(rules.build_sdists or ()), one.name}))))]
    if ways:
        return "; or ".join(ways)
    if one.limits:
        return "loosen the constraint or the requirement"
    if files.flaws & {Flaw.PYTHON, Flaw.TAGS}:
        what = "file" if files.is_place else "release"
        return f"choose another {what}, or another `python` or platform for this step"
    is_fault = files.flaws <= {Flaw.QUARANTINED, Flaw.STRANGE, Flaw.UNUSABLE}
    return _ANOTHER_INDEX if is_fault else _OTHER_BOUNDS


# Conflicts


def no_solution(step: str, conflict: Conflict, changes: Changes | None = None) -> NoSolution:
    """Return the error of a step whose requirements can't hold together: what was proven, and what would solve it.

    Args:
        step: Its name.
        conflict: What was proven.
        changes: What was tried as ways out; None before that.
    """
    lines = [Located(f"`{one}` by {origin}", origin) for one in conflict.requirements for origin in one.origins]
    return NoSolution(
        f"no set of versions satisfies step `{step}`",
        context=[*lines, *between(conflict)],
        hint=_ways_out(conflict, changes) if changes else "",
    )


def _ways_out(conflict: Conflict, changes: Changes) -> str:
    """Say what would solve a step."""
    ways = list(map(change, changes.found))
    for one in conflict.nothings:
        ways += [f"correct the hashes of `{limit}`" for limit in one.limits if one.lack is Lack.HASHES]
        ways += filter(None, [_other_index(one)])
    hint = "; or ".join(dict.fromkeys(ways)) or "drop one of these requirements, or give it other bounds"
    if changes.untried:
        others = "1 other change was" if changes.untried == 1 else f"{changes.untried} other changes were"
        hint += f" ({others} not tried to the end, as that would take longer)"
    return hint


def not_proven(steps: int, unread: Sequence[str]) -> NotProven:
    """Return the error of a search that came to its end too early: after steps, or where too much was to be read.

    Args:
        steps: How far it came.
        unread: The packages without whose pre-releases there is no answer, where it is open who names one.
    """
    if not unread:
        return NotProven(
            f"gave up after {steps} tries; the requirements may or may not be solvable",
            hint="give bounds to the requirements that conflict most, or pin one of them",
        )
    shown = ", ".join(f"`{name}`" for name in unread)
    return NotProven(
        f"no answer without pre-releases of {shown}, and none of {steps} releases that were read names one",
        hint=f"name a pre-release in a requirement on {shown}, or give the requirements closer bounds",
    )


def between(conflict: Conflict) -> Iterator[str]:
    """Say what stands between the requirements of a conflict, from the step outwards, a line each."""
    yield from (f"constraint `{one}` by {one.origins[0]}" for one in conflict.constraints)
    yield from map(_link, conflict.links)
    if conflict.unshown:
        yield f"and {conflict.unshown} more of this kind"
    yield from map(nothing, conflict.nothings)


def _link(link: Link) -> str:
    subject = f"every usable `{link.node}`" if link.span == "every" else f"`{link.node}` {_versions(link)}"
    if link.rejected:
        prefix = "" if link.rejected.flaw in (Flaw.URL, Flaw.PYTHON) else "can't be used: "
        return f"{subject} {prefix}{rejected(link.rejected)}"
    if link.requires and link.others:
        newest = f"the newest `{link.requires}`, others {link.others} other ranges"
        return f"{subject} requires `{link.requires.name}`: {newest}"
    limited = f", which the override `{link.override}` by {link.override.origins[0]} limits" if link.override else ""
    return f"{subject} requires `{link.requires}`{limited}"


def _versions(link: Link) -> str:
    shown: Sequence[Version] = link.versions
    if len(shown) == 1:
        return str(shown[0])
    if link.span == "run":
        return f"{shown[0]} to {shown[-1]}"
    if len(shown) <= _SHOWN:
        return f"{', '.join(map(str, shown[:-1]))} and {shown[-1]}"
    return f"({len(shown)} versions from {shown[0]} to {shown[-1]})"


def change(one: Change) -> str:
    """Say a change that would solve a step."""
    more = "" if one.is_tried else "; whether that is enough was not tried, as it would take longer"
    if one.kind == "setting":
        where = "for this step" if one.setting.startswith("python") else "if the images have that libc"
        return f"set `{one.setting}` {where}{more}"
    if one.kind == "build":
        names = ", ".join(f'"{name}"' for name in one.names)
        them = "it, which runs its" if len(one.names) == 1 else "them, which runs their"
        return f"set `build-sdists = [{names}]` to let zlock build {them} code{more}"
    pin = f"{one.pin[0]} {one.pin[1]}" if one.pin else ""
    if one.requirement is None:
        return f"require `{pin.replace(' ', '==')}`, which is {'yanked' if one.yanked else 'a pre-release'}"
    subject = f"`{one.requirement}` ({one.requirement.origins[0]})"
    if one.kind == "leave":
        return f"leave out {subject}"
    which = "" if one.kind == "bound" else f"the {one.kind} "
    return f"relax {which}{subject} to allow {pin}" if pin else f"drop {which}{subject}"
