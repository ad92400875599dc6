"""The index over the images of several platforms: what it is made of, found and written; on real sockets."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace

from support.environment import clean_environment
from support.images import planned, wheel
from support.serve import Reply
from support.stored_images import OCI_INDEX, OCI_MANIFEST, Image, TinyRegistry, make_index
from zlock.errors import OutsideFailed, RegistryFailed
from zlock.image.plan import ImagePlan
from zlock.image.platforms import IndexPlan, find_images, find_index, plan_indexes, write_index
from zlock.image.registry.manifest import DOCKER_LIST, DOCKER_MANIFEST, FoundImage
from zlock.image.registry.registry import Registry

AMD64, ARM64 = "linux/amd64", "linux/arm64"
LOGIN = "writer:secret"


@pytest.fixture
def registry(tmp_path: Path, tiny: TinyRegistry) -> Iterator[Registry]:
    file = tmp_path / ".docker" / "config.json"
    file.parent.mkdir()
    entry = {"auth": base64.b64encode(LOGIN.encode()).decode()}
    file.write_text(json.dumps({"auths": {tiny.host: entry}}), encoding="utf-8")
    registry = Registry(clean_environment(tmp_path, {"UV_HTTP_TIMEOUT": "2", "UV_HTTP_RETRIES": "1"}))
    yield registry
    registry.close()


def plans(*steps: str, repository: str = "", version: str = "1.0") -> list[ImagePlan]:
    amd64 = replace(planned(wheel("alpha", version)), steps=steps, repository=repository)
    return [amd64, replace(amd64, platform=ARM64)]


def an_index(tiny: TinyRegistry) -> IndexPlan:
    (index,) = plan_indexes(plans("train", repository=f"{tiny.host}/team/images"))
    return index


def push(tiny: TinyRegistry, registry: Registry, plan: IndexPlan, media_type: str = OCI_MANIFEST) -> list[FoundImage]:
    """Put the images of an index into its repository."""
    for one in plan.images:
        fields = {"mediaType": media_type}
        image = Image(labels={"zlock.key": one.key}, platform=one.platform, manifest_fields=fields)
        tiny.push("team/images", one.tag, image)
        tiny.tag("team/images", one.tag, image.manifest, media_type)
    return find_images(registry, plan, [f"{one.repository}:{one.tag}" for one in plan.images])


# Which


def test_a_step_of_several_platforms_has_an_index_and_one_of_a_single_platform_has_none() -> None:
    several = plans("train", "score")

    (index,) = plan_indexes([*several, replace(several[0], steps=("report",), platform="linux/riscv64")])

    assert index.steps == ("train", "score")
    assert index.platforms == (AMD64, ARM64)
    assert index.tag == index.key[:16]


def test_the_key_of_an_index_moves_with_that_of_any_image_and_not_with_their_order() -> None:
    images = plans("train")
    (key,) = {index.key for index in plan_indexes(images)}

    assert [index.key for index in plan_indexes(images[::-1])] == [key]
    for changed in ([plans("train", version="2")[0], images[1]], [images[0], plans("train", version="2")[1]]):
        assert [index.key for index in plan_indexes(changed)] != [key]


def test_steps_that_share_only_one_of_their_images_have_an_index_each() -> None:
    first, second = plans("train", "score")
    other = replace(plans("score", version="2")[1])

    indexes = plan_indexes([first, replace(second, steps=("train",)), other])

    assert [index.steps for index in indexes] == [("train",), ("score",)]


# What is written


@pytest.mark.parametrize(
    ("child", "expected"), [(OCI_MANIFEST, OCI_INDEX), (DOCKER_MANIFEST, DOCKER_LIST)], ids=["oci", "docker"]
)
def test_an_index_leads_to_the_image_of_each_platform(
    tiny: TinyRegistry, registry: Registry, child: str, expected: str
) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan, child)

    digest = write_index(registry, plan, images)

    media_type, data = tiny.content[f"team/images/manifests/{plan.tag}"]
    table = json.loads(data)
    assert media_type == table["mediaType"] == expected
    assert table["annotations"] == {"zlock.key": plan.key}
    assert [(one["platform"]["architecture"], one["mediaType"]) for one in table["manifests"]] == [
        ("amd64", child),
        ("arm64", child),
    ]
    for one, image in zip(plan.images, images, strict=True):
        found = registry.find(plan.reference, one.platform)
        assert found is not None
        assert (found.tagged, found.digest, found.config.labels["zlock.key"]) == (digest, image.digest, one.key)
    assert find_index(registry, plan, images) == digest


def test_the_same_images_are_the_same_bytes(tiny: TinyRegistry, registry: Registry) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)

    assert write_index(registry, plan, images) == write_index(registry, plan, images)


# What is there


def test_where_there_is_none_it_is_to_be_written(tiny: TinyRegistry, registry: Registry) -> None:
    plan = an_index(tiny)

    assert find_index(registry, plan, push(tiny, registry, plan)) == ""


def test_one_that_leads_to_other_images_is_to_be_written_again(tiny: TinyRegistry, registry: Registry) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    write_index(registry, plan, [images[0], replace(images[1], digest=images[0].digest)])

    assert find_index(registry, plan, images) == ""


@pytest.mark.parametrize("what", ["an image", "an index"])
def test_something_else_under_the_tag_is_an_error(tiny: TinyRegistry, registry: Registry, what: str) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    other = Image(labels={"zlock.key": plan.key})
    if what == "an image":
        tiny.push("team/images", plan.tag, other)
    else:
        tiny.tag("team/images", plan.tag, make_index(other), OCI_INDEX)

    with pytest.raises(OutsideFailed, match="something else is under"):
        find_index(registry, plan, images)


def test_an_image_that_the_registry_does_not_have_is_not_among_those_found(
    tiny: TinyRegistry, registry: Registry
) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    del tiny.content[f"team/images/manifests/{plan.images[1].tag}"]

    found = find_images(registry, plan, [f"{one.repository}:{one.tag}" for one in plan.images])

    assert [one.digest for one in found] == [images[0].digest]


# Logins and refusals


def test_a_token_for_writing_is_asked_for_with_the_login(tiny: TinyRegistry, registry: Registry) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    tiny.login, tiny.realm = LOGIN, f"{tiny.root}/token"

    write_index(registry, plan, images)

    (token,) = (request for request in tiny.requests if request.path.startswith("/token"))
    assert parse_qs(token.path.partition("?")[2])["scope"] == ["repository:team/images:pull,push"]
    assert [request.status for request in tiny.requests if request.method == "PUT"] == [401, 201]


def test_the_login_is_sent_for_a_password_too(tiny: TinyRegistry, registry: Registry) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    tiny.login = LOGIN

    write_index(registry, plan, images)

    assert [request.status for request in tiny.requests if request.method == "PUT"] == [401, 201]


def test_a_redirect_takes_neither_login_nor_index_along(tiny: TinyRegistry, registry: Registry) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    with TinyRegistry() as other:
        tiny.instead[f"team/images/manifests/{plan.tag}"] = [
            Reply(status=307, headers={"Location": f"{other.root}/v2/team/images/manifests/{plan.tag}"})
        ]

        with pytest.raises(RegistryFailed, match="answered 307"):
            write_index(registry, plan, images)
        assert other.requests == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=401), "asks for a login"),
        (Reply(status=403), "forbids it"),
        (Reply(status=404), "answered 404"),
        (Reply(status=400, body=b'{"errors": [{"code": "MANIFEST_INVALID"}]}'), "MANIFEST_INVALID"),
        (Reply(status=429, headers={"Retry-After": "0"}), "too many requests"),
        (Reply(status=500), "answered 500"),
        (Reply(ending="reset"), "could not write"),
    ],
    ids=["401", "403", "404", "400", "429", "500", "reset"],
)
def test_a_registry_that_does_not_take_it_is_an_error(
    tiny: TinyRegistry, registry: Registry, reply: Reply, said: str
) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    tiny.instead[f"team/images/manifests/{plan.tag}"] = [reply]

    with pytest.raises(RegistryFailed) as caught:
        write_index(registry, plan, images)

    assert said in "\n".join([caught.value.message, *caught.value.context])
    assert caught.value.hint


def test_one_that_fails_for_a_moment_is_asked_again(tiny: TinyRegistry, registry: Registry) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    tiny.instead[f"team/images/manifests/{plan.tag}"] = [Reply(status=503), Reply(status=201)]

    write_index(registry, plan, images)

    assert [request.status for request in tiny.requests if request.method == "PUT"] == [503, 201]


def test_one_that_says_another_digest_is_an_error(tiny: TinyRegistry, registry: Registry) -> None:
    plan = an_index(tiny)
    images = push(tiny, registry, plan)
    headers = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
    tiny.instead[f"team/images/manifests/{plan.tag}"] = [Reply(status=201, headers=headers)]

    with pytest.raises(RegistryFailed, match="not the promised"):
        write_index(registry, plan, images)
