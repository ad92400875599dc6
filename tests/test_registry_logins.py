"""Logins for registries come from Docker's files and helpers, and go to their own registry only."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from support.environment import clean_environment
from support.serve import Call, LoopbackServer, Reply
from support.stored_images import Image, TinyRegistry, digest_of, make_layer
from zlock.errors import CommandFailed, InvalidInput, RegistryFailed, ZlockError
from zlock.image.registry.challenge import _is_reachable_safely, is_same_owner, parse_challenge
from zlock.image.registry.logins import Login, find_login
from zlock.image.registry.manifest import FoundImage
from zlock.image.registry.registry import Registry
from zlock.model.reference import ImageReference

LAYER = make_layer({"a.txt": b"a"})
IMAGE = Image(layers=(LAYER,))
LOGIN = "reader:p:ä$ss"
HELPER = """#!/bin/sh
read server
[ "$server" = "registry.example" ] || { echo "credentials not found in native keychain"; exit 1; }
echo '{"Username": "helped", "Secret": "by-helper"}'
"""


@pytest.fixture
def tiny(tiny: TinyRegistry) -> TinyRegistry:
    tiny.push("team/image", "1", IMAGE)
    tiny.login = LOGIN
    return tiny


def entry(login: str) -> dict[str, str]:
    return {"auth": base64.b64encode(login.encode()).decode()}


def home(tmp_path: Path, config: Mapping[str, Any] | str, file: str = ".docker/config.json") -> dict[str, str]:
    """Return the environment of a home folder with a file of logins."""
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    return clean_environment(tmp_path, {"UV_HTTP_RETRIES": "0"})


def find(tiny: TinyRegistry, environ: Mapping[str, str]) -> FoundImage | None:
    registry = Registry(environ)
    try:
        return registry.find(ImageReference.parse(f"{tiny.host}/team/image:1"), "linux/amd64")
    finally:
        registry.close()


def sent(tiny: LoopbackServer) -> list[str]:
    """Return the logins and tokens that a server was sent."""
    return [request.headers["authorization"] for request in tiny.requests if "authorization" in request.headers]


# Which login


def in_file(environ: Mapping[str, str], name: str = "registry.example/team/image") -> str:
    found = find_login(ImageReference.parse(name), environ)
    return f"{found.user}:{found.password}" if found else ""


@pytest.mark.parametrize(
    ("file", "more"),
    [
        (".docker/config.json", {}),
        ("elsewhere/config.json", {"DOCKER_CONFIG": "elsewhere"}),
        ("elsewhere/auth.json", {"REGISTRY_AUTH_FILE": "elsewhere/auth.json"}),
        (".config/containers/auth.json", {}),
        ("config/containers/auth.json", {"XDG_CONFIG_HOME": "config"}),
        ("run/containers/auth.json", {"XDG_RUNTIME_DIR": "run"}),
    ],
)
def test_logins_are_found_where_docker_and_podman_keep_them(file: str, more: dict[str, str], tmp_path: Path) -> None:
    environ = home(tmp_path, {"auths": {"registry.example": entry(LOGIN)}}, file)

    assert in_file({**environ, **{key: str(tmp_path / path) for key, path in more.items()}}) == LOGIN


@pytest.mark.parametrize(
    "key",
    ["registry.example", "https://registry.example", "https://registry.example/v1/", "http://registry.example/v2/"],
)
def test_older_spellings_of_a_registry_count(key: str, tmp_path: Path) -> None:
    assert in_file(home(tmp_path, {"auths": {key: entry(LOGIN)}})) == LOGIN


@pytest.mark.parametrize("key", ["docker.io", "index.docker.io", "https://index.docker.io/v1/"])
def test_the_default_registry_has_several_names(key: str, tmp_path: Path) -> None:
    assert in_file(home(tmp_path, {"auths": {key: entry(LOGIN)}}), "python:3.12") == LOGIN


def test_the_entry_for_the_longest_part_of_the_name_counts(tmp_path: Path) -> None:
    auths = {
        "registry.example/team/image": entry("image:1"),
        "registry.example/team": entry("team:1"),
        "registry.example": entry("all:1"),
    }
    environ = home(tmp_path, {"auths": auths})

    assert in_file(environ) == "image:1"
    assert in_file(environ, "registry.example/team/other") == "team:1"
    assert in_file(environ, "registry.example/other") == "all:1"


@pytest.mark.parametrize(
    "name", ["other.example/team/image", "registry.example:5000/image", "xregistry.example/i", "registry.example.org/i"]
)
def test_no_other_registry_gets_it(name: str, tmp_path: Path) -> None:
    environ = home(tmp_path, {"auths": {"registry.example": entry(LOGIN)}, "credHelpers": {"x.example": "x"}})

    assert in_file(environ, name) == ""


@pytest.fixture
def helped(tmp_path: Path) -> dict[str, str]:
    """An environment with a credential helper `tiny` that knows one registry."""
    program = tmp_path / "bin" / "docker-credential-tiny"
    program.parent.mkdir()
    program.write_text(HELPER, encoding="utf-8")
    program.chmod(0o755)
    environ = clean_environment(tmp_path)
    return {**environ, "PATH": f"{program.parent}:{environ['PATH']}"}


@pytest.mark.parametrize("config", [{"credsStore": "tiny"}, {"credHelpers": {"registry.example": "tiny"}}])
def test_a_credential_helper_is_asked(
    config: dict[str, Any], helped: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home(tmp_path, {**config, "auths": {"registry.example": {}, "other.example": entry("kept:here")}})
    monkeypatch.setenv("PATH", helped["PATH"])  # where Docker's library looks

    assert in_file(helped) == "helped:by-helper"
    assert in_file(helped, "other.example/x") == "kept:here"
    assert in_file(helped, "third.example/x") == ""


def test_a_helper_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    environ = home(tmp_path, {"credsStore": "nowhere"})

    with pytest.raises(CommandFailed, match="`docker-credential-nowhere` was not found"):
        in_file(environ)


def test_a_helper_that_fails_is_an_error(
    helped: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin" / "docker-credential-tiny").write_text("#!/bin/sh\necho locked; exit 1\n", encoding="utf-8")
    home(tmp_path, {"credsStore": "tiny"})
    monkeypatch.setenv("PATH", helped["PATH"])

    with pytest.raises(CommandFailed, match="locked"):
        in_file(helped)


@pytest.mark.parametrize("config", ['{"auths": ', '{"auths": {"registry.example": {"auth": "no base64"}}}', "\x00"])
def test_a_file_that_can_not_be_read_is_an_error_and_not_nobody(config: str, tmp_path: Path) -> None:
    with pytest.raises(ZlockError, match="can't be read") as caught:
        in_file(home(tmp_path, config))

    assert isinstance(caught.value, InvalidInput)


@pytest.mark.parametrize("config", ["{}", "[]", '{"auths": null}', '{"auths": {"registry.example": {}}}'])
def test_a_file_without_logins_is_none(config: str, tmp_path: Path) -> None:
    assert in_file(home(tmp_path, config)) == ""


def test_a_login_is_not_shown() -> None:
    assert "secret" not in repr(Login(user="reader", password="secret"))


# Where it goes


def test_a_login_is_sent_once_the_registry_asks_and_to_it_alone(tiny: TinyRegistry, tmp_path: Path) -> None:
    assert find(tiny, home(tmp_path, {"auths": {tiny.host: entry(LOGIN)}})) is not None

    assert tiny.requests[0].path == "/v2/"
    assert "authorization" not in tiny.requests[1].headers
    assert set(sent(tiny)) == {f"Basic {entry(LOGIN)['auth']}"}


@pytest.mark.parametrize(
    ("auths", "said"),
    [
        ({}, "asks for a login"),
        ({"127.0.0.1": entry(LOGIN)}, "asks for a login"),
        ({"SELF": entry("reader:wrong")}, r"refused the login from `.*config\.json`"),
    ],
    ids=["none", "of-another", "wrong"],
)
def test_without_the_right_login_there_is_an_error_and_no_loop(
    auths: dict[str, Any], said: str, tiny: TinyRegistry, tmp_path: Path
) -> None:
    environ = home(tmp_path, {"auths": {key.replace("SELF", tiny.host): value for key, value in auths.items()}})

    with pytest.raises(RegistryFailed, match=said):
        find(tiny, environ)

    assert len(tiny.requests) <= 3


def test_a_login_that_the_token_server_refuses_is_named_by_its_file(tiny: TinyRegistry, tmp_path: Path) -> None:
    tiny.realm = f"{tiny.root}/token"

    with pytest.raises(RegistryFailed, match=r"/token` refused the login from `.*config\.json`"):
        find(tiny, home(tmp_path, {"auths": {tiny.host: entry("reader:wrong")}}))


def test_a_token_is_got_with_the_login(tiny: TinyRegistry, tmp_path: Path) -> None:
    tiny.realm = f"{tiny.root}/token"

    assert find(tiny, home(tmp_path, {"auths": {tiny.host: entry(LOGIN)}})) is not None

    asked = next(request for request in tiny.requests if request.path.startswith("/token"))
    assert asked.path == "/token?service=tiny&scope=repository%3Ateam%2Fimage%3Apull"
    assert [one for one in sent(tiny) if one.startswith("Basic")] == [f"Basic {entry(LOGIN)['auth']}"]


def test_a_token_that_ran_out_is_got_again(tiny: TinyRegistry, tmp_path: Path) -> None:
    tiny.realm = f"{tiny.root}/token"
    registry = Registry(home(tmp_path, {"auths": {tiny.host: entry(LOGIN)}}))
    reference = ImageReference.parse(f"{tiny.host}/team/image:1")
    assert registry.find(reference, "linux/amd64") is not None

    tiny.token = "another"

    assert registry.find(reference, "linux/amd64") is not None
    registry.close()


def test_a_token_that_is_never_accepted_ends_in_an_error(tiny: TinyRegistry, tmp_path: Path) -> None:
    tiny.realm = f"{tiny.root}/token"
    refusal = Reply(status=401, headers={"WWW-Authenticate": f'Bearer realm="{tiny.realm}"'})
    tiny.instead["team/image/manifests/1"] = [refusal]

    with pytest.raises(RegistryFailed, match="asks for a login"):
        find(tiny, home(tmp_path, {"auths": {tiny.host: entry(LOGIN)}}))

    assert len(tiny.requests) < 6


def test_a_token_server_elsewhere_gets_no_login(tiny: TinyRegistry, tmp_path: Path) -> None:
    with LoopbackServer(lambda _: Reply(status=401)) as elsewhere:
        tiny.realm = elsewhere.root.replace("127.0.0.1", "localhost") + "/token"

        with pytest.raises(RegistryFailed, match="no token") as caught:
            find(tiny, home(tmp_path, {"auths": {tiny.host: entry(LOGIN)}}))

        assert len(elsewhere.requests) == 1
        assert sent(elsewhere) == []
    assert "asked without the login" in caught.value.context[0]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"[" * 100_000, b"{}", b'{"token": ""}', b'{"token": "a\\r\\nX: y"}', b'{"token": 5}']
)
def test_an_answer_that_is_no_token_is_an_error(body: bytes, tiny: TinyRegistry, tmp_path: Path) -> None:
    with LoopbackServer(lambda _: Reply(body=body)) as server:
        tiny.realm = f"{server.root}/token"

        with pytest.raises(RegistryFailed, match="gave none that can be used"):
            find(tiny, home(tmp_path, {}))


def test_a_place_that_a_layer_is_redirected_to_gets_no_login(tiny: TinyRegistry, tmp_path: Path) -> None:
    def give(call: Call) -> Reply:
        challenge = {"WWW-Authenticate": f'Basic realm="images", Bearer realm="{tiny.root}/token"'}
        return Reply(body=LAYER) if call.path == "/layer" else Reply(status=401, headers=challenge)

    with LoopbackServer(give) as store:
        path = f"team/image/blobs/{digest_of(LAYER)}"
        tiny.instead[path] = [
            Reply(status=307, headers={"Location": f"{store.root}/layer"}),
            Reply(status=307, headers={"Location": f"{store.root}/v2/team/image/blobs/{digest_of(LAYER)}"}),
        ]
        registry = Registry(home(tmp_path, {"auths": {tiny.host: entry(LOGIN)}}))
        reference = ImageReference.parse(f"{tiny.host}/team/image:1")
        found = registry.find(reference, "linux/amd64")
        assert found is not None
        registry.open_layer(reference, found.layers[0]).close()
        with pytest.raises(RegistryFailed, match="asks for a login"):
            registry.open_layer(reference, found.layers[0])
        registry.close()

        assert len(store.requests) == 2
        assert sent(store) == []


def test_an_identity_token_is_sent_in_a_form_to_the_token_server_alone(tiny: TinyRegistry, tmp_path: Path) -> None:
    forms = []

    def give(call: Call) -> Reply:
        forms.append(parse_qs(call.body.decode()))
        return Reply(body=b'{"access_token": "tiny"}')

    with LoopbackServer(give) as server:
        tiny.realm = f"{server.root}/token"
        environ = home(tmp_path, {"auths": {tiny.host: {**entry("x:y"), "identitytoken": "secret"}}})
        assert find(tiny, environ) is not None
        tiny.realm = tiny.realm.replace("127.0.0.1", "localhost")
        assert find(tiny, environ) is not None
        assert [request.method for request in server.requests] == ["POST", "GET"]

    assert forms[0]["grant_type"] == ["refresh_token"]
    assert forms[0]["refresh_token"] == ["secret"]
    assert forms[1] == {}


def test_a_token_server_that_redirects_a_form_is_not_followed(tiny: TinyRegistry, tmp_path: Path) -> None:
    with LoopbackServer(lambda _: Reply(body=b'{"token": "tiny"}')) as elsewhere:
        location = {"Location": f"{elsewhere.root}/token"}
        with LoopbackServer(lambda _: Reply(status=307, headers=location)) as server:
            tiny.realm = f"{server.root}/token"
            with pytest.raises(RegistryFailed, match="answered 307"):
                find(tiny, home(tmp_path, {"auths": {tiny.host: {"identitytoken": "secret"}}}))

        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("host", "registry"),
    [
        ("registry.example.org", "registry.example.org"),
        ("auth.registry.example.org", "registry.example.org"),
        ("auth.example.org", "registry.example.org"),
        ("example.org", "registry.example.org"),
        ("auth.example.org", "example.org"),
        ("auth.example.co.uk", "registry.example.co.uk"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_token_server_of_the_same_domain_is_the_registrys_own(host: str, registry: str) -> None:
    assert is_same_owner(host, registry)


@pytest.mark.parametrize(
    ("host", "registry"),
    [
        ("evil.org", "registry.example.org"),
        ("registry.example.org.evil.org", "registry.example.org"),
        ("evilexample.org", "registry.example.org"),
        ("evil.org", "example.org"),
        ("evil.co.uk", "example.co.uk"),
        ("co.uk", "example.co.uk"),
        ("10.0.0.2", "10.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("", "registry.example.org"),
        ("org", "example.org"),
    ],
)
def test_any_other_is_not(host: str, registry: str) -> None:
    assert not is_same_owner(host, registry)


@pytest.mark.parametrize(
    ("realm", "registry", "safe"),
    [
        ("https://auth.example/token", "https://registry.example/v2/", True),
        ("http://auth.example/token", "https://registry.example/v2/", False),
        ("http://127.0.0.1:1/token", "https://registry.example/v2/", False),
        ("http://127.0.0.1:1/token", "http://127.0.0.1:2/v2/", True),
        ("http://auth.example/token", "http://127.0.0.1:2/v2/", False),
        ("file:///etc/passwd", "https://registry.example/v2/", False),
        ("https://user:password@auth.example/token", "https://registry.example/v2/", False),
        ("", "https://registry.example/v2/", False),
        ("https://[", "https://registry.example/v2/", False),
        ("https://evil.example\\.registry.example/token", "https://registry.example/v2/", False),
        ("https://evil.example\\@registry.example/token", "https://registry.example/v2/", False),
        ("https://evil.example\t.registry.example/token", "https://registry.example/v2/", False),
        ("https:///token", "https://registry.example/v2/", False),
    ],
)
def test_a_token_server_without_encryption_is_not_gone_to(realm: str, registry: str, safe: bool) -> None:
    assert _is_reachable_safely(realm, registry) == safe


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (
            'Bearer realm="https://a/t",service="s, t",scope=x',
            ("bearer", {"realm": "https://a/t", "service": "s, t", "scope": "x"}),
        ),
        ('Basic realm="images"', ("basic", {"realm": "images"})),
        ('Basic realm="images", Bearer realm="https://a/t"', ("bearer", {"realm": "https://a/t"})),
        ('BEARER Realm="https://a/t"', ("bearer", {"realm": "https://a/t"})),
        ("Basic", ("basic", {})),
        ("Negotiate", ("", {})),
        ("", ("", {})),
    ],
)
def test_challenges_are_read(header: str, challenge: tuple[str, dict[str, str]]) -> None:
    assert parse_challenge(header) == challenge
