"""Single changes with which a step has an answer, each tried: what hints are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from copy import copy

from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from zlock.model.distribution import Dependency
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.resolution.clauses import Grounds, Named, Unsolvable
from zlock.resolution.conflict import Conflict
from zlock.resolution.eligible import dead_ends, find_nothing
from zlock.resolution.evaluator import Evaluator
from zlock.resolution.findings import Change, Changes, Flaw, Kind, Lack, Nothing
from zlock.resolution.needs import Node
from zlock.resolution.package import Candidate, bits
from zlock.resolution.problem import Problem
from zlock.resolution.trials import Trials, added, asking, without
from zlock.resolution.unbuilt import allowing_builds

SECONDS = 2.0
"""How long changes are tried."""
_MOST_TRIED = 3  # releases of one package that a change is tried with
_PYTHONS = range(6, 16)  # minor versions of Python 3 that a step could have
_FLOOR = re.compile(r"(many|musl)linux_(\d{1,4})_(\d{1,4})_")


def find_changes(problem: Problem, conflict: Conflict) -> Changes:
    """Return the changes that solve a step which has no answer.

    Args:
        problem: The step.
        conflict: Why it has none.
    """
    trials = Trials(SECONDS)
    named = tuple(_named(problem, conflict.proof, trials))  # first, as that asks for the least that is new
    found = [*settings_for(problem, conflict.nothings, trials), *_loosened(problem, conflict, trials), *named]
    return Changes(tuple(found or _left_out(problem, conflict.requirements, trials)), trials.untried)


def _loosened(problem: Problem, conflict: Conflict, trials: Trials) -> Iterator[Change]:
    for kind, requirement, changed in _ways(problem, conflict):
        pins = trials.answer(changed)
        position = pins.get(Node(requirement.name, "")) if pins else None
        if position is not None:
            version = changed.universe.package(requirement.name).versions[position]
            yield Change(kind=kind, requirement=requirement, pin=(requirement.name, version))
        elif pins is not None and kind in ("constraint", "override"):
            yield Change(kind=kind, requirement=requirement)


def _ways(problem: Problem, conflict: Conflict) -> Iterator[tuple[Kind, DirectRequirement, Problem]]:
    """Yield what may be let go, with the problem that is left then; where a package comes from stays as it is."""
    for one in conflict.requirements:
        if one.requirement.specifier:
            yield "bound", one, asking(problem, [*without(problem.requirements, one), _bare(one)])
    unhashed = {one.name for one in conflict.nothings if one.lack is Lack.HASHES}
    for one in conflict.constraints:
        if one.name not in unhashed:
            yield "constraint", one, asking(problem, problem.requirements, without(problem.constraints, one))
    rules, needed = problem.universe.rules, dict.fromkeys(need.node.name for need in conflict.proof.needs())
    for name in (one for one in needed if one in rules.overrides):
        others = {other: one for other, one in rules.overrides.items() if other != name}
        universe = problem.universe.varied(rules=replace(rules, overrides=others))
        yield "override", rules.overrides[name], replace(problem, universe=universe)


def _bare(direct: DirectRequirement) -> DirectRequirement:
    bare = copy(direct.requirement)
    bare.specifier = SpecifierSet()
    return replace(direct, requirement=bare)


# Other settings


def settings_for(problem: Problem, nothings: Sequence[Nothing], trials: Trials) -> Iterator[Change]:
    """Yield settings with which releases can be used that can't be now: the nearest Python, a libc, builds."""
    untried = ""
    for setting, target, is_for_all in _other_targets(problem, nothings):
        before = trials.untried
        if trials.answer(replace(problem, universe=problem.universe.varied(target=target))) is not None:
            yield Change(kind="setting", setting=setting)
            break
        if trials.untried > before and is_for_all:
            untried = untried or setting
    else:
        if untried:
            yield Change(kind="setting", setting=untried, is_tried=False)
    names, is_tried = _buildable(problem, nothings, trials)
    if names:
        yield Change(kind="build", names=names, is_tried=is_tried)


def _other_targets(problem: Problem, nothings: Iterable[Nothing]) -> Iterator[tuple[str, Target, bool]]:
    """Yield targets that could use what this one can't: Pythons, the nearest first, then newer libcs.

    With each comes whether it could use something of all that this one lacks.
    """
    lacking = [one for one in nothings if one.files and one.files.flaws & {Flaw.PYTHON, Flaw.TAGS}]
    here = problem.universe.target
    others = [(f'python = "3.{minor}"', replace(here, python=f"3.{minor}")) for minor in _nearest(here.minor)]
    glibc, musl = (sorted(_floors(lacking, *one)) for one in (("many", here.manylinux), ("musl", here.musllinux)))
    others += [('manylinux = "{}_{}"'.format(*floor), replace(here, manylinux=floor)) for floor in glibc]
    others += [('musllinux = "{}_{}"'.format(*floor), replace(here, musllinux=floor)) for floor in musl]
    for setting, target in others:
        evaluator = Evaluator(target, problem.universe.rules)
        could = [_could_use(problem, one, evaluator) for one in lacking]
        if any(could):
            yield setting, target, all(could)


def _nearest(minor: int) -> list[int]:
    return sorted((one for one in _PYTHONS if one != minor), key=lambda one: (abs(one - minor), one))


def _floors(lacking: Iterable[Nothing], kind: str, now: tuple[int, int] | None) -> set[tuple[int, int]]:
    """Return the libcs that wheels are for, newer than the one that there is."""
    tags = {tag for one in lacking if one.files and one.files.misfits for tag in one.files.misfits.platforms}
    matches = [match for tag in tags if (match := _FLOOR.match(tag)) and match[1] == kind]
    return {floor for match in matches if now and (floor := (int(match[2]), int(match[3]))) > now}


def _could_use(problem: Problem, one: Nothing, evaluator: Evaluator) -> bool:
    package = problem.universe.package(one.name)
    page = package.page
    if package.reference:
        return isinstance(evaluator.reference(package.reference), Candidate)
    return page is not None and any(
        isinstance(evaluator.candidate(page, package.versions[position], position), Candidate)
        for position in bits(package.versions.mask(one.specifier))
    )


def _buildable(
    problem: Problem, nothings: Iterable[Nothing], trials: Trials
) -> tuple[tuple[NormalizedName, ...], bool]:
    """Return all packages that are to be built for an answer, as far as that tells without a build.

    Where there is no time to find out whether that is enough, those that are known by then, and False.
    """
    before, names = problem.universe.rules.build_sdists or frozenset(), frozenset[NormalizedName]()
    while more := {one.name for one in nothings if one.files and Flaw.SDIST in one.files.flaws} - names:
        names |= more if names else more | _only_sdists(problem, trials)
        changed, untried = allowing_builds(problem, names), trials.untried
        pins = trials.answer(changed)
        if pins is not None:
            usable = changed.universe.package
            chosen = {node.name: usable(node.name).usable(position) for node, position in pins.items()}
            built = {name for name in names & chosen.keys() if not chosen[name].is_wheel}
            return tuple(sorted(built | before)) if built else (), True
        proof = trials.proof(changed) if trials.untried == untried else None
        if trials.untried > untried:
            return tuple(sorted(before | names)), False
        nothings = dead_ends(changed, proof) if proof else ()
    return (), True


def _only_sdists(problem: Problem, trials: Trials) -> set[NormalizedName]:
    """Return what has only sdists of all that the newest releases require, and of what those sdists state."""
    found: set[NormalizedName] = set()
    seen: set[Dependency] = set()
    waiting, changed = [dependency for dependency, _ in problem.dependencies()], problem
    while waiting and (changed is problem or not trials.is_over):
        sdists = []
        for one in waiting:  # grows while it is walked
            if one not in seen:
                seen.add(one)
                required = _required(problem, one)
                waiting += required or ()
                if required is None and _is_only_sdist(problem, one):
                    sdists.append(one)
        found |= {one.name for one in sdists}
        changed = allowing_builds(problem, found)
        waiting = [each for one in sdists for each in _required(changed, one) or ()]
    return found


def _required(problem: Problem, one: Dependency) -> list[Dependency] | None:
    """Return what the newest release that a requirement admits requires; None where it admits none."""
    universe, package = problem.universe, problem.universe.package(one.name)
    position = package.first(universe.mask(one) & problem.usable(one.name))
    if position is None:
        return None
    return [each for extra in ("", *one.extras) for each in universe.dependencies(package, position, extra)]


def _is_only_sdist(problem: Problem, one: Dependency) -> bool:
    files = find_nothing(problem, problem.universe.package(one.name), one.specifier).files
    return files is not None and files.flaws == {Flaw.SDIST}


# What else


def _named(problem: Problem, proof: Unsolvable, trials: Trials) -> Iterator[Change]:
    """Yield requirements which, beside the others, let a pre-release or a yanked release count."""
    for package, mask in _withheld(problem, proof).items():
        for position in list(bits(mask))[:_MOST_TRIED]:
            candidate = problem.universe.package(package).usable(position)
            asked = added(f"{package}=={candidate.version}")
            if trials.answer(asking(problem, [*problem.requirements, asked])) is not None:
                yield Change(kind="name", pin=(package, candidate.version), yanked=candidate.yanked is not None)
                break


def _withheld(problem: Problem, proof: Unsolvable) -> dict[NormalizedName, int]:
    """Return the candidates that a proof's needs admit and that only a requirement of the step can let count."""
    subjects = {leaf.reason.subject for leaf in proof.facts if isinstance(leaf.reason, Grounds)}
    found: dict[NormalizedName, int] = {}
    for need in proof.needs():
        name = need.node.name
        package = problem.universe.package(name)
        package.settle()
        mask = package.yanked & ~problem.domain(name) | (problem.unnamed(name) if Named(name) in subjects else 0)
        if need.mask & mask:
            found[name] = found.get(name, need.mask) & need.mask & mask
    return found


def _left_out(problem: Problem, core: Sequence[DirectRequirement], trials: Trials) -> Iterator[Change]:
    for requirement in core:
        others = without(problem.requirements, requirement)
        pins = trials.answer(asking(problem, others)) if others else None
        # Without the URL, what else requires the package would get it from an index, where it may be a stranger's.
        if pins is not None and not (requirement.requirement.url and Node(requirement.name, "") in pins):
            yield Change(kind="leave", requirement=requirement)
