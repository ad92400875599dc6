"""Where images are: a registry, an OCI layout, an archive of `docker save`; each gives an image and its layers."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from zlock.errors import InvalidInput
from zlock.image.reading.layers import LayerTree
from zlock.image.registry.manifest import (
    INDEXES,
    LARGEST_DOCUMENT,
    MANIFESTS,
    Descriptor,
    FoundImage,
    Index,
    Manifest,
    broken,
    describe,
    digest_of_bytes,
    read_document,
    read_json,
    select,
)
from zlock.image.registry.registry import Registry
from zlock.model.ports import Progress
from zlock.model.reference import ImageReference

_TAG = "org.opencontainers.image.ref.name"


class OpenImage(Protocol):
    """An image whose layers can be read."""

    @property
    def found(self) -> FoundImage:
        """What is known of it."""

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer, checked, as a file that the caller closes; 0 is the lowest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryImage:
    """An image in a registry."""

    registry: Registry
    reference: ImageReference
    found: FoundImage

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer, checked, as a file that the caller closes."""
        return self.registry.open_layer(self.reference, self.found.layers[position])


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutImage:
    """An image in a folder (OCI image spec, "Image Layout")."""

    folder: Path
    found: FoundImage

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer, checked, as a file that the caller closes."""
        layer = self.found.layers[position]
        return _checked(_blob_path(self.folder, layer.digest).open("rb"), layer.digest, self.found.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveImage:
    """An image in an archive of `docker save`; its layers are held to the digests of its configuration."""

    archive: Path
    members: tuple[str, ...]
    found: FoundImage

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer, checked, as a file that the caller closes."""
        file = tempfile.TemporaryFile(prefix="zlock-layer-")  # noqa: SIM115 - the caller closes it
        with _archive(self.archive, self.found.name) as tar:
            shutil.copyfileobj(_member(tar, self.members[position], self.found.name), file)
        file.seek(0)
        return _checked(file, self.found.layers[position].digest, self.found.name)


def add_layers(tree: LayerTree, image: OpenImage, positions: range, progress: Progress) -> None:
    """Lay layers of an image over the files that are there.

    Raises:
        RegistryFailed: A layer can't be had, or is damaged.
    """
    for position in positions:
        progress(f"reading layer {position + 1} of {len(image.found.layers)} of `{image.found.name}`")
        with image.open_layer(position) as layer:
            tree.add(layer, image.found.diff_ids[position], image.found.layers[position].media_type)


def find_in_layout(folder: Path, tag: str, platform: str) -> LayoutImage | None:
    """Return the image of a platform in an OCI layout, None where it has none of that platform.

    Args:
        folder: The layout.
        tag: What the image is called in it; may be left out where there is one only.
        platform: `linux/amd64`.

    Raises:
        InvalidInput: It is no layout, or the tag does not say which image.
        RegistryFailed: Its content is not what its digests say.
    """
    name = f"oci:{folder}{f':{tag}' if tag else ''}"
    entry = _entry(folder, tag, name)
    top = _layout_document(folder, entry, name)
    chosen = select(top, platform, lambda below: _layout_document(folder, below, name), f"`{name}`")
    if chosen is None:
        return None
    digest, manifest = chosen
    found = describe(name, digest, top[0], manifest, _layout_blob(folder, manifest.config, name))
    return LayoutImage(folder=folder, found=found) if found.is_for(platform) else None


def find_in_archive(archive: Path, name: str, platform: str) -> ArchiveImage | None:
    """Return the only image of an archive that `docker save` wrote, None where it is of another platform.

    Raises:
        RegistryFailed: It is no such archive.
    """
    where = f"`{name}`"
    with _archive(archive, name) as tar:
        try:
            (entry,) = json.loads(_member(tar, "manifest.json", name).read(LARGEST_DOCUMENT))
            config = _member(tar, entry["Config"], name).read(LARGEST_DOCUMENT)
            members = tuple(str(member) for member in entry["Layers"])
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise broken(where, "the archive does not tell of one image") from error
    digest = digest_of_bytes(config)
    diff_ids = read_json(config, where).get("rootfs", {}).get("diff_ids", [])
    layers = tuple(
        Descriptor.parse({"mediaType": "application/x-tar", "digest": one, "size": 0}, where) for one in diff_ids
    )
    if len(layers) != len(members):
        raise broken(where, "its layers are not those of its configuration")
    own = Descriptor(media_type="application/vnd.oci.image.config.v1+json", digest=digest, size=len(config))
    found = describe(name, digest, digest, Manifest(config=own, layers=layers, annotations={}), config)
    return ArchiveImage(archive=archive, members=members, found=found) if found.is_for(platform) else None


def _entry(folder: Path, tag: str, name: str) -> Descriptor:
    """Return the entry of a layout's index that a tag names."""
    try:
        table = read_json((folder / "index.json").read_bytes(), f"`{name}`")
    except OSError as error:
        raise InvalidInput(
            f"`{folder}` is no OCI layout: {error.strerror or error}", hint="`oci:DIR` names a folder with `index.json`"
        ) from error
    tagged: dict[str, Any] = {}
    for one in table.get("manifests") or []:
        annotations = one.get("annotations") or {} if isinstance(one, dict) else {}
        tagged.setdefault(str(annotations.get(_TAG, "")), one)
    names = [f"`{one}`" for one in tagged if one]
    if tag not in tagged and (tag or len(tagged) != 1):
        said = f"it has {', '.join(names)}" if names else "none of its images has a name"
        raise InvalidInput(
            f"`{name}` does not say which image" if not tag else f"`{folder}` has no image `{tag}`",
            context=[said],
            hint="name one: `oci:DIR:TAG`",
        )
    return Descriptor.parse(tagged.get(tag) or next(iter(tagged.values())), f"`{name}`")


def _layout_document(folder: Path, entry: Descriptor, name: str) -> tuple[str, Manifest | Index]:
    if entry.media_type not in MANIFESTS | INDEXES:
        raise broken(f"`{name}`", f"it is no image; its type is `{entry.media_type}`")
    return entry.digest, read_document(_layout_blob(folder, entry, name), entry.media_type, f"`{name}`")


def _layout_blob(folder: Path, descriptor: Descriptor, name: str) -> bytes:
    with _checked(_blob_path(folder, descriptor.digest).open("rb"), descriptor.digest, name) as stream:
        data = stream.read(LARGEST_DOCUMENT + 1)
    if len(data) > LARGEST_DOCUMENT or len(data) != descriptor.size:
        raise broken(f"`{descriptor.digest}` of `{name}`", f"it has not the {descriptor.size} bytes of its entry")
    return data


def _blob_path(folder: Path, digest: str) -> Path:
    """Return where a layout has content; a descriptor's digest has been held to its form."""
    path = folder / "blobs" / "sha256" / digest.partition(":")[2]
    if not path.is_file():
        raise broken(f"`{folder}`", f"`{digest}` is not there")
    return path


def _checked(file: IO[bytes], digest: str, name: str) -> IO[bytes]:
    """Return a file at its beginning once its digest was found to be right."""
    try:
        found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"  # type: ignore[arg-type]  # any binary file
        file.seek(0)
    except BaseException:
        file.close()
        raise
    if found != digest:
        file.close()
        raise broken(f"`{name}`", f"its digest is {found}, and not the promised {digest}")
    return file


@contextmanager
def _archive(path: Path, name: str) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield tar
    except tarfile.TarError as error:
        raise broken(f"`{name}`", f"the archive is damaged: {error}") from error


def _member(tar: tarfile.TarFile, member: object, name: str) -> IO[bytes]:
    """Return a file of an archive; links inside it are followed, as `docker save` writes them for equal layers."""
    try:
        stream = tar.extractfile(str(member))
    except KeyError:
        stream = None
    if stream is None:
        raise broken(f"`{name}`", f"the archive has no `{member}`")
    return stream
