"""What is kept beside images and is none (OCI image spec, "Guidelines for Artifact Usage")."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import IO

from zlock.image.registry.manifest import OCI_MANIFEST, Descriptor
from zlock.image.registry.registry import Registry
from zlock.model.digest import digest_of_bytes
from zlock.model.reference import ImageReference

_EMPTY = b"{}"
_CONFIG = Descriptor(  # see "Guidance for an Empty Descriptor"
    media_type="application/vnd.oci.empty.v1+json", digest=digest_of_bytes(_EMPTY), size=len(_EMPTY)
)


def artifact_manifest(kind: str, **parts: object) -> bytes:
    """Return the manifest of an artifact.

    Args:
        kind: Its media type.
        parts: `layers`, and what else it has.
    """
    table = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "config": _CONFIG.row, **parts}
    return json.dumps(table, indent=1).encode()


def push_artifact(
    registry: Registry, place: ImageReference, manifest: bytes, content: Mapping[Descriptor, Callable[[], IO[bytes]]]
) -> None:
    """Put an artifact into a repository, as far as that does not have it.

    Args:
        registry: The registries.
        place: The repository, and the tag or the digest of the artifact.
        manifest: Its manifest.
        content: Its layers, each with what opens it.

    Raises:
        RegistryFailed: The registry does not answer, or refuses.
    """
    for one, read in {**content, _CONFIG: lambda: io.BytesIO(_EMPTY)}.items():
        if not registry.has_blob(place, one.digest):
            registry.push_blob(place, one, read)
    registry.write(place, OCI_MANIFEST, manifest)
