"""What steps ask now, as values that are compared with what their locks answer."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from zlock.lock.declared import AskingFiles
from zlock.lock.facts import DeclaredFile, Facts
from zlock.lock.question import Question, digest_of
from zlock.model.paths import is_file_url
from zlock.model.requirement import Asked, Gathered
from zlock.redact import redact
from zlock.settings.config import Project
from zlock.settings.keys import policy
from zlock.workflow.project.pythons import targets_of
from zlock.workflow.project.sources import Gatherer
from zlock.workflow.project.workspace import Step, Workspace

if TYPE_CHECKING:
    from zlock.index.fingerprint import Fingerprints


class Questions:
    """Makes the questions of steps; what several of them have in common is read once.

    Args:
        workspace: The project.
        gatherer: What reads the sources.

    Attributes:
        gatherer: The same.
    """

    def __init__(self, workspace: Workspace, gatherer: Gatherer) -> None:
        self._workspace = workspace
        self.gatherer = gatherer
        self._asking = AskingFiles(workspace.project.folder)

    def of(self, step: Step, gathered: list[Gathered], facts: Facts | None) -> Question:
        """Return what a step asks.

        Args:
            step: The step.
            gathered: What its sources yield.
            facts: What its lock says, of which the Python counts where nobody set one.

        Raises:
            InvalidConfiguration: A source excludes the step's Python.
        """
        apt = {*step.effective.apt_packages, *(package for one in gathered for package in one.apt_packages)}
        return Question(
            step=step.name,
            targets=targets_of(self._workspace, step, gathered, facts),
            asked=tuple(Asked.of(one) for one in sorted(gathered, key=lambda g: g.source.rank)),
            apt_packages=tuple(sorted(apt)),
            parent_image=step.effective.parent_image or "",
            policy=self._policy(step, gathered),
            wheelhouse=self._wheelhouse,
            local=self._local(gathered),
        )

    def for_lock(
        self, step: Step, gathered: list[Gathered], facts: Facts | None
    ) -> tuple[Question, tuple[DeclaredFile, ...]]:
        """Return the same with the files that ask, which a lock records."""
        workspace, pipeline = self._workspace, self._workspace.pipeline
        files = [Path(file) for one in gathered for file in one.files]
        files += filter(None, [workspace.project.file, workspace.kept_file.path if workspace.kept_file else None])
        files += [Path(pipeline.place.file), *map(Path, pipeline.files)] if pipeline else []
        return self.of(step, gathered, facts), self._asking.declared(dict.fromkeys(files), step.name)

    def _policy(self, step: Step, gathered: list[Gathered]) -> dict[str, object]:
        """Return what of the configuration decides about a step's versions, as far as it differs from the defaults."""
        project, kept = self._workspace.project, self._workspace.kept_file
        prerelease = prerelease_of(project, gathered)
        stated = policy(replace(project, prerelease=prerelease, align=step.align, keep=kept.stated if kept else None))
        rows = (
            {"url": one.folder or redact(one.url), "name": one.name, "default": one.default, "explicit": one.explicit}
            for one in step.routing.indexes
        )
        indexes = [{key: value for key, value in row.items() if value} for row in rows]
        routing = {  # in the order in which locks have it; a portable lock names no host
            "urls": stated.get("urls"),
            "indexes": digest_of(indexes) if "urls" in stated and indexes else indexes,
            "index-sources": dict(sorted((step.routing.sources | self._routes(step, gathered)).items())),
        }
        return {name: value for name, value in routing.items() if value} | stated

    def _routes(self, step: Step, gathered: list[Gathered]) -> dict[str, str]:
        """Return which index alone serves packages, and where that holds, as the sources say."""
        found = {}
        for route in [route for one in gathered for route in one.routes]:
            index = step.routing.with_routes([route]).sources[route.name]
            is_host = self._workspace.project.is_portable and "://" in index  # a portable lock names none
            found[" ; ".join(filter(None, (route.name, route.marker)))] = digest_of(index) if is_host else index
        return found

    @property
    def _wheelhouse(self) -> str:
        """The wheelhouse of a portable lock, from its folder."""
        if not self._workspace.project.is_portable:
            return ""
        return Path(os.path.relpath(self._workspace.wheelhouse, self._workspace.lock_folder)).as_posix()

    def _local(self, gathered: list[Gathered]) -> dict[str, str]:
        """Return what the local folders and archives that a step requires ask themselves, as digests."""
        stated = [one.requirement.url or "" for each in gathered for one in (*each.requirements, *each.constraints)]
        urls = [url for url in stated if is_file_url(url)]
        return self._fingerprints.of(urls) if urls else {}

    @cached_property
    def _fingerprints(self) -> Fingerprints:
        from zlock.index.fingerprint import Fingerprints  # few steps require a folder

        return Fingerprints(self._workspace.project.folder)


def prerelease_of(project: Project, gathered: list[Gathered]) -> str:
    """Return the pre-release policy of a step: a requirements file can widen it with `--pre`."""
    return "allow" if any(one.prerelease for one in gathered) else project.prerelease
