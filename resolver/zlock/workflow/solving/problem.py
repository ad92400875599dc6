"""From what steps ask to problems over the packages that may answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from zlock.lock.selection import pins_on
from zlock.merge import merge_constraints
from zlock.model.distribution import LockedReference, Reference
from zlock.model.indexes import Route, Toolchain
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.reporting import Activity, Doing
from zlock.resolution.markers import Applying, Markers
from zlock.resolution.problem import Policy, Problem
from zlock.resolution.rules import Rules
from zlock.resolution.side import Member
from zlock.resolution.universe import Universe
from zlock.workflow.locks.asking import prerelease_of
from zlock.workflow.locks.current import AskingStep
from zlock.workflow.solving.session import Session

if TYPE_CHECKING:
    from zlock.workflow.project.preferred import KeptFile

N = TypeVar("N", bound=str)
T = TypeVar("T")


class StepProblems:
    """Makes problems of what steps ask; those that have the same packages share them.

    Args:
        session: The indexes.
        preferred: The lock of another tool whose versions are tried first where the step's own has none.
    """

    def __init__(self, session: Session, preferred: KeptFile | None = None) -> None:
        self._session = session
        self._preferred = preferred
        self._workspace = session.workspace
        self._universes: dict[tuple[object, ...], Universe] = {}
        self._references: dict[tuple[NormalizedName, str, LockedReference | None, Toolchain], Reference] = {}

    def members(self, job: AskingStep, requirements: Sequence[DirectRequirement]) -> list[Member]:
        """Return what a step asks on each of its platforms; they agree with each other, whoever else does.

        Args:
            job: The step.
            requirements: What it asks for, without what gave way.
        """
        group = "" if job.step.align else job.step.name
        opened = None if job.step.align == "always" else self._workspace.project.align_packages
        return [
            Member(
                name=(job.step.name, target.platform),
                problem=self._of(job, target, requirements),
                group=group,
                opened=opened,
            )
            for target in job.question.targets
        ]

    def apart(
        self, job: AskingStep, target: Target, requirements: Sequence[DirectRequirement], kept: Mapping[str, str]
    ) -> Problem:
        """Return what requirements beside those of a step come to: wheels alone, versions kept where they fit."""
        preferences = {} if self._workspace.options.upgrade else kept
        return Problem(
            universe=self._universe(job, target, requirements, Rules(cutoff=self._session.rules.cutoff)),
            requirements=requirements,
            preferences={canonicalize_name(name): version for name, version in preferences.items()},
        )

    def _of(self, job: AskingStep, target: Target, requirements: Sequence[DirectRequirement]) -> Problem:
        project = self._workspace.project
        moved = [one for one in self._workspace.options.upgrade_packages if one.requirement.specifier]
        constraints = merge_constraints(job.gathered, [*project.constraints, *moved])
        prerelease = prerelease_of(project, job.gathered)
        return Problem(
            universe=self._universe(job, target, [*requirements, *constraints], self._session.rules),
            requirements=requirements,
            constraints=constraints,
            policy=Policy(prerelease=prerelease, resolution=project.resolution, step_back=project.step_back),
            preferences=self._workspace.options.kept(
                {**(self._preferred.on(target) if self._preferred else {}), **locked_pins(job, target)}
            ),
        )

    def _universe(self, job: AskingStep, target: Target, stated: Sequence[DirectRequirement], rules: Rules) -> Universe:
        references = self._find_references(job, target, stated)
        routing = self._session.routed(job, target, _routes(stated, references, target))
        served = (routing.indexes, tuple(sorted(routing.sources.items())))
        key = (target, served, rules is self._session.rules, frozenset(references.items()))
        if key not in self._universes:
            source = self._session.repository.routed(routing, target.python_version)
            self._universes[key] = Universe(
                target, source, rules, references, self._session.hear, routed=routing.sources
            )
        return self._universes[key]

    def _find_references(
        self, job: AskingStep, target: Target, stated: Sequence[DirectRequirement]
    ) -> Mapping[NormalizedName, Reference]:
        wanted = [
            (one.name, one.requirement.url, str(one.origins[0]))
            for one in stated
            if one.requirement.url and target.holds(one.requirement.marker)
        ]
        if not wanted:
            return {}
        from zlock.index.direct import find_references  # few steps require by URL

        locked = self._workspace.options.kept(job.lock.references if job.lock else {})
        toolchain = self._session.toolchain(job, target)
        return find_references(
            wanted, lambda name, url: self._reference(name, url, locked.get(name), toolchain), target.holds
        )

    def _reference(
        self, name: NormalizedName, url: str, locked: LockedReference | None, toolchain: Toolchain
    ) -> Reference:
        key = (name, url, locked, toolchain)
        if key not in self._references:
            from zlock.index.direct import find_reference

            session = self._session
            self._workspace.reporter(Doing(Activity.FETCHING, name))
            self._references[key] = find_reference(
                name,
                url,
                project=self._workspace.project.folder,
                fetch=lambda place: session.repository.fetch(session.client.credentials.add_index(None, place)),
                builder=session.builder(toolchain),
                offline=self._workspace.options.offline,
                locked=locked,
            )
        return self._references[key]


def _routes(
    stated: Sequence[DirectRequirement], references: Mapping[NormalizedName, Reference], target: Target
) -> list[Route]:
    """Return which indexes serve what references require, each with the extras that it is required with."""
    markers, found, seen = Markers(target), dict[Route, None](), set[tuple[NormalizedName, str]]()
    waiting = [(one.name, extra) for one in stated for extra in ("", *map(canonicalize_name, one.requirement.extras))]
    for name, extra in waiting:  # grows while it is walked
        if name in references and (name, extra) not in seen:
            seen.add((name, extra))
            reference, applying = references[name], Applying(markers, extra)
            found |= {replace(one, marker=""): None for one in reference.routes if applying[one.marker]}
            required = [one for one in reference.metadata.dependencies if applying[one.marker]]
            waiting += [(one.name, each) for one in required for each in ("", *one.extras)]
    return list(found)


def locked_pins(job: AskingStep, target: Target) -> dict[NormalizedName, str]:
    """Return what the lock of a step pins on a target."""
    pins = pins_on(job.lock, target) if job.lock else {}
    return {canonicalize_name(name): version for name, version in pins.items()}
