"""An image's configuration and manifest, from its parent's and the layers that go on top (OCI image spec)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zlock.errors import NoAnswer
from zlock.image.layers.blob import LAYER, Layer
from zlock.image.reading.installed import PATH
from zlock.image.registry.manifest import OCI_CONFIG, OCI_MANIFEST, Configuration, Descriptor, digest_of_bytes
from zlock.model import plain

MOST_LAYERS = 100
"""How many layers an image has at the most; engines stop at 125."""

_KIND = ("architecture", "os", "os.version", "os.features", "variant")
_PLAIN, _ZSTD = "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd"
# What Docker calls what OCI names too; what is in neither column may not be passed on, or nobody knows it.
_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar": _PLAIN,
    **{name: name for name in (LAYER, _PLAIN, _ZSTD)},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """How a container of an image runs.

    Attributes:
        environment: Variables that are set first.
        first_on_path: The folder that comes before all others on the PATH.
        later: Variables that are set last.
        user: Who runs in it; empty for whoever the base image has.
        folder: Where it runs.
        labels: What the image is labelled with, beside the parent's labels.
        created: When it says it was made (RFC 3339).
    """

    environment: Mapping[str, str]
    first_on_path: str
    later: Mapping[str, str]
    user: str
    folder: str
    labels: Mapping[str, str]
    created: str

    def variables(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return all variables, laid over those of a parent."""
        found = {**inherited, **self.environment}
        found["PATH"] = f"{self.first_on_path}:{found.get('PATH', PATH)}"
        return {**found, **self.later}


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembled:
    """An image that is put together.

    Attributes:
        manifest: Its manifest.
        config: Its configuration.
        layers: What the manifest says of its layers, the parent's first.
    """

    manifest: bytes
    config: bytes
    layers: tuple[Descriptor, ...]

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        return digest_of_bytes(self.manifest)

    @property
    def described(self) -> Descriptor:
        """What points at its configuration."""
        return Descriptor(media_type=OCI_CONFIG, digest=digest_of_bytes(self.config), size=len(self.config))


def passed_on(layer: Descriptor, name: str) -> Descriptor:
    """Return what points at a layer of a parent from an image that is built on it.

    Raises:
        NoAnswer: It may not be passed on, or is of no known kind.
    """
    kind = _TYPES.get(layer.media_type)
    if kind is None:
        raise NoAnswer(
            f"the base image `{name}` has a layer of the type `{layer.media_type}`, which can't be passed on",
            hint="name another base image, or build with an engine: `--builder docker`",
        )
    return Descriptor(media_type=kind, digest=layer.digest, size=layer.size)


def descriptor_of(layer: Layer) -> Descriptor:
    """Return what points at a layer of zlock's making."""
    return Descriptor(media_type=LAYER, digest=layer.digest, size=layer.size)


def assemble(
    parent: Configuration, below: Sequence[Descriptor], above: Sequence[tuple[str, Layer]], running: Running
) -> Assembled:
    """Return an image on a parent.

    Args:
        parent: The parent's configuration.
        below: Its layers, as they are sent.
        above: The layers on top, each with what a person calls it.
        running: How a container of it runs.
    """
    inner = dict(plain.table(parent.document, "config"))
    inner["Env"] = [f"{name}={value}" for name, value in running.variables(parent.environ).items()]
    inner["WorkingDir"] = running.folder
    inner["Labels"] = {**parent.labels, **running.labels}
    if running.user:
        inner["User"] = running.user
    config = _json(
        {
            **{key: parent.document[key] for key in _KIND if key in parent.document},
            "created": running.created,
            "config": inner,
            "history": [
                *plain.tables(parent.document, "history"),
                *({"created": running.created, "created_by": f"zlock: {name}"} for name, _ in above),
            ],
            "rootfs": {"type": "layers", "diff_ids": [*parent.diff_ids, *(layer.diff_id for _, layer in above)]},
        }
    )
    described = Descriptor(media_type=OCI_CONFIG, digest=digest_of_bytes(config), size=len(config))
    layers = (*below, *(descriptor_of(layer) for _, layer in above))
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _table(described),
        "layers": [_table(one) for one in layers],
    }
    return Assembled(manifest=_json(manifest), config=config, layers=layers)


def _table(one: Descriptor) -> dict[str, object]:
    return {"mediaType": one.media_type, "digest": one.digest, "size": one.size}


def _json(table: Mapping[str, object]) -> bytes:
    return json.dumps(table, sort_keys=True, separators=(",", ":")).encode()
