"""Whether locks answer what is asked: without network, and without running a source command."""

from __future__ import annotations

from msgspec.structs import replace

from zlock.errors import LockOutdated
from zlock.lock.declared import AskingFiles
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
    file, asking = workspace.project.file, AskingFiles(workspace.project.folder)
    problems = workspace.report.failures.problems
    for one in collect_locked(workspace):
        if workspace.project.pin_images:
            from zlock.workflow.locks.parents import is_unpinned  # of which most projects have no need

            if is_unpinned(one.step, one.question.targets, one.facts):
                problems.add(
                    LockOutdated(
                        f"the lock of step `{one.step.name}` has no digest of its base image, and `pin-images` is set",
                        hint=options.hint,
                    )
                )
        changed = tuple(asking.undeclared(one.facts, [file] if file else []))
        workspace.report.steps.append(replace(StepReport.of(one.path, one.facts), undeclared=changed))
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
        together: dict[tuple[str, ...], list[str]] = {}
        for step in workspace.report.steps:
            together.setdefault(step.undeclared, []).append(step.name)
        workspace.note(
            *(
                f"the locks of {listed(steps)} are current, and {', '.join(files)} since they were written: "
                f"a package that hatch builds with zlock's hook needs it recorded; {options.hint}"
                for files, steps in together.items()
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
