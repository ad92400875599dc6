"""Errors of registries name the steps that they concern: each failure is shown once, for all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

from zlock.errors import ZlockError
from zlock.settings.location import spelled
from zlock.workflow.project.workspace import Step

TYPE_CHECKING = False
if TYPE_CHECKING:  # `resolve` needs no plans of images
    from zlock.image.plan import ImagePlan


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


class NamedImages:
    """Names the steps of images in errors of the registry that they go to; equal errors become one."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = {step.name: step for step in steps}
        self._failed: dict[str, ZlockError] = {}

    @contextmanager
    def of(self, plan: ImagePlan) -> Iterator[None]:
        """Add the steps of an image, and who says where it goes, to what goes wrong with it.

        Raises:
            ZlockError: What went wrong inside, or the equal error of an earlier image.
        """
        try:
            yield
        except ZlockError as error:
            known = self._failed.setdefault(error.message, error)
            known.context = (*known.context, self._destination(plan))
            raise known from None

    def _destination(self, plan: ImagePlan) -> str:
        what = f"the image of {', '.join(plan.steps)}"
        if not plan.repository:
            return what
        place = self._steps[plan.steps[0]].settings.where("target_repository")
        why = (
            f"`{spelled('target_repository', place)}`, stated in {place}"
            if place
            else "`registry` of the configuration"
        )
        return f"{what}, which goes to `{plan.repository}`: {why}"


def _stated(step: Step) -> str:
    for field in ("dockerfile", "parent_image"):
        if place := step.settings.where(field):
            return f"the `{spelled(field, place)}` of step `{step.name}`, stated in {place}"
    return f"the default base image of step `{step.name}`"
