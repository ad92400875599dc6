"""The indexes of steps with several platforms: found, or written once all of their images are pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct

from zlock.errors import ZlockError
from zlock.image.platforms import IndexPlan, find_images, find_index, write_index
from zlock.image.registry.manifest import broken
from zlock.image.registry.registry import Registry
from zlock.process import Watch
from zlock.reporting import Activity, Doing, End, Reporter
from zlock.workflow.images.parallel import Task, side_by_side


class MadeIndex(Struct, frozen=True, kw_only=True):
    """An index that is there now.

    Attributes:
        plan: Its plan.
        digest: `sha256:...` of it.
        images: By platform, the digest of each image.
        written: Whether this run wrote it.
    """

    plan: IndexPlan
    digest: str
    images: Mapping[str, str]
    written: bool

    @property
    def reference(self) -> str:
        """What runs it, on each of its platforms."""
        return f"{self.plan.repository}@{self.digest}"


def make_indexes(
    registry: Registry, pushed: Sequence[tuple[IndexPlan, Sequence[str]]], jobs: int, reporter: Reporter, *, write: bool
) -> list[MadeIndex | ZlockError | None]:
    """Return the index over the images of each step with several platforms.

    Args:
        registry: Has them.
        pushed: The indexes, each with the references of its images.
        jobs: How many are made at a time.
        reporter: Told of each.
        write: Write those that are not there; else None is in their place.
    """

    def make(plan: IndexPlan, references: Sequence[str], watch: Watch) -> MadeIndex | None:
        images = find_images(registry, plan, references)
        if len(images) < len(references):
            raise broken(f"`{plan.reference}`", "the registry no longer has all of its images")
        digest, written = find_index(registry, plan, images), False
        if not digest and write:
            watch.reporter(Doing(Activity.WRITING_INDEX))
            digest, written = write_index(registry, plan, images), True
        found = {platform: image.digest for platform, image in zip(plan.platforms, images, strict=True)}
        return MadeIndex(plan=plan, digest=digest, images=found, written=written) if digest else None

    tasks = [
        Task(name=f"{', '.join(plan.steps)} (index)", work=partial(make, plan, references), ended=_ended)
        for plan, references in pushed
    ]
    return side_by_side(tasks, jobs, reporter)


def _ended(index: MadeIndex | None) -> End:
    if index is None:
        return End.NOT_WRITTEN
    return End.WRITTEN if index.written else End.EXISTS
