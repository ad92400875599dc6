"""What a step without a lock begins with: what another pipeline's step of its name has, or a step that is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

from zlock.errors import InvalidLock
from zlock.lock.lock import Lock
from zlock.lock.store import lock_path, parse_lock
from zlock.model.requirement import Asked, Gathered
from zlock.wording import listed
from zlock.workflow.project.pipeline_owner import shown_owner
from zlock.workflow.project.workspace import Step, Workspace


class Beginnings:
    """Finds the locks whose pins and digests of base images new steps begin with.

    Args:
        workspace: The project; locks of steps that are gone count where this run removes them.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._gone: dict[str, Lock | None] = {}
        for name in workspace.gone:
            self._gone[name] = None
            with suppress(InvalidLock):  # it is about to be removed
                self._gone[name] = parse_lock(workspace.locks[name].path, workspace.locks[name].text)
        self._heirs: dict[str, list[str]] = {}
        self._without: list[str] = []

    def of(self, step: Step, gathered: Sequence[Gathered]) -> Lock | None:
        """Return the lock that a step without one begins with, given what its sources yield."""
        if step.name != step.called and step.called in self._workspace.owned.others:
            return self._of_other_pipeline(step)
        name = next(iter(self._gone), None)
        if len(self._gone) > 1:
            asked = _requirements([Asked.of(one) for one in gathered])
            same = [name for name, lock in self._gone.items() if lock and _requirements(lock.facts.sources) == asked]
            image = step.effective.parent_image or ""
            name = min(same, key=lambda name: self._parent_image(name) != image, default=None)
        lock = self._gone[name] if name else None
        if lock and name:
            self._heirs.setdefault(name, []).append(step.name)
        elif self._gone:
            self._without.append(step.name)
        return lock

    def _parent_image(self, name: str) -> str | None:
        lock = self._gone[name]
        return lock.facts.parent_image if lock else None

    def _of_other_pipeline(self, step: Step) -> Lock | None:
        other = self._workspace.owned.others[step.called]
        self._workspace.note(
            f"`{other.path.name}` is of {shown_owner(other.owner)}, so step `{step.called}` of this one gets "
            f"`{lock_path(self._workspace.lock_folder, step.name).name}`"
        )
        with suppress(InvalidLock):  # whoever locks that one is told
            return parse_lock(other.path, other.text)
        return None

    def note(self) -> None:
        """Note which steps took over what steps that are gone had, and which did not."""
        if self._workspace.options.upgrade:
            return  # which lets all pins go anyway
        for gone, new in self._heirs.items():
            self._workspace.note(f"{listed(new)} {_are(new)} new and `{gone}` is gone: its pins were taken over")
        if new := self._without:
            why = "none of these required the same; rename one step at a time, with `zlock resolve` after each"
            if len(self._gone) == 1:
                why = "its lock can't be read"
            self._workspace.note(
                f"{listed(new)} {_are(new)} new and {listed(self._gone)} {_are(self._gone)} gone: "
                f"no pins were taken over, as {why}"
            )


def _requirements(asked: Iterable[Asked]) -> set[str]:
    return {text for one in asked for text in one.requirements}


def _are(names: Collection[str]) -> str:
    return "is" if len(names) == 1 else "are"
