"""Whether locks answer what is asked: without network, and without running a source command."""

from __future__ import annotations

from zlock.errors import Collector, LockOutdated
from zlock.workflow.locked import HINT, collect_locked
from zlock.workflow.report import Report, StepReport
from zlock.workflow.workspace import Options, Workspace


def check(options: Options) -> Report:
    """Say whether the locks answer what is asked.

    Raises:
        LockOutdated: One does not, or is missing; several come as `Problems`.
        InvalidLock: One was edited or cut short.
    """
    workspace = Workspace(options)
    problems = Collector()
    for one in collect_locked(workspace, problems):
        workspace.report.steps.append(StepReport.of(one.path, one.facts))
    if not workspace.report.disregarded:
        for name, path in workspace.gone().items():
            problems.add(LockOutdated(f"step `{name}` is gone and its lock is still there: `{path.name}`", hint=HINT))
    problems.raise_if_any()
    return workspace.report
