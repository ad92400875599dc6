"""What a step has on several platforms under one name: an OCI index (OCI image spec, "Image Index")."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property

from msgspec import Struct

from zlock.image.builders.builder import Image
from zlock.image.plan import KEY_LABEL, ImagePlan, tag_of
from zlock.image.registry.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    FoundImage,
    Index,
    normalized_platform,
)
from zlock.image.registry.registry import Registry
from zlock.image.reuse import check_key
from zlock.model.reference import ImageReference


class IndexPlan(Struct, frozen=True, kw_only=True, dict=True):
    """One index, before it is written: two with the same key lead to the same images.

    Attributes:
        images: The images, in the order of their platforms.
        steps: The steps that run in them.
    """

    images: tuple[ImagePlan, ...]
    steps: tuple[str, ...]

    @property
    def repository(self) -> str:
        """`host/repository` of all the images, or empty."""
        return self.images[0].repository

    @property
    def platforms(self) -> tuple[str, ...]:
        """OCI's names of the platforms."""
        return tuple(image.platform for image in self.images)

    @cached_property
    def key(self) -> str:
        """64 hex digits: the sha256 over the platforms and the keys of the images."""
        rows = [f"{image.platform} {image.key}" for image in self.images]
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    @property
    def tag(self) -> str:
        """The index's tag, see `tag_of`."""
        return tag_of(self.key)

    @property
    def reference(self) -> ImageReference:
        """Where it is to be."""
        return ImageReference.parse(f"{self.repository}:{self.tag}")


def plan_indexes(plans: Iterable[ImagePlan]) -> list[IndexPlan]:
    """Return an index for each set of images that are those of a step on several platforms."""
    of_step: dict[str, list[ImagePlan]] = {}
    for plan in plans:
        for step in plan.steps:
            of_step.setdefault(step, []).append(plan)
    found: dict[tuple[str, str], IndexPlan] = {}
    for step, images in of_step.items():
        if len(images) > 1:
            ordered = tuple(sorted(images, key=lambda image: image.platform))
            one = IndexPlan(images=ordered, steps=(step,))
            before = found.get((one.repository, one.key))
            steps = (*before.steps, step) if before else (step,)
            found[one.repository, one.key] = IndexPlan(images=ordered, steps=steps)
    return list(found.values())


def find_images(registry: Registry, plan: IndexPlan, references: Sequence[str]) -> list[FoundImage]:
    """Return the images that an index is to lead to, as far as the registry has them.

    Args:
        registry: Asked for them.
        plan: The index.
        references: Each one's name.

    Raises:
        RegistryFailed: It can't be told.
    """
    asked = zip(references, plan.platforms, strict=True)
    found = [registry.find(ImageReference.parse(reference), platform) for reference, platform in asked]
    return [image for image in found if image is not None]


def find_index(registry: Registry, plan: IndexPlan, images: Sequence[FoundImage]) -> str:
    """Return the digest of the index that leads to just these images; "" where there is none, or an older one.

    Raises:
        OutsideFailed: Something else is under its tag, or it can't be told.
    """
    top = registry.read(plan.reference)
    if top is None:
        return ""
    digest, document = top
    key = document.annotations.get(KEY_LABEL, "") if isinstance(document, Index) else ""
    check_key(Image(digest=digest, key=key, place="registry"), str(plan.reference), plan.key)
    wanted = [(normalized_platform(one), image.digest) for one, image in zip(plan.platforms, images, strict=True)]
    there = [(one.platform, one.digest) for one in document.manifests] if isinstance(document, Index) else []
    return digest if sorted(there) == sorted(wanted) else ""


def write_index(registry: Registry, plan: IndexPlan, images: Sequence[FoundImage]) -> str:
    """Write an index over images that are in its repository; return its digest.

    Raises:
        RegistryFailed: The registry does not take it.
    """
    media_type, data = render_index(images, plan.key)
    return registry.write(plan.reference, media_type, data)


def render_index(images: Sequence[FoundImage], key: str) -> tuple[str, bytes]:
    """Return the media type and the bytes of an index.

    Over Docker's images it is Docker's, as registries are known to refuse theirs in an index of OCI's. The key is an
    annotation in both: Docker's has no place for one, and whoever reads it passes over what it does not know.
    """
    is_docker = all(image.manifest.media_type == DOCKER_MANIFEST for image in images)
    media_type = DOCKER_LIST if is_docker else OCI_INDEX
    table = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [_entry(image) for image in images],
        "annotations": {KEY_LABEL: key},
    }
    return media_type, json.dumps(table, indent=2).encode()


def _entry(image: FoundImage) -> dict[str, object]:
    return {
        "mediaType": image.manifest.media_type,
        "digest": image.digest,
        "size": image.manifest.size,
        "platform": {name: image.config.kind[name] for name in sorted(image.config.kind)},
    }
