"""What a registry says is checked, and what it does not say is never guessed; on real sockets."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.environment import clean_environment
from support.serve import Reply
from support.stored_images import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    TinyRegistry,
    as_json,
    descriptor,
    digest_of,
    make_index,
    make_layer,
)
from zlock.errors import OutsideFailed, RegistryFailed
from zlock.image.builders.engine import image_in
from zlock.image.kept_debs import open_kept
from zlock.image.layers.flow import Flow
from zlock.image.registry.manifest import Configuration, Descriptor
from zlock.image.registry.registry import Registry
from zlock.model.debian import DebianPackage
from zlock.model.reference import ImageReference
from zlock.process import CommandStopped, Watch
from zlock.reporting import Doing, News

AMD64, ARM64 = "linux/amd64", "linux/arm64"
LAYER = make_layer({"a.txt": b"a"})
IMAGE = Image(layers=(LAYER,), labels={"zlock.key": "0a"})


@pytest.fixture
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    """What asks a registry once more where it fails, and waits for seconds, or for as many as a test says."""
    seconds = str(getattr(request, "param", 2))
    registry = Registry(clean_environment(tmp_path, {"UV_HTTP_TIMEOUT": seconds, "UV_HTTP_RETRIES": "1"}))
    yield registry
    registry.close()


def at(tiny: TinyRegistry, rest: str = "team/image:1") -> ImageReference:
    return ImageReference.parse(f"{tiny.host}/{rest}")


def refused(reader: Registry, tiny: TinyRegistry, rest: str = "team/image:1") -> str:
    with pytest.raises(RegistryFailed) as caught:
        reader.find(at(tiny, rest), AMD64)
    return "\n".join([caught.value.message, *caught.value.context, caught.value.hint])


# What is there


def test_an_image_is_found_with_its_digest_labels_and_layers(tiny: TinyRegistry, reader: Registry) -> None:
    digest = tiny.push("team/image", "1", IMAGE)

    found = reader.find(at(tiny), AMD64)

    assert found is not None
    assert (found.digest, found.tagged, found.config.labels) == (digest, digest, {"zlock.key": "0a"})
    with reader.open_layer(at(tiny), found.layers[0]) as layer:
        assert layer.read() == LAYER


def test_of_an_index_the_platforms_image_is_found_and_its_own_digest_kept(tiny: TinyRegistry, reader: Registry) -> None:
    other = Image(platform="linux/arm64/v8")
    tagged = tiny.push("team/image", "1", IMAGE, other)

    found, below = reader.find(at(tiny), AMD64), reader.find(at(tiny), ARM64)

    assert found is not None
    assert below is not None
    assert (found.digest, found.tagged) == (IMAGE.digest, tagged)
    assert (below.digest, below.tagged) == (other.digest, tagged)


@pytest.mark.parametrize("images", [(IMAGE,), (IMAGE, Image(platform="linux/arm/v7"))])
def test_a_tag_without_the_platform_is_absent_for_it(
    images: tuple[Image, ...], tiny: TinyRegistry, reader: Registry
) -> None:
    tiny.push("team/image", "1", *images)

    assert reader.find(at(tiny), ARM64) is None


def test_entries_of_an_index_that_are_no_images_are_passed_over(tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "x", IMAGE)
    unknown = {**descriptor(b"{}", OCI_MANIFEST), "platform": {"os": "unknown", "architecture": "unknown"}}
    tiny.tag("team/image", "1", make_index(IMAGE, more=[unknown, descriptor(b"", OCI_MANIFEST)]), OCI_INDEX)

    assert reader.find(at(tiny), AMD64) is not None


def test_an_image_is_found_by_its_digest(tiny: TinyRegistry, reader: Registry) -> None:
    digest = tiny.push("team/image", "1", IMAGE)

    found = reader.find(at(tiny, f"team/image@{digest}"), AMD64)

    assert found is not None
    assert found.digest == digest


# Absent, or unknown


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"404 page not found",
        b'{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}',
        b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}',
        b'{"errors":[{"code":"NOT_FOUND","message":"project team not found"}]}',
        b"<html>" + b"x" * 100_000,
    ],
)
def test_404_of_any_shape_is_absent(body: bytes, tiny: TinyRegistry, reader: Registry) -> None:
    tiny.instead["team/image/manifests/1"] = [Reply(status=404, body=body)]

    assert reader.find(at(tiny), AMD64) is None


@pytest.mark.parametrize("lost", [f"blobs/{digest_of(IMAGE.config)}", f"manifests/{IMAGE.digest}"])
def test_a_tag_whose_content_is_lost_is_absent(lost: str, tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "1", IMAGE, Image(platform=ARM64))
    del tiny.content[f"team/image/{lost}"]

    assert reader.find(at(tiny), AMD64) is None


@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 418, 500, 502, 503, 504, 304, 204])
def test_any_other_answer_is_an_error_and_no_guess(status: int, tiny: TinyRegistry, reader: Registry) -> None:
    tiny.instead["team/image/manifests/1"] = [Reply(status=status, body=b"MANIFEST_UNKNOWN: not found")]

    said = refused(reader, tiny)

    assert "team/image" in said
    assert ("login" in said) == (status in {401, 403})


def test_what_a_registry_says_of_a_refusal_is_shown_on_one_line(tiny: TinyRegistry, reader: Registry) -> None:
    tiny.instead["team/image/manifests/1"] = [Reply(status=403, body=b"[" * 60_000)]
    assert "forbids it" in refused(reader, tiny)
    body = as_json({"errors": [{"code": "DENIED", "message": "quota\nof \x1b[31mteam\x1b[0m is used up"}]})
    tiny.instead["team/image/manifests/1"] = [Reply(status=403, body=body)]

    assert "it says: DENIED: quota of" in refused(reader, tiny)
    assert "\x1b" not in refused(reader, tiny)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(status: int, tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "1", IMAGE)
    media_type, data = tiny.content["team/image/manifests/1"]
    busy = Reply(status=status, headers={"Retry-After": "0"})
    tiny.instead["team/image/manifests/1"] = [busy, Reply(body=data, headers={"Content-Type": media_type})]

    assert reader.find(at(tiny), AMD64) is not None


def test_a_limit_that_stays_is_named(tiny: TinyRegistry, reader: Registry) -> None:
    tiny.instead["team/image/manifests/1"] = [Reply(status=429, headers={"Retry-After": "0"})]

    assert "429 (too many requests)" in refused(reader, tiny)


@pytest.mark.parametrize("reader", [0.5], indirect=True)
@pytest.mark.parametrize("ending", ["truncate", "reset", "hang", "stall"])
def test_an_answer_that_does_not_come_whole_is_an_error(ending: Any, tiny: TinyRegistry, reader: Registry) -> None:
    headers = {"Content-Type": OCI_MANIFEST}
    tiny.instead["team/image/manifests/1"] = [Reply(body=IMAGE.manifest, headers=headers, ending=ending)]

    assert "could not fetch" in refused(reader, tiny)


def test_nobody_listening_is_an_error(reader: Registry) -> None:
    with pytest.raises(RegistryFailed, match="could not fetch"):
        reader.find(ImageReference.parse("127.0.0.1:1/team/image:1"), AMD64)


def test_a_registry_elsewhere_is_asked_with_tls_only(reader: Registry) -> None:
    assert reader._root(ImageReference.parse("registry.example/image")).startswith("https://registry.example/v2/")


# What is there and is not what it should be


def broken_manifests() -> dict[str, tuple[str, bytes]]:
    manifest = json.loads(IMAGE.manifest)
    nowhere = {"mediaType": OCI_CONFIG, "digest": "sha256:../../../etc/passwd", "size": 1}

    def having(**fields: Any) -> bytes:
        return as_json({**manifest, **fields})

    return {
        "is not valid JSON": (OCI_MANIFEST, b"<html>login</html>"),
        "is not valid JSON: a name stands twice": (OCI_MANIFEST, IMAGE.manifest[:-1] + b',"layers":[]}'),
        "is not valid JSON: maximum recursion": (OCI_MANIFEST, b'{"a":' * 200_000),
        "is not a JSON object": (OCI_MANIFEST, b"[]"),
        "its type is `text/html`": ("text/html", IMAGE.manifest),
        "its type is ``": ("", IMAGE.manifest),
        "v1+prettyjws": ("application/vnd.docker.distribution.manifest.v1+prettyjws", b'{"schemaVersion":1}'),
        "and was announced as": (OCI_INDEX, IMAGE.manifest),
        "could be taken for": (OCI_MANIFEST, having(manifests=[])),
        "for an image and for a list": (OCI_INDEX, as_json({"schemaVersion": 2, "manifests": [], "layers": []})),
        "schema version": (OCI_MANIFEST, having(schemaVersion=1)),
        "not a list": (OCI_MANIFEST, having(layers={})),
        "sha256 digest": (OCI_MANIFEST, having(config=nowhere)),
        "size or sha256": (OCI_MANIFEST, having(layers=[{**descriptor(LAYER, "x"), "size": -1}])),
        "or sha256 digest": (OCI_MANIFEST, having(layers=[{**descriptor(LAYER, "x"), "size": True}])),
        "it is not an image; its type is `application/x": (
            OCI_MANIFEST,
            having(config=descriptor(b"", "application/x")),
        ),
        "is larger than": (OCI_MANIFEST, b" " * (5 << 20)),
        "leads to another index": (
            OCI_INDEX,
            as_json(
                {
                    "schemaVersion": 2,
                    "manifests": [
                        {**descriptor(make_index(), OCI_INDEX), "platform": {"os": "linux", "architecture": "amd64"}}
                    ],
                }
            ),
        ),
    }


@pytest.mark.parametrize("why", broken_manifests())
def test_a_document_that_is_no_image_or_two_things_at_once_is_refused(
    why: str, tiny: TinyRegistry, reader: Registry
) -> None:
    tiny.push("team/image", "x", IMAGE)
    tiny.tag("team/image", "y", make_index(), OCI_INDEX)
    tiny.content[f"team/image/blobs/{digest_of(b'')}"] = ("", b"")
    media_type, data = broken_manifests()[why]
    tiny.tag("team/image", "1", data, media_type)

    assert why in refused(reader, tiny)


def test_bytes_that_are_not_those_of_the_digest_are_refused(tiny: TinyRegistry, reader: Registry) -> None:
    digest = tiny.push("team/image", "1", IMAGE)
    tiny.content[f"team/image/manifests/{digest}"] = (OCI_MANIFEST, Image(layers=(LAYER, LAYER)).manifest)

    assert f"and not the promised {digest}" in refused(reader, tiny, f"team/image@{digest}")


def test_a_digest_header_that_is_not_the_contents_is_refused(tiny: TinyRegistry, reader: Registry) -> None:
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": f"sha256:{'0' * 64}"}
    tiny.instead["team/image/manifests/1"] = [Reply(body=IMAGE.manifest, headers=headers)]

    assert "not the promised sha256:0000" in refused(reader, tiny)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (IMAGE.config + b" ", "is larger than the"),
        (IMAGE.config[:-1], "bytes and its manifest says"),
        (IMAGE.config[:-1] + b"]", "and not the promised"),
    ],
)
def test_a_configuration_of_other_bytes_is_refused(
    config: bytes, why: str, tiny: TinyRegistry, reader: Registry
) -> None:
    tiny.push("team/image", "1", IMAGE)
    tiny.content[f"team/image/blobs/{digest_of(IMAGE.config)}"] = ("", config)

    assert why in refused(reader, tiny)


def test_a_configuration_with_other_layers_than_the_manifest_is_refused(tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "1", Image(layers=(LAYER,), manifest_fields={"layers": []}))

    assert "its layers are not those of the manifest" in refused(reader, tiny)


def test_an_entry_that_is_not_what_its_index_says_is_refused(tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "x", IMAGE)
    entry = {**IMAGE.descriptor(), "size": 7}
    tiny.tag("team/image", "1", as_json({"schemaVersion": 2, "manifests": [entry]}), OCI_INDEX)

    assert "another type or size than its index says" in refused(reader, tiny)


@pytest.mark.parametrize(
    ("data", "why"),
    [(LAYER + b"x", "is larger than"), (LAYER[:-1], "its manifest says"), (b"x" * len(LAYER), "not the promised")],
)
def test_a_layer_of_other_bytes_is_refused(data: bytes, why: str, tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "1", IMAGE)
    tiny.content[f"team/image/blobs/{digest_of(LAYER)}"] = ("", data)
    found = reader.find(at(tiny), AMD64)
    assert found is not None

    with pytest.raises(RegistryFailed, match=why):
        reader.open_layer(at(tiny), found.layers[0])


def test_a_layer_that_broke_off_is_fetched_again_from_its_beginning(tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "1", IMAGE)
    tiny.instead[f"team/image/blobs/{digest_of(LAYER)}"] = [Reply(body=LAYER, ending="truncate"), Reply(body=LAYER)]
    found = reader.find(at(tiny), AMD64)
    assert found is not None

    with reader.open_layer(at(tiny), found.layers[0]) as layer:
        assert layer.read() == LAYER


def test_a_layer_that_nobody_wants_any_more_is_not_fetched_to_its_end(tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "1", IMAGE)
    found = reader.find(at(tiny), AMD64)
    assert found is not None
    said: list[News] = []
    watch = Watch(reporter=said.append)
    flow = Flow(watch)
    flow.begin("one", len(LAYER), comes=True)
    with reader.open_layer(at(tiny), found.layers[0], flow.came):
        last = said[-1]
    assert isinstance(last, Doing)
    assert (last.done, last.total, last.size) == (len(LAYER), len(LAYER), len(LAYER))

    watch.stop.set()
    with pytest.raises(CommandStopped, match="the run ended before"):
        reader.open_layer(at(tiny), found.layers[0], flow.came)


def test_a_layer_that_is_lost_is_an_error(tiny: TinyRegistry, reader: Registry) -> None:
    tiny.push("team/image", "1", IMAGE)
    found = reader.find(at(tiny), AMD64)
    assert found is not None
    tiny.content.clear()

    with pytest.raises(RegistryFailed, match="lost its layer"):
        reader.open_layer(at(tiny), found.layers[0])


def test_a_debian_package_that_a_repository_never_had_is_no_lost_layer(tiny: TinyRegistry, reader: Registry) -> None:
    deb = DebianPackage(
        name="git", version="1", architecture="amd64", suite="tiny", path="git.deb", size=1, sha256="0" * 64
    )

    with pytest.raises(RegistryFailed) as raised:
        open_kept(reader, f"{tiny.host}/team/images", deb)

    assert raised.value.message == f"the repository `{tiny.host}/team/images` does not have it either"


# What an image says of itself


def test_a_configuration_without_settings_has_no_user_and_no_variables() -> None:
    found = Configuration.parse(b'{"os": "linux", "rootfs": {"diff_ids": []}, "config": null}', "it")

    assert (found.user, found.environ, found.labels, found.kind) == ("", {}, {}, {"os": "linux"})


@pytest.mark.parametrize(
    "text", ["{}", '{"rootfs": []}', '{"rootfs": {"diff_ids": 1}}', '{"rootfs": {"diff_ids": [1]}}']
)
def test_a_configuration_that_does_not_tell_of_its_layers_is_damaged(text: str) -> None:
    with pytest.raises(RegistryFailed, match="no sha256 digests"):
        Configuration.parse(text.encode(), "it")


@pytest.mark.parametrize("answer", [[], {}, [{"Id": "0a"}], "text"])
def test_an_engine_that_does_not_say_which_image_it_has_is_no_answer(answer: object) -> None:
    with pytest.raises(OutsideFailed, match="podman does not say which image"):
        image_in(answer, "podman", (0, "Id"), (0, "Config", "Labels"))


@pytest.mark.parametrize(
    ("place", "said"),
    [("ftp://elsewhere/1", "at `ftp://`"), ("http://[::1/1", "at what is not a URL")],
)
def test_a_registry_that_takes_uploads_nowhere_is_named(
    tiny: TinyRegistry, reader: Registry, place: str, said: str
) -> None:
    tiny.instead["team/image/blobs/uploads/"] = [Reply(status=202, headers={"Location": place})]
    content = Descriptor(media_type="text/plain", digest=digest_of(b"1"), size=1)

    with pytest.raises(RegistryFailed, match=re.escape(said)):
        reader.push_blob(at(tiny), content, lambda: io.BytesIO(b"1"))
