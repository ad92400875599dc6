"""The indexes as one run asks them: who serves what, over one network and one cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from zlock.index.auth import Credentials, login_places, split_login
from zlock.index.cache import Cache
from zlock.index.client import Client
from zlock.index.machine import public_index, uv_indexes_of
from zlock.index.network import Network
from zlock.index.repository import Repository
from zlock.model.indexes import Cutoff, Index, Route, Routing, Toolchain
from zlock.model.ports import PackageSource
from zlock.model.reference import is_loopback
from zlock.model.target import Target
from zlock.reporting import Doing, News
from zlock.resolution.rules import Rules
from zlock.workflow.locks.current import AskingStep
from zlock.workflow.project.serving import serving
from zlock.workflow.project.workspace import Workspace

if TYPE_CHECKING:
    from zlock.index.sdist import SdistBuilder


class Session:
    """What a run has of indexes; whoever has made one closes it.

    Args:
        workspace: The project.
        refresh: Whether pages are asked for again that may have changed since they were stored.

    Attributes:
        workspace: The project.
        rules: What holds for every step.
        client: The way to the network.
        repository: What the indexes list, and what is in the files.
    """

    def __init__(self, workspace: Workspace, *, refresh: bool) -> None:
        self.workspace = workspace
        project = workspace.project
        self.rules = Rules(
            cutoff=_stricter(project.cutoff, workspace.options.exclude_newer),
            build_sdists=project.build_sdists,
            overrides={one.name: one for one in project.overrides},
            exclude=project.exclude,
        )
        network = Network.from_environment(workspace.environ, workspace.machine.pip)
        self.client = Client(network, Credentials(workspace.environ))
        self._cache = Cache(workspace.cache_folder)
        self.repository = Repository(
            self.client,
            self._cache,
            offline=workspace.options.offline,
            refresh=refresh,
            builder=self.builder,
            until=str(self.rules.cutoff),
        )
        self._builders: dict[Toolchain, SdistBuilder] = {}

    def close(self) -> None:
        """Store what was learnt of the indexes, and let go of the network."""
        self.repository.close()

    # Who serves what

    def source_of(self, job: AskingStep) -> PackageSource:
        """Return what a step's indexes list."""
        target = job.question.targets[0]
        return self.repository.routed(self.routed(job, target, ()), target.python_version)

    def routed(self, job: AskingStep, target: Target, routes: Iterable[Route]) -> Routing:
        """Return who serves a step's packages on a target, with what its sources say and what routes do."""
        stated = [*(route for one in job.gathered for route in one.routes), *routes]
        return self._routing(job.step.routing).with_routes([route for route in stated if target.holds(route.marker)])

    def _routing(self, configured: Routing) -> Routing:
        """Return the indexes in the order they are asked: the default one last."""
        indexes = serving(self.workspace, configured)
        if not any(index.default for index in indexes):
            indexes = (*indexes, Index(url=public_index(), default=True))
        return replace(configured, indexes=indexes)

    # What builds

    def toolchain(self, job: AskingStep, target: Target) -> Toolchain:
        """Return what sdists are built with for a step."""
        return Toolchain(target.python_version, self._routing(job.step.routing).indexes[-1])

    def builder(self, toolchain: Toolchain) -> SdistBuilder:
        """Return what builds sdists; most runs never ask for it."""
        if toolchain not in self._builders:
            from zlock.index.sdist import SdistBuilder

            made = SdistBuilder(
                self.rules.may_build,
                python=toolchain.python,
                default_index=toolchain.default_index.url,
                cutoff=self.rules.cutoff,
                offline=self.workspace.options.offline,
                reporter=self.workspace.reporter,
            )
            self._builders.setdefault(toolchain, made)  # several threads may ask at once
        return self._builders[toolchain]

    def hear(self, news: News) -> None:
        """Pass on what a universe tells, with what is being built meanwhile."""
        if isinstance(news, Doing):
            building = (what for builder in list(self._builders.values()) for what in list(builder.building))
            news = replace(news, building=tuple(building))
        self.workspace.reporter(news)

    # What a person should know

    def note(self, jobs: Sequence[AskingStep]) -> None:
        """Say which indexes anybody could answer for, or read the login of, and what of this machine doesn't count."""
        for index in dict.fromkeys(index for job in jobs for index in job.step.routing.indexes):
            _, login = split_login(index.url)
            if login and login[1]:
                self.workspace.note(
                    f"the index `{index.name or index.shown}` has its password in the configuration, for all who read "
                    f"that; it can come from {login_places(index.name)}"
                )
        for url in dict.fromkeys(index.shown for job in jobs for index in self._routing(job.step.routing).indexes):
            if url.startswith("http://") and not is_loopback(url.removeprefix("http://").partition("/")[0]):
                self.workspace.note(f"the index `{url}` is asked without encryption")
        options, project = self.workspace.options, self.workspace.project
        if unread := self.workspace.machine.unread():
            self._note_once(
                f"{', '.join(unread)} of this machine "
                f"{'are' if len(unread) > 1 else 'is'} not read, so that a lock is the same on every machine"
            )
        if uvs := "" if options.index_url or project.routing.indexes else uv_indexes_of(project.folder):
            self.workspace.note(
                f"`[tool.uv]` in `{uvs}` names an index, and zlock does not read it; "
                "if packages are to come from there, write it into the configuration as `[[index]]`"
            )

    def _note_once(self, text: str) -> None:
        """Say what holds for good once for each project, as far as the cache remembers."""
        place = hashlib.sha256(str(self.workspace.project.folder).encode()).hexdigest()
        if self._cache.read("noted", "", place) != text:
            self.workspace.note(text)
            self._cache.write("noted", "", place, text)


def _stricter(cutoff: Cutoff, limit: datetime | None) -> Cutoff:
    """Return a cut-off that the command line limits further."""
    if limit is None:
        return cutoff
    packages = {name: min(value, limit) if value else limit for name, value in cutoff.packages.items()}
    return Cutoff(default=min(cutoff.default, limit) if cutoff.default else limit, packages=packages)
