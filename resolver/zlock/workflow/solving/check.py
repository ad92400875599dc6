"""Whether locks answer what is asked: without network, and without running a source command."""

from __future__ import annotations

from zlock.errors import LockOutdated
from zlock.lock.declared import undeclared
from zlock.regular import read_regular
from zlock.wording import listed
from zlock.workflow.locks.current import collect_locked
from zlock.workflow.project.image_settings import check_settings
from zlock.workflow.project.report import Report, StepReport
from zlock.workflow.project.workspace import Options, Workspace


def check(options: Options) -> Report:
    """Say whether the locks answer what is asked.

    Raises:
        LockOutdated: One does not, or is missing; several come as `Problems`.
        InvalidLock: One was edited or cut short.
    """
    workspace = Workspace(options)
    project, declared = workspace.project, dict[str, tuple[str, ...]]()
    for one in collect_locked(workspace):
        known = one.facts.declared
        if known not in declared:  # steps that recorded the same files have one answer; see `_is_built_by_hatch`
            declared[known] = tuple(undeclared(one.facts, project.folder, [project.file] if project.file else []))
        report = StepReport.of(one.path, one.facts)._replace(undeclared=declared[known])
        workspace.report.steps.append(report)
    problems = workspace.report.failures.problems
    if not workspace.report.disregarded:
        with problems:
            check_settings(workspace, workspace.chosen())
        if gone := workspace.gone:
            names, files = listed(gone), listed(path.name for path in gone.values())
            what = f"step {names} is gone and its lock is still there: {files}"
            if len(gone) > 1:
                what = f"steps {names} are gone and their locks are still there: {files}"
            problems.add(LockOutdated(what, hint=options.hint))
    problems.raise_if_any()
    if _is_built_by_hatch(workspace):
        changed: dict[tuple[str, ...], list[str]] = {}
        for step in workspace.report.steps:
            changed.setdefault(step.undeclared, []).append(step.name)
        workspace.note(
            *(
                f"the locks of {listed(steps)} are current, and {', '.join(files)} since they were written: "
                f"a package that hatch builds with zlock's hook needs it recorded; {options.hint}"
                for files, steps in changed.items()
                if files
            )
        )
    return workspace.report


def _is_built_by_hatch(workspace: Workspace) -> bool:
    """Tell whether a package may be built here whose build compares the files that locks recorded."""
    try:
        text = read_regular(workspace.project.folder / "pyproject.toml")
    except OSError:
        return False
    return b"hooks.zlock]" in text or b"zlock.hatch" in text
