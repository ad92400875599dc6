"""What base images say of Debian packages: out of their layers once, then out of the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from zlock.debian.apt import Apt
from zlock.debian.base import Base, describes_debian, take_out
from zlock.errors import InvalidInput
from zlock.image.reading.layers import LayerTree
from zlock.image.reading.sources import RegistryImage, add_layers
from zlock.lock.exclusive import exclusive
from zlock.lock.facts import Facts
from zlock.model.debian import DebianPackage
from zlock.model.image import is_layout
from zlock.model.reference import ImageReference
from zlock.reporting import Activity, Doing
from zlock.workflow.locks.parents import no_parent
from zlock.workflow.project.workspace import Step, Workspace

_FORMAT = "debian-1"
"""The folder in the cache; another name whenever what is kept there changes."""
_PATIENCE = 600.0  # seconds for another run, which may be bringing the indexes of archives


def base_image_of(step: Step, python: str, facts: Facts) -> ImageReference | None:
    """Return the base image of a step with its digest, None where it has none that a registry knows.

    Args:
        step: The step.
        python: The Python of its images.
        facts: Its lock, which may have the digest.
    """
    settings = step.effective
    stated = settings.base_image(python)
    if settings.dockerfile is not None or is_layout(stated):
        return None
    reference = ImageReference.parse(stated)
    digest = reference.digest or facts.parent_digest
    return reference.at(digest) if digest and not reference.is_local else None


class BaseImages:
    """Base images by their digests; a registry is asked for those that are not in the cache.

    Args:
        workspace: The project.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.cache_folder / _FORMAT

    @contextmanager
    def apt(
        self, reference: ImageReference, platform: str, pool: Mapping[DebianPackage, Path]
    ) -> Iterator[tuple[Base, Apt]]:
        """Give a base image to one run at a time, and apt on it with the indexes of its archives.

        Args:
            reference: The base image, with its digest.
            platform: What it is for.
            pool: Packages that this machine has as files, which archives may have no more.

        Raises:
            InvalidInput: It can't install Debian packages, or is not in the cache and `--offline` is said.
            NoAnswer: There is no such image.
            OutsideFailed: Its registry, its archives or apt can't be used.
        """
        base = self.base(reference, platform)
        folder = base.root.parent
        with exclusive(folder, self._workspace.reporter, patience=_PATIENCE):
            offline, apt = self._workspace.options.offline, Apt(base, folder / "apt", self._workspace.environ)
            if offline and not pool and not (folder / "apt" / "lists").is_dir():
                raise InvalidInput(
                    f"the Debian archives of the base image `{reference}` are not in the cache",
                    hint="leave out `--offline`; or leave Debian packages unlocked with `--no-apt`",
                )
            if not offline:
                self._workspace.reporter(Doing(Activity.ASKING_ARCHIVES, str(reference)))
            apt.offer(pool)
            apt.update(offline=offline)
            yield base, apt

    def base(self, reference: ImageReference, platform: str) -> Base:
        """Return a base image, which has a digest, as it is for a platform.

        Raises:
            ZlockError: See `apt`.
        """
        name = hashlib.sha256(f"{reference.digest} {platform}".encode()).hexdigest()[:32]
        root = self._folder / name / "root"
        if not root.is_dir():
            self._take(reference, platform, root)
        return Base.read(str(reference), root, platform)

    def _take(self, reference: ImageReference, platform: str, root: Path) -> None:
        if self._workspace.options.offline:
            raise InvalidInput(
                f"what the base image `{reference}` has installed is only known to its registry",
                hint="leave out `--offline`; or leave Debian packages unlocked with `--no-apt`",
            )
        registry = self._workspace.registry
        found = registry.find(reference, platform)
        if found is None:
            raise no_parent(registry, reference, platform)
        image = RegistryImage(registry=registry, reference=reference, found=found)
        tree = LayerTree(str(reference), describes_debian)
        add_layers(tree, image, range(len(found.layers)), self._workspace.reporter)
        root.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="taking-", dir=root.parent))
        try:
            take_out(str(reference), tree, made)
            if not root.is_dir():  # another run may have been faster
                os.replace(made, root)  # noqa: PTH105 - the folder is whole, or not there
        finally:
            shutil.rmtree(made, ignore_errors=True)
