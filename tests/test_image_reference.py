"""References of images are read as Docker and the OCI have them."""

from __future__ import annotations

import pytest

from zlock.errors import InvalidConfiguration, InvalidInput
from zlock.model.reference import ImageReference, is_digest, is_loopback, join_repository

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.12-slim", "docker.io/library/python:3.12-slim"),
        ("team/image", "docker.io/team/image:latest"),
        ("docker.io/python:3.12", "docker.io/library/python:3.12"),
        ("index.docker.io/team/image:1", "docker.io/team/image:1"),
        ("localhost/image", "localhost/image:latest"),
        ("localhost:5000/image:1", "localhost:5000/image:1"),
        ("registry.example/team/sub/image__x-y.z:V1_0", "registry.example/team/sub/image__x-y.z:V1_0"),
        ("REGISTRY/image", "REGISTRY/image:latest"),
        ("[::1]:5000/image:1", "[::1]:5000/image:1"),
        (f"registry.example/image@{DIGEST}", f"registry.example/image@{DIGEST}"),
        (f"registry.example/image:1@{DIGEST}", f"registry.example/image:1@{DIGEST}"),
    ],
)
def test_a_reference_is_read_with_dockers_defaults(text: str, full: str) -> None:
    found = ImageReference.parse(text)

    assert str(found) == full
    assert ImageReference.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a repository"),
        ("registry.example/", "no repository"),
        ("registry.example/Team/image", "lower case"),
        ("registry.example/team//image", "not a repository;"),
        ("registry.example/../image", "is not a repository"),
        ("registry.example/image:", "a tag has"),
        ("registry.example/image:-x", "a tag has"),
        (f"registry.example/image:{'x' * 129}", "a tag has"),
        ("registry.example/image@sha256:../../x", "a digest is"),
        (f"registry.example/image@sha256:{'0A' * 32}", "a digest is"),
        (f"registry.example/image@sha256:{'0' * 63}", "a digest is"),
        (f"registry.example/image@md5:{'0' * 32}", "a digest is"),
        ("https://registry.example/image", "but a URL"),
        ("user:password@registry.example/image", "a digest is"),
        ("-x.example/image", "is not a host"),
        ("registry.example:port/image", "is not a host"),
        (f"registry.example/{'a' * 250}", "longer than 255"),
        ("registry.example/image\n", "is not a repository"),
        ("registry.example/im age", "is not a repository"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match="is not an image reference") as caught:
        ImageReference.parse(text)

    assert why in caught.value.message


def test_what_is_asked_of_a_registry_is_the_digest_where_there_is_one() -> None:
    tagged = ImageReference.parse("registry.example/image:1")

    assert tagged.wanted == "1"
    assert tagged.at(DIGEST).wanted == DIGEST
    assert ImageReference.parse("python").api_host != ImageReference.parse("python").host


@pytest.mark.parametrize(
    ("registry", "target", "name"),
    [
        ("registry.example/team/images", None, "registry.example/team/images"),
        ("registry.example/team/images", "other/place", "registry.example/other/place"),
        ("registry.example:5000/images", "other", "registry.example:5000/other"),
        ("registry.example/images", "elsewhere.example/team/x", "elsewhere.example/team/x"),
        (None, "elsewhere.example/team/x", "elsewhere.example/team/x"),
        (None, "team/x", ""),
        (None, None, ""),
        ("team/images", None, "docker.io/team/images"),
    ],
)
def test_a_target_repository_replaces_the_configured_one(registry: str | None, target: str | None, name: str) -> None:
    assert join_repository(registry, target) == name


@pytest.mark.parametrize(
    ("registry", "target", "why", "hint"),
    [
        ("registry.example", None, "`registry` names no repository", "write `registry = "),
        ("registry.example/images:1", None, "`registry` has a tag or a digest", "leave it out"),
        (f"registry.example/images@{DIGEST}", None, "`registry` has a tag or a digest", "leave it out"),
        ("registry.example/Images", None, "`registry`: ", "write `"),
        ("registry.example/images", "Other", "`target-repository`: ", "write `"),
        ("registry.example/images", "other:1", "`target-repository` has a tag", "leave it out"),
        ("registry.example/images", "../x", "`target-repository`: ", "write `"),
        ("http://127.0.0.1:5000/team", None, "`registry`: ", "leave out `http://`"),
        ("registry.example/images", "https://other.example/a", "`target-repository`: ", "leave out `https://`"),
    ],
)
def test_a_repository_that_can_not_be_one_is_refused(registry: str, target: str | None, why: str, hint: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        join_repository(registry, target)

    assert why in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.8.7", "[::1]:5000", "[::1]"])
def test_registries_of_this_machine_need_no_tls(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["registry.example", "localhost.example", "10.0.0.1:5000", "127.0.0.1.example"])
def test_all_others_do(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("text", [None, 1, "sha256:", DIGEST + "\n", DIGEST.upper(), f"{DIGEST}0"])
def test_only_whole_sha256_digests_count(text: object) -> None:
    assert is_digest(DIGEST)
    assert not is_digest(text)
