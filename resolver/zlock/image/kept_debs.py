"""Debian packages kept beside the images that have them: an OCI artifact (OCI image spec, "Artifact Usage").

Archives drop old files; whoever builds an image again later finds them here, by the digests that its lock has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from zlock.errors import RegistryFailed
from zlock.image.context.debs import sums_of
from zlock.image.plan import tag_of
from zlock.image.registry.artifact import artifact_manifest, push_artifact
from zlock.image.registry.manifest import Descriptor
from zlock.image.registry.registry import Registry
from zlock.model.debian import DebianPackage
from zlock.model.reference import ImageReference

_ARTIFACT = "application/vnd.zlock.debian-packages.v1"
_DEB = "application/vnd.debian.binary-package"  # as IANA has it
_TITLE = "org.opencontainers.image.title"


def kept_tag(debs: Sequence[DebianPackage]) -> str:
    """Return the tag of the artifact with some packages: `apt-`, and digits of the digest of their sums."""
    return f"apt-{tag_of(hashlib.sha256(sums_of(debs)).hexdigest())}"


def keep_debs(registry: Registry, repository: str, debs: Sequence[DebianPackage], files: Mapping[str, Path]) -> None:
    """Put packages into a repository, as far as it does not have them.

    Args:
        registry: The registries.
        repository: `host/repository`.
        debs: The packages.
        files: Their files, by name.

    Raises:
        RegistryFailed: The registry does not answer, or refuses.
    """
    reference = ImageReference.parse(f"{repository}:{kept_tag(debs)}")
    if registry.read(reference) is not None:
        return
    layers = [{**_descriptor(deb).row, "annotations": {_TITLE: deb.filename}} for deb in debs]
    content = {_descriptor(deb): _opened(files[deb.filename]) for deb in debs}
    push_artifact(registry, reference, artifact_manifest(_ARTIFACT, layers=layers), content)


def open_kept(registry: Registry, repository: str, deb: DebianPackage) -> IO[bytes]:
    """Return a package as a repository has it, checked, as a file that the caller closes.

    Raises:
        RegistryFailed: It can't be had.
    """
    reference, content = ImageReference.parse(repository), _descriptor(deb)
    if not registry.has_blob(reference, content.digest):
        raise RegistryFailed(
            f"the repository `{repository}` does not have it either",
            hint="resolve again with `--upgrade-apt`, or run `zlock fetch` where the archive answers",
        )
    return registry.open_layer(reference, content)


def _opened(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _descriptor(deb: DebianPackage) -> Descriptor:
    """Return what points at a package."""
    return Descriptor(media_type=_DEB, digest=f"sha256:{deb.sha256}", size=deb.size)
