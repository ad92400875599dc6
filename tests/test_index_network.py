"""The way to indexes: retries, redirects, credentials, proxies, certificates."""

from __future__ import annotations

import base64
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import pytest
import urllib3

from support.certificates import make_certificate
from support.index import FaultKind, TinyIndex
from support.repository import NETWORK, Asker, asking
from support.serve import Call, LoopbackServer, Reply
from zlock.errors import IndexFailed
from zlock.index.auth import Credentials
from zlock.index.client import Client
from zlock.index.network import Network
from zlock.model.indexes import Index

LOGIN = ("user", "s3cret/%")
SOON = {"Retry-After": "0"}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def failure(ask: Asker, name: str = "a") -> IndexFailed:
    with pytest.raises(IndexFailed) as caught:
        ask.page(name)
    assert caught.value.hint
    return caught.value


class TestRetries:
    @pytest.mark.parametrize("kind", [429, 500, 502, 503, 504, "truncate", "reset", "stall", "hang"])
    def test_what_passes_is_tried_again(self, index: TinyIndex, tmp_path: Path, kind: FaultKind) -> None:
        index.wheel("a", "1.0")
        index.fault("/simple/a/", kind, headers=SOON)
        network = Network(timeout=0.5 if kind in {"stall", "hang"} else 10, retries=1)
        with asking(tmp_path, index.url, network=network) as ask:
            assert len(ask.files("a")) == 1
        assert len(index.requests) == 2

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            (503, "answered 503, 2 times"),
            (429, "answered 429 (too many requests), 2 times"),
            ("truncate", "incomplete download, "),
            ("reset", "could not fetch "),
            ("stall", "timed out"),
            ("hang", "timed out"),
        ],
    )
    def test_what_stays_is_an_error_and_nothing_of_it_is_kept(
        self, index: TinyIndex, tmp_path: Path, kind: FaultKind, said: str
    ) -> None:
        index.wheel("a", "1.0")
        index.fault("/simple/a/", kind, times=2, headers=SOON)
        network = Network(timeout=0.5 if kind in {"stall", "hang"} else 10, retries=1)
        with asking(tmp_path, index.url, network=network) as ask:
            error = failure(ask)
        assert said in error.message
        assert f"{index.url}a/" in error.message
        assert len(index.requests) == 2
        with asking(tmp_path, index.url) as ask:
            assert len(ask.files("a")) == 1

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
    def test_what_is_final_is_asked_for_once(self, index: TinyIndex, tmp_path: Path, status: int) -> None:
        index.fault("/simple/a/", status)
        with asking(tmp_path, index.url) as ask:
            if status == 404:
                assert ask.page("a") is None
            else:
                failure(ask)
        assert len(index.requests) == 1

    @pytest.mark.parametrize("value", ["0", formatdate(0, usegmt=True), "soon", "99999999999999999999999"])
    def test_any_retry_after_is_understood_or_passed_over(
        self, index: TinyIndex, tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zlock.index.client._LONGEST_WAIT", 0.01)
        index.wheel("a", "1.0")
        index.fault("/simple/a/", 429, headers={"Retry-After": value})
        with asking(tmp_path, index.url) as ask:
            assert len(ask.files("a")) == 1

    def test_closing_ends_a_wait(self, index: TinyIndex, tmp_path: Path) -> None:
        index.fault("/simple/a/", 503, times=None, headers={"Retry-After": "30"})
        with asking(tmp_path, index.url) as ask:
            future = ask.source.page("a")  # type: ignore[arg-type] # it is normalized
            while not index.requests:
                threading.Event().wait(0.01)
        with pytest.raises(IndexFailed, match="the run ended"):
            future.result(timeout=60)

    def test_an_unknown_host_is_named(self, tmp_path: Path) -> None:
        with asking(tmp_path, "http://index.invalid/simple/", network=Network(retries=0)) as ask:
            assert failure(ask).message.startswith("could not fetch `http://index.invalid/simple/a/`: ")


class TestRedirects:
    def test_credentials_stay_with_their_origin(self, index: TinyIndex, tmp_path: Path) -> None:
        index.auth = LOGIN
        with TinyIndex() as mirror:
            mirror.wheel("a", "1.0")
            index.redirect = mirror.root
            with asking(tmp_path, f"http://user:s3cret%2F%25@{index.root[7:]}/simple/") as ask:
                assert ask.files("a")[0].url.startswith(mirror.root)
                ask.metadata("a")
            assert [request.headers.get("authorization") for request in index.requests] == [basic(*LOGIN)]
            assert [request.headers.get("authorization") for request in mirror.requests] == [None, None]

    def test_credentials_in_a_redirect_are_not_the_users(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "1.0")
        location = f"http://thief:token@{index.root[7:]}/mirror/simple/a/"
        index.fault("/simple/a/", 302, headers={"Location": location})
        with asking(tmp_path, index.url) as ask:
            assert ask.files("a")
        assert index.requests[-1].path == "/mirror/simple/a/"
        assert "authorization" not in index.requests[-1].headers

    def test_the_target_gets_the_credentials_configured_for_it(self, index: TinyIndex, tmp_path: Path) -> None:
        with TinyIndex(auth=LOGIN) as mirror:
            mirror.wheel("a", "1.0")
            index.redirect = mirror.root
            with asking(
                tmp_path,
                Index(url=mirror.url_with_credentials.replace("s3cret/%", "s3cret%2F%25"), explicit=True, name="m"),
                index.url,
            ) as ask:
                assert ask.files("a")

    @pytest.mark.parametrize("location", ["/simple/a/", "/simple/a"])
    def test_a_redirect_in_a_circle_ends(self, index: TinyIndex, tmp_path: Path, location: str) -> None:
        index.fault("/simple/a*", 302, times=None, headers={"Location": location})
        with asking(tmp_path, index.url) as ask:
            assert failure(ask).message == f"`{index.url}a/` redirects without end"
        assert len(index.requests) == 10

    @pytest.mark.parametrize("location", ["http://[broken/", "ftp://index.example/a/", "http://h:port/", "//"])
    def test_a_redirect_to_no_usable_url_is_an_error(self, index: TinyIndex, tmp_path: Path, location: str) -> None:
        index.fault("/simple/a/", 302, times=None, headers={"Location": location})
        with asking(tmp_path, index.url) as ask:
            failure(ask)


class TestCredentials:
    """Where credentials come from; the server decides whether they are right."""

    @pytest.fixture
    def closed(self, index: TinyIndex) -> TinyIndex:
        index.wheel("a", "1.0", requires=["b"])
        index.auth = LOGIN
        return index

    def check(self, cache: Path, index: Index | str, environ: Mapping[str, str] | None = None) -> None:
        with asking(cache, index, environ=environ) as ask:
            assert ask.metadata("a").dependencies[0].name == "b"
            page = ask.page("a")
        assert page is not None
        assert "s3cret" not in repr(page)
        assert "@" not in page.index
        for path in cache.rglob("*"):
            assert path.is_dir() or path.name == "netrc" or b"s3cret" not in path.read_bytes()

    def test_in_the_url(self, closed: TinyIndex, tmp_path: Path) -> None:
        self.check(tmp_path, f"http://user:s3cret%2F%25@{closed.root[7:]}/simple/")

    def test_in_the_environment_of_the_index(self, closed: TinyIndex, tmp_path: Path) -> None:
        environ = {"UV_INDEX_MY_INDEX_2_USERNAME": LOGIN[0], "UV_INDEX_MY_INDEX_2_PASSWORD": LOGIN[1]}
        self.check(tmp_path, Index(url=closed.url, name="my-index.2"), environ)

    def test_in_netrc(self, closed: TinyIndex, tmp_path: Path) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login {LOGIN[0]} password {LOGIN[1]}\n")
        netrc.chmod(0o600)
        self.check(tmp_path, closed.url, {"NETRC": str(netrc)})

    def test_a_user_in_the_url_and_the_password_in_netrc(self, closed: TinyIndex, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {LOGIN[0]} password {LOGIN[1]}\n")
        self.check(tmp_path, closed.url.replace("http://", "http://user@"), {"NETRC": str(tmp_path / "netrc")})

    def test_a_broken_netrc_is_passed_over(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "1.0", requires=["b"])
        (tmp_path / "netrc").write_bytes(b"machine \xff\xff login\nwhat?")
        self.check(tmp_path, index.url, {"NETRC": str(tmp_path / "netrc")})

    def keyring(self, folder: Path, program: str) -> dict[str, str]:
        """Make a `keyring` command that writes down how it was called."""
        path = folder / "bin" / "keyring"
        path.parent.mkdir()
        head = (
            f"#!{sys.executable}\nimport sys\nopen({str(folder / 'calls')!r}, 'a').write(repr(sys.argv[1:]) + '\\n')\n"
        )
        path.write_text(head + program)
        path.chmod(0o755)
        return {"PATH": str(path.parent)}

    @pytest.fixture
    def calls(self, tmp_path: Path) -> Path:
        return tmp_path / "keyring-folder"

    def test_in_the_keyring_under_the_url_of_the_index(self, closed: TinyIndex, tmp_path: Path, calls: Path) -> None:
        calls.mkdir()
        program = f"print({LOGIN[1]!r}) if sys.argv[1:] == ['get', {closed.url!r}, 'user'] else sys.exit(1)"
        environ = self.keyring(calls, program)
        self.check(tmp_path / "cache", closed.url.replace("http://", "http://user@"), environ)
        assert len((calls / "calls").read_text().splitlines()) == 1

    def test_in_the_keyring_with_the_user(self, closed: TinyIndex, tmp_path: Path, calls: Path) -> None:
        calls.mkdir()
        host = closed.root.removeprefix("http://")
        program = (
            f"print('user\\n' + {LOGIN[1]!r}) if sys.argv[1:] == ['get', {host!r}, '--mode', 'creds'] else sys.exit(1)"
        )
        self.check(tmp_path / "cache", closed.url, self.keyring(calls, program))

    def test_the_keyring_is_asked_once_and_only_after_a_refusal(
        self, closed: TinyIndex, tmp_path: Path, calls: Path
    ) -> None:
        calls.mkdir()
        environ = self.keyring(calls, f"print({LOGIN[1]!r})")
        for number in range(20):
            closed.wheel(f"p{number}", "1.0")
        with asking(tmp_path / "cache", closed.url.replace("http://", "http://user@"), environ=environ) as ask:
            futures = [ask.source.page(f"p{number}") for number in range(20)]  # type: ignore[arg-type] # normalized
            assert all(future.result(timeout=60) for future in futures)
        assert len((calls / "calls").read_text().splitlines()) == 1

    @pytest.mark.parametrize("program", ["sys.exit(1)", "print('wrong')", "print('')"])
    def test_a_keyring_that_does_not_help_leaves_the_refusal(
        self, closed: TinyIndex, tmp_path: Path, calls: Path, program: str
    ) -> None:
        calls.mkdir()
        environ = self.keyring(calls, program)
        with asking(tmp_path / "cache", Index(url=closed.url, name="inner"), environ=environ) as ask:
            error = failure(ask)
        assert error.message == f"the index `inner` refused `a`: `{closed.url}a/` answered 401"

    def test_wrong_credentials_are_called_that(self, closed: TinyIndex, tmp_path: Path) -> None:
        with asking(tmp_path, closed.url.replace("http://", "http://user:wrong@")) as ask:
            error = failure(ask)
        assert "not accepted" in error.hint
        assert "wrong" not in f"{error.message}{error.context}"

    def test_two_indexes_on_one_host_have_their_own(self) -> None:
        credentials = Credentials({})
        for team in ("a", "b"):
            credentials.add_index(None, f"https://{team}:{team}@index.example/{team}/simple/")
        assert credentials.header("https://index.example/b/simple/p/") == basic("b", "b")
        assert credentials.header("https://index.example/b/files/p.whl") == basic("b", "b")
        assert credentials.header("https://index.example/a/simple/p/") == basic("a", "a")
        assert credentials.header("https://INDEX.example:443/a/simple/p/") == basic("a", "a")

    @pytest.mark.parametrize(
        "url", ["http://index.example/", "https://index.example:8443/", "https://x.index.example/", "https://example/"]
    )
    def test_another_origin_gets_nothing(self, url: str) -> None:
        credentials = Credentials({"HOME": "/nowhere"})
        credentials.add_index(None, "https://user:pw@index.example/simple/")
        assert credentials.header(url) is None


class TestProxies:
    """A proxy that answers in place of the index, and keeps what it was asked for."""

    @contextmanager
    def proxy(self, index: TinyIndex) -> Iterator[tuple[LoopbackServer, list[Call]]]:
        calls: list[Call] = []

        def answer(call: Call) -> Reply:
            calls.append(call)
            if "/simple/" not in call.path:
                return Reply(status=404)
            path = "/" + call.path.split("/", 3)[3]
            reply = urllib3.request("GET", f"{index.root}{path}", headers={"Accept": call.headers["accept"]})
            return Reply(status=reply.status, body=reply.data, headers={"Content-Type": reply.headers["content-type"]})

        with LoopbackServer(answer) as server:
            yield server, calls

    @pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "PIP_PROXY"])
    def test_the_proxy_of_the_environment_is_used(self, index: TinyIndex, tmp_path: Path, variable: str) -> None:
        index.wheel("a", "1.0")
        with self.proxy(index) as (server, calls):
            network = Network.from_environment({variable: f"http://me:pass@{server.root[7:]}"}, {})
            with asking(tmp_path, "http://index.example/simple/", network=network) as ask:
                assert len(ask.files("a")) == 1
        assert [call.path for call in calls] == ["http://index.example/simple/a/"]
        assert calls[0].headers["proxy-authorization"] == basic("me", "pass")

    def test_the_proxy_of_pips_configuration_is_used(self, index: TinyIndex, tmp_path: Path) -> None:
        index.wheel("a", "1.0")
        with self.proxy(index) as (server, calls):
            network = Network.from_environment({}, {"proxy": server.root})
            with asking(tmp_path, "http://index.example/simple/", network=network) as ask:
                assert len(ask.files("a")) == 1
        assert len(calls) == 1

    @pytest.mark.parametrize("value", ["127.0.0.1", "*", "index.example, 127.0.0.1", "127.0.0.0/8", "127.0.0.1:{port}"])
    def test_exceptions_go_directly(self, index: TinyIndex, tmp_path: Path, value: str) -> None:
        index.wheel("a", "1.0")
        with self.proxy(index) as (server, calls):
            no = value.format(port=index.root.rpartition(":")[2])
            network = Network.from_environment({"http_proxy": server.root, "NO_PROXY": no}, {})
            with asking(tmp_path, index.url, network=network) as ask:
                assert len(ask.files("a")) == 1
        assert calls == []

    @pytest.mark.parametrize("value", ["27.0.0.1", "example", "10.0.0.0/8", "127.0.0.1:1", ""])
    def test_what_is_no_exception_goes_through_the_proxy(self, index: TinyIndex, tmp_path: Path, value: str) -> None:
        index.wheel("a", "1.0")
        with self.proxy(index) as (server, calls):
            network = Network.from_environment({"http_proxy": server.root, "NO_PROXY": value}, {})
            with asking(tmp_path, index.url, network=network) as ask:
                assert len(ask.files("a")) == 1
        assert [call.path for call in calls] == [f"{index.url}a/"]

    def test_an_https_index_is_asked_for_by_connect(self, tmp_path: Path) -> None:
        seen: list[bytes] = []
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listener:

            def refuse() -> None:
                connection, _ = listener.accept()
                with connection:
                    seen.append(connection.recv(4096))
                    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

            thread = threading.Thread(target=refuse)
            thread.start()
            proxy = f"http://me:pass@127.0.0.1:{listener.getsockname()[1]}"
            network = Network(retries=0, proxies={"https": proxy})
            with asking(tmp_path, "https://index.example/simple/", network=network) as ask:
                error = failure(ask)
            thread.join()
        assert seen[0].startswith(b"CONNECT index.example:443 ")
        assert basic("me", "pass").encode() in seen[0]
        assert "407" in error.message
        assert "pass" not in error.message

    def test_a_kind_of_proxy_that_is_not_known_is_an_error(self, index: TinyIndex, tmp_path: Path) -> None:
        with asking(tmp_path, index.url, network=Network(proxies={"http": "gopher://proxy.example"})) as ask:
            assert "gopher" in failure(ask).message

    @pytest.mark.parametrize(
        ("proxy", "url", "said"),
        [
            (
                "http://proxy.invalid",
                "http://index.example/simple/",
                "no connection through the proxy: Failed to resolve",
            ),
            (
                "http://127.0.0.1:1",
                "http://index.example/simple/",
                "no connection through the proxy: Failed to establish",
            ),
            ("", "https://index.example/simple/", "no connection through the proxy: Tunnel connection failed: 501"),
        ],
    )
    def test_a_proxy_that_does_not_help_is_named(
        self, index: TinyIndex, tmp_path: Path, proxy: str, url: str, said: str
    ) -> None:
        network = Network(proxies=dict.fromkeys(("http", "https"), proxy or index.root), retries=0)
        with asking(tmp_path, url, network=network) as ask:
            assert said in failure(ask).message

    def test_lower_case_wins_and_requests_to_a_web_server_name_no_proxy(self) -> None:
        both = {"HTTP_PROXY": "http://upper", "http_proxy": "http://lower"}
        assert Network.from_environment(both, {}).proxies == {"http": "http://lower"}
        assert Network.from_environment({"HTTP_PROXY": "http://x", "REQUEST_METHOD": "GET"}, {}).proxies == {}


@dataclass(kw_only=True)
class Secure:
    """An index behind TLS, with a certificate that only its own file vouches for."""

    url: str
    certificate: Path
    replies: dict[str, Reply] = field(default_factory=dict)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    """A TLS server on the loopback."""
    certificate, key = make_certificate(tmp_path)
    made = Secure(url="", certificate=certificate)
    server = LoopbackServer(lambda call: made.replies.get(call.path, Reply(status=404)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server._http.socket = context.wrap_socket(server._http.socket, server_side=True, do_handshake_on_connect=False)
    made.url = f"{server.root.replace('http', 'https', 1)}/simple/"
    made.replies["/simple/a/"] = Reply(body=b"<a href=a-1.0.tar.gz>a</a>", headers={"Content-Type": "text/html"})
    with server:
        yield made


class TestCertificates:
    def test_a_certificate_that_is_named_is_trusted(self, secure: Secure, tmp_path: Path) -> None:
        for variable in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            network = Network.from_environment({variable: str(secure.certificate)}, {})
            with asking(tmp_path / variable, secure.url, network=network) as ask:
                assert len(ask.files("a")) == 1

    def test_one_that_is_not_named_is_not(self, secure: Secure, tmp_path: Path) -> None:
        with asking(tmp_path / "cache", secure.url) as ask:
            error = failure(ask)
        assert "certificate verify failed" in error.message
        assert "SSL_CERT_FILE" in error.hint

    @pytest.mark.parametrize("content", [None, b"", b"no certificate"])
    def test_one_that_can_not_be_read_is_never_passed_over(
        self, index: TinyIndex, tmp_path: Path, content: bytes | None
    ) -> None:
        index.wheel("a", "1.0")
        path = tmp_path / "named.pem"
        if content is not None:
            path.write_bytes(content)
        network = Network.from_environment({"SSL_CERT_FILE": str(path)}, {})
        with asking(tmp_path / "cache", index.url, network=network) as ask:
            error = failure(ask)
        assert error.message.startswith(f"the certificates this machine names can't be read: `{path}`: ")
        assert index.requests == []

    def test_a_redirect_that_drops_encryption_is_refused(
        self, secure: Secure, index: TinyIndex, tmp_path: Path
    ) -> None:
        index.wheel("a", "1.0")
        secure.replies["/simple/a/"] = Reply(status=302, headers={"Location": f"{index.url}a/"})
        network = Network(certificate=str(secure.certificate))
        with asking(tmp_path / "cache", secure.url, network=network) as ask:
            error = failure(ask)
        assert error.message == f"`{secure.url}a/` redirects to a place without encryption: `{index.url}a/`"
        assert index.requests == []


@pytest.mark.parametrize("text", ["x", "-5", "nan", "inf", ""])
def test_limits_that_make_no_sense_are_passed_over(text: str) -> None:
    network = Network.from_environment({"UV_HTTP_TIMEOUT": text, "UV_HTTP_RETRIES": text}, {})
    assert (network.timeout, network.retries) == (30.0, 3)


def test_limits_are_read_as_uv_and_pip_name_them() -> None:
    assert Network.from_environment({"UV_HTTP_TIMEOUT": "7", "PIP_TIMEOUT": "8"}, {"timeout": "9"}).timeout == 7
    assert Network.from_environment({"PIP_DEFAULT_TIMEOUT": "8"}, {"timeout": "9"}).timeout == 8
    assert Network.from_environment({"UV_HTTP_RETRIES": "0"}, {"timeout": "9"}) == Network(
        timeout=9, retries=0, proxies={}
    )


def test_many_requests_share_connections(index: TinyIndex, tmp_path: Path) -> None:
    for number in range(60):
        index.wheel(f"p{number}", "1.0")
    with asking(tmp_path, index.url, network=NETWORK) as ask:
        futures: list[Future[object]] = [ask.source.page(f"p{number}") for number in range(60)]  # type: ignore[arg-type, misc] # normalized
        assert all(future.result(timeout=60) for future in futures)
    assert len(index.requests) == 60
    assert index.connections <= 24


def test_a_body_is_read_whole_whatever_its_size(tmp_path: Path) -> None:
    body = bytes(range(256)) * 8192
    with LoopbackServer(lambda _: Reply(body=body)) as server:
        client = Client(Network(), Credentials({"HOME": str(tmp_path)}))
        assert client.get(f"{server.root}/x", decode=False).body == body
        client.close()
