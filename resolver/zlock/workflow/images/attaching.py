"""Bills of materials of a run's locks, put beside the images that were pushed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from zlock.errors import Collector, ZlockError, every
from zlock.image.attached import attach
from zlock.image.plan import ImagePlan
from zlock.image.registry.registry import Registry
from zlock.lock.export import Exported, export
from zlock.lock.selection import narrowed
from zlock.model.reference import ImageReference
from zlock.wording import listed
from zlock.workflow.locks.current import LockedStep

Bills = Mapping[tuple[str, str], bytes]
"""Bills of materials, by the key and the platform of their image."""


def make_bills(plans: Iterable[ImagePlan], locked: Sequence[LockedStep], name: str) -> Bills:
    """Return a bill of materials for each image: of the lock of its first step, for its platform.

    Args:
        plans: The images.
        locked: The steps with their locks.
        name: The format of the bills, see `zlock.model.bills.BILLS`.

    Raises:
        OutsideFailed: The library that writes them is not installed.
        InvalidInput: The format can't hold what a lock has; several errors come as `Problems`.
    """
    steps = {one.step.name: one for one in locked}

    def bill(plan: ImagePlan) -> tuple[tuple[str, str], bytes]:
        one = steps[plan.steps[0]]
        (target,) = (target for target in one.question.targets if target.platform == plan.platform)
        folder = one.path.parent
        source = Exported(lock=narrowed(one.lock, target), targets=(target,), lock_folder=folder, folder=folder)
        return (plan.key, plan.platform), export(name, source).encode()

    return dict(every(bill, plans))


def attach_bills(
    registry: Registry, images: Mapping[str, ImagePlan], bills: Bills, name: str, problems: Collector
) -> None:
    """Put its bill of materials beside each image.

    Args:
        registry: Has the images.
        images: The images, by reference with a digest.
        bills: Their bills.
        name: The format of the bills.
        problems: Where it is told which failed; the images are there all the same.
    """
    for reference, plan in images.items():
        try:
            attach(registry, ImageReference.parse(reference), name, bills[plan.key, plan.platform])
        except ZlockError as error:
            error.context = (*error.context, f"so the image of {listed(plan.steps)} has no bill of materials beside it")
            problems.add(error)
