"""What a build ships: the locks, held against what is declared by digests alone. Nothing is run, solved or fetched."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from zlock.errors import Collector, InvalidConfiguration, LockOutdated, NoAnswer, every, raise_all
from zlock.lock.declared import AskingFiles
from zlock.lock.facts import Facts
from zlock.lock.store import check_place, existing_steps, lock_path, other_step, read_lock
from zlock.model.paths import path_in, real
from zlock.redact import redact
from zlock.regular import read_regular
from zlock.settings.config import Project, read_project
from zlock.wording import did_you_mean, listed
from zlock.workflow.locks.current import changed_places

_HINT = "run `zlock resolve`"
_DIRECT_REFERENCE = re.compile(r"[\w\]]\s*@\s*[a-z][a-z0-9+.\-]*://[^\s'\"]+", re.IGNORECASE)
"""A requirement with a URL (PEP 508), wherever it stands in code."""
_PLACEHOLDER = re.compile(r"://(?:[^\s/?#:@]*:)?(?:\$?\{[^{}\s]*\}|%s)@")
"""A password, or a user alone, that is put in when the text is used: `${PASSWORD}` as pip has it, or by code."""


class Shipment(Struct, frozen=True, kw_only=True):
    """What a build ships.

    Attributes:
        folder: The project folder.
        locks: By step, in one order, where each lock is.
        declared: The files in the project that the locks were made for: who builds from an sdist needs them too.
        outdated: Locks that are missing, or that were made for something else.
        disregarded: The pipeline runs locally, so that no lock was looked at.
    """

    folder: Path
    locks: Mapping[str, Path]
    declared: tuple[Path, ...] = ()
    outdated: tuple[LockOutdated, ...] = ()
    disregarded: bool = False

    def raise_if_outdated(self) -> None:
        """Raise what is outdated: the error itself if there is one, else `Problems`."""
        raise_all(self.outdated)

    def sdist_files(self) -> dict[Path, str]:
        """Return what an sdist has to hold so that a wheel can be built from it, by its place in the project.

        Raises:
            InvalidConfiguration: The locks are outside the project, or a file would publish credentials.
        """
        files = [*self.locks.values(), *self.declared]
        every(lambda file: _check(file, self.folder, is_lock=file not in self.declared), files)
        return {file: file.relative_to(self.folder).as_posix() for file in files}


def prepare_shipment(folder: Path, steps: Collection[str] = ()) -> Shipment | None:
    """Return what a build ships, None where the project does not use zlock.

    Which steps a pipeline file has is known only by running it, so without `steps` a missing lock is noticed where the
    configuration states the steps, or where there is no lock at all.

    Args:
        folder: The project folder; no other one is looked at.
        steps: Limit to these, and miss those that have no lock; empty for all.

    Raises:
        InvalidConfiguration: The configuration is wrong, or there is no such step.
        InvalidLock: A lock was edited or cut short, is another step's, or is behind a link out of the project.
            Several errors come as `Problems`.
    """
    project = read_project(folder)
    if project is None:
        return None
    if not project.is_remote:
        return Shipment(folder=folder, locks={}, disregarded=True)
    lock_folder = folder / project.lock_dir
    known = {step for step, lock in existing_steps(lock_folder).items() if not lock.is_environment}
    possible = known | project.steps.keys()
    problems = Collector()
    with problems:
        _check_steps(steps, possible)
    locks: dict[str, Path] = {}
    declared: dict[Path, None] = {}
    for step in sorted(possible.intersection(steps) if steps else known.union(_stated_steps(project))):
        path = lock_path(lock_folder, step)
        with problems:
            facts = _facts(project, path, step)
            locks[step] = path
            declared |= dict.fromkeys(folder / file.name for file in facts.declared_files if file.inside)
            _check_declared(facts, project, step)
    if not locks and not problems.errors:
        problems.add(_missing(project, "the project has no locks", f"expected `pylock.*.toml` in `{project.lock_dir}`"))
    outdated = tuple(error for error in problems.errors if isinstance(error, LockOutdated))
    if len(outdated) < len(problems.errors):
        problems.raise_if_any()
    there = tuple(sorted(file for file in declared if file.is_file()))
    return Shipment(folder=folder, locks=locks, declared=there, outdated=outdated)


def _stated_steps(project: Project) -> Collection[str]:
    """Return the steps that the configuration alone states: all of them where no pipeline file has its say."""
    return () if project.pipeline else project.steps


def _check_steps(steps: Collection[str], known: Collection[str]) -> None:
    raise_all(
        InvalidConfiguration(
            f"`steps` of the build hook: no lock is of a step `{name}`",
            hint=did_you_mean(name, known) or f"steps with a lock: {listed(sorted(known))}",
        )
        for name in steps
        if name not in known
    )


def _facts(project: Project, path: Path, step: str) -> Facts:
    """Return what zlock says in a step's lock."""
    check_place(path, project.folder)
    lock = read_lock(path)
    if lock is None:
        expected = (Path(project.lock_dir) / path.name).as_posix()
        raise _missing(project, f"step `{step}` has no lock", f"expected `{expected}`")
    if lock.facts.step != step:
        raise other_step(path, lock.facts)
    return lock.facts


def _missing(project: Project, message: str, expected: str) -> LockOutdated:
    if _is_unpacked(project):
        hint = "an sdist holds the locks where the hook of zlock was on when it was made"
        return LockOutdated(message, context=[expected, "this is an unpacked sdist"], hint=hint)
    return LockOutdated(message, context=[expected], hint=_HINT)


def _check_declared(facts: Facts, project: Project, step: str) -> None:
    changed = [
        *AskingFiles(project.folder).undeclared(facts, [project.file] if project.file else []),
        *_changed_places(facts, project),
    ]
    if changed:
        raise LockOutdated(f"the lock of step `{step}` does not match the project", context=changed, hint=_HINT)


def _changed_places(facts: Facts, project: Project) -> Iterator[str]:
    """Say which local folders and archives in the project ask something else now; an sdist may hold only parts of them.

    Where those outside the project are, is the machine's affair.
    """
    recorded = {url: digest for url, digest in facts.local.items() if _is_inside(url, project.folder)}
    if not recorded or _is_unpacked(project):
        return
    from zlock.index.fingerprint import Fingerprints  # few projects have any

    for _, line in changed_places(recorded, Fingerprints(project.folder).of(list(recorded))):
        yield line


def _is_inside(url: str, folder: Path) -> bool:
    path = Path(path_in(url))
    return not path.is_absolute() and real(folder / path).is_relative_to(real(folder))


def _is_unpacked(project: Project) -> bool:
    """Tell whether a project is an unpacked sdist."""
    return (project.folder / "PKG-INFO").is_file()


def _check(file: Path, folder: Path, *, is_lock: bool) -> None:
    """Refuse a lock outside the project, and secrets: an sdist takes a file because zlock says so, ignored or not."""
    if is_lock:
        if not real(file).is_relative_to(real(folder)):
            raise InvalidConfiguration(
                f"`{file.name}` is outside the project, where an sdist can't hold it", hint="choose another `lock-dir`"
            )
        return
    for number, line in enumerate(read_regular(file).decode(errors="replace").splitlines(), 1):
        # Code is the user's own business, and full of addresses that are no secrets.
        text = "\n".join(_DIRECT_REFERENCE.findall(line)) if file.suffix == ".py" else line
        text = _PLACEHOLDER.sub("://", text)
        if redact(text) != text:
            raise InvalidConfiguration(
                f"`{file.relative_to(folder).as_posix()}` holds credentials, which an sdist would publish",
                context=[f"line {number}"],
                hint="put them into the environment or a keyring, see docs/indexes.md",
            )


def pinned_dependencies(folder: Path, step: str) -> list[str]:
    """Return what the lock of a step pins, as requirements (PEP 508), each with the marker where it is installed.

    The lock is held against the files that it was made for by digests alone: nothing is run, solved or fetched.

    Args:
        folder: The project folder.
        step: The step.

    Raises:
        InvalidConfiguration: The project does not use zlock, or has no such step.
        LockOutdated: The lock is missing or was made for something else; several come as `Problems`.
        NoAnswer: It holds what no index serves: a folder, a repository or an archive.
    """
    shipment = prepare_shipment(folder, [step])
    if shipment is None:
        raise InvalidConfiguration(
            "there is no `[tool.zlock]` and no `zlock.toml` in the project", hint="begin one with `zlock init`"
        )
    if shipment.disregarded:
        raise InvalidConfiguration(
            "`stack.remote = false`: the pipeline runs locally, and no lock counts",
            hint="leave the metadata hook out, or the setting",
        )
    shipment.raise_if_outdated()
    path = shipment.locks.get(step)
    lock = read_lock(path) if path else None
    if lock is None:
        hint = did_you_mean(step, shipment.locks) or f"expected `{lock_path(folder, step).name}`"
        raise InvalidConfiguration(f"there is no lock of step `{step}`", hint=hint)
    strangers = [one.name for one in lock.packages if one.vcs or one.directory or one.archive]
    if strangers:
        raise NoAnswer(
            f"a wheel can't require all of step `{step}`",
            context=[f"`{name}` comes from a folder, a repository or a URL" for name in strangers],
            hint="require released versions of these",
        )
    return [f"{one.name}=={one.version}{f' ; {one.marker}' if one.marker else ''}" for one in lock.packages]
