"""Where images go that are put together here: a registry, or an OCI layout (OCI image spec, "Image Layout")."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import IO, Protocol

from msgspec import Struct, field

from zlock.errors import InvalidInput, OutsideFailed
from zlock.image.layers.assemble import Assembled
from zlock.image.layers.store import holds
from zlock.image.reading.compression import Hashed
from zlock.image.registry.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor
from zlock.image.registry.registry import Registry
from zlock.index.cache import Cache
from zlock.model import plain
from zlock.model.reference import ImageReference
from zlock.regular import read_regular
from zlock.replacing import replacing

Read = Callable[[], IO[bytes]]
"""Opens content, once for each attempt to send it."""

_SENT = "sent"
_TAG = "org.opencontainers.image.ref.name"
_NAME = "io.containerd.image.name"  # what Docker, where containerd keeps its images, names them by when it loads them


class LayerSink(Protocol):
    """Takes an image."""

    def has(self, content: Descriptor) -> bool:
        """Tell whether content is there."""

    def put(self, content: Descriptor, read: Read, beside: str = "") -> None:
        """Take content that is not there; `beside` is another repository, which may be able to give it."""

    def finish(self, image: Assembled, platform: str) -> None:
        """Take the manifest, once all else is there."""


class Known:
    """Which repositories have which content: what this run has seen, and what this machine has sent before.

    Args:
        cache: This machine's cache; what it says may be out of date.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._seen: set[tuple[str, str]] = set()  # names and digests

    def has(self, reference: ImageReference, digest: str) -> bool:
        """Tell whether this run has seen content in a repository."""
        return (reference.name, digest) in self._seen

    def see(self, reference: ImageReference, digest: str) -> None:
        """Remember for this run that a repository has content."""
        self._seen.add((reference.name, digest))

    def sent(self, reference: ImageReference, digest: str) -> None:
        """Remember for later runs too that a repository was given content."""
        self.see(reference, digest)
        self._cache.write(_SENT, reference.host, digest.partition(":")[2], reference.name)

    def near(self, reference: ImageReference, digest: str, beside: str) -> str:
        """Return the path of another repository of the same registry that may have content; empty where none is known.

        Args:
            reference: The repository that lacks it.
            digest: The content.
            beside: One that is likely to have it, or empty.
        """
        seen = [name for name, one in sorted(self._seen) if one == digest]
        before = self._cache.read(_SENT, reference.host, digest.partition(":")[2])
        start = f"{reference.host}/"
        found = (one for one in (*seen, beside, str(before)) if one.startswith(start) and one != reference.name)
        return next(found, "").removeprefix(start)


class RegistryTarget(Struct, frozen=True):
    """A repository of a registry.

    Attributes:
        registry: The registries.
        reference: The repository and the tag.
        known: What repositories have; shared by the images of a run.
    """

    registry: Registry
    reference: ImageReference
    known: Known

    def has(self, content: Descriptor) -> bool:
        """Tell whether the repository has content."""
        if self.known.has(self.reference, content.digest):
            return True
        there = self.registry.has_blob(self.reference, content.digest)
        if there:
            self.known.see(self.reference, content.digest)
        return there

    def put(self, content: Descriptor, read: Read, beside: str = "") -> None:
        """Send content, or have it linked from another repository of the registry."""
        near = self.known.near(self.reference, content.digest, beside)
        self.registry.push_blob(self.reference, content, read, near)
        self.known.sent(self.reference, content.digest)

    def finish(self, image: Assembled, platform: str) -> None:  # noqa: ARG002 - the configuration names it
        """Write the manifest under the tag, and with that the image is there."""
        self.registry.write(self.reference, OCI_MANIFEST, image.manifest)


class Layout(Struct):
    """A layout in a folder, into which threads of a run write.

    Attributes:
        folder: The folder.
        turn: Keeps them from writing its index at once.
        known: The digests of what is known to be there.
    """

    folder: Path
    turn: Lock = field(default_factory=Lock)
    known: set[str] = set()


class LayoutTarget(Struct, frozen=True):
    """An image in a layout, beside those that are there.

    Attributes:
        layout: The layout; made where it is not there.
        tag: What the image is called in it.
        name: What it is called elsewhere.
    """

    layout: Layout
    tag: str
    name: str

    def has(self, content: Descriptor) -> bool:
        """Tell whether the layout has content, and not something else in its place."""
        if content.digest not in self.layout.known and holds(self._path(content.digest), content.digest):
            self.layout.known.add(content.digest)
        return content.digest in self.layout.known

    def put(self, content: Descriptor, read: Read, beside: str = "") -> None:  # noqa: ARG002 - there is no other
        """Write content into the layout."""
        path = self._path(content.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as staged, read() as source:
            hashed = Hashed(source)
            with staged.open("wb") as stream:
                shutil.copyfileobj(hashed, stream, 1 << 20)
            if hashed.digest != content.digest:
                raise OutsideFailed(f"`{path}` came out as {hashed.digest}", hint="run again")
        self.layout.known.add(content.digest)

    def finish(self, image: Assembled, platform: str) -> None:
        """Write the manifest, and name it in the index."""
        self._write(self._path(image.digest), image.manifest)
        self._write(self.layout.folder / "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        row = {
            "mediaType": OCI_MANIFEST,
            "digest": image.digest,
            "size": len(image.manifest),
            "platform": dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False)),
            "annotations": {_TAG: self.tag, _NAME: self.name},
        }
        with self.layout.turn:
            others = [one for one in rows_of(self.layout.folder) if _tag(one) != self.tag]
            rows = sorted([*others, row], key=_tag)
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": rows}
            self._write(self.layout.folder / "index.json", json.dumps(index, indent=2).encode())

    def _path(self, digest: str) -> Path:
        return self.layout.folder / "blobs" / "sha256" / digest.partition(":")[2]

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as staged:
            staged.write_bytes(data)


def rows_of(folder: Path) -> Sequence[object]:
    """Return the rows of a layout's index; none where there is no layout.

    Raises:
        InvalidInput: It is not an index.
    """
    path = folder / "index.json"
    if not path.exists():
        return []
    try:
        return plain.rows(json.loads(read_regular(path)), "manifests")
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"`{path}` is not the index of an OCI layout", hint="name another folder") from error


def write_archive(folder: Path, images: Sequence[tuple[str, Assembled]], file: Path) -> None:
    """Write a layout as an archive that `docker load` takes, and whoever reads layouts.

    Args:
        folder: The layout.
        images: The images, each with the name that it gets.
        file: The archive; it takes the place of what is there, whole or not at all.
    """
    rows = [
        {
            "Config": _blob(image.described.digest),
            "RepoTags": [name],
            "Layers": [_blob(one.digest) for one in image.layers],
        }
        for name, image in images
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as staged, tarfile.open(staged, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file() and one.name != "manifest.json"):
            archive.add(path, path.relative_to(folder).as_posix(), filter=_plain_member)
        (folder / "manifest.json").write_text(json.dumps(rows), encoding="utf-8")
        archive.add(folder / "manifest.json", "manifest.json", filter=_plain_member)


def _plain_member(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o644
    return info


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _tag(row: object) -> str:
    return plain.texts(row, "annotations").get(_TAG, "")
