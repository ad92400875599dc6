"""The only place that wires the parts together: from a project folder to its locks, and from locks to verdicts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import (
    Collector,
    InvalidConfiguration,
    InvalidLock,
    LockOutdated,
    NoSolution,
    NotProven,
    ZlockError,
)
from zlock.lock.declared import declared_digest
from zlock.lock.question import Asked, Question, changes
from zlock.lock.store import (
    ConflictedLock,
    asked_of,
    existing_steps,
    lock_path,
    pins_of,
    read_lock,
    write_all,
)
from zlock.merge import merge, merge_constraints
from zlock.model.indexes import Cutoff, Index, Routing
from zlock.model.origin import Origin, Source
from zlock.model.ports import Progress
from zlock.model.requirement import DirectRequirement, Gathered
from zlock.model.target import Target
from zlock.redact import redact
from zlock.settings.config import Project, find_project, read_project
from zlock.settings.docker import DockerSettings, EffectiveSettings
from zlock.settings.load import DeclaredPipeline, load_pipeline
from zlock.sources.gather import Gatherer, project_python

_STEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        project: The project folder, or None for the nearest one.
        pipeline: `file.py` or `file.py:name`, in place of the configured one.
        steps: Limit to these.
        offline: Leave the network alone.
        cache_dir: Where the cache is, or None for the platform's custom.
        index_url: The default index, in place of the machine's.
        exclude_newer: A cut-off for this run.
        upgrade: Move every pin.
        upgrade_packages: Names whose pins move.
    """

    project: Path | None = None
    pipeline: str | None = None
    steps: tuple[str, ...] = ()
    offline: bool = False
    cache_dir: Path | None = None
    index_url: str | None = None
    exclude_newer: datetime | None = None
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step with all that is set for it: what to gather, and for which target."""

    name: str
    settings: DockerSettings
    python: str | None = None
    platforms: tuple[str, ...] = ()

    @property
    def effective(self) -> EffectiveSettings:
        """Its settings, defaults filled in."""
        return self.settings.effective()


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What became of one step's lock.

    Attributes:
        name: The step.
        path: Its lock.
        status: "written", "unchanged" or "removed".
        packages: How many it pins.
        added: Names that came in, with their versions.
        removed: Names that went, with their versions.
        moved: Names with their old and new versions.
        identity: The lock's identity.
        gave_way: Requirements that gave way to later sources.
    """

    name: str
    path: Path
    status: str
    packages: int = 0
    added: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    identity: str = ""
    gave_way: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class Report:
    """What a run did, and what a person should know about it."""

    steps: list[StepReport] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    disregarded: bool = False

    def note(self, *lines: str) -> None:
        """Add notes, each once."""
        self.notes.update(dict.fromkeys(lines))


class Workspace:
    """A project as one run sees it: its configuration, its steps, and what they ask."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.report = Report()
        self.environ = dict(os.environ)
        start = options.project or Path.cwd()
        if options.project is not None and not start.is_dir():
            raise InvalidConfiguration(f"the project folder is not there: `{start}`", hint="correct `--project`")
        found = read_project(start.resolve()) if options.project else None
        self.project: Project = found or find_project(start.resolve())
        self.lock_folder = self.project.folder / self.project.lock_dir
        self.pipeline: DeclaredPipeline | None = None
        self._interpreter: Path | None = None

    @property
    def interpreter(self) -> Path:
        """The project's interpreter."""
        if self._interpreter is None:
            from zlock.sources.local import project_interpreter

            self._interpreter = project_interpreter(self.project.folder, self.environ)
        return self._interpreter

    def load_steps(self) -> list[Step]:
        """Return the steps, each with its settings in the documented precedence.

        Raises:
            InvalidPipeline: The pipeline file can't be used.
            InvalidConfiguration: There is nothing to lock, or a step's name can't be a lock's.
        """
        reference = self.options.pipeline or self.project.pipeline
        base = self.project.docker
        if reference:
            folder = Path.cwd() if self.options.pipeline and self.options.project is None else self.project.folder
            self.pipeline = load_pipeline(str(folder / reference), project=self.project.folder, interpreter=str(self.interpreter))
            declared = [(step.name, step.settings) for step in self.pipeline.steps]
            if not declared:
                declared = [(self.pipeline.name or "pipeline", self.pipeline.settings)]
        elif self.project.file is None:
            raise InvalidConfiguration(
                "nothing to lock: no `zlock.toml`, no `[tool.zlock]`, and no pipeline was named",
                hint="name one: `zlock resolve pipeline.py`, or begin with `zlock init`",
            )
        else:
            declared = [(name, DockerSettings()) for name in self.project.steps] or [("pipeline", DockerSettings())]
        steps = []
        for name, settings in declared:
            own = self.project.steps.get(name)
            below = own.docker.over(base) if own else base
            steps.append(
                Step(
                    name=name,
                    settings=settings.over(below),
                    python=own.python if own else None,
                    platforms=own.platforms if own else (),
                )
            )
        _check_names(steps)
        for name in self.project.steps.keys() - {step.name for step in steps}:
            self.report.note(f"`steps.{name}` in {self.project.shown_file} is no step of this pipeline")
        return steps

    def chosen(self, steps: list[Step]) -> list[Step]:
        """Return the steps that `--step` names, all without it.

        Raises:
            InvalidConfiguration: It names a step that is not there.
        """
        from zlock.settings.checks import did_you_mean

        known = {step.name: step for step in steps}
        for name in self.options.steps:
            if name not in known:
                raise InvalidConfiguration(
                    f"there is no step `{name}`",
                    hint=did_you_mean(name, known) or f"steps: {', '.join(f'`{one}`' for one in known)}",
                )
        return [step for step in steps if not self.options.steps or step.name in self.options.steps]

    def declared_files(self, gathered: list[Gathered]) -> list[Path]:
        """Return the files that ask for a step's packages."""
        files = [Path(file) for one in gathered for file in one.files]
        if self.project.file:
            files.append(self.project.file)
        if self.pipeline:
            files += [Path(self.pipeline.file), *map(Path, self.pipeline.files)]
        return files

    def target(self, step: Step, lock: Mapping[str, Any] | None) -> Target:
        """Return what a step runs on; a Python that nobody set is read back from its lock."""
        platforms = step.platforms or self.project.platforms
        if len(platforms) != 1:
            raise InvalidConfiguration(
                f"step `{step.name}` has {len(platforms)} platforms, and this version of zlock locks for one",
                hint='write `platforms = ["linux/amd64"]`',
            )
        python = step.python or self.project.python
        if python is None and lock is not None and not self.options.upgrade:
            python = str(lock["tool"]["zlock"]["python"])
        return Target.parse(
            python or project_python(self.interpreter),
            platforms[0],
            manylinux=self.project.manylinux,
            musllinux=self.project.musllinux,
        )

    def policy(self, gathered: list[Gathered]) -> dict[str, Any]:
        """Return what of the configuration decides about versions, as far as it differs from the defaults."""
        project = self.project
        indexes = [
            {
                "url": _portable_url(index.url, project.folder),
                **({"name": index.name} if index.name else {}),
                **({"default": True} if index.default else {}),
                **({"explicit": True} if index.explicit else {}),
            }
            for index in project.indexes
        ]
        exclude = sorted(f"{name} from {parent}" if parent else name for name, parent in project.exclude)
        values = {
            "indexes": indexes,
            "index-sources": dict(sorted(project.index_sources.items())),
            "exclude-newer": project.cutoff.default.isoformat() if project.cutoff.default else "",
            "exclude-newer-package": {
                name: value.isoformat() if value else "" for name, value in sorted(project.cutoff.packages.items())
            },
            "conflicts": "" if project.conflicts == "error" else project.conflicts,
            "build-sdists": "all" if project.build_sdists is None else sorted(project.build_sdists),
            "prerelease": "" if self.prerelease(gathered) == "if-necessary-or-explicit" else self.prerelease(gathered),
            "resolution": "" if project.resolution == "highest" else project.resolution,
            "constraints": sorted(str(one) for one in project.constraints),
            "overrides": sorted(str(one) for one in project.overrides),
            "exclude": exclude,
        }
        return {key: value for key, value in values.items() if value}

    def prerelease(self, gathered: list[Gathered]) -> str:
        """Return the pre-release policy: a requirements file can widen it with `--pre`."""
        return "allow" if any(one.prerelease for one in gathered) else self.project.prerelease

    def question(self, step: Step, target: Target, gathered: list[Gathered]) -> Question:
        """Return what a step asks."""
        settings = step.effective
        apt = {*settings.apt_packages, *(package for one in gathered for package in one.apt_packages)}
        return Question(
            step=step.name,
            target=target,
            asked=tuple(Asked.of(one) for one in sorted(gathered, key=lambda g: g.source.rank)),
            apt_packages=tuple(sorted(apt)),
            parent_image=settings.parent_image or "",
            policy=self.policy(gathered),
        )


def resolve(options: Options, progress: Progress) -> Report:
    """Bring the locks up to date and write them, all or none.

    Raises:
        ZlockError: What is wrong; several things come as `Problems`. No lock was touched.
    """
    workspace = Workspace(options)
    gatherer = Gatherer(workspace.project, workspace.environ, lambda: workspace.interpreter)
    if not gatherer.stack.remote:
        return _disregard(workspace.report)
    steps = workspace.load_steps()
    chosen = workspace.chosen(steps)
    jobs: list[_Job] = []
    problems = Collector()
    for step in chosen:
        with problems:
            jobs.append(_prepare(workspace, gatherer, step, progress))
    problems.raise_if_any()
    texts, reports = {}, {}
    todo = [job for job in jobs if not _is_answered(job, options)]
    if todo:
        from zlock.solving import solve_jobs

        for job, tree, text in solve_jobs(workspace, todo, progress):
            texts[job.path], reports[job.step.name] = text, _report(job, tree)
    for job in jobs:
        if job not in todo:
            text = _with_declared(job)
            if text is not None:
                texts[job.path] = text
            reports[job.step.name] = _report(job, job.lock or {})
    gone = {} if options.steps else _gone(workspace.lock_folder, steps)
    if texts or gone:
        write_all(texts, tuple(gone.values()), project=workspace.project.folder)
    workspace.report.steps = [reports[job.step.name] for job in jobs]
    workspace.report.steps += [StepReport(name=name, path=path, status="removed") for name, path in gone.items()]
    return workspace.report


def check(options: Options) -> Report:
    """Say whether the locks answer what is asked, without network and without running a source command.

    Raises:
        LockOutdated: One does not, or is missing; several come as `Problems`.
        InvalidLock: One was edited or cut short.
    """
    workspace = Workspace(options)
    gatherer = Gatherer(workspace.project, workspace.environ, lambda: workspace.interpreter)
    if not gatherer.stack.remote:
        return _disregard(workspace.report)
    steps = workspace.load_steps()
    problems = Collector()
    for step in workspace.chosen(steps):
        with problems:
            workspace.report.steps.append(_check_step(workspace, gatherer, step))
    if not options.steps:
        for name, path in _gone(workspace.lock_folder, steps).items():
            problems.add(
                LockOutdated(f"there is a lock of a step that is gone: `{path.name}` (`{name}`)", hint="run `zlock resolve`")
            )
    problems.raise_if_any()
    return workspace.report


@dataclass(eq=False, kw_only=True, slots=True)
class _Job:
    """One step on its way to a lock."""

    step: Step
    path: Path
    lock: Mapping[str, Any] | None
    text: str
    gathered: list[Gathered]
    question: Question
    declared: str


def _prepare(workspace: Workspace, gatherer: Gatherer, step: Step, progress: Progress) -> _Job:
    progress(f"reading the sources of `{step.name}`")
    path = lock_path(workspace.lock_folder, step.name)
    try:
        lock = read_lock(path)
    except ConflictedLock:
        lock = None
        workspace.report.note(f"`{path.name}` had a merge conflict and is solved again")
    target = workspace.target(step, lock)
    gathered = gatherer.gather(step.settings, target)
    workspace.report.note(*(note for one in gathered for note in one.notes))
    return _Job(
        step=step,
        path=path,
        lock=lock,
        text=path.read_text(encoding="utf-8") if lock else "",
        gathered=gathered,
        question=workspace.question(step, target, gathered),
        declared=declared_digest(workspace.declared_files(gathered), workspace.project.folder),
    )


def _is_answered(job: _Job, options: Options) -> bool:
    """Return whether a lock still answers its step, so that nothing has to be solved."""
    if job.lock is None or options.upgrade:
        return False
    pinned = {package["name"] for package in job.lock["packages"]}
    if pinned & {canonicalize_name(name) for name in options.upgrade_packages}:
        return False
    own = job.lock["tool"]["zlock"]
    if options.exclude_newer and own.get("exclude-newer") != options.exclude_newer.isoformat():
        return False
    return bool(own["inputs"] == job.question.digest())


def _with_declared(job: _Job) -> str | None:
    """Return a lock's text with the present `declared`, None where it is there already."""
    from zlock.lock.document import resign

    if job.lock is None or job.lock["tool"]["zlock"]["declared"] == job.declared:
        return None
    return resign(job.text.replace(job.lock["tool"]["zlock"]["declared"], job.declared, 1))


def _check_step(workspace: Workspace, gatherer: Gatherer, step: Step) -> StepReport:
    path = lock_path(workspace.lock_folder, step.name)
    lock = read_lock(path)
    if lock is None:
        raise LockOutdated(f"step `{step.name}` has no lock", context=[f"expected `{path.name}`"], hint="run `zlock resolve`")
    recorded = {asked.source: asked for asked in asked_of(lock) if asked.recorded}
    target = workspace.target(step, lock)
    gathered = gatherer.gather(step.settings, target, recorded=recorded)
    question = workspace.question(step, target, gathered)
    own = lock["tool"]["zlock"]
    if own["inputs"] != question.digest():
        raise LockOutdated(
            f"the lock of step `{step.name}` is outdated",
            context=_differences(lock, question, gathered),
            hint="run `zlock resolve`",
        )
    return StepReport(
        name=step.name, path=path, status="unchanged", packages=len(lock["packages"]), identity=own["identity"]
    )


def _differences(lock: Mapping[str, Any], question: Question, gathered: list[Gathered]) -> list[str]:
    """Return what a step asks for that its lock does not answer, with the place that asks."""
    own = lock["tool"]["zlock"]
    places = {str(one): str(one.origins[0]) for source in gathered for one in source.requirements}
    lines = []
    for line in changes(asked_of(lock), question.asked):
        text = line.partition("`")[2].rpartition("`")[0]
        lines.append(f"{line} at {places[text]}" if text in places else line)
    now = question.to_plain()
    for key, value in now["target"].items():
        if own.get(key) != value:
            lines.append(f"target: `{key}` was `{own.get(key)}`, is `{value}`")
    for key, empty in (("apt-packages", []), ("parent-image", "")):
        if own.get(key, empty) != now[key]:
            lines.append(f"settings: `{key}` was `{own.get(key, empty)}`, is `{now[key]}`")
    before, after = own.get("policy", {}), now["policy"]
    lines += [
        f"configuration: `{key}` was `{before.get(key, 'not set')}`, is `{after.get(key, 'not set')}`"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    return lines


def _report(job: _Job, tree: Mapping[str, Any]) -> StepReport:
    before, after = pins_of(job.lock or {}), pins_of(tree)
    own = tree["tool"]["zlock"]
    return StepReport(
        name=job.step.name,
        path=job.path,
        status="unchanged" if tree is job.lock else "written",
        packages=len(tree["packages"]),
        added={name: after[name] for name in after.keys() - before.keys()},
        removed={name: before[name] for name in before.keys() - after.keys()},
        moved={n: (before[n], after[n]) for n in sorted(before.keys() & after.keys()) if before[n] != after[n]},
        identity=own["identity"],
        gave_way=tuple(own.get("gave-way", ())),
    )


def _gone(folder: Path, steps: list[Step]) -> dict[str, Path]:
    names = {step.name for step in steps}
    return {name: path for name, path in existing_steps(folder).items() if name not in names}


def _disregard(report: Report) -> Report:
    report.disregarded = True
    report.note(
        "`stack.remote = false`: the pipeline runs locally, where docker settings are disregarded; no lock was touched"
    )
    return report


def _check_names(steps: list[Step]) -> None:
    """Hold step names against PEP 751 (File name) and against what file systems bear."""
    problems = Collector()
    seen: dict[str, str] = {}
    for step in steps:
        if not _STEP_NAME.fullmatch(step.name) or step.name.lower() in _DEVICES:
            problems.add(
                InvalidConfiguration(
                    f"the step name `{step.name}` can't be part of a lock's file name",
                    hint="use letters, digits, `-` and `_`; `name=` gives a step another name",
                )
            )
        other = seen.setdefault(step.name.casefold(), step.name)
        if other != step.name:
            problems.add(
                InvalidConfiguration(
                    f"the step names `{other}` and `{step.name}` differ only in case",
                    hint="their locks would be one file on some systems: rename one of them",
                )
            )
    problems.raise_if_any()


def _portable_url(url: str, folder: Path) -> str:
    """Return an index's URL without credentials; a folder by its place from the project."""
    if "://" in url:
        return redact(url)
    return Path(os.path.relpath(url, folder)).as_posix()
