"""Bills of materials of a run's locks, put beside the images that were pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zlock.image.attached import attach
from zlock.image.plan import ImagePlan
from zlock.image.registry.registry import Registry
from zlock.index.machine import public_index
from zlock.lock.export import Exported, export
from zlock.lock.selection import narrowed
from zlock.model.reference import ImageReference
from zlock.workflow.locks.current import LockedStep
from zlock.workflow.project.report import Failures


def attach_bills(
    registry: Registry, images: Mapping[str, ImagePlan], locked: Sequence[LockedStep], name: str, failures: Failures
) -> None:
    """Put a bill of materials beside each image: of the lock of its first step, for its platform.

    Args:
        registry: Has the images.
        images: The images, by reference with a digest.
        locked: The steps with their locks.
        name: The format of the bills, see `zlock.image.attached.BILLS`.
        failures: Where it is told which failed; the images are there all the same.
    """
    steps = {one.step.name: one for one in locked}
    for reference, plan in images.items():
        one = steps[plan.steps[0]]
        (target,) = (target for target in one.question.targets if target.platform == plan.platform)
        folder = one.path.parent
        source = Exported(
            lock=narrowed(one.lock, target),
            targets=(target,),
            lock_folder=folder,
            folder=folder,
            public_index=public_index,
        )
        with failures.of(*plan.steps):
            attach(registry, ImageReference.parse(reference), name, export(name, source).encode())
