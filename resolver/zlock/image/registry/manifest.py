"""What an image is made of: manifests, indexes and descriptors, held to the OCI image specification.

Readers that take a document two ways were the source of many faults in this field, so a document that could be
two things, a field twice, or a type other than the one announced is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from msgspec import Struct

from zlock.errors import RegistryFailed
from zlock.model import plain
from zlock.model.machine import MACHINES
from zlock.model.reference import is_digest

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
CONFIGS = frozenset({OCI_CONFIG, "application/vnd.docker.container.image.v1+json"})
LARGEST_DOCUMENT = 4 * 1024 * 1024
"""How many bytes a manifest, an index or a configuration may have."""

_SCHEMA = 2
_PLATFORM = ("os", "architecture", "variant")
_VARIANTS = {one.name.partition("/")[0]: one.variant for one in MACHINES}


class Descriptor(Struct, frozen=True, kw_only=True):
    """What points at content (OCI image spec, "Descriptor").

    Attributes:
        media_type: What the content is.
        digest: `sha256:...` of it.
        size: Its bytes.
        platform: For an entry of an index: `linux/amd64`; else empty.
    """

    media_type: str
    digest: str
    size: int
    platform: str = ""

    @property
    def row(self) -> dict[str, object]:
        """It as JSON has it, without a platform."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    @classmethod
    def parse(cls, value: object, where: str) -> Descriptor:
        """Read a descriptor.

        Raises:
            RegistryFailed: It is none, or its digest is not a sha256.
        """
        media_type, digest, size = (plain.at(value, key) for key in ("mediaType", "digest", "size"))
        if not isinstance(media_type, str) or not is_digest(digest) or type(size) is not int or size < 0:
            raise broken(where, "a descriptor has no media type, size or sha256 digest as OCI writes them")
        return cls(
            media_type=media_type, digest=str(digest), size=size, platform=_platform(plain.at(value, "platform"))
        )


class Manifest(Struct, frozen=True, kw_only=True):
    """One image.

    Attributes:
        config: Its configuration.
        layers: Its layers, the lowest first.
        annotations: Its annotations.
        media_type: What the document is; empty where there is none.
        size: The document's bytes.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    media_type: str = ""
    size: int = 0


class Index(Struct, frozen=True, kw_only=True):
    """One image per platform."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    def find(self, platform: str) -> Descriptor | None:
        """Return the entry of a platform, the first of several; None where there is none."""
        wanted = normalized_platform(platform)
        return next((one for one in self.manifests if one.platform == wanted), None)


class Configuration(Struct, frozen=True, kw_only=True):
    """What an image says of itself (OCI image spec, "Image Configuration").

    Attributes:
        kind: `os`, `architecture` and `variant`, as far as it names them.
        diff_ids: The digests of what its layers unpack to, the lowest first.
        labels: Its labels.
        environ: The variables that programs in it are started with.
        user: Who runs in it; empty for root.
        document: All that it says, for an image that is built on it.
    """

    kind: Mapping[str, str]
    diff_ids: tuple[str, ...]
    labels: Mapping[str, str]
    environ: Mapping[str, str]
    user: str
    document: Mapping[str, object]

    @classmethod
    def parse(cls, data: bytes, where: str) -> Configuration:
        """Read a configuration, whose digest the caller has checked.

        Raises:
            RegistryFailed: It is none, or does not tell what its layers are.
        """
        read = read_json(data, where)
        diff_ids = plain.at(read, "rootfs", "diff_ids")
        if not isinstance(diff_ids, list) or not all(map(is_digest, diff_ids)):
            raise broken(where, "it has no sha256 digests of what its layers unpack to")
        variables = [one for one in plain.rows(read, "config", "Env") if isinstance(one, str) and "=" in one]
        return cls(
            kind={key: text for key, text in plain.texts(read).items() if key in _PLATFORM and text},
            diff_ids=tuple(diff_ids),
            labels=plain.texts(read, "config", "Labels"),
            environ=dict(one.split("=", 1) for one in variables),
            user=str(plain.at(read, "config", "User") or ""),
            document=read,
        )

    @property
    def platform(self) -> str:
        """What it is for."""
        return _platform(self.kind)


class FoundImage(Struct, frozen=True, kw_only=True):
    """An image that is there.

    Attributes:
        name: What named it, for messages.
        digest: Of its manifest: that of one platform.
        tagged: Of what the name stands for: the index, where there is one, else the same as `digest`.
        config: Its configuration.
        manifest: Its manifest.
    """

    name: str
    digest: str
    tagged: str
    config: Configuration
    manifest: Manifest

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Its layers, the lowest first."""
        return self.manifest.layers

    def is_for(self, platform: str) -> bool:
        """Tell whether its configuration names a platform."""
        return self.config.platform == normalized_platform(platform)


def read_document(data: bytes, media_type: str, where: str) -> Manifest | Index:
    """Read a manifest or an index.

    Args:
        data: Its bytes, whose digest the caller has checked.
        media_type: What it was announced as.
        where: What it is, for messages.

    Raises:
        RegistryFailed: It is neither, or could be taken for both.
    """
    table = read_json(data, where)
    if media_type not in MANIFESTS | INDEXES:
        raise broken(where, f"it is not an image; its type is `{media_type}`")
    if table.get("mediaType", media_type) != media_type:
        raise broken(where, f"it calls itself `{table['mediaType']}` and was announced as `{media_type}`")
    if table.get("schemaVersion") != _SCHEMA:
        raise broken(where, f"its schema version is not {_SCHEMA}")
    is_index = media_type in INDEXES
    foreign = {"config", "layers", "fsLayers"} if is_index else {"manifests", "fsLayers"}
    if foreign & table.keys():
        raise broken(where, "it could be taken for an image and for a list of images")
    annotations = plain.texts(table, "annotations")
    if is_index:
        return Index(manifests=_descriptors(table.get("manifests"), where), annotations=annotations)
    return Manifest(
        config=Descriptor.parse(table.get("config"), where),
        layers=_descriptors(table.get("layers"), where),
        annotations=annotations,
        media_type=media_type,
        size=len(data),
    )


def select(
    top: tuple[str, Manifest | Index],
    platform: str,
    load: Callable[[Descriptor], tuple[str, Manifest | Index] | None],
    where: str,
) -> tuple[str, Manifest] | None:
    """Return the manifest of a platform with its digest, None where there is none.

    Args:
        top: The digest and the content of what the image's name stands for.
        platform: `linux/amd64`.
        load: Reads what an entry of an index points at; None where that is not there.
        where: What it is, for messages.

    Raises:
        RegistryFailed: An index leads to another one.
    """
    digest, document = top
    if isinstance(document, Index):
        entry = document.find(platform)
        below = load(entry) if entry else None
        if below is None:
            return None
        digest, document = below
        if isinstance(document, Index):
            raise broken(where, "its index leads to another index")
    return digest, document


def describe(name: str, digest: str, tagged: str, manifest: Manifest, config: bytes) -> FoundImage:
    """Return an image from its manifest and the bytes of its configuration, whose digest the caller has checked.

    Raises:
        RegistryFailed: The configuration is none, or tells of other layers than the manifest.
    """
    where = f"the configuration of `{name}`"
    if manifest.config.media_type not in CONFIGS:
        raise broken(where, f"it is not an image; its type is `{manifest.config.media_type}`")
    found = Configuration.parse(config, where)
    if len(found.diff_ids) != len(manifest.layers):
        raise broken(where, "its layers are not those of the manifest")
    return FoundImage(name=name, digest=digest, tagged=tagged, config=found, manifest=manifest)


def normalized_platform(platform: str) -> str:
    """Return a platform with the variant that OCI means where none is written, for comparison."""
    system, _, machine = platform.partition("/")
    architecture, _, variant = machine.partition("/")
    variant = variant or _VARIANTS.get(architecture, "")
    return "/".join(filter(None, (system, architecture, variant)))


def read_json(data: bytes, where: str) -> dict[str, object]:
    """Return a JSON object, in which no name stands twice.

    Raises:
        RegistryFailed: It is none.
    """
    try:
        table = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise broken(where, f"it is not valid JSON: {error}") from error
    if not isinstance(table, dict):
        raise broken(where, "it is not a JSON object")
    return table


def broken(where: str, why: str) -> RegistryFailed:
    """Return the error that says that content is not what it should be."""
    return RegistryFailed(
        f"{where} can't be used: {why}", hint="push or build the image again, or ask whoever keeps the registry"
    )


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice")
    return table


def _descriptors(value: object, where: str) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        raise broken(where, "what it is made of is not a list")
    return tuple(Descriptor.parse(one, where) for one in value)


def _platform(value: object) -> str:
    parts = [plain.at(value, key) for key in _PLATFORM]
    return normalized_platform("/".join(str(part) for part in parts if part))
