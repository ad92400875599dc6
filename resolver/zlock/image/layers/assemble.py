"""An image's configuration and manifest, from its parent's and the layers that go on top (OCI image spec)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from zlock.errors import NoAnswer
from zlock.image.layers.blob import LAYER, Layer
from zlock.image.layers.layer import Assembly
from zlock.image.reading.installed import PATH
from zlock.image.registry.manifest import OCI_CONFIG, OCI_MANIFEST, Configuration, Descriptor
from zlock.model import plain
from zlock.model.digest import digest_of_bytes
from zlock.model.image import WORKING_FOLDER

MOST_LAYERS = 100
"""How many layers an image has at the most; engines stop at 125."""

_ALWAYS = "1970-01-01T00:00:00Z"  # whoever finds it later may have another SOURCE_DATE_EPOCH
_KIND = ("architecture", "os", "os.version", "os.features", "variant")
_PLAIN, _ZSTD = "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd"
# What Docker calls what OCI names too; what is in neither column may not be passed on, or nobody knows it.
_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar": _PLAIN,
    **{name: name for name in (LAYER, _PLAIN, _ZSTD)},
}


class NoRoom(NoAnswer):
    """A base image has as many layers as an image may have."""


def room_on(layers: int, name: str) -> int:
    """Return how many layers may come on those of a base image, and on the one with the environment.

    Raises:
        NoRoom: None may.
    """
    room = MOST_LAYERS - layers - 1
    if room < 1:
        raise NoRoom(
            f"the base image `{name}` has {layers} layers, and an image has {MOST_LAYERS} at most",
            hint="name another base image, or build with an engine: `--builder docker`",
        )
    return room


class Assembled(Struct, frozen=True, kw_only=True):
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
    parent: Configuration,
    below: Sequence[Descriptor],
    above: Sequence[tuple[str, Layer]],
    assembly: Assembly,
    *,
    labels: Mapping[str, str],
    created: str,
) -> Assembled:
    """Return an image on a parent.

    Args:
        parent: The parent's configuration.
        below: Its layers, as they are sent.
        above: The layers on top, each with what a person calls it.
        assembly: What it is put together of.
        labels: What it is labelled with, beside the parent's labels.
        created: When it says it was made (RFC 3339).
    """
    inner = dict(plain.table(parent.document, "config"))
    inner["Env"] = [f"{name}={value}" for name, value in _variables(parent, assembly).items()]
    inner["WorkingDir"] = WORKING_FOLDER
    inner["Labels"] = {**parent.labels, **labels}
    if assembly.user:
        inner["User"] = assembly.user
    config = _config(parent, inner, [(name, layer.diff_id) for name, layer in above], created)
    return image_of(config, (*below, *(descriptor_of(layer) for _, layer in above)))


def _variables(parent: Configuration, assembly: Assembly) -> dict[str, str]:
    """Return what a container's programs are started with: what the parent says comes first, what is for later last."""
    venv = assembly.maker.environment.venv
    found = {**parent.environ, **assembly.environment, "VIRTUAL_ENV": venv}
    found["PATH"] = f"{venv}/bin:{found.get('PATH', PATH)}"
    return {**found, **assembly.later}


def stage_config(base: Configuration, diff_ids: Sequence[str], labels: Mapping[str, str]) -> bytes:
    """Return the configuration of a base image with layers on it that an engine has made; it runs as that runs.

    Args:
        base: The base image's configuration.
        diff_ids: What the layers unpack to.
        labels: What it is labelled with, beside the base image's labels.
    """
    inner = {**plain.table(base.document, "config"), "Labels": {**base.labels, **labels}}
    return _config(base, inner, [("Debian packages", one) for one in diff_ids], _ALWAYS)


def image_of(config: bytes, layers: Sequence[Descriptor]) -> Assembled:
    """Return the image of a configuration and its layers, the lowest first."""
    described = Descriptor(media_type=OCI_CONFIG, digest=digest_of_bytes(config), size=len(config))
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described.row,
        "layers": [one.row for one in layers],
    }
    return Assembled(manifest=_json(manifest), config=config, layers=tuple(layers))


def _config(
    parent: Configuration, inner: Mapping[str, object], above: Sequence[tuple[str, str]], created: str
) -> bytes:
    """Return the configuration of an image on a parent, with the name and the diff id of each layer on top."""
    return _json(
        {
            **{key: parent.document[key] for key in _KIND if key in parent.document},
            "created": created,
            "config": inner,
            "history": [
                *plain.tables(parent.document, "history"),
                *({"created": created, "created_by": f"zlock: {name}"} for name, _ in above),
            ],
            "rootfs": {"type": "layers", "diff_ids": [*parent.diff_ids, *(diff_id for _, diff_id in above)]},
        }
    )


def _json(table: Mapping[str, object]) -> bytes:
    return json.dumps(table, sort_keys=True, separators=(",", ":")).encode()
