"""Direct requirements that nothing can meet, whatever the others say."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from zlock.errors import ZlockError
from zlock.model.requirement import DirectRequirement
from zlock.resolution.changes import SECONDS, settings_for
from zlock.resolution.eligible import find_nothing
from zlock.resolution.findings import Change, Lack, Nothing
from zlock.resolution.import_names import project_of
from zlock.resolution.package import Package
from zlock.resolution.problem import Problem
from zlock.resolution.trials import Trials, asking
from zlock.resolution.words import no_release, unknown_package


class Hopeless(NamedTuple):
    """A direct requirement that no single release can meet, and why."""

    direct: DirectRequirement
    nothing: Nothing


def find_hopeless(problem: Problem) -> list[Hopeless]:
    """Return the direct requirements that no single release can meet."""
    found: dict[str, Hopeless] = {}
    for dependency, direct in problem.dependencies():
        package = problem.universe.package(dependency.name)
        if package.page is None and not package.reference:
            found.setdefault(package.name, Hopeless(direct, find_nothing(problem, package, dependency.specifier)))
        elif not problem.mask_of(dependency, direct) & _usable(problem, package):
            nothing = _nothing(problem, package, dependency.specifier, direct)
            found.setdefault(f"{direct} {direct.hashes}", Hopeless(direct, nothing))
    return list(found.values())


def errors_of(problem: Problem, hopeless: Sequence[Hopeless], known_names: Collection[str]) -> list[ZlockError]:
    """Return the errors of requirements that nothing can meet, with the settings under which there would be a release.

    Args:
        problem: What has no answer.
        hopeless: The requirements.
        known_names: Names that an unknown one may be meant as, where its index has them.
    """
    errors = [_unknown(problem, direct, known_names) for direct, nothing in hopeless if nothing.lack is Lack.UNKNOWN]
    found = [one for one in hopeless if one.nothing.lack is not Lack.UNKNOWN]
    trials = Trials(SECONDS)
    whole = () if errors else tuple(settings_for(problem, [one.nothing for one in found], trials))
    for direct, one in found:
        settings, solves = _settings(problem, one, direct, whole, trials)
        usual = _usual(problem, direct, ()) if one.lack is Lack.FILES else ""
        errors.append(no_release(one, direct, problem.universe.rules, usual, settings, solves=solves))
    return errors


def _settings(
    problem: Problem, one: Nothing, direct: DirectRequirement, whole: tuple[Change, ...], trials: Trials
) -> tuple[tuple[Change, ...], bool]:
    """Return settings that solve the step, else those with which one requirement alone can be met; and which."""
    if whole or not one.files:
        return whole, True
    return tuple(settings_for(asking(problem, [direct]), [one], trials)), False


def _usable(problem: Problem, package: Package) -> int:
    named = problem.namers(package.name)
    return problem.domain(package.name) & (-1 if named else ~problem.unnamed(package.name))


def _unknown(problem: Problem, direct: DirectRequirement, known_names: Collection[str]) -> ZlockError:
    usual = _usual(problem, direct, known_names)
    close = () if usual else _close(direct.name, known_names)
    return unknown_package(direct, usual, list(filter(problem.universe.knows, close)))


def _usual(problem: Problem, direct: DirectRequirement, known_names: Collection[str]) -> str:
    """Return the project whose module has a requirement's name, empty where its index has none."""
    usual = project_of(direct.name, known_names)
    return usual if usual and problem.universe.knows(usual) else ""


def _close(name: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, sorted(set(known) - {name}), n=3, cutoff=0.75)


def _nothing(problem: Problem, package: Package, specifier: str, direct: DirectRequirement) -> Nothing:
    if direct.hashes and package.mask(specifier) & problem.domain(package.name):
        target = problem.universe.target
        return Nothing(name=package.name, specifier=specifier, target=target, lack=Lack.HASHES, limits=(direct,))
    return find_nothing(problem, package, specifier)
