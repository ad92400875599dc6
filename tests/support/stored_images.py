"""Images as bytes, made in a millisecond; a registry on loopback that has them, and lies where a test says so."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from support.serve import Call, LoopbackServer, Reply

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"


def digest_of(data: bytes) -> str:
    """Return the sha256 digest as OCI writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def as_json(value: object) -> bytes:
    """Write a value as JSON."""
    return json.dumps(value).encode()


@dataclass(frozen=True)
class HardLink:
    """A file of a layer that is another name of one that is there."""

    target: str


Members = Mapping[str, "bytes | str | HardLink | None"]
"""Path to bytes for a file, to text for a symlink's target, to None for a folder."""


def make_layer(members: Members, *, plain: bool = False) -> bytes:
    """Return a layer."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in members.items():
            tar.addfile(*_member(path, content))
    return stream.getvalue() if plain else gzip.compress(stream.getvalue(), mtime=0)


def in_members(plain: bytes, *ends: int, compress: Callable[[bytes], bytes] = gzip.compress) -> bytes:
    """Return a layer that is compressed in several members, or frames, which end at places of the layer."""
    return b"".join(compress(plain[start:end]) for start, end in pairwise([0, *ends, len(plain)]))


def add_layer(folder: Path, layer: bytes, media_type: str = OCI_LAYER, *, diff_id: str = "") -> None:
    """Lay a layer over the only image of an OCI layout."""
    store = folder / "blobs" / "sha256"

    def read(entry: Mapping[str, Any]) -> Any:
        return json.loads((store / entry["digest"].partition(":")[2]).read_bytes())

    def write(data: bytes, media_type: str) -> dict[str, Any]:
        (store / digest_of(data).partition(":")[2]).write_bytes(data)
        return descriptor(data, media_type)

    table = json.loads((folder / "index.json").read_bytes())
    (entry,) = table["manifests"]
    manifest = read(entry)
    config = read(manifest["config"])
    config["rootfs"]["diff_ids"].append(diff_id or digest_of(unpacked(layer)))
    config.pop("history", None)
    manifest["config"] = write(as_json(config), OCI_CONFIG)
    manifest["layers"].append(write(layer, media_type))
    entry |= write(as_json(manifest), OCI_MANIFEST)
    (folder / "index.json").write_bytes(as_json(table))


def unpacked(layer: bytes) -> bytes:
    """Return what a layer is before it is compressed."""
    if layer.startswith(b"\x1f\x8b"):
        return gzip.decompress(layer)
    return zstd.decompress(layer) if layer[1:3] in (b"\xb5\x2f", b"\x2a\x4d") else layer


def layer_of(folder: Path, at: str) -> bytes:
    """Return a layer with a folder of this machine at a path."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.add(folder, arcname=at.strip("/"))
    return stream.getvalue()


def _member(path: str, content: bytes | str | HardLink | None) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    info = tarfile.TarInfo(path)
    if content is None:
        info.type = tarfile.DIRTYPE
        return info, None
    if isinstance(content, HardLink):
        info.type, info.linkname = tarfile.LNKTYPE, content.target
        return info, None
    if isinstance(content, str):
        info.type, info.linkname = tarfile.SYMTYPE, content
        return info, None
    info.size = len(content)
    return info, io.BytesIO(content)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of one platform.

    Attributes:
        layers: Their bytes, the lowest first.
        labels: The labels of its configuration.
        platform: `linux/amd64`.
        env: Its variables, `NAME=value` each.
        manifest_fields: What the manifest says instead or beside.
        layer_type: The media type of its layers.
    """

    layers: tuple[bytes, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str = "linux/amd64"
    env: tuple[str, ...] = ()
    manifest_fields: Mapping[str, Any] = field(default_factory=dict)
    layer_type: str = OCI_LAYER

    @property
    def config(self) -> bytes:
        """The bytes of its configuration."""
        system, architecture, *variant = self.platform.split("/")
        return as_json(
            {
                "os": system,
                "architecture": architecture,
                **({"variant": variant[0]} if variant else {}),
                "config": {"Labels": dict(self.labels), "Env": list(self.env)},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(unpacked(layer)) for layer in self.layers]},
            }
        )

    @property
    def manifest(self) -> bytes:
        """The bytes of its manifest."""
        table = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(self.config, OCI_CONFIG),
            "layers": [descriptor(layer, self.layer_type) for layer in self.layers],
        }
        return as_json({**table, **self.manifest_fields})

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        return digest_of(self.manifest)

    def descriptor(self) -> dict[str, Any]:
        """Return the entry that an index has for it."""
        system, architecture, *variant = self.platform.split("/")
        platform = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        return {**descriptor(self.manifest, OCI_MANIFEST), "platform": platform}

    def blobs(self) -> dict[str, bytes]:
        """Return what a store has for it, by digest."""
        return {digest_of(data): data for data in (self.manifest, self.config, *self.layers)}


def make_index(*images: Image, more: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """Return an index of images."""
    entries = [image.descriptor() for image in images]
    return as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*entries, *more]})


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    """Return what points at content."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def write_layout(folder: Path, tags: Mapping[str, Image]) -> Path:
    """Write images as an OCI layout, and return its folder."""
    store = folder / "blobs" / "sha256"
    store.mkdir(parents=True, exist_ok=True)
    entries = []
    for tag, image in tags.items():
        for digest, data in image.blobs().items():
            (store / digest.partition(":")[2]).write_bytes(data)
        entries.append({**image.descriptor(), "annotations": {"org.opencontainers.image.ref.name": tag}})
    (folder / "oci-layout").write_bytes(as_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(as_json({"schemaVersion": 2, "manifests": entries}))
    return folder


def write_archive(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write an archive of files, and links where there is text, and return it."""
    path.write_bytes(make_layer(files, plain=True))
    return path


def saved_files(tags: Mapping[str, Image], *, as_layout: bool = False) -> dict[str, bytes | str]:
    """Return what `docker save` writes: up to Docker 24 a folder per layer, equal ones linked; since 25 a layout."""
    files: dict[str, bytes | str] = {}
    rows = []
    for number, (tag, image) in enumerate(tags.items()):
        config = digest_of(image.config).partition(":")[2]
        places = [f"{number}{position}/layer.tar" for position, _ in enumerate(image.layers)]
        if as_layout:
            files |= {f"blobs/sha256/{digest.partition(':')[2]}": data for digest, data in image.blobs().items()}
            config = f"blobs/sha256/{config}"
            places = [f"blobs/sha256/{digest_of(layer).partition(':')[2]}" for layer in image.layers]
        else:
            files[f"{config}.json"] = image.config
            config = f"{config}.json"
            first: dict[bytes, str] = {}
            for place, layer in zip(places, image.layers, strict=True):
                files[place] = f"../{first[layer]}" if layer in first else unpacked(layer)
                first.setdefault(layer, place)
        rows.append({"Config": config, "RepoTags": [tag], "Layers": places})
    if as_layout:
        entries = [image.descriptor() for image in tags.values()]
        files |= {"index.json": as_json({"schemaVersion": 2, "manifests": entries}), "oci-layout": b"{}"}
    return {**files, "manifest.json": as_json(rows)}


class TinyRegistry(LoopbackServer):
    """A registry that has what it was given, and answers otherwise where `instead` says so.

    Attributes:
        content: By path after `/v2/`: the type and the bytes.
        instead: By path after `/v2/`: the replies that come first, each once; the last stays.
        login: `user:password` that it wants; with a realm it wants a token got with them.
        realm: Where it sends for tokens, or empty; `/token` of itself gives them.
        referrers: By digest what refers to an image, for one that lists that itself (OCI distribution spec 1.1); None
            for one that does not.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.content: dict[str, tuple[str, bytes]] = {}
        self.instead: dict[str, list[Reply]] = {}
        self.login = ""
        self.realm = ""
        self.token = "tiny"
        self.referrers: dict[str, list[dict[str, Any]]] | None = None

    @property
    def host(self) -> str:
        """Its host and port."""
        return self.root.removeprefix("http://")

    def push(self, repository: str, tag: str, *images: Image) -> str:
        """Take an image, or several as an index; return the digest that the tag then has."""
        for image in images:
            for digest, data in image.blobs().items():
                self.content[f"{repository}/blobs/{digest}"] = ("application/octet-stream", data)
            self.content[f"{repository}/manifests/{image.digest}"] = (OCI_MANIFEST, image.manifest)
        if len(images) == 1:
            return self.tag(repository, tag, images[0].manifest, OCI_MANIFEST)
        return self.tag(repository, tag, make_index(*images), OCI_INDEX)

    def tag(self, repository: str, tag: str, data: bytes, media_type: str) -> str:
        """Put a document under a tag and its digest."""
        for name in (tag, digest_of(data)):
            self.content[f"{repository}/manifests/{name}"] = (media_type, data)
        return digest_of(data)

    def _answer(self, call: Call) -> Reply:
        path = call.path.partition("?")[0].removeprefix("/v2/")
        if path == "/token":
            return self._give_token(call)
        if not self._lets_in(call):
            return Reply(status=401, headers={"WWW-Authenticate": self._challenge()})
        if path in self.instead:
            replies = self.instead[path]
            return replies.pop(0) if len(replies) > 1 else replies[0]
        if "/blobs/uploads/" in path:
            return self.upload(path, call)
        if call.method == "PUT":
            return self._take(path, call)
        return Reply() if path == "" else self._give(path)

    def upload(self, path: str, call: Call) -> Reply:
        """Take content, or give it another place in the registry (OCI distribution spec, "Pushing blobs")."""
        repository = path.partition("/blobs/uploads/")[0]
        query = parse_qs(call.path.partition("?")[2])
        other = f"{query.get('from', [''])[0]}/blobs/{query.get('mount', [''])[0]}"
        if other in self.content:
            self.content[f"{repository}/blobs/{query['mount'][0]}"] = self.content[other]
            return Reply(status=201)
        if call.method == "POST":
            return Reply(status=202, headers={"Location": f"/v2/{repository}/blobs/uploads/begun?state=1"})
        if query["digest"][0] != digest_of(call.body):
            return Reply(status=400, body=as_json({"errors": [{"code": "DIGEST_INVALID"}]}))
        self.content[f"{repository}/blobs/{query['digest'][0]}"] = ("application/octet-stream", call.body)
        return Reply(status=201, headers={"Docker-Content-Digest": query["digest"][0]})

    def _take(self, path: str, call: Call) -> Reply:
        repository, tag = path.split("/manifests/")
        media_type = call.headers["content-type"]
        digest = self.tag(repository, tag, call.body, media_type)
        said, table = {"Docker-Content-Digest": digest}, json.loads(call.body)
        if self.referrers is not None and (subject := table.get("subject")):
            rows = self.referrers.setdefault(subject["digest"], [])
            row = {**descriptor(call.body, media_type), "artifactType": table["artifactType"]}
            rows += [row] if row not in rows else []
            said["OCI-Subject"] = subject["digest"]
        return Reply(status=201, headers=said)

    def _give(self, path: str) -> Reply:
        if "/referrers/" in path and self.referrers is not None:
            rows = self.referrers.get(path.rpartition("/")[2], [])
            body = as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": rows})
            return Reply(body=body, headers={"Content-Type": OCI_INDEX})
        if path not in self.content:
            return Reply(status=404, body=as_json({"errors": [{"code": "MANIFEST_UNKNOWN"}]}))
        media_type, data = self.content[path]
        return Reply(body=data, headers={"Content-Type": media_type, "Docker-Content-Digest": digest_of(data)})

    def _challenge(self) -> str:
        return f'Bearer realm="{self.realm}",service="tiny"' if self.realm else 'Basic realm="images"'

    def _lets_in(self, call: Call) -> bool:
        if not self.login:
            return True
        wanted = f"Bearer {self.token}" if self.realm else self._basic()
        return call.headers.get("authorization") == wanted

    def _give_token(self, call: Call) -> Reply:
        if call.headers.get("authorization") != self._basic():
            return Reply(status=401)
        return Reply(body=as_json({"token": self.token}), headers={"Content-Type": "application/json"})

    def _basic(self) -> str:
        return f"Basic {base64.b64encode(self.login.encode()).decode()}"
