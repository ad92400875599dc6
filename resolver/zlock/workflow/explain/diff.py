"""What changed in the locks: against a git revision, or against other files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from zlock.errors import Collector, InvalidConfiguration, InvalidInput
from zlock.lock.diff import StepDiff, compare, compare_with_foreign
from zlock.lock.history import HEAD, texts_at
from zlock.lock.identity import is_own
from zlock.lock.lock import Lock
from zlock.lock.store import existing_steps, lock_path, parse_lock, read_lock, read_text, step_of
from zlock.sources.links import looks_like_path
from zlock.wording import did_you_mean, listed
from zlock.workflow.project.workspace import Options, Workspace

Locks = Mapping[str, Lock]


class Comparison(Struct, frozen=True, kw_only=True):
    """The locks as they are against those of another time or place.

    Attributes:
        against: What they are compared with: a revision, or a path.
        steps: Each step that either side has, sorted by name.
    """

    against: str
    steps: tuple[StepDiff, ...]


def diff(options: Options, against: str | None) -> Comparison:
    """Compare the locks on disk with those of a git revision, or with a file or folder.

    Raises:
        InvalidInput: There is no such revision or file.
        InvalidConfiguration: There is neither a configuration nor a lock.
        InvalidLock: A lock of either side was edited, cut short, or is in conflict.
    """
    workspace = Workspace(options)
    known = Path(against) if against else None
    text = (read_text(known) or "") if known and known.is_file() else ""
    if known and "lock-version" in text and "[tool.zlock]" not in text:
        return Comparison(against=against or HEAD, steps=(_with_foreign(workspace, known, text),))
    problems = Collector()
    after = _read_all(_paths(workspace.lock_folder), problems)
    if known is not None and known.exists():
        before = _read_all(_in_folder(known, workspace) if known.is_dir() else {_step_in(known): known}, problems)
        if known.is_file():
            after = {step: lock for step, lock in after.items() if step in before}
    else:
        before = _at(workspace, HEAD if against is None else against, problems)
    gone = {step: lock_path(workspace.lock_folder, step) for step in before.keys() - after.keys()}
    after = {**after, **_read_all(gone, problems)}  # what is there all the same is not a lock any more
    problems.raise_if_any()
    steps = sorted({*before, *after})
    if not steps and workspace.project.file is None:
        raise InvalidConfiguration(
            f"nothing to compare: no `zlock.toml`, no `[tool.zlock]`, and no locks in `{workspace.project.lock_dir}`",
            hint="run it in the project's folder, or name that with `--project`",
        )
    for name in options.steps:
        if name not in steps:
            raise InvalidInput(f"neither side has a lock of step `{name}`", hint=did_you_mean(name, steps))
    compared = [compare(step, before.get(step), after.get(step)) for step in steps]
    chosen = tuple(one for one in compared if not options.steps or one.step in options.steps)
    return Comparison(against=against or HEAD, steps=chosen)


def _with_foreign(workspace: Workspace, path: Path, text: str) -> StepDiff:
    """Compare the lock of one step with that of another tool.

    Raises:
        InvalidInput: It is not clear with which, or the file is not a valid lock.
    """
    from zlock.lock.foreign import rows_in  # few have such

    known = workspace.locks
    named = step_of(path.name)
    steps = workspace.options.steps or ((named,) if named in known else tuple(known))
    if len(steps) != 1 or steps[0] not in known:
        raise InvalidInput(
            f"`{path.name}` is the lock of another tool, and it is not clear with which step's it is to be compared",
            hint=f"add `--step`, one of {listed(known)}" if known else workspace.options.hint,
        )
    lock = parse_lock(known[steps[0]].path, known[steps[0]].text)
    return compare_with_foreign(steps[0], rows_in(path, text, lock.facts.targets), lock)


def _paths(folder: Path) -> dict[str, Path]:
    return {step: lock.path for step, lock in existing_steps(folder).items()}


def _in_folder(folder: Path, workspace: Workspace) -> dict[str, Path]:
    """Return the locks of a folder that is to be compared with.

    Raises:
        InvalidInput: There are none: that everything was added since is not what it says.
    """
    found = _paths(folder)
    if not found:
        below = folder / workspace.project.lock_dir
        place = f"`{below}`" if _paths(below) else "the folder that the locks are in"
        raise InvalidInput(
            f"no lock files found in `{folder}`",
            hint=f"name {place}; of a revision that has this name all: `refs/heads/NAME` or `refs/tags/NAME`",
        )
    return found


def _step_in(path: Path) -> str:
    """Return the step of a lock, which may have been copied to a file of any name."""
    text = read_text(path) or ""
    if "lock-version" not in text or "[tool.zlock]" not in text:
        raise InvalidInput(
            f"`{path.name}` is not a lock of zlock", hint="name a lock, a folder of locks, or a revision"
        )
    return step_of(path.name) or parse_lock(path, text).facts.step


def _read_all(paths: Mapping[str, Path], problems: Collector) -> Locks:
    found = {}
    for step, path in paths.items():
        with problems:
            lock = read_lock(path)
            if lock is not None:
                found[step] = lock
    return found


def _at(workspace: Workspace, revision: str, problems: Collector) -> Locks:
    try:
        texts = texts_at(revision, workspace.lock_folder)
    except InvalidInput as error:
        if not (looks_like_path(revision) or revision.endswith(".toml")):
            raise
        raise InvalidInput(f"there is no file or folder `{revision}`, and {error.message}", hint=error.hint) from error
    if texts is None:
        workspace.note("nothing is committed yet, so every lock counts as added")
        return {}
    if not texts:
        workspace.note(f"`{revision}` has no locks in `{workspace.project.lock_dir}`, so every lock counts as added")
    found = {}
    for name, text in texts.items():
        with problems:
            if is_own(text):
                lock = parse_lock(Path(f"{revision}:{name}"), text)
                found[step_of(name) or lock.facts.step] = lock
    return found
