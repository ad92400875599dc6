"""What the image of a step is made from, before anything is rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from zlock.image.plan import ImagePlan, Parent
from zlock.lock.lock import Lock
from zlock.model.debian import DebianPackage
from zlock.model.image import FOLDER
from zlock.model.indexes import Index
from zlock.model.target import Target
from zlock.settings.docker import DockerSettings

FOLDERS = "folders"
"""The folder of the context that holds what comes of the project's own folders."""
ROOT = frozenset({"", "root", "0", "root:root", "0:0"})
"""How root is called as a user of an image."""


class BuiltFolder(Struct, frozen=True, kw_only=True):
    """What an image gets of a folder of the project.

    Attributes:
        filename: Of a wheel that every platform can install, or else of an sdist that its build makes a wheel of.
        version: The version that it says it is.
        data: The file.
    """

    filename: str
    version: str
    data: bytes

    @property
    def is_wheel(self) -> bool:
        """Whether nothing is left to be built."""
        return self.filename.endswith(".whl")

    @property
    def url(self) -> str:
        """Where an image has it while it is installed."""
        return f"file://{FOLDER}/{FOLDERS}/{quote(self.filename)}"

    @property
    def sha256(self) -> str:
        """The digest of the file."""
        return hashlib.sha256(self.data).hexdigest()


class ImageWanted(Struct, frozen=True, kw_only=True):
    """What the image of a step is made from.

    Attributes:
        step: The step's name.
        lock: Its lock.
        target: Which of the lock's targets the image is for.
        settings: Its docker settings, each with its place.
        apt_packages: Debian packages of all sources.
        parent: What it is built on.
        project: The project's own files, by path; empty where none are copied.
        folders: What it gets of the folders that the step requires, by name.
        portable: Whether the lock has paths in place of the URLs of an index's files.
        needs_secret: Whether an index of the configuration is needed whose URL must not be in the context.
        indexes: The indexes whose URLs are in the context.
        wheelhouse: Whether it is built from a wheelhouse, and no index is needed.
        repository: Where it is pushed to, or empty.
    """

    step: str
    lock: Lock
    target: Target
    settings: DockerSettings
    apt_packages: tuple[str, ...]
    parent: Parent
    project: Mapping[str, bytes] = {}
    folders: Mapping[str, BuiltFolder] = {}
    portable: bool = False
    needs_secret: bool = False
    indexes: tuple[Index, ...] = ()
    wheelhouse: bool = False
    repository: str = ""

    def plan(self, context: Mapping[str, bytes], identity: str) -> ImagePlan:
        """Return the plan of an image of it, with what is in every plan."""
        return ImagePlan(
            context=context,
            platform=self.target.platform,
            parent=self.parent,
            identity=identity,
            steps=(self.step,),
            repository=self.repository,
            rebuild=self.settings.effective().prevent_build_reuse,
        )

    @property
    def debs(self) -> tuple[DebianPackage, ...]:
        """The Debian packages that are locked for it; none where none are, or where its parent has all of them."""
        apt = self.lock.facts.apt
        return apt.on(self.target.platform) if apt else ()

    @property
    def may_get_python(self) -> bool:
        """Whether Debian packages may bring a Python: any that are not locked, of locked ones those called like it."""
        if self.lock.facts.apt is None:
            return bool(self.apt_packages)
        return any("python" in one.name for one in self.debs)

    @property
    def user(self) -> str:
        """Who runs in the image, empty where that is root, or whoever it is in the parent."""
        user = self.settings.user or self.parent.user or ""
        return "" if user in ROOT else user
