"""What registries say of the images of a project: what is there already, and what their parents are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self

from zlock.image.builders.builder import Image
from zlock.image.plan import KEY_LABEL, ImagePlan
from zlock.image.platforms import IndexPlan, find_images, find_index
from zlock.image.registry.manifest import FoundImage
from zlock.image.registry.registry import Registry
from zlock.model.ports import Progress
from zlock.model.reference import ImageReference
from zlock.workflow.parents import no_parent
from zlock.workflow.report import Report
from zlock.workflow.workspace import Workspace


class Registries:
    """Answers from registries, each asked once; offline there are none.

    Attributes:
        registry: The registries.
        floating: The digest that each parent has now, for those that no lock has one of.
    """

    def __init__(self, workspace: Workspace, progress: Progress) -> None:
        self._offline = workspace.options.offline
        self._progress = progress
        self.registry = Registry(workspace.environ)
        self._parent = cache(self._ask_for_parent)
        self.floating: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.registry.close()

    def digest_of(self, reference: str, platform: str) -> str:
        """Return the digest that a parent has now, "" where there is no registry to ask.

        Raises:
            InvalidInput: It is no reference.
            NoAnswer: Its registry does not have it, or not for the platform.
            RegistryFailed: Its registry can't be asked.
        """
        found = self._parent(reference, platform)
        if found is None:
            return ""
        self.floating[reference] = found.tagged
        return found.tagged

    def user_of(self, reference: str, platform: str) -> str:
        """Return who a parent runs as, "" for root and where there is no registry to ask."""
        found = self._parent(reference, platform)
        return str(found.config.get("config", {}).get("User") or "") if found else ""

    def index_exists(self, plan: IndexPlan) -> bool | None:
        """Tell whether the registry of an index has it, over the images that it has now; None as for an image.

        Raises:
            OutsideFailed: Something else is under its tag, or it can't be told.
        """
        if self._offline or not plan.repository or any(image.floats for image in plan.images):
            return None
        tags = [f"{image.repository}:{image.tag}" for image in plan.images]
        images = find_images(self.registry, plan, tags)
        return len(images) == len(tags) and bool(find_index(self.registry, plan, images))

    def store_of(self, plan: ImagePlan) -> RegistryStore | None:
        """Return the registry that a plan's image is pushed to, None where there is none to ask."""
        if self._offline or not plan.repository:
            return None
        return RegistryStore(self.registry, plan.platform)

    def _ask_for_parent(self, reference: str, platform: str) -> FoundImage | None:
        parsed = ImageReference.parse(reference)
        if self._offline or parsed.is_local:
            return None
        self._progress(f"asking the registry for `{reference}`")
        found = self.registry.find(parsed, platform)
        if found is None:
            raise no_parent(reference, platform)
        return found


def way_out(reference: str) -> str:
    """Say what ends that a parent floats."""
    if ImageReference.parse(reference).is_local:
        return "no registry has it: push it to one, and name it as it is there"
    return "`zlock resolve --pin-images` records its digest"


def note_floating(floating: Mapping[str, str], plans: Sequence[ImagePlan], report: Report) -> None:
    """Say which parents may be another image tomorrow, and what ends that."""
    named = {plan.parent.reference for plan in plans}
    for reference, digest in floating.items():
        in_file = f"write `{reference}@{digest}` in the Dockerfile that names it"
        how = way_out(reference) if reference in named else in_file
        report.note(f"the parent `{reference}` floats: it is {digest} now; {how}")


@dataclass(frozen=True)
class RegistryStore:
    """The images of one platform in registries, as a store."""

    registry: Registry
    platform: str

    def find(self, reference: str) -> Image | None:
        """Return what is under a name, or None.

        Raises:
            RegistryFailed: It can't be told.
        """
        found = self.registry.find(ImageReference.parse(reference), self.platform)
        if found is None:
            return None
        return Image(digest=found.tagged, key=found.labels.get(KEY_LABEL, ""), place="registry")
