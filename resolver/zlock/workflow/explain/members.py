"""The steps whose locks are current as questions to the solve, which explanations of versions ask again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from packaging.utils import NormalizedName
from packaging.version import Version

from zlock.errors import ZlockError
from zlock.model.requirement import DirectRequirement
from zlock.reporting import unheard
from zlock.resolution.side import Member, Name
from zlock.workflow.explain.aligned_steps import Together
from zlock.workflow.explain.graphs import standing
from zlock.workflow.locks.current import LockedStep, collect_locked
from zlock.workflow.project.workspace import Workspace
from zlock.workflow.solving.problem import StepProblems
from zlock.workflow.solving.session import Session


class Members:
    """What steps ask on each of their platforms; the index is asked, or with `--offline` the cache.

    Args:
        workspace: The project.
        chosen: The steps that are explained. The others whose locks are current are looked at too, as some may be
            aligned with them.
        refresh: Whether pages are asked for again that may have changed since they were stored.
    """

    def __init__(self, workspace: Workspace, chosen: Sequence[LockedStep], *, refresh: bool = False) -> None:
        session = Session(workspace, refresh=refresh)
        workspace.opened.callback(session.close)
        others = collect_locked(workspace.for_steps(reporter=unheard)) if workspace.options.steps else ()
        self._problems = StepProblems(session)
        self._steps = {one.step.name: one for one in (*others, *chosen)}
        self._found: dict[str, list[Member]] = {}
        self._together: dict[tuple[str, NormalizedName], Together] = {}
        self.overrides: dict[NormalizedName, DirectRequirement] = {one.name: one for one in workspace.project.overrides}

    def every(self) -> list[Member]:
        """Return all of them."""
        return [member for step in self._steps for member in self._of(step)]

    def member(self, name: Name) -> Member:
        """Return what a step asks on a platform."""
        return next(member for member in self._of(name[0]) if member.name == name)

    def together(self, name: Name, package: NormalizedName) -> Together:
        """Return what has its version of a package in common with a step on a platform."""
        group = self.member(name).group
        if (group, package) not in self._together:
            members = []
            for step in self._steps:
                with suppress(ZlockError):  # what another step refers to may not be there any more
                    members += [member for member in self._of(step) if member.group == group]
            self._together[group, package] = Together(members, package)
        return self._together[group, package]

    def versions(self, name: Name, package: NormalizedName) -> Sequence[Version]:
        """Return what the index lists of a package of a step, the newest first; nothing for what comes by URL."""
        found = self.member(name).problem.universe.package(package)
        return () if found.reference else found.versions

    def _of(self, step: str) -> list[Member]:
        if step not in self._found:
            locked = self._steps[step]
            self._found[step] = self._problems.members(locked, standing(locked))
        return self._found[step]
