"""Errors about what steps are built on name the steps: each failure is shown once, for all that it concerns."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from zlock.errors import ZlockError
from zlock.workflow.workspace import Step


class NamedParents:
    """Names steps in errors about their parents; what failed for one is not asked again for the next."""

    def __init__(self) -> None:
        self._failed: dict[Hashable, ZlockError] = {}

    @contextmanager
    def of(self, step: Step, parent: Hashable) -> Iterator[None]:
        """Add a step, and where its parent is stated, to what goes wrong with that.

        Raises:
            ZlockError: What went wrong inside, now or with the same parent of an earlier step.
        """
        try:
            if parent in self._failed:
                raise self._failed[parent]
            yield
        except ZlockError as error:
            self._failed[parent] = error
            error.context = (*error.context, _stated(step))
            raise


def _stated(step: Step) -> str:
    for field in ("dockerfile", "parent_image"):
        if place := step.settings.where(field):
            return f"the `{field}` of step `{step.name}`, stated in {place}"
    return f"the default parent of step `{step.name}`"
