"""Bills of materials beside images: manifests that refer to them (OCI image spec, "Guidelines for Artifact Usage")."""

from __future__ import annotations

import io
import json
from typing import NamedTuple

from zlock.errors import NoAnswer
from zlock.image.registry.artifact import artifact_manifest, push_artifact
from zlock.image.registry.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from zlock.image.registry.registry import Registry
from zlock.model import plain
from zlock.model.bills import BILLS
from zlock.model.digest import digest_of_bytes
from zlock.model.reference import ImageReference, is_digest


class Attached(NamedTuple):
    """A bill of materials that refers to an image.

    Attributes:
        format: One of `BILLS`.
        digest: `sha256:...` of its manifest.
    """

    format: str
    digest: str


def attached_to(registry: Registry, image: ImageReference) -> list[Attached]:
    """Return the bills of materials that refer to an image, which is given by its digest.

    Raises:
        RegistryFailed: The registry does not answer, or refuses.
    """
    formats = {bill.media_type: name for name, bill in BILLS.items()}
    rows, _ = registry.referrers(image)
    found = [(plain.at(row, "artifactType"), plain.at(row, "digest")) for row in rows]
    return [Attached(formats[str(kind)], str(one)) for kind, one in found if str(kind) in formats and is_digest(one)]


def attach(registry: Registry, image: ImageReference, name: str, bill: bytes) -> Attached:
    """Put a bill of materials beside an image, unless it is there.

    Args:
        registry: The registries.
        image: The image, by its digest.
        name: The bill's format, one of `BILLS`.
        bill: The bill.

    Raises:
        NoAnswer: The image is not there.
        RegistryFailed: The registry does not answer, or refuses.
    """
    there = registry.read(image)
    if there is None or not isinstance(there[1], Manifest):
        raise NoAnswer(f"there is no image `{image}` to attach a bill of materials to", hint="push it again")
    content = Descriptor(media_type=BILLS[name].media_type, digest=digest_of_bytes(bill), size=len(bill))
    subject = Descriptor(media_type=there[1].media_type, digest=there[0], size=there[1].size)
    data = artifact_manifest(content.media_type, layers=[content.row], subject=subject.row)
    own = Attached(name, digest_of_bytes(data))
    rows, is_kept = registry.referrers(image)
    if own.digest in {plain.at(row, "digest") for row in rows}:
        return own
    push_artifact(registry, image.at(own.digest), data, {content: lambda: io.BytesIO(bill)})
    if not is_kept:  # then whoever refers keeps the list (OCI distribution spec, "Referrers Tag Schema")
        row = {"mediaType": OCI_MANIFEST, "digest": own.digest, "size": len(data), "artifactType": content.media_type}
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*rows, row]}
        registry.write(image.tagged(there[0].replace(":", "-")), OCI_INDEX, json.dumps(index).encode())
    return own
