"""What an index may not do, whatever its pages say: end a line, lead elsewhere, or go on without end."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project
from support.serve import Call, LoopbackServer, Reply
from support.venv import run_pip
from zlock.errors import IndexFailed
from zlock.index.auth import Credentials
from zlock.index.client import Client
from zlock.index.network import Answer, Limit, Network
from zlock.index.simple import parse_page
from zlock.model.page import Page

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
EVIL = f"{'0' * 64}\n--extra-index-url http://127.0.0.1:1/evil/\nevil==1.0 --hash=sha256:{'0' * 64}"


def page_of(*files: dict[str, Any], url: str = "https://index.example/simple/a/") -> Page:
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "a", "files": files}).encode()
    return parse_page("a", url, Answer(200, {"content-type": JSON_TYPE}, body, url))  # type: ignore[arg-type] # normalized


def row(**more: Any) -> dict[str, Any]:
    return {"filename": "a-1-py3-none-any.whl", "url": "a-1-py3-none-any.whl", "hashes": {"sha256": "0" * 64}, **more}


@pytest.mark.parametrize(
    "broken",
    [
        {"hashes": {"sha256": EVIL}},
        {"hashes": {"sha256": "0" * 63}},
        {"hashes": {"sha256": "g" * 64}},
        {"hashes": {"sha256": ""}},
        {"hashes": {"sha256": "0" * 64, "md5": "0\n"}},
        {"core-metadata": {"sha256": "x\ny"}},
        {"url": "file:///etc/a-1-py3-none-any.whl"},
        {"url": "http://index.example/a-1-py3-none-any.whl"},
        {"url": "https://index.example/x y/a-1-py3-none-any.whl"},
        {"url": "https://index.example/x\ny/a-1-py3-none-any.whl"},
        {"url": "ftp://index.example/a-1-py3-none-any.whl"},
        {"url": "data:a-1-py3-none-any.whl"},
        {"filename": "a-1-py3-none-any\n.whl"},
        {"filename": "a-1-py3-none-any\u2028.whl"},
        {"filename": f"a-1-{'py3.' * 99}py3-{'none.' * 99}none-{'any.' * 99}any.whl"},
        {"size": -2},
        {"size": 10**30},
    ],
)
def test_a_file_that_nothing_may_be_made_of_is_left_out_and_named(broken: dict[str, Any]) -> None:
    page = page_of(row(**broken), row(filename="a-2-py3-none-any.whl", url="a-2-py3-none-any.whl"))
    assert page.versions == ("2",)
    assert len(page.unusable) == 1
    assert page.unusable[0].isprintable()


def test_digests_are_kept_in_lower_case() -> None:
    page = page_of(row(hashes={"sha256": "AB" * 32}, **{"core-metadata": {"sha256": "CD" * 32}}))
    (file,) = page.files(0)
    assert (file.sha256, file.metadata) == ("ab" * 32, "cd" * 32)


def test_hashes_that_nobody_can_compare_are_left_out() -> None:
    (file,) = page_of(row(hashes={"sha256": "0" * 64, "crc": "x\ny", "shake_128": "00"})).files(0)
    assert file.hashes == (("sha256", "0" * 64),)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("yesterday", ""),
        ("2026-99-99T00:00:00Z", ""),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.5Z"),
        ("0001-01-01T00:00:00+14:00", ""),
    ],
)
def test_a_time_that_is_none_counts_as_not_given(said: str, counts: str) -> None:
    (file,) = page_of(row(**{"upload-time": said})).files(0)
    assert file.upload_time.replace(".500000", ".5") == counts


@pytest.mark.parametrize(
    ("page", "url", "counts"),
    [
        ("http://i.example/simple/a/", "http://i.example/a-1-py3-none-any.whl", True),
        ("http://i.example/simple/a/", "https://i.example/a-1-py3-none-any.whl", True),
        ("http://i.example/simple/a/", "file:///etc/a-1-py3-none-any.whl", False),
        ("https://i.example/simple/a/", "https://i.example:8443/@b/a-1-py3-none-any.whl?c=d", True),
        ("https://i.example/simple/a/", "https://i.example/${PIP_INDEX_URL}/a-1-py3-none-any.whl", False),
        ("https://i.example/simple/a/", "https://i.example/b\\c/a-1-py3-none-any.whl", False),
        ("https://i.example/simple/a/", "https:///a-1-py3-none-any.whl", False),
        ("https://i.example/simple/a/", "https://-i.example/a-1-py3-none-any.whl", False),
        ("https://i.example/simple/a/", "https://i.example:99999/a-1-py3-none-any.whl", False),
        ("file:///i/simple/a/index.html", "../../files/a-1-py3-none-any.whl", True),
        ("file:///i/simple/a/index.html", "https://i.example/a-1-py3-none-any.whl", True),
        ("file:///i/simple/a/index.html", "file:///etc/a-1-py3-none-any.whl", False),
        ("file:///i/simple/a/index.html", "../../../etc/a-1-py3-none-any.whl", False),
        ("file:///i/simple/a/index.html", "file:///i/simple/%2e%2e/%2e%2e/etc/a-1-py3-none-any.whl", False),
    ],
)
def test_an_index_lists_only_what_it_could_serve(page: str, url: str, *, counts: bool) -> None:
    assert bool(page_of(row(url=url), url=page).versions) is counts


def test_numbers_without_end_are_no_versions() -> None:
    endless = "9" * 5000
    page = page_of(
        row(filename=f"a-{endless}-py3-none-any.whl"),
        row(filename=f"a-1-{endless}-py3-none-any.whl"),
        row(filename=f"a-{endless}.tar.gz"),
        row(filename="a-2-py3-none-any.whl", **{"requires-python": f">={endless}"}),
    )
    assert page.versions == ("2",)  # a name of a file has 255 characters at the most


@pytest.mark.parametrize("key", ['"name": [', '"other": [', '"files": [', '"meta": ['])
def test_a_page_of_more_values_than_any_has_is_refused_before_it_is_read(key: str) -> None:
    body = b'{"files": [], ' + key.encode() + b"[]," * 5_000_000 + b"[]]}"
    with pytest.raises(IndexFailed, match="more values than zlock reads"):
        parse_page("a", "x", Answer(200, {"content-type": JSON_TYPE}, body, "https://index.example/simple/a/"))  # type: ignore[arg-type] # normalized


@pytest.mark.parametrize(
    "markup", [b"<![foo[bar]]>", b"<!DOCTYPE [<!x", b"<!-", b"<![endif", b"&#" + b"9" * 5000 + b";"]
)
def test_markup_that_is_none_is_an_error_or_nothing(markup: bytes) -> None:
    url = "https://index.example/simple/a/"
    body = markup + b'<a href="a-1-py3-none-any.whl">a</a>'
    with contextlib.suppress(IndexFailed):
        page = parse_page("a", url, Answer(200, {"content-type": "text/html"}, body, url))  # type: ignore[arg-type] # as above
        assert page.versions in ((), ("1",))


# What a run comes to


def test_a_digest_ends_no_line_of_a_requirements_file(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    """The lines that a digest once added were installed by the real pip."""
    index.wheel("six", "1.0")
    index.wheel("six", "2.0").hashes = {"sha256": EVIL}
    index.wheel("evil", "1.0")
    project.configure(
        {"python": "3.11", "index": [{"url": index.url, "default": True}], "docker": {"requirements": ["six"]}}
    )
    result = project.run("resolve")
    assert result.code == 0
    assert "note: `six`: its index lists a file that can't be used: 'six-2.0-py3-none-any.whl': its sha256 is no" in (
        result.stderr
    )
    assert project.locked("pipeline") == {"six": "1.0"}
    assert project.run("dockerfile").code == 0
    (written,) = (project.folder / "build/zlock").glob("*/requirements.txt")
    assert "evil" not in written.read_text("utf-8")
    options = ("--no-deps", "--require-hashes", "--index-url", index.url, "--target", str(tmp_path / "installed"))
    done = run_pip("install", *options, "-r", str(written), home=tmp_path)
    assert done.code == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "installed").iterdir()) == ["six", "six-1.0.dist-info"]


def test_a_digest_in_capitals_is_the_same_lock(project: Project, index: TinyIndex) -> None:
    file = index.wheel("six", "1.0")
    project.configure(
        {"python": "3.11", "index": [{"url": index.url, "default": True}], "docker": {"requirements": ["six"]}}
    )
    assert project.run("resolve").code == 0
    before = project.lock("pipeline")
    file.hashes = {"sha256": str((file.hashes or {})["sha256"]).upper()}
    assert project.run("resolve", "--upgrade").code == 0
    assert project.lock("pipeline") == before


@pytest.mark.parametrize(
    ("asked", "code"),
    [(["six>=" + "9" * 5000], 2), (["six; python_version < '" + "9" * 5000 + "'"], 2), (["lib"], 1), (["lib2"], 0)],
)
def test_a_number_without_end_is_named_and_ends_no_run(
    project: Project, index: TinyIndex, asked: list[str], code: int
) -> None:
    index.wheel("six", "1.0")
    index.wheel("lib", "1.0", requires=["six>=" + "9" * 5000])
    index.wheel("lib2", "2.0", requires=["six>=" + "9" * 5000])
    index.wheel("lib2", "1.0")
    project.configure(
        {"python": "3.11", "index": [{"url": index.url, "default": True}], "docker": {"requirements": asked}}
    )
    result = project.run("resolve")
    assert result.code == code, result.stderr
    assert "Traceback" not in result.stderr


def test_files_that_include_one_another_for_ever_are_named(project: Project, index: TinyIndex) -> None:
    for number in range(1500):
        project.write(f"r{number}.txt", f"-r r{number + 1}.txt\n")
    project.write("r1500.txt", "six\n")
    project.configure({"index": [{"url": index.url, "default": True}], "docker": {"requirements": "r0.txt"}})
    result = project.run("resolve")
    assert result.code == 2
    assert "is included too deeply" in result.stderr


# How much of an answer is taken


@pytest.fixture
def client() -> Client:
    return Client(Network(timeout=5.0, retries=3), Credentials({}))


def answered(reply: Callable[[Call], Reply]) -> LoopbackServer:
    return LoopbackServer(reply)


def test_an_answer_is_cut_off_at_its_limit(client: Client) -> None:
    with answered(lambda _: Reply(body=b"x" * 5000)) as server:
        assert len(client.get(f"{server.root}/x", limit=Limit(5000, 5.0)).body) == 5000
        with pytest.raises(IndexFailed, match=re.escape(f"the answer of `{server.root}/x` is cut off")):
            client.get(f"{server.root}/x", limit=Limit(4999, 5.0))
        assert len(server.requests) == 2


def test_so_is_one_that_is_small_until_it_is_decoded(client: Client) -> None:
    body = gzip.compress(b"\0" * (1 << 24))
    with (
        answered(lambda _: Reply(body=body, headers={"Content-Encoding": "gzip"})) as server,
        pytest.raises(IndexFailed, match="it has more than 1 MiB"),
    ):
        client.get(f"{server.root}/x", limit=Limit(1 << 20, 5.0))


def test_retries_are_part_of_the_time(client: Client) -> None:
    with answered(lambda _: Reply(status=503)) as server:
        begun = time.monotonic()
        with pytest.raises(IndexFailed, match="answered 503"):
            client.get(f"{server.root}/x", limit=Limit(5000, 0.5))
        assert len(server.requests) < 4
        assert time.monotonic() - begun < 30


@contextlib.contextmanager
def trickling(begin: bytes) -> Iterator[str]:
    """Serve one answer that begins so, and goes on with a byte now and then for as long as anybody waits."""
    over = threading.Event()

    def answer(server: socket.socket) -> None:
        with contextlib.suppress(OSError), server.accept()[0] as connection:
            connection.recv(1 << 16)
            connection.sendall(begin)
            while not over.wait(0.05):
                connection.sendall(b"1")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/x"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(("what", "most"), [("page", 256), ("metadata", 16)])
def test_a_run_takes_no_more_of_a_page_and_of_metadata(
    project: Project, index: TinyIndex, what: str, most: int
) -> None:
    index.wheel("lib", "1.0").metadata = b"Metadata-Version: 2.1\nName: lib\nVersion: 1.0\n\n" + bytes(most << 20)
    if what == "page":
        index.compression = True
        index.raw("lib", bytes((most << 20) + 1))
    project.configure(
        {"python": "3.11", "index": [{"url": index.url, "default": True}], "docker": {"requirements": ["lib"]}}
    )
    result = project.run("resolve")
    assert result.code == 3
    assert f"is cut off: it has more than {most} MiB" in result.stderr


@pytest.mark.parametrize(
    "begin", ["", "\r\nX-A: ", "\r\nContent-Length: 9999\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_a_trickle_ends(client: Client, begin: str) -> None:
    """Each byte comes in time, be it of the status, a header, the body or the size of a part; the whole does not."""
    answer = f"HTTP/1.1 200 OK{begin}".encode()
    with trickling(answer) as url, pytest.raises(IndexFailed, match=f"could not fetch `{url}`: it takes too long"):
        client.get(url, limit=Limit(5000, 0.5))


def test_redirects_end(client: Client) -> None:
    def reply(call: Call) -> Reply:
        return Reply(status=302, headers={"Location": f"{call.path}x"})

    with answered(reply) as server, pytest.raises(IndexFailed, match="redirects without end"):
        client.get(f"{server.root}/x")
