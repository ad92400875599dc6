"""What a solve found, in words: the one place that says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from packaging.version import Version

from zlock.errors import Located, NoEligibleRelease, NoSolution, NotProven, UnknownPackage
from zlock.model.explanations import Behind, Differs, GaveWay, Stated
from zlock.model.origin import Source
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.resolution.conflict import Conflict
from zlock.resolution.findings import Change, Changes, Files, Flaw, Lack, Link, Nothing, Rejected
from zlock.resolution.misfits import Misfits
from zlock.resolution.rules import Rules
from zlock.wording import span

_SHOWN = 3


# How versions of several steps came to be


def gave_way(one: GaveWay) -> str:
    """Say which requirement was overridden by which."""
    return f"{stated(one.loser)} was overridden by {stated(one.winner)}"


def differing(rows: Iterable[Differs]) -> Iterator[str]:
    """Say of each package that it has another version than in other steps, and why it has none of theirs."""
    groups: dict[tuple[str, str], list[Differs]] = {}
    for one in rows:
        groups.setdefault((one.name, one.here), []).append(one)
    for (name, here), group in groups.items():
        elsewhere = " and ".join(version for one in group for version in one.elsewhere)
        yield f"{name} is {here} in this step and {elsewhere} in other steps: {'; '.join(map(why_differs, group))}"


def why_differs(one: Differs) -> str:
    """Say why a step does not have the version of other steps."""
    others, several = " and ".join(one.elsewhere), len(one.elsewhere) > 1
    if one.reason == "forced":
        conflict = "conflict" if several else "conflicts"
        return f"{others} {conflict} with {' and '.join(map(stated, one.forcing))}"
    major = "are other major versions" if several else "is another major version"
    index = f"the index `{one.where}`, which it is taken from," if one.where else "the index that it is taken from"
    return {
        "locked": "it was locked so",
        "older": f"{others} {'are at least' if several else 'is'} {span(one.days)} older",
        "major": f"{others} {major} of what the step asks for",
        "others": f"with {others}, more would differ or be older",
        "unlisted": f"{index} does not list {others}",
        "unfit": f"no file of {others} fits {one.where}",
        "unknown": f"no answer with {others} was found",
    }[one.reason]


def behind(one: Behind) -> str:
    """Say that a pin is far behind, why, and what may help."""
    said = f"{one.name} {one.version} is {span(one.days)} behind"
    if one.sdist:
        gives = f"gives {one.gives}" if one.gives else "may help"
        return f'{said}: later ones need {one.sdist}, which has only an sdist; `build-sdists = ["{one.sdist}"]` {gives}'
    if one.forcing:
        return f"{said}: {' and '.join(map(stated, one.forcing))}"
    if one.is_alone:
        return f"{said}: no later one can be used with all that it requires"
    if one.costs:
        return f"{said}: with a later one, {one.costs} would be {span(one.cost)} older"
    return f"{said}: no answer with a later one was found that keeps the others as young"


def stated(one: Stated) -> str:
    """Say a requirement and whose it is."""
    return f"`{one.requirement}` of {', '.join(one.sources)}"


# What can't be used


def rejected(one: Rejected) -> str:
    """Say what is wrong with a file or a release."""
    if one.flaw is Flaw.URL:
        why = f"which {rejected(one.cause)}" if one.cause else "a URL that no requirement of the step names"
        return f"requires `{one.detail}`, {why}"
    said = _REJECTED.get(one.flaw, "{}").format(one.detail)
    return f"{said}: {one.detail}" if one.flaw is Flaw.QUARANTINED and one.detail else said


_REJECTED: Mapping[Flaw, str] = {
    Flaw.TAGS: "is a wheel for {}",
    Flaw.SDIST: "sdist",
    Flaw.PYTHON: "requires Python {}",
    Flaw.LATE: "uploaded {}, after the cut-off",
    Flaw.UNDATED: "its index gives no upload time, and a cut-off is set",
    Flaw.QUARANTINED: "the index quarantined it",
    Flaw.STRANGE: "`{}` is not a file of a version of it",
    Flaw.EXTRA: "has no extra `{}`",
    Flaw.GONE: "no file of it fits the target",
}


def passed_over(name: str, versions: Sequence[Version], reason: str) -> str:
    """Say that releases, the newest first, can't be used for the same reason, and others are taken."""
    alike = f", and {older(len(versions) - 1)} likewise" if versions[1:] else ""
    return f"{name} {versions[0]} is passed over{alike}: {reason}"


def nothing(one: Nothing) -> str:
    """Say in one line why no release of a package can be used."""
    said = _NOTHING[one.lack](one) + (f"; nor can {older(one.older)} be used" if one.older else "")
    if one.elsewhere:
        index, version = one.elsewhere
        said += (
            f"; it is taken from the index `{one.index}`, the first that has it, and the index `{index}` has {version}"
        )
    return said


def older(count: int) -> str:
    """Say how many older releases there are."""
    return "1 older one" if count == 1 else f"{count} older ones"


def _yanked(one: Nothing) -> str:
    because = f": {one.because}" if one.because else ""
    return f"every matching release of `{one.name}` was yanked, such as {one.versions[0]}{because}"


def _limited(one: Nothing) -> str:
    within = " and ".join(f"`{limit}`" for limit in one.limits)
    which = f"within {within}" if within else "that can be used"
    return f"no release of `{one.name}` {which} matches" + (f" `{one.specifier}`" if one.specifier else "")


def _by_url(one: Nothing) -> str:
    by = f"`{one.limits[0]}` ({one.limits[0].origins[0]})" if one.limits else "its URL"
    return f"`{one.name}` is {one.versions[0]} by {by}, which does not match `{one.specifier}`"


def _unmatched(one: Nothing) -> str:
    newest = ", ".join(map(str, one.versions))
    rest = f"; the newest that can be used: {newest}" if newest else ", and none of the others can be used"
    return f"no release of `{one.name}` matches `{one.specifier}`{rest}"


def _only_files(one: Nothing) -> str:
    within = f"within {' and '.join(f'`{limit}`' for limit in one.limits)}, " if one.limits else ""
    return within + _files(f"`{one.name}`", one.files, one.target) if one.files else ""


def _unhashed(one: Nothing) -> str:
    hashes = [digest for limit in one.limits for digest in limit.hashes]
    asked = f"`{one.limits[0]}` ({one.limits[0].origins[0]})"
    return f"no file of `{one.name}` has a hash that {asked} asks for: {_listed(hashes)}"


def _files(name: str, files: Files, target: Target) -> str:
    if files.flaws == {Flaw.SDIST}:
        return f"{name} has only sdists for it, no wheels"
    other = [rejected(files.other)] if files.other else []
    if other and not files.misfits and not files.python:
        return f"{name}{f' {files.version}' if files.version else ''}: {other[0]}"
    wheels, file = ("is a wheel", "requires") if files.is_place else ("has wheels only", "has a file that requires")
    parts = [f"{wheels} for {_misfits(files.misfits)}"] if files.misfits else []
    if files.python and not (files.misfits and files.misfits.pythons):
        parts.append(f"{file} Python {files.python}")
    return f"{name} {files.version} {'; '.join(parts + other) or 'has no usable file'}, and the target is {target}"


def _misfits(one: Misfits) -> str:
    said = [f"Python {_ranges(one.pythons)}"] if one.pythons else []
    said += [_listed(one.platforms)] if one.platforms else []
    return " or ".join(said) or _listed(one.others)


def _ranges(minors: Iterable[int]) -> str:
    """Write minor versions of Python 3, those that follow each other as one range."""
    runs: list[list[int]] = []
    for minor in sorted(minors):
        if runs and minor == runs[-1][-1] + 1:
            runs[-1].append(minor)
        else:
            runs.append([minor])
    return ", ".join(f"3.{run[0]}" + (f" to 3.{run[-1]}" if len(run) > 1 else "") for run in runs)


def _listed(tags: Iterable[str]) -> str:
    ordered = sorted(tags)
    return ", ".join(ordered[:_SHOWN]) + (f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else "")


_NOTHING: Mapping[Lack, Callable[[Nothing], str]] = {
    Lack.UNKNOWN: lambda one: f"`{one.name}` was not found in any configured index",
    Lack.HASHES: _unhashed,
    Lack.YANKED: _yanked,
    Lack.PRERELEASES: lambda one: f"only pre-releases of `{one.name}` match, such as {one.versions[0]}",
    Lack.LIMITED: _limited,
    Lack.EXCLUDED: _limited,
    Lack.FILES: _only_files,
    Lack.URL: _by_url,
    Lack.UNMATCHED: _unmatched,
    Lack.EMPTY: lambda one: f"the index lists `{one.name}` without any usable file",
}


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
        return known or _other_index(one) or "give the requirement other bounds"
    return _way_elsewhere(one.files, one.target, direct) or _way_of_files(one, one.files, rules, settings)


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
    if files.flaws & {Flaw.LATE, Flaw.UNDATED}:
        if one.name in rules.cutoff.packages:
            return f"set a later `exclude-newer-package.{one.name}`"
        return f"set `exclude-newer-package.{one.name}`, or a later `exclude-newer`"
    ways = [*filter(None, [settings, _other_index(one)])]
    if not ways and Flaw.SDIST in files.flaws and not rules.may_build(one.name):
        ways = [change(Change(kind="build", names=tuple(sorted({*(rules.build_sdists or ()), one.name}))))]
    if ways:
        return "; or ".join(ways)
    if one.limits:
        return "loosen the constraint or the requirement"
    if files.flaws & {Flaw.PYTHON, Flaw.TAGS}:
        what = "file" if files.is_place else "release"
        return f"choose another {what}, or another `python` or platform for this step"
    return "give the requirement other bounds"


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
    if one.kind == "setting":
        where = "for this step" if one.setting.startswith("python") else "if the images have that libc"
        return f"set `{one.setting}` {where}"
    if one.kind == "build":
        names = ", ".join(f'"{name}"' for name in one.names)
        more = "" if one.is_tried else "; whether that is enough was not tried, as it would take longer"
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
