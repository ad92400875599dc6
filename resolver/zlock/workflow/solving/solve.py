"""From what steps ask to what their locks say: the indexes, the solve, the document."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import Collector, InvalidRequirements, NoAnswer, NotProven, Problems, ZlockError
from zlock.index.auth import Credentials
from zlock.index.cache import Cache, default_folder
from zlock.index.client import Client
from zlock.index.machine import Machine, uv_indexes_of
from zlock.index.network import Network
from zlock.index.repository import Repository, popular_names
from zlock.lock.document import Facts, build, render
from zlock.lock.environments import Answer
from zlock.lock.installer import uv_table
from zlock.lock.selection import pins_on
from zlock.lock.store import pins_of, references_of, uv_of
from zlock.merge import merge, merge_constraints
from zlock.model.distribution import File, LockedReference, Reference
from zlock.model.explanations import GaveWay, Stated
from zlock.model.indexes import Cutoff, Index, Routing
from zlock.model.origin import Origin, Source
from zlock.model.ports import PackageSource
from zlock.model.reference import is_loopback
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.reporting import Activity, Doing, Reporter
from zlock.resolution.align import Aligned, Member, align
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.needs import Pins
from zlock.resolution.problem import Policy, Problem
from zlock.resolution.reporter import SearchReporter
from zlock.resolution.rules import Rules
from zlock.resolution.solve import Described, Resolved, describe, solve
from zlock.resolution.universe import Universe
from zlock.resolution.words import differs, gave_way, no_solution
from zlock.workflow.locks.job import Job
from zlock.workflow.locks.replaced_files import note_replaced
from zlock.workflow.project.workspace import Workspace
from zlock.workflow.solving.build_requirements import BuildLocker

if TYPE_CHECKING:
    from zlock.index.sdist import Builder
    from zlock.resolution.findings import Conflict

N = TypeVar("N", bound=str)
T = TypeVar("T")
Solved = tuple[Job, dict[str, Any], str]


def solve_jobs(workspace: Workspace, jobs: Sequence[Job], settled: Sequence[Job]) -> list[Solved]:
    """Solve steps together over shared indexes; return each with its lock as a tree and as a text.

    Args:
        workspace: The project.
        jobs: The steps.
        settled: Other steps, whose locks stay; versions are aligned with theirs.

    Raises:
        ZlockError: A step has no answer, or an index failed; several come as `Problems`.
    """
    refresh = workspace.options.upgrade or bool(workspace.options.upgrade_packages)
    solver = Solver(workspace, jobs, refresh=refresh)
    with _without_collector():
        try:
            return solver.solve_all(jobs, settled)
        except (NoAnswer, Problems):
            if workspace.options.offline or not solver.trusted_age:
                raise
        workspace.reporter(Doing(Activity.ASKING_AGAIN))
        return Solver(workspace, jobs, refresh=True).solve_all(jobs, settled)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python from looking for garbage: what a solve makes, it keeps, and to look cost a fifth of a cold run."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(slots=True)
class _State:
    """A step on its way to an answer: what it still asks for, and what of it gave way."""

    job: Job
    requirements: list[DirectRequirement]
    members: list[Member]
    gave_way: list[GaveWay] = field(default_factory=list)


class _Steps(SearchReporter):
    """Says how far a search is."""

    def __init__(self, hear: Reporter) -> None:
        self._hear = hear

    def starting_round(self, index: int) -> None:
        if index % 100 == 0:
            self._hear(Doing(Activity.SEARCHING, done=index))


class Solver:
    """What the solves of one run share."""

    def __init__(self, workspace: Workspace, jobs: Sequence[Job], *, refresh: bool) -> None:
        self._workspace = workspace
        self._reporter = workspace.reporter
        self._steps = _Steps(workspace.reporter)
        options, project = workspace.options, workspace.project
        self._machine = Machine.read(workspace.environ, project.folder)
        network = Network.from_environment(workspace.environ, self._machine.pip)
        self._client = Client(network, Credentials(workspace.environ))
        self._rules = Rules(
            cutoff=_stricter(project.cutoff, options.exclude_newer),
            build_sdists=project.build_sdists,
            overrides={one.name: one for one in project.overrides},
            exclude=project.exclude,
        )
        unread = self._machine.unread()
        if unread:
            workspace.report.note(
                f"this machine sets {', '.join(unread)}; a lock must not depend on the machine, so they are not read"
            )
        uvs = "" if options.index_url or project.routing.indexes else uv_indexes_of(project.folder)
        if uvs:
            workspace.report.note(
                f"`[tool.uv]` in `{uvs}` names an index, and zlock does not read it; "
                "if packages are to come from there, write it into the configuration as `[[index]]`"
            )
        self._repository = Repository(
            self._client,
            Cache(options.cache_dir or default_folder(workspace.environ)),
            offline=options.offline,
            refresh=refresh,
            builder=self._builder,
        )
        self._build_locker = BuildLocker(self._repository, self._solve_apart, workspace)
        self._builders: dict[str, Builder] = {}
        self._universes: dict[tuple[Any, ...], Universe] = {}
        self._known: Described = {}
        self._references: dict[tuple[NormalizedName, str, LockedReference | None, str], Reference] = {}
        self._default_index = self._routing(jobs[0].step.routing).indexes[-1].url

    def _routing(self, configured: Routing) -> Routing:
        """Return the indexes in the order they are asked: the default one last."""
        url = self._workspace.options.index_url
        default = [index for index in configured.indexes if index.default]
        if url:
            default = [Index(url=url if "://" in url else str(Path(url).resolve()), default=True)]
        others = [index for index in configured.indexes if not index.default]
        return replace(configured, indexes=(*others, *(default or [self._machine_default])))

    def _routed(self, job: Job, target: Target, references: Mapping[NormalizedName, Reference]) -> Routing:
        """Return who serves a step's packages on a target, with what its sources and the projects it requires say."""
        stated = [one.routes for one in job.gathered] + [one.routes for one in references.values()]
        holding = [
            route
            for routes in stated
            for route in routes
            if not route.marker or Marker(route.marker).evaluate({**target.environment, "extra": ""})
        ]
        return self._routing(job.step.routing).with_routes(holding)

    @cached_property
    def _machine_default(self) -> Index:
        url, _ = self._machine.index_url()
        return Index(url=url, default=True)

    def _builder(self, python: str) -> Builder:
        """Return what builds sdists for a minor version of Python; most runs never ask for it."""
        if python not in self._builders:
            from zlock.index.sdist import Builder

            made = Builder(
                self._rules.may_build,
                python=python,
                default_index=self._default_index,
                offline=self._workspace.options.offline,
                reporter=self._reporter,
            )
            self._builders.setdefault(python, made)  # several threads may ask at once
        return self._builders[python]

    @property
    def trusted_age(self) -> bool:
        """Whether pages were believed that may have changed since: a "no" that rests on them is none yet."""
        return self._repository.trusted_age

    def close(self) -> None:
        """Store what was learnt of the indexes, and let go of the network."""
        self._repository.close()

    def solve_all(self, jobs: Sequence[Job], settled: Sequence[Job]) -> list[Solved]:
        """Solve the steps together; what stands against any of them is raised at the end, all of it."""
        locked = [_pins(job.lock or {}, target) for job in settled for target in job.question.targets]
        try:
            states = self._prepare(jobs)
            while True:
                self._reporter(Doing(Activity.SOLVING, total=len(states)))
                aligned = align([member for state in states for member in state.members], locked, self._steps)
                if not aligned.failed:
                    break
                self._give_way(states, aligned)
            problems = Collector()
            solved: list[Solved] = []
            for state in states:
                with problems:
                    solved.append(self._locked(state, aligned))
            problems.raise_if_any()
        finally:
            self.close()
        self._note_unencrypted(jobs)
        self._workspace.report.note(*(note for universe in self._universes.values() for note in universe.notes))
        self._workspace.report.note(*(note for builder in self._builders.values() for note in builder.notes))
        return solved

    def _note_unencrypted(self, jobs: Sequence[Job]) -> None:
        """Say which indexes anybody on the way could answer for."""
        for url in dict.fromkeys(index.shown for job in jobs for index in self._routing(job.step.routing).indexes):
            if url.startswith("http://") and not is_loopback(urlsplit(url).netloc):
                self._workspace.report.note(f"the index `{url}` is asked without encryption")

    def _prepare(self, jobs: Sequence[Job]) -> list[_State]:
        problems = Collector()
        states = []
        for job in jobs:
            with problems:
                requirements = list(merge(job.gathered))
                states.append(_State(job, requirements, self.members(job, requirements)))
        problems.raise_if_any()
        return states

    def members(self, job: Job, requirements: Sequence[DirectRequirement]) -> list[Member]:
        """Return what a step asks on each of its platforms; they agree with each other, whoever else does.

        Args:
            job: The step.
            requirements: What it asks for, without what gave way.
        """
        return [
            Member(
                name=(job.step.name, target.platform),
                problem=self.problem_of(job, target, requirements),
                group="" if job.step.align else job.step.name,
            )
            for target in job.question.targets
        ]

    def _give_way(self, states: Sequence[_State], aligned: Aligned) -> None:
        """Let a requirement of each step without an answer give way, where the configuration lets it."""
        problems = Collector()
        for state in states:
            member = next((one for one in state.members if one.name in aligned.failed), None)
            if member is None:
                continue
            error = aligned.failed[member.name]
            with problems:
                if isinstance(error, Unsolvable):
                    self._yield_to(state, member.problem, error)
                elif isinstance(error, NotProven):
                    raise _in_step(error, state.job.step.name) from error
                elif error not in problems.errors:  # a page can fail for several steps
                    raise error
        problems.raise_if_any()

    def _yield_to(self, state: _State, problem: Problem, proof: Unsolvable) -> None:
        """Take one requirement of a conflict away from a step.

        Raises:
            ZlockError: None may give way.
        """
        from zlock.resolution.explain import gives_way

        conflict = self._conflict(problem, state.job.step.name, proof)
        loser = gives_way(conflict, problem) if self._may_give_way else None
        if loser is None:
            raise no_solution(state.job.step.name, conflict)
        state.requirements.remove(loser[0])
        state.gave_way.append(GaveWay(loser=Stated.of(loser[0]), winner=Stated.of(loser[1])))
        state.members = self.members(state.job, state.requirements)

    def _locked(self, state: _State, aligned: Aligned) -> Solved:
        """Return the lock of a step that was solved."""
        job = state.job
        answers: list[Answer] = [
            (one.problem.universe.target, self._complete(describe(one.problem, aligned.pins[one.name], self._known)))
            for one in state.members
        ]
        for _, resolved in answers:
            _check_strangers({one.project for one in job.gathered} - {""}, resolved)
        builds = [build for target, resolved in answers for build in self._build_locker.builds(job, target, resolved)]
        differing = dict.fromkeys(found for one in state.members for found in aligned.differs.get(one.name, ()))
        facts = Facts(
            declared=job.declared,
            owner=job.owner,
            gave_way=tuple(map(gave_way, state.gave_way)),
            differs=tuple(map(differs, differing)),
            builds=tuple(builds),
            uv=uv_table(self._installer(job)),
            exclude_newer=self._fact(),
        )
        tree = build(
            job.question,
            answers,
            facts,
            project=self._workspace.project.folder,
            wheelhouse=self._workspace.wheelhouse if self._is_portable else None,
            lock_folder=job.path.parent,
        )
        before = job.lock or {}
        let_go = pins_of(before).keys() - self._kept(pins_of(before)).keys()
        self._workspace.report.note(*note_replaced(before, tree, let_go=let_go))
        self._note_repositories(tree)
        return job, tree, render(tree)

    @property
    def _is_portable(self) -> bool:
        return self._workspace.project.urls == "portable"

    def _note_repositories(self, tree: Mapping[str, Any]) -> None:
        """Say what of a portable lock is not portable."""
        for package in tree["packages"] if self._is_portable else ():
            if "vcs" in package:
                self._workspace.report.note(
                    f"`{package['name']}` comes from a repository, so the portable lock has its URL: "
                    "a wheelhouse can't hold it"
                )

    def _installer(self, job: Job) -> list[Resolved]:
        """Return what installs the lock in images, for each target whose images fetch it."""
        origin = Origin(source=Source.CONFIGURATION, detail="`python_package_installer`")
        name: str = job.step.installer.name
        kept = {name: known["version"]} if (known := uv_of(job.lock) if job.lock else None) else {}
        found: list[Resolved] = []
        for target in job.step.fetching(job.question.targets):
            exact = f"{name}=={found[0].candidate.version}" if found else name
            requirement = DirectRequirement(requirement=Requirement(exact), origins=(origin,))
            found += self._solve_apart(job, target, [requirement], kept)
        return found

    def _solve_apart(
        self, job: Job, target: Target, requirements: Sequence[DirectRequirement], kept: Mapping[str, str]
    ) -> list[Resolved]:
        """Return what requirements beside those of the step come to: wheels alone, the versions kept where they fit."""
        preferences = {} if self._workspace.options.upgrade else kept
        problem = Problem(
            universe=self._universe(job, target, requirements, Rules(cutoff=self._rules.cutoff)),
            requirements=requirements,
            preferences={canonicalize_name(name): version for name, version in preferences.items()},
        )
        return self._complete(describe(problem, self._answer(problem, job.step.name)))

    @property
    def _may_give_way(self) -> bool:
        return self._workspace.project.conflicts == "later"

    def _fact(self) -> str:
        cutoff = self._workspace.options.exclude_newer
        return cutoff.isoformat() if cutoff else ""

    def problem_of(self, job: Job, target: Target, requirements: Sequence[DirectRequirement]) -> Problem:
        """Return what a step asks on one of its targets.

        Args:
            job: The step.
            target: The target.
            requirements: What the step asks for, without what gave way.
        """
        constraints = merge_constraints(job.gathered, self._workspace.project.constraints)
        pins = self._kept(_pins(job.lock or {}, target))
        policy = Policy(
            prerelease=self._workspace.prerelease(job.gathered), resolution=self._workspace.project.resolution
        )
        return Problem(
            universe=self._universe(job, target, [*requirements, *constraints], self._rules),
            requirements=requirements,
            constraints=constraints,
            policy=policy,
            preferences=pins,
        )

    def _kept(self, locked: Mapping[N, T]) -> dict[N, T]:
        """Return what the command line does not let go of, of what a lock holds by name."""
        options = self._workspace.options
        moving: set[str] = {canonicalize_name(name) for name in options.upgrade_packages}
        return {} if options.upgrade else {name: one for name, one in locked.items() if name not in moving}

    @property
    def client(self) -> Client:
        """The way to the network that all of a run share."""
        return self._client

    def source_of(self, job: Job) -> PackageSource:
        """Return what a step's indexes list."""
        target = job.question.targets[0]
        return self._repository.routed(self._routed(job, target, {}), target.python_version)

    def _universe(self, job: Job, target: Target, stated: Sequence[DirectRequirement], rules: Rules) -> Universe:
        wanted: list[tuple[NormalizedName, str, str]] = []
        for one in stated:
            requirement = one.requirement
            marker = requirement.marker
            if requirement.url and (not marker or marker.evaluate(target.environment)):
                wanted.append((one.name, requirement.url, str(one.origins[0])))
        references: dict[NormalizedName, Reference] = {}
        if wanted:
            from zlock.index.direct import find_references

            locked = self._kept(references_of(job.lock or {}))
            references = find_references(
                wanted,
                lambda name, url: self._reference(name, url, locked.get(name), target.python_version),
                lambda marker: Marker(marker).evaluate({**target.environment, "extra": ""}),
            )
        routing = self._routed(job, target, references)
        served = (routing.indexes, tuple(sorted(routing.sources.items())))
        key = (target, served, rules is self._rules, frozenset(references.items()))
        if key not in self._universes:
            source = self._repository.routed(routing, target.python_version)
            self._universes[key] = Universe(target, source, rules, references, self._on_page, routed=routing.sources)
        return self._universes[key]

    def _on_page(self, count: int) -> None:
        building = tuple(what for builder in list(self._builders.values()) for what in list(builder.building))
        self._reporter(Doing(Activity.LOOKING_AT_PACKAGES, done=count, building=building))

    def _reference(self, name: NormalizedName, url: str, locked: LockedReference | None, python: str) -> Reference:
        key = (name, url, locked, python)
        if key not in self._references:
            from zlock.index.direct import find_reference

            self._reporter(Doing(Activity.FETCHING, name))
            self._references[key] = find_reference(
                name,
                url,
                project=self._workspace.project.folder,
                fetch=lambda place: self._repository.fetch(self._client.credentials.add_index(None, place)),
                builder=self._builder(python),
                offline=self._workspace.options.offline,
                locked=locked,
            )
        return self._references[key]

    def _answer(self, problem: Problem, step: str) -> Pins:
        """Return verified pins; what can't be answered becomes an error that says why."""
        try:
            return solve(problem, self._steps)
        except NotProven as unproven:
            raise _in_step(unproven, step) from unproven
        except Unsolvable as proof:
            raise no_solution(step, self._conflict(problem, step, proof)) from None

    def _conflict(self, problem: Problem, step: str, proof: Unsolvable) -> Conflict:
        """Return why a step has no answer.

        Raises:
            ZlockError: Requirements that nothing can meet, whatever the others say.
        """
        from zlock.resolution.eligible import find_hopeless
        from zlock.resolution.explain import explain

        problems = Collector()
        for error in find_hopeless(problem, {*self._repository.known_names(), *popular_names()}):
            problems.add(_in_step(error, step))
        problems.raise_if_any()
        self._reporter(Doing(Activity.EXPLAINING, step))
        return explain(problem, proof)

    def _complete(self, resolved: Sequence[Resolved]) -> list[Resolved]:
        """Hash the files whose index gives no sha256: a lock never holds a file without (PEP 751)."""
        return [one if all(file.sha256 for file in one.candidate.files) else self._hash(one) for one in resolved]

    def _hash(self, one: Resolved) -> Resolved:
        files = tuple(file if file.sha256 else self._hashed(file) for file in one.candidate.files)
        return replace(one, candidate=one.candidate._replace(files=files))

    def _hashed(self, file: File) -> File:
        self._reporter(Doing(Activity.HASHING, file.filename))
        digest, size = self._repository.sha256(file)
        return file._replace(hashes=(*file.hashes, ("sha256", digest)), size=size)


def _check_strangers(projects: Collection[str], resolved: Sequence[Resolved]) -> None:
    """Refuse what is required by URL or path, and requires the project itself by its name alone: a stranger has it.

    Raises:
        InvalidRequirements: There is one.
    """
    strangers = {one.name: one for one in resolved if one.name in projects and one.candidate.reference is None}
    for one in resolved:
        reference = one.candidate.reference
        for name in one.requires if reference else ():
            if reference and name in strangers:
                raise InvalidRequirements(
                    f"`{one.name}` requires `{name}`, which is the project itself, and does not say where it is",
                    context=[
                        f"required by `{one.name} @ {reference.requested}`",
                        f"an index has `{name}` {strangers[name].candidate.version}",
                    ],
                    hint=f'write `{name} = {{ path = "..." }}` into its `[tool.uv.sources]`; or leave it out: '
                    f'`exclude = [{{ package = "{name}", from = "{one.name}" }}]` in the configuration',
                )


def _pins(lock: Mapping[str, Any], target: Target) -> dict[NormalizedName, str]:
    return {canonicalize_name(name): version for name, version in pins_on(lock, target).items()}


def _in_step(error: ZlockError, step: str) -> ZlockError:
    return type(error)(f"step `{step}`: {error.message}", context=error.context, hint=error.hint)


def _stricter(cutoff: Cutoff, limit: Any) -> Cutoff:
    """Return a cut-off that the command line limits further."""
    if limit is None:
        return cutoff
    packages = {name: min(value, limit) if value else limit for name, value in cutoff.packages.items()}
    return Cutoff(default=min(cutoff.default, limit) if cutoff.default else limit, packages=packages)
