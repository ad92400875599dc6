"""Content goes into a registry: sent, linked from another repository, never twice, and never with somebody's login."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engines import PASSWORD, USER, registry
from zlock.errors import RegistryFailed
from zlock.image.registry.manifest import Descriptor
from zlock.image.registry.registry import Registry
from zlock.model.reference import ImageReference

pytestmark = pytest.mark.engines

DATA = hashlib.shake_128(b"a layer").digest(300_000)
CONTENT = Descriptor(media_type="", digest=f"sha256:{hashlib.sha256(DATA).hexdigest()}", size=len(DATA))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with registry(tmp_path / "registry") as found:
        yield found


def never() -> io.BytesIO:
    raise AssertionError("it was sent")


def test_content_is_sent_once_and_linked_from_another_repository(host: str) -> None:
    first, second = (ImageReference.parse(f"{host}/team/{name}:1") for name in ("first", "second"))
    client = Registry({})

    assert not client.has_blob(first, CONTENT.digest)
    client.push_blob(first, CONTENT, lambda: io.BytesIO(DATA))
    assert client.has_blob(first, CONTENT.digest)
    assert not client.has_blob(second, CONTENT.digest)
    client.push_blob(second, CONTENT, never, "team/first")

    assert client.has_blob(second, CONTENT.digest)
    with client.open_layer(second, CONTENT) as stream:
        assert stream.read() == DATA
    client.close()


def test_what_the_other_repository_does_not_have_is_sent(host: str) -> None:
    reference = ImageReference.parse(f"{host}/team/first:1")
    client = Registry({})

    client.push_blob(reference, CONTENT, lambda: io.BytesIO(DATA), "team/other")

    assert client.has_blob(reference, CONTENT.digest)
    client.close()


def test_other_content_than_its_digest_says_is_refused_by_the_registry(host: str) -> None:
    reference = ImageReference.parse(f"{host}/team/first:1")
    client = Registry({})

    with pytest.raises(RegistryFailed, match="could not be sent: the registry answered 400"):
        client.push_blob(reference, CONTENT, lambda: io.BytesIO(b"x" * CONTENT.size))

    assert not client.has_blob(reference, CONTENT.digest)
    client.close()


def test_the_login_of_dockers_configuration_is_used(tmp_path: Path) -> None:
    with registry(tmp_path / "registry", login=True) as host:
        reference = ImageReference.parse(f"{host}/team/first:1")
        stranger = Registry({"DOCKER_CONFIG": str(tmp_path)})
        with pytest.raises(RegistryFailed, match="asks for a login"):
            stranger.push_blob(reference, CONTENT, never)
        stranger.close()
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "config.json").write_text(
            json.dumps({"auths": {host: {"auth": auth}}}), encoding="utf-8"
        )
        client = Registry({"DOCKER_CONFIG": str(tmp_path / "docker")})

        client.push_blob(reference, CONTENT, lambda: io.BytesIO(DATA))

        assert client.has_blob(reference, CONTENT.digest)
        client.close()
