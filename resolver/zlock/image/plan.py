"""The plan of an image: the bytes that enter its build, and the key that they have."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from zlock.lock.wheelhouse import LockedFile
from zlock.model.debian import DebianPackage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zlock.image.layers.layer import Assembly

KEY_LABEL = "zlock.key"
"""The label of an image that holds its whole key."""

DOCKERFILE = "Dockerfile"
"""The file of a context that an engine builds."""

HEADING = "Made by zlock from the lock"
"""How the first line of a Dockerfile of zlock's making begins; its lock's identity follows."""


class Program(bytes):
    """What a file of a build context holds that can be run; all others hold plain bytes."""

    __slots__ = ()


def digest_of_file(data: bytes) -> str:
    """Return what tells a file of a build context from others: its sha256, and whether it can be run."""
    return hashlib.sha256(data).hexdigest() + (" program" if isinstance(data, Program) else "")


LOCAL = "localhost/zlock"
"""Where images are kept that have no repository: a name that no registry has."""


def tag_of(key: str) -> str:
    """Return the tag of what has a key of 64 hex digits: the first 16 of them."""
    return key[:16]


class Parent(Struct, frozen=True, kw_only=True):
    """What an image is built on.

    Attributes:
        reference: As the Dockerfile names it.
        digest: `sha256:...` of its manifest; for a custom Dockerfile, of what it is built from; empty for a
            parent that floats.
        dockerfile: The custom Dockerfile that makes it, absolute, or None.
        context: The folder which that Dockerfile sees, absolute, or None.
        user: Who runs in it, empty where that is root; None where nobody has asked it.
        images: The images that the custom Dockerfile names, each with its digest or "".
        files: The custom Dockerfile and the files that it sees, each with digits of a sha256 over what counts of it.
    """

    reference: str
    digest: str = ""
    dockerfile: Path | None = None
    context: Path | None = None
    user: str | None = None
    images: Mapping[str, str] = {}
    files: Mapping[str, str] = {}

    @property
    def text(self) -> str:
        """What a person knows it by."""
        if self.dockerfile is not None:
            return f"{self.reference}, which `{self.dockerfile.name}` makes"
        return self.pinned

    @property
    def pinned(self) -> str:
        """What a `FROM` says: its name, with its digest where an image of that digest is known."""
        is_stated = not self.digest or self.dockerfile is not None or self.reference.endswith(f"@{self.digest}")
        return self.reference if is_stated else f"{self.reference}@{self.digest}"


class ImagePlan(Struct, frozen=True, kw_only=True, dict=True):
    """One image, before it is built: two plans with the same key are the same image.

    Attributes:
        context: What enters its build: path with `/` to bytes, or to a `Program`; for an engine a `Dockerfile`
            among them.
        platform: OCI's name of the platform.
        parent: What it is built on.
        identity: The identity of the lock that it installs.
        steps: The steps that run in it; no part of the key.
        repository: `host/repository` that it is pushed to, or empty; no part of the key.
        rebuild: Build it even where it exists (`prevent_build_reuse`); no part of the key.
        needs_secret: Whether its build needs the secret with the indexes, see `index_secret`.
        wheels: Files of a wheelhouse that its build reads; the key covers their hashes.
        debs: The Debian packages that its build reads; the key covers their hashes.
        download: Bytes that its build downloads of locked Python packages, as far as indexes say the sizes.
        components: What it consists of, for people: kind, name, value; no part of the key.
        stage: What an engine makes below what is put together: the base image with the Debian packages; None where
            that is the base image as it is.
        assembly: What it is put together of; None where an engine builds it. The context says all of it.
        is_stage: Whether it is the stage of others, which it is kept beside.
    """

    context: Mapping[str, bytes]
    platform: str
    parent: Parent
    identity: str
    steps: tuple[str, ...] = ()
    repository: str = ""
    rebuild: bool = field(default=False)
    needs_secret: bool = False
    wheels: tuple[LockedFile, ...] = ()
    debs: tuple[DebianPackage, ...] = ()
    download: int = 0
    components: Mapping[str, Mapping[str, str]] = {}
    stage: ImagePlan | None = None
    assembly: Assembly | None = None
    is_stage: bool = False

    @property
    def floats(self) -> bool:
        """Whether its parent is known by a name only, under which there may be another image tomorrow."""
        return not self.parent.digest

    def anew(self) -> ImagePlan:
        """Return it as what is built even where it exists, its stage too."""
        return replace(self, rebuild=True, stage=self.stage and self.stage.anew())

    @cached_property
    def key(self) -> str:
        """64 hex digits: the sha256 over the context's files, the platform and the parent's digest.

        Where that digest is known, the name of the base image is left out: mirrors share what is built.
        """
        files = dict(self.context)
        if not self.floats and (dockerfile := files.get(DOCKERFILE)):
            files[DOCKERFILE] = dockerfile.replace(f"\nFROM {self.parent.pinned}\n".encode(), b"\nFROM\n", 1)
        rows = [f"{name}\0{digest_of_file(data)}" for name, data in sorted(files.items())]
        return hashlib.sha256("\n".join([self.platform, self.parent.digest, *rows]).encode()).hexdigest()

    @property
    def tag(self) -> str:
        """The image's tag, see `tag_of`."""
        return tag_of(self.key)

    @property
    def name(self) -> str:
        """The repository of the image, or its name in an engine's own store."""
        return self.repository or LOCAL

    @property
    def reference(self) -> str:
        """The name and tag under which the image is built, looked for and pushed."""
        return f"{self.name}:{'stage-' if self.is_stage else ''}{self.tag}"
