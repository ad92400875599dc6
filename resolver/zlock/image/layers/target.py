"""Where images go that are put together here: a registry, or an OCI layout (OCI image spec, "Image Layout")."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import IO, Protocol

from zlock.errors import InvalidInput, OutsideFailed
from zlock.image.layers.assemble import Assembled
from zlock.image.layers.store import holds
from zlock.image.reading.compression import Hashed
from zlock.image.registry.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor
from zlock.image.registry.registry import Registry
from zlock.index.cache import Cache
from zlock.model import plain
from zlock.model.reference import ImageReference
from zlock.replacing import replacing

Read = Callable[[], IO[bytes]]
"""Opens content, once for each attempt to send it."""

_SENT = "sent"
_TAG = "org.opencontainers.image.ref.name"
_NAME = "io.containerd.image.name"  # what Docker, where containerd keeps its images, names them by when it loads them


class Target(Protocol):
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


class RegistryTarget:
    """A repository of a registry.

    Args:
        registry: The registries.
        reference: The repository and the tag.
        known: What repositories have; shared by the images of a run.
    """

    def __init__(self, registry: Registry, reference: ImageReference, known: Known) -> None:
        self._registry = registry
        self._reference = reference
        self._known = known

    def has(self, content: Descriptor) -> bool:
        """Tell whether the repository has content."""
        if self._known.has(self._reference, content.digest):
            return True
        there = self._registry.has_blob(self._reference, content.digest)
        if there:
            self._known.see(self._reference, content.digest)
        return there

    def put(self, content: Descriptor, read: Read, beside: str = "") -> None:
        """Send content, or have it linked from another repository of the registry."""
        near = self._known.near(self._reference, content.digest, beside)
        self._registry.push_blob(self._reference, content, read, near)
        self._known.sent(self._reference, content.digest)

    def finish(self, image: Assembled, platform: str) -> None:  # noqa: ARG002 - the configuration names it
        """Write the manifest under the tag, and with that the image is there."""
        self._registry.write(self._reference, OCI_MANIFEST, image.manifest)


class Layout:
    """A layout in a folder, into which threads of a run write.

    Attributes:
        folder: The folder.
        turn: Keeps them from writing its index at once.
        known: The digests of what is known to be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.turn = Lock()
        self.known: set[str] = set()


class LayoutTarget:
    """An image in a layout, beside those that are there.

    Args:
        layout: The layout; made where it is not there.
        tag: What the image is called in it.
        name: What it is called elsewhere.
    """

    def __init__(self, layout: Layout, tag: str, name: str) -> None:
        self._layout = layout
        self._folder = layout.folder
        self._tag = tag
        self._name = name

    def has(self, content: Descriptor) -> bool:
        """Tell whether the layout has content, and not something else in its place."""
        if content.digest not in self._layout.known and holds(self._path(content.digest), content.digest):
            self._layout.known.add(content.digest)
        return content.digest in self._layout.known

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
        self._layout.known.add(content.digest)

    def finish(self, image: Assembled, platform: str) -> None:
        """Write the manifest, and name it in the index."""
        self._write(self._path(image.digest), image.manifest)
        self._write(self._folder / "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        row = {
            "mediaType": OCI_MANIFEST,
            "digest": image.digest,
            "size": len(image.manifest),
            "platform": dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False)),
            "annotations": {_TAG: self._tag, _NAME: self._name},
        }
        with self._layout.turn:
            others = [one for one in rows_of(self._folder) if _tag(one) != self._tag]
            rows = sorted([*others, row], key=_tag)
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": rows}
            self._write(self._folder / "index.json", json.dumps(index, indent=2).encode())

    def _path(self, digest: str) -> Path:
        return self._folder / "blobs" / "sha256" / digest.partition(":")[2]

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
        return plain.rows(json.loads(path.read_bytes()), "manifests")
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
