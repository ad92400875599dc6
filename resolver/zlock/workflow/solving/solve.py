"""From what steps ask to what their locks say: a session with the indexes, problems, answers, locks, texts."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from zlock.errors import every
from zlock.reporting import Activity, Doing
from zlock.resolution.answer_words import behind
from zlock.workflow.locks.job import Answers, Job
from zlock.workflow.project.workspace import Workspace
from zlock.workflow.solving.document import lock_of
from zlock.workflow.solving.problem import StepProblems
from zlock.workflow.solving.session import Session
from zlock.workflow.solving.step_solver import PagesMoved, StepSolver


def solve_jobs(workspace: Workspace, jobs: Sequence[Job], settled: Sequence[Job]) -> Answers:
    """Solve steps together over shared indexes; return each with its lock.

    Args:
        workspace: The project.
        jobs: The steps.
        settled: Other steps, whose locks stay; versions are aligned with theirs.

    Raises:
        ZlockError: A step has no answer, or an index failed; several come as `Problems`.
    """
    refresh = workspace.options.upgrade or bool(workspace.options.upgrade_packages)
    with _without_collector():
        session = Session(workspace, refresh=refresh)
        session.note(jobs)
        try:
            return _solve(session, jobs, settled)
        except PagesMoved:
            workspace.reporter(Doing(Activity.ASKING_AGAIN))
        return _solve(Session(workspace, refresh=True), jobs, settled)


def _solve(session: Session, jobs: Sequence[Job], settled: Sequence[Job]) -> Answers:
    """Solve steps; what stands against any of them is raised at the end, all of it."""
    solver = StepSolver(session, StepProblems(session, session.workspace.kept_file))
    with closing(session):
        answered = solver.together(jobs, settled)
        solved = every(lambda one: (one.job, lock_of(session, solver, one)), answered)
    notes = dict[tuple[str, str], str]()
    for row in (row for one in answered for row in one.behind):
        notes.setdefault((row.name, row.version), behind(row))
    session.workspace.note(*notes.values())
    return solved


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python from looking for garbage: what a solve makes, it keeps, and to look cost a fifth of a cold run."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # What is there counts as old from here on; else Python would look at all of it at once.
            gc.freeze()
            gc.unfreeze()
            gc.enable()
