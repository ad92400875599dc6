"""Whether locks answer what is asked: without network, and without running a source command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from zlock.errors import Collector, LockOutdated
from zlock.lock.question import Question, changes
from zlock.lock.store import asked_of, lock_path, read_lock
from zlock.model.origin import Origin
from zlock.model.requirement import Asked, Gathered
from zlock.workflow.gather import Gatherer
from zlock.workflow.report import Report, StepReport
from zlock.workflow.workspace import Options, Step, Workspace

_HINT = "run `zlock resolve`"


def check(options: Options) -> Report:
    """Say whether the locks answer what is asked.

    Raises:
        LockOutdated: One does not, or is missing; several come as `Problems`.
        InvalidLock: One was edited or cut short.
    """
    workspace = Workspace(options)
    gatherer = Gatherer(workspace.project, workspace.environ, lambda: workspace.interpreter, may_run=False)
    if not gatherer.stack.remote:
        return workspace.disregarded()
    steps = workspace.load_steps()
    problems = Collector()
    for step in workspace.chosen(steps):
        with problems:
            workspace.report.steps.append(_check_step(workspace, gatherer, step))
    for name, path in workspace.gone(steps).items():
        problems.add(LockOutdated(f"step `{name}` is gone and its lock is still there: `{path.name}`", hint=_HINT))
    problems.raise_if_any()
    return workspace.report


def _check_step(workspace: Workspace, gatherer: Gatherer, step: Step) -> StepReport:
    path = lock_path(workspace.lock_folder, step.name)
    lock = read_lock(path)
    if lock is None:
        raise LockOutdated(f"step `{step.name}` has no lock", context=[f"expected `{path.name}`"], hint=_HINT)
    recorded = {asked.source: asked for asked in asked_of(lock) if asked.recorded}
    gathered = gatherer.gather(step.settings, recorded)
    question = workspace.question(step, workspace.target(step, lock), gathered)
    if lock["tool"]["zlock"]["inputs"] != question.digest():
        context = list(_differences(lock, question, gathered))
        raise LockOutdated(f"the lock of step `{step.name}` is outdated", context=context, hint=_HINT)
    return StepReport.compare(path, lock, lock, "unchanged")


def _differences(lock: Mapping[str, Any], question: Question, gathered: list[Gathered]) -> Iterator[str]:
    """Return what a step asks for that its lock does not answer, with the place that asks."""
    places = dict(_places(gathered))
    for line, asked in changes(asked_of(lock), question.asked):
        yield f"{line} ({places[asked]})" if places.get(asked) else line
    own, now = lock["tool"]["zlock"], question.to_plain()
    for key in ("python", "platform", "manylinux", "musllinux"):
        yield from _difference(f"target: `{key}`", own.get(key), now["target"].get(key))
    yield from _difference("settings: `apt-packages`", own.get("apt-packages"), now["apt-packages"])
    yield from _difference("settings: `parent-image`", own.get("parent-image"), now["parent-image"])
    before, after = own.get("policy", {}), now["policy"]
    for key in sorted({*before, *after}):
        yield from _difference(f"configuration: `{key}`", before.get(key), after.get(key))


def _difference(what: str, was: Any, now: Any) -> Iterator[str]:
    if (was or None) != (now or None):
        yield f"{what} was {_shown(was)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    return f"`{value}`" if value else "not set"


def _places(gathered: list[Gathered]) -> Iterator[tuple[str, str]]:
    """Return each requirement as the lock has it, with the file and line that states it."""
    for source in gathered:
        for direct in source.requirements:
            (text,) = Asked.of(replace(source, requirements=(direct,))).requirements
            yield text, _place(direct.origins[0])


def _place(origin: Origin) -> str:
    line = "" if origin.line is None else f":{origin.line}"
    return ", ".join(part for part in (origin.detail, f"{origin.file or ''}{line}") if part)
