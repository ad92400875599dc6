"""What registries say of the images of a project: what is already there, and what their parents are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeVar

from msgspec import Struct

from zlock.errors import CommandFailed, RegistryFailed
from zlock.image.attached import Attached, attached_to
from zlock.image.builders.builder import Image
from zlock.image.plan import KEY_LABEL, ImagePlan, Parent
from zlock.image.platforms import IndexPlan, find_images, find_index
from zlock.image.registry.manifest import FoundImage
from zlock.model.reference import ImageReference
from zlock.reporting import Activity, Doing
from zlock.wording import listed
from zlock.workflow.locks.parents import no_parent
from zlock.workflow.project.workspace import Workspace

T = TypeVar("T")


class Registries:
    """Answers from registries, each asked once; offline there are none.

    Args:
        workspace: The project.
        is_needed: Whether a registry that does not answer is an error; else that is noted, and what it has is unknown.

    Attributes:
        registry: The registries.
        floating: The digest that each parent has now, for those that no lock has one of.
    """

    def __init__(self, workspace: Workspace, *, is_needed: bool = True) -> None:
        self._workspace = workspace
        self._offline = workspace.options.offline
        self._is_needed = is_needed
        self.registry = workspace.registry
        self._parent = cache(self._ask_for_parent)
        self.floating: dict[str, str] = {}
        self._silent: dict[str, str] = {}  # repositories that nothing can be known of, each with its host
        self._unknown: set[str] = set()  # parents in them

    def parent_of(self, reference: str, platform: str) -> FoundImage | None:
        """Return what a parent is now, None where there is no registry to ask.

        Raises:
            InvalidInput: It is not a reference.
            NoAnswer: Its registry does not have it, or not for the platform.
            RegistryFailed: Its registry can't be asked.
        """
        found = self._parent(reference, platform)
        if found is not None:
            self.floating[reference] = found.tagged
        return found

    def index_exists(self, plan: IndexPlan) -> bool | None:
        """Tell whether the registry of an index has it, over the images that it has now; None as for an image.

        Raises:
            OutsideFailed: Something else is under its tag, or it can't be told.
        """
        if self._offline or not plan.repository or any(image.floats for image in plan.images):
            return None
        tags = [image.reference for image in plan.images]

        def exists() -> bool:
            images = find_images(self.registry, plan, tags)
            return len(images) == len(tags) and bool(find_index(self.registry, plan, images))

        return self.ask(plan.reference, exists)

    def store_of(self, plan: ImagePlan) -> RegistryStore | None:
        """Return the registry that a plan's image is pushed to, None where there is none to ask."""
        if self._offline or not plan.repository:
            return None
        return RegistryStore(self, plan.platform)

    def bills_of(self, plan: ImagePlan) -> tuple[Attached, ...]:
        """Return the bills of materials that refer to a plan's image, which its registry has."""
        reference = ImageReference.parse(plan.reference)

        def ask() -> tuple[Attached, ...]:
            found = self.registry.find(reference, plan.platform)
            return tuple(attached_to(self.registry, reference.at(found.digest))) if found else ()

        return self.ask(reference, ask) or ()

    def is_unknown(self, parent: Parent) -> bool:
        """Tell whether a parent floats only because a registry did not answer."""
        return not self._unknown.isdisjoint({parent.reference, *parent.images})

    def is_silent(self, reference: ImageReference) -> bool:
        """Tell whether a registry did not answer when it was asked for something in a repository."""
        return reference.name in self._silent

    def ask(self, reference: ImageReference, question: Callable[[], T]) -> T | None:
        """Return a registry's answer, None where it has none and none is needed; then it is not asked again.

        Raises:
            RegistryFailed: An answer is needed.
            CommandFailed: Likewise, and what keeps the login for it failed.
        """
        if self.is_silent(reference):
            return None
        try:
            return question()
        except (RegistryFailed, CommandFailed) as error:
            if self._is_needed:
                raise
            if reference.host not in self._silent.values():
                why = "; ".join(filter(None, [error.message, *error.context, error.hint]))
                self._workspace.note(f"the registry `{reference.host}` does not say what it has: {why}")
            self._silent[reference.name] = reference.host
            return None

    def _ask_for_parent(self, reference: str, platform: str) -> FoundImage | None:
        parsed = ImageReference.parse(reference)
        if self._offline or parsed.is_local:
            return None
        self._workspace.reporter(Doing(Activity.ASKING_REGISTRY, reference))
        found = self.ask(parsed, lambda: self.registry.find(parsed, platform))
        if found is None and not self.is_silent(parsed):
            raise no_parent(self.registry, parsed, platform)
        if found is None:
            self._unknown.add(reference)
        return found


def way_out(reference: str) -> str:
    """Say what ends that a parent floats."""
    if ImageReference.parse(reference).is_local:
        return "no registry has it: push it to one, and name it as it is there"
    return "`zlock resolve --pin-images` records its digest"


def note_unknown(plans: Sequence[ImagePlan], workspace: Workspace) -> None:
    """Say which parents have no digest, so that they may be another image tomorrow, and what ends that."""
    for parent in {one.parent.reference: one.parent for one in plans if one.floats}.values():
        workspace.note(_floats(parent))


def _floats(parent: Parent) -> str:
    if parent.dockerfile is None:
        why = "its name may stand for another image later, so the key is not final"
        return f"the base image `{parent.reference}` is not pinned to a digest: {why}; {way_out(parent.reference)}"
    names = listed(name for name, digest in parent.images.items() if not digest)
    why = f"{names} may stand for another image later, so the key is not final"
    which = f"the base image that `{parent.dockerfile.name}` makes"
    return f"{which} is not pinned to a digest: {why}; write digests in it: `NAME@sha256:...`"


def note_floating(floating: Mapping[str, str], plans: Sequence[ImagePlan], workspace: Workspace) -> None:
    """Say which parents may be another image tomorrow, and what ends that."""
    named = {plan.parent.reference for plan in plans}
    in_files = {reference: plan.parent.dockerfile for plan in plans for reference in plan.parent.images}
    for reference, digest in floating.items():
        if reference not in {*named, *in_files}:  # its step has no plan, and an error says why
            continue
        file = in_files.get(reference)
        how = f"write `{reference}@{digest}` in `{file.name}`" if file else way_out(reference)
        workspace.note(f"the base image `{reference}` is not pinned to a digest: it is {digest} now; {how}")


class RegistryStore(Struct, frozen=True):
    """The images of one platform in registries, as a store."""

    registries: Registries
    platform: str

    def find(self, reference: str) -> Image | None:
        """Return what is under a name, or None.

        Raises:
            RegistryFailed: It can't be told.
        """
        parsed = ImageReference.parse(reference)
        found = self.registries.ask(parsed, lambda: self.registries.registry.find(parsed, self.platform))
        if found is None:
            return None
        return Image(digest=found.tagged, key=found.config.labels.get(KEY_LABEL, ""), place="registry")
