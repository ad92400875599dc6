"""Where images are: a registry, an OCI layout, an archive of `docker save`; each gives an image and its layers."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from typing import IO, NamedTuple, Protocol

from msgspec import Struct

from zlock.errors import InvalidInput
from zlock.image.reading.files import Files
from zlock.image.reading.layers import LayerTree
from zlock.image.registry.answers import Heard, nobody
from zlock.image.registry.manifest import (
    INDEXES,
    LARGEST_DOCUMENT,
    MANIFESTS,
    OCI_CONFIG,
    Configuration,
    Descriptor,
    FoundImage,
    Index,
    Manifest,
    broken,
    describe,
    read_document,
    read_json,
    select,
)
from zlock.image.registry.registry import Registry
from zlock.model import plain
from zlock.model.digest import digest_of_bytes
from zlock.model.reference import ImageReference
from zlock.reporting import Activity, Doing, Reporter
from zlock.wording import either

UNPACKED = "application/x-tar"
"""The type of a layer of which only what it unpacks to is known."""
_TAG = "org.opencontainers.image.ref.name"


class OpenImage(Protocol):
    """An image whose layers can be read."""

    @property
    def found(self) -> FoundImage:
        """What is known of it."""

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer, checked, as a file that the caller closes; 0 is the lowest."""


class RegistryImage(Struct, frozen=True, kw_only=True):
    """An image in a registry; `heard` hears what comes of its layers."""

    registry: Registry
    reference: ImageReference
    found: FoundImage
    heard: Heard = nobody

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer, checked, as a file that the caller closes."""
        return self.registry.open_layer(self.reference, self.found.layers[position], self.heard)


class StoredImage(Struct, frozen=True, kw_only=True):
    """An image on disk: in a layout (OCI image spec, "Image Layout"), or in an archive of `docker save`.

    Attributes:
        files: The layout or the archive.
        members: Where in it each layer is.
        found: What is known of it; of layers in an archive, what they unpack to alone.
    """

    files: Files
    members: tuple[str, ...]
    found: FoundImage

    def open_layer(self, position: int) -> IO[bytes]:
        """Return a layer, checked where its digest is known, as a file that the caller closes."""
        layer, file = self.found.layers[position], self.files.open(self.members[position])
        return file if layer.media_type == UNPACKED else _checked(file, layer, self.found.name)


def add_layers(tree: LayerTree, image: OpenImage, positions: range, reporter: Reporter) -> None:
    """Lay layers of an image over the files that are there.

    Raises:
        RegistryFailed: A layer can't be had, or is damaged.
    """
    for position in positions:
        total = len(image.found.layers)
        reporter(Doing(Activity.READING_LAYER, image.found.name, done=position + 1, total=total))
        with image.open_layer(position) as layer:
            tree.add(layer, image.found.config.diff_ids[position], image.found.layers[position].media_type)


_SHOWN = 5


class Unclear(InvalidInput):
    """A layout or an archive has several images, and it is not said which is meant, or one that is not there.

    Attributes:
        tag: Which is meant; empty where that is not said.
        names: What the images in it are called, the place in front.
    """

    def __init__(self, name: str, tag: str, tags: Sequence[str]) -> None:
        place = name.removesuffix(f":{tag}")
        self.tag, self.names = tag, [f"{place}:{one}" for one in tags]
        super().__init__(
            f"`{place}` has no image `{tag}`" if tag else f"`{place}` does not say which image",
            context=() if tags else ["none of its images has a name"],
            hint=f"name one: {either(self.names[:_SHOWN])}" if tags else "build it again, or name another place",
        )


def find_in_layout(files: Files, name: str, tag: str, platform: str) -> StoredImage | None:
    """Return the image of a platform in an OCI layout, None where it has none of that platform.

    Args:
        files: The layout.
        name: What a person calls it.
        tag: What the image is called in it; may be left out where there is one only.
        platform: `linux/amd64`.

    Raises:
        InvalidInput: It is not a layout, or the tag does not say which image.
        RegistryFailed: Its content is not what its digests say.
    """
    return _select(files, _entry(files, tag, name), name, platform)


def find_in_archive(files: Files, name: str, tag: str, platform: str) -> StoredImage | None:
    """Return the image of a platform in an archive that `docker save` wrote, None where it is of another one.

    Args:
        files: The archive.
        name: What a person calls it.
        tag: The reference of the image in it; may be left out where there is one only.
        platform: `linux/amd64`.

    Raises:
        InvalidInput: The tag does not say which image.
        RegistryFailed: It is no such archive.
    """
    where = f"`{name}`"
    try:
        rows = [_Saved.parse(row) for row in json.loads(_document(files, "manifest.json"))]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise broken(where, "the archive does not tell of images") from error
    wanted = str(ImageReference.parse(tag)) if tag else ""
    saved = [row for row in rows if not tag or wanted in map(str, map(ImageReference.parse, row.tags))]
    if len(saved) != 1:
        raise Unclear(name, tag, [one for row in rows for one in row.tags])
    config = _document(files, saved[0].config)
    digest = digest_of_bytes(config)
    diff_ids = Configuration.parse(config, where).diff_ids
    layers = tuple(Descriptor(media_type=UNPACKED, digest=one, size=0) for one in diff_ids)
    if len(layers) != len(saved[0].layers):
        raise broken(where, "its layers are not those of its configuration")
    if digest not in _configs_of_layout(files, name, platform, digest):
        raise broken(where, "as a layout it has another image")  # which some engines would load
    own = Descriptor(media_type=OCI_CONFIG, digest=digest, size=len(config))
    found = describe(name, digest, digest, Manifest(config=own, layers=layers, annotations={}), config)
    return StoredImage(files=files, members=saved[0].layers, found=found) if found.is_for(platform) else None


class _Saved(NamedTuple):
    """A row of the `manifest.json` that `docker save` writes."""

    config: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]

    @classmethod
    def parse(cls, row: object) -> _Saved:
        config, layers = plain.at(row, "Config"), plain.at(row, "Layers")
        if not isinstance(config, str) or not isinstance(layers, list):
            raise TypeError("it names no configuration and no layers")
        return cls(config, tuple(map(str, layers)), tuple(map(str, plain.rows(row, "RepoTags"))))


def _configs_of_layout(files: Files, name: str, platform: str, digest: str) -> set[str]:
    """Return the configurations of an archive that is a layout too, as Docker writes it since version 25."""
    if not files.has("index.json"):
        return {digest}
    entries = _index(files, name)
    found = [_select(files, Descriptor.parse(one, f"`{name}`"), name, platform) for one in entries]
    return {one.found.manifest.config.digest for one in found if one} or {digest}


def _select(files: Files, entry: Descriptor, name: str, platform: str) -> StoredImage | None:
    """Return the image of a platform that an entry of a layout's index leads to."""
    where = f"`{name}`"

    def load(below: Descriptor) -> tuple[str, Manifest | Index] | None:
        return _layout_document(files, below, name) if files.has(_blob_path(below.digest)) else None

    top = _layout_document(files, entry, name)
    chosen = select(top, platform, load, where)
    if chosen is None:
        return None
    digest, manifest = chosen
    found = describe(name, digest, top[0], manifest, _layout_blob(files, manifest.config, name))
    members = tuple(_blob_path(one.digest) for one in found.layers)
    return StoredImage(files=files, members=members, found=found) if found.is_for(platform) else None


def _entry(files: Files, tag: str, name: str) -> Descriptor:
    """Return the entry of a layout's index that a tag names."""
    tagged: dict[str, object] = {}
    for one in _index(files, name):
        tagged.setdefault(plain.texts(one, "annotations").get(_TAG, ""), one)
    if tag not in tagged and (tag or len(tagged) != 1):
        raise Unclear(name, tag, [one for one in tagged if one])
    return Descriptor.parse(tagged.get(tag) or next(iter(tagged.values())), f"`{name}`")


def _index(files: Files, name: str) -> Sequence[object]:
    if not files.has("index.json"):
        raise InvalidInput(f"`{name}` is not an OCI layout", hint="name a folder, or an archive, with `index.json`")
    return plain.rows(read_json(_document(files, "index.json"), f"`{name}`"), "manifests")


def _layout_document(files: Files, entry: Descriptor, name: str) -> tuple[str, Manifest | Index]:
    if entry.media_type not in MANIFESTS | INDEXES:
        raise broken(f"`{name}`", f"it is not an image; its type is `{entry.media_type}`")
    return entry.digest, read_document(_layout_blob(files, entry, name), entry.media_type, f"`{name}`")


def _layout_blob(files: Files, descriptor: Descriptor, name: str) -> bytes:
    if descriptor.size > LARGEST_DOCUMENT:
        raise broken(f"`{descriptor.digest}` of `{name}`", f"it is larger than {LARGEST_DOCUMENT} bytes")
    with _checked(files.open(_blob_path(descriptor.digest)), descriptor, name) as stream:
        return stream.read()


def _document(files: Files, path: str) -> bytes:
    with files.open(path) as stream:
        return stream.read(LARGEST_DOCUMENT)


def _blob_path(digest: str) -> str:
    """Return where a layout has content; a descriptor's digest has been held to its form."""
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _checked(file: IO[bytes], descriptor: Descriptor, name: str) -> IO[bytes]:
    """Return a file at its beginning once its size and its digest were found to be right."""
    wrong = ""
    try:
        if (size := file.seek(0, os.SEEK_END)) != descriptor.size:
            wrong = f"it has {size} bytes, and not the promised {descriptor.size}"
        else:
            file.seek(0)
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"  # type: ignore[arg-type]  # any binary file
            file.seek(0)
            if found != descriptor.digest:
                wrong = f"its digest is {found}, and not the promised {descriptor.digest}"
    except BaseException:
        file.close()
        raise
    if wrong:
        file.close()
        raise broken(f"`{descriptor.digest}` of `{name}`", wrong)
    return file
