"""One step on its way to a lock: what it asks now, and the lock it has."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from zlock.lock.declared import digest_of_files
from zlock.lock.facts import DeclaredFile
from zlock.lock.lock import Lock
from zlock.lock.selection import misfits
from zlock.lock.store import ConflictedLock, parse_lock, read_text
from zlock.workflow.locks.asking import Questions
from zlock.workflow.locks.beginnings import Beginnings
from zlock.workflow.locks.current import AskingStep, lock_of, unanswered
from zlock.workflow.project.image_settings import note_setting
from zlock.workflow.project.pythons import note_other_pythons
from zlock.workflow.project.workspace import Options, Step, Workspace


class Job(AskingStep, frozen=True, eq=False, kw_only=True):
    """One step on its way to a lock.

    Attributes:
        lock: The lock it has.
        declared: The files that ask.
        owner: The pipeline that the lock will belong to.
    """

    lock: Lock | None
    declared: tuple[DeclaredFile, ...]
    owner: str

    @classmethod
    def prepare(
        cls,
        workspace: Workspace,
        questions: Questions,
        step: Step,
        *,
        beginnings: Beginnings | None = None,
        path: Path | None = None,
    ) -> Job:
        """Read a step's lock, at its own place unless another one is given, and its sources.

        Pins of a step that has none are those of `beginnings`.

        Raises:
            ZlockError: The lock was edited or cut short, or is behind a link out of the project, or sources are wrong;
                several come as `Problems`.
        """
        path, found = (path, read_text(path)) if path else lock_of(workspace, step)
        is_new = not (found or path.exists())
        text, lock = ("", None) if is_new else _read(workspace, path, found or "")
        gathered = questions.gatherer.gather(step.settings, {}, step.routing)
        if is_new and beginnings:
            lock = beginnings.of(step, gathered)
        question, declared = questions.for_lock(step, gathered, lock.facts if lock else None)
        workspace.note(*(note for one in gathered for note in one.notes))
        note_other_pythons(workspace, step, gathered, question.targets)
        _note_without_file(workspace, step)
        return cls(
            step=step,
            path=path,
            lock=lock,
            text=text,
            gathered=gathered,
            question=question,
            declared=declared,
            owner=workspace.owned.owner,
        )

    def is_answered(self, options: Options) -> bool:
        """Return whether the lock still answers the step, so that nothing has to be solved."""
        if self.lock is None or options.upgrade or self.lock.facts.step != self.step.name:
            return False
        if self.lock.unbuilt or any(misfits(self.lock, self.question.targets)):
            return False
        if self.lock.pins.keys() & {one.name for one in options.upgrade_packages}:
            return False
        facts = self.lock.facts
        if options.exclude_newer and facts.exclude_newer != options.exclude_newer.isoformat():
            return False
        return unanswered(self, facts) is None

    def restated(self, lock: Lock) -> Lock:
        """Return the lock that answers with the present `declared` and pipeline; itself where it has them."""
        facts = replace(
            lock.facts, declared=digest_of_files(self.declared), declared_files=self.declared, pipeline=self.owner
        )
        return lock if facts == lock.facts else replace(lock, facts=facts)


Answers = list[tuple[Job, Lock]]
"""The steps of a run, each with the lock that answers it."""


def _note_without_file(workspace: Workspace, step: Step) -> None:
    """Say that extras or groups of no file are asked for."""
    for name in ("pyproject_extras", "pyproject_groups"):
        if getattr(step.settings, name) and not step.settings.pyproject_path:
            note_setting(workspace, step, name, f"`{name}` and no `pyproject_path`, so it asks for nothing")


def _read(workspace: Workspace, path: Path, text: str) -> tuple[str, Lock | None]:
    """Return what a step has: a lock with its text, or without one if it is merged first."""
    try:
        return text, parse_lock(path, text)
    except ConflictedLock:
        lock = _merged(path, text)
        workspace.note(
            f"`{path.name}` had a merge conflict and is solved again"
            + (" from the pins of both sides" if lock else ", from no pins as neither side could be read")
        )
        return "", lock


def _merged(path: Path, text: str) -> Lock | None:
    """Return the pins of both sides of a conflict, from git's index where it has them, else from the markers."""
    from zlock.lock.history import stages_of  # few runs meet a conflict
    from zlock.lock.merging import merged, pins_in, sides_of

    base, ours, theirs = map(pins_in, stages_of(path) or sides_of(text))
    return merged(base, ours, theirs)
