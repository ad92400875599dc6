"""Bringing locks up to date, and checking whether they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from zlock.errors import Collector, LockOutdated
from zlock.lock.declared import declared_digest
from zlock.lock.question import Question, changes
from zlock.lock.store import (
    ConflictedLock,
    asked_of,
    existing_steps,
    lock_path,
    pins_of,
    read_lock,
    resign,
    write_all,
)
from zlock.model.ports import Progress
from zlock.model.requirement import Gathered
from zlock.workflow.gather import Gatherer
from zlock.workflow.report import Report, StepReport
from zlock.workflow.workspace import Options, Step, Workspace


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
    jobs: list[Job] = []
    problems = Collector()
    for step in chosen:
        with problems:
            jobs.append(_prepare(workspace, gatherer, step, progress))
    problems.raise_if_any()
    texts, reports = {}, {}
    todo = [job for job in jobs if not _is_answered(job, options)]
    if todo:
        from zlock.workflow.solving import solve_jobs

        for job, tree, text in solve_jobs(workspace, todo, progress):
            reports[job.step.name] = _report(job, tree)
            if text != job.text:
                texts[job.path] = text
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
    gatherer = Gatherer(workspace.project, workspace.environ, lambda: workspace.interpreter, may_run=False)
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
                LockOutdated(
                    f"there is a lock of a step that is gone: `{path.name}` (`{name}`)", hint="run `zlock resolve`"
                )
            )
    problems.raise_if_any()
    return workspace.report


@dataclass(eq=False, kw_only=True, slots=True)
class Job:
    """One step on its way to a lock."""

    step: Step
    path: Path
    lock: Mapping[str, Any] | None
    text: str
    gathered: list[Gathered]
    question: Question
    declared: str


def _prepare(workspace: Workspace, gatherer: Gatherer, step: Step, progress: Progress) -> Job:
    progress(f"reading the sources of `{step.name}`")
    path = lock_path(workspace.lock_folder, step.name)
    try:
        lock = read_lock(path)
    except ConflictedLock:
        lock = None
        workspace.report.note(f"`{path.name}` had a merge conflict and is solved again")
    target = workspace.target(step, lock)
    gathered = gatherer.gather(step.settings, {})
    workspace.report.note(*(note for one in gathered for note in one.notes))
    return Job(
        step=step,
        path=path,
        lock=lock,
        text=path.read_text(encoding="utf-8") if lock else "",
        gathered=gathered,
        question=workspace.question(step, target, gathered),
        declared=declared_digest(workspace.declared_files(gathered), workspace.project.folder),
    )


def _is_answered(job: Job, options: Options) -> bool:
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


def _with_declared(job: Job) -> str | None:
    """Return a lock's text with the present `declared`, None where it is there already."""
    if job.lock is None or job.lock["tool"]["zlock"]["declared"] == job.declared:
        return None
    return resign(job.text.replace(job.lock["tool"]["zlock"]["declared"], job.declared, 1))


def _check_step(workspace: Workspace, gatherer: Gatherer, step: Step) -> StepReport:
    path = lock_path(workspace.lock_folder, step.name)
    lock = read_lock(path)
    if lock is None:
        raise LockOutdated(
            f"step `{step.name}` has no lock", context=[f"expected `{path.name}`"], hint="run `zlock resolve`"
        )
    recorded = {asked.source: asked for asked in asked_of(lock) if asked.recorded}
    target = workspace.target(step, lock)
    gathered = gatherer.gather(step.settings, recorded)
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


def _report(job: Job, tree: Mapping[str, Any]) -> StepReport:
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
