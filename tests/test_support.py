"""The tiny world is real: pip and uv install from it, and what it does wrong it does as asked."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
import urllib3

from support.forks import can_fork
from support.index import Format, TinyIndex
from support.pages import HTML_TYPE, JSON_TYPE, TEXT_TYPE, CoreMetadata
from support.project import Project, Result, kill_group
from support.protocol import Compression, Ranges, negotiate
from support.serve import Call, LoopbackServer, Reply
from support.venv import install_with_pip, install_with_uv, installed, make_venv, pip_check, run_pip, run_uv
from support.wheels import make_sdist, make_tree, make_wheel

INDEX_MODES: list[set[Format]] = [{"json"}, {"html"}]


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    """A client that neither retries nor follows redirects."""
    with urllib3.PoolManager(retries=False, timeout=30) as manager:
        yield manager


def uv_install(python: Path, *arguments: str) -> None:
    result = run_uv("pip", "install", "--no-cache", "--python", str(python), *arguments, home=python.parents[2])
    assert result.code == 0, result.stderr


def pip_install(python: Path, wheelhouse: Path, requirement: str, *, home: Path) -> Result:
    options = ["--no-index", "--find-links", str(wheelhouse), "--no-cache-dir"]
    return run_pip("--python", str(python), "install", *options, requirement, home=home)


# Files


def test_a_wheel_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        extras = {"x": ["d; python_version > '3'"]}
        made.append(make_wheel(folder, "A.b", "1.0", requires=["c"], extras=extras, build="2"))

    assert {path.name for path in made} == {"a_b-1.0-2-py3-none-any.whl"}
    assert made[0].read_bytes() == made[1].read_bytes()


def test_an_sdist_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    one = make_sdist(tmp_path, "a", "1.0").read_bytes()

    assert make_sdist(tmp_path, "a", "1.0").read_bytes() == one


def test_a_wheel_expands_compressed_tags(wheelhouse: Path) -> None:
    path = make_wheel(wheelhouse, "a", "1.0", tag="cp311.cp312-abi3-manylinux_2_17_x86_64.linux_x86_64", deflate=False)

    with zipfile.ZipFile(path) as archive:
        text = archive.read("a-1.0.dist-info/WHEEL").decode()
        stored = {entry.compress_type for entry in archive.infolist()}

    assert text.count("Tag: ") == 4
    assert "Tag: cp312-abi3-linux_x86_64\n" in text
    assert "Root-Is-Purelib: false\n" in text
    assert stored == {zipfile.ZIP_STORED}


def test_pip_installs_a_wheel_and_finds_its_record_valid(wheelhouse: Path, tmp_path: Path, venv: Path) -> None:
    """Pip warns on a RECORD that does not fit; `pip check` sees the requirement of the extra's base."""
    wheel = make_wheel(
        wheelhouse,
        "Tool.Box",
        "1.0",
        requires=["a<2"],
        extras={"more": ["b"]},
        entry_points={"console_scripts": {"toolbox": "tool_box:main"}},
        files={"tool_box/main.py": b"", "tool_box/with,comma.txt": b"x"},
    )
    for name in ("a", "b"):
        make_wheel(wheelhouse, name, "1.0")

    result = pip_install(venv, wheelhouse, f"{wheel}[more]", home=tmp_path)

    assert result.code == 0, result.stderr
    assert "WARNING" not in result.stderr
    assert installed(venv) == {"tool-box": "1.0", "a": "1.0", "b": "1.0"}
    assert (venv.parent / "toolbox").exists() or (venv.parent / "toolbox.exe").exists()
    pip_check(venv)


def test_pip_check_fails_on_what_is_missing(wheelhouse: Path, venv: Path) -> None:
    uv_install(venv, "--no-deps", str(make_wheel(wheelhouse, "a", "1.0", requires=["absent"])))

    with pytest.raises(AssertionError, match="absent"):
        pip_check(venv)


# Sdists


def test_pip_builds_an_sdist_offline_and_its_dynamic_requirements_come_from_the_build(
    wheelhouse: Path, tmp_path: Path, venv: Path
) -> None:
    make_sdist(wheelhouse, "built", "1.0", static=False, requires=["a"], requires_code='["b"] if sys.argv else []')
    make_sdist(wheelhouse, "a", "1.0", backend="no-prepare")
    make_sdist(wheelhouse, "b", "1.0", form="zip")

    result = pip_install(venv, wheelhouse, "built", home=tmp_path)

    assert result.code == 0, result.stderr
    assert installed(venv) == {"built": "1.0", "a": "1.0", "b": "1.0"}


def test_uv_builds_an_sdist_and_a_source_tree_offline(wheelhouse: Path, tmp_path: Path, venv: Path) -> None:
    make_sdist(wheelhouse, "a", "1.0", static=False, requires=["b"], metadata_version="2.1")
    make_wheel(wheelhouse, "b", "2.0")
    tree = make_tree(tmp_path / "tree", "c", "3.0")

    uv_install(venv, "--offline", "--no-index", "--find-links", str(wheelhouse), "a", str(tree))

    assert installed(venv) == {"a": "1.0", "b": "2.0", "c": "3.0"}


@pytest.mark.parametrize(
    ("static", "expected"),
    [
        (True, ["Dynamic: License", "Requires-Dist: a"]),
        (False, ["Dynamic: License", "Dynamic: Requires-Dist", "Dynamic: Provides-Extra"]),
    ],
)
def test_pkg_info_says_all_or_leaves_it_to_the_build(*, tmp_path: Path, static: bool, expected: list[str]) -> None:
    tree = make_tree(tmp_path, "c", "1", static=static, requires=["a"], dynamic=["License"])

    lines = (tree / "PKG-INFO").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line.startswith(("Dynamic", "Requires-Dist"))] == expected


def test_a_failing_build_fails_with_its_words(wheelhouse: Path, venv: Path, tmp_path: Path) -> None:
    sdist = make_sdist(wheelhouse, "a", "1.0", backend="fails")

    result = run_uv("pip", "install", "--no-cache", "--offline", "--python", str(venv), str(sdist), home=tmp_path)

    assert result.code == 1
    assert "the compiler is missing" in result.stderr


def test_a_hanging_build_hangs_and_tells_its_process(tmp_path: Path) -> None:
    os.mkfifo(told := tmp_path / "pid")  # reading it waits for the build to have come that far
    tree = make_tree(tmp_path / "tree", "a", "1.0", backend="hangs", pid_file=told)
    code = "import tiny_backend; tiny_backend.build_wheel('.')"

    with subprocess.Popen([sys.executable, "-c", code], cwd=tree / "backend") as process:
        pid = told.read_text(encoding="utf-8")
        still_running = process.poll() is None
        process.kill()

    assert still_running
    assert pid == str(process.pid)


# The index, seen by installers


@pytest.mark.parametrize("formats", INDEX_MODES)
def test_pip_installs_from_the_index(index: TinyIndex, formats: set[Format], tmp_path: Path) -> None:
    index.formats = formats
    index.wheel("a", "1.0", requires=["b[x]"])
    index.wheel("a", "2.0").yanked = "broken"
    index.wheel("a", "3.0", requires_python=">=4")
    index.wheel("b", "1.0", extras={"x": ["c"]})
    index.sdist("c", "1.0")
    options = ["--no-cache-dir", "--index-url", index.url, "--target", str(tmp_path / "target")]

    result = run_pip("install", *options, "a", home=tmp_path)

    assert result.code == 0, result.stderr
    assert {folder.name for folder in (tmp_path / "target").glob("*.dist-info")} == {
        "a-1.0.dist-info",
        "b-1.0.dist-info",
        "c-1.0.dist-info",
    }
    assert any(request.path.endswith(".whl.metadata") and request.status == 200 for request in index.requests)


@pytest.mark.parametrize("formats", INDEX_MODES)
def test_uv_installs_from_the_index(index: TinyIndex, formats: set[Format], venv: Path) -> None:
    index.formats = formats
    index.wheel("a", "1.0", requires=["b[x]"])
    index.wheel("a", "2.0").yanked = "broken"
    index.wheel("a", "3.0", requires_python=">=4")
    index.wheel("b", "1.0", extras={"x": ["c"]})
    index.sdist("c", "1.0")

    uv_install(venv, "--index-url", index.url, "a")

    assert installed(venv) == {"a": "1.0", "b": "1.0", "c": "1.0"}


def test_uv_reads_metadata_by_range_where_none_is_offered(index: TinyIndex, venv: Path) -> None:
    index.wheel("a", "1.0", files={"a/data.bin": os.urandom(200_000)}).core_metadata = False

    uv_install(venv, "--dry-run", "--index-url", index.url, "a")

    fetched = [request for request in index.requests if request.path.endswith(".whl") and request.method == "GET"]
    assert {request.status for request in fetched} == {206}


def test_uv_heeds_upload_times(index: TinyIndex, venv: Path) -> None:
    index.wheel("a", "1.0").upload_time = "2024-01-01T00:00:00Z"
    index.wheel("a", "2.0").upload_time = "2025-01-01T00:00:00Z"

    uv_install(venv, "--index-url", index.url, "--exclude-newer", "2024-06-01T00:00:00Z", "a")

    assert installed(venv) == {"a": "1.0"}


@pytest.mark.parametrize(("claim", "word"), [("wrong-hash", "HASHES"), ("different", "metadata")])
def test_pip_refuses_metadata_that_is_not_the_files(
    index: TinyIndex, tmp_path: Path, claim: CoreMetadata, word: str
) -> None:
    index.wheel("a", "1.0").core_metadata = claim
    index.wheel("only-in-the-sidecar", "1.0")
    options = ["--no-cache-dir", "--index-url", index.url, "--dest", str(tmp_path)]

    result = run_pip("download", *options, "a", home=tmp_path)

    assert result.code != 0
    assert word in result.stderr


def test_uv_refuses_a_file_with_another_hash_than_the_page_claims(
    index: TinyIndex, wheelhouse: Path, venv: Path, tmp_path: Path
) -> None:
    index.add(make_wheel(wheelhouse, "a", "1.0"), hashes={"sha256": "0" * 64})
    lock = tmp_path / "pylock.toml"
    lock.write_text(pylock(index), encoding="utf-8")

    with pytest.raises(AssertionError, match=r"[Hh]ash"):
        install_with_uv(venv, lock)


def test_credentials_are_needed_for_pages_and_files(index: TinyIndex, venv: Path, http: urllib3.PoolManager) -> None:
    index.auth = ("user", "s3cret")
    file = index.wheel("a", "1.0")

    refused = [http.request("GET", url) for url in (index.url, f"{index.url}a/", f"{index.root}/{file.location}")]
    uv_install(venv, "--index-url", index.url_with_credentials, "a")

    assert {(response.status, response.headers["WWW-Authenticate"]) for response in refused} == {
        (401, 'Basic realm="tiny"')
    }
    assert installed(venv) == {"a": "1.0"}


def test_uv_follows_base_href_and_redirects(venv: Path) -> None:
    with TinyIndex() as target, TinyIndex(formats={"html"}) as based, TinyIndex(redirect=target.root) as moved:
        target.wheel("a", "1.0")
        target.wheel("b", "1.0")
        based.listing("a").files = target.listing("a").files
        based.base_href = f"{target.root}/some/where/"

        uv_install(venv, "--index-url", based.url, "a")
        uv_install(venv, "--index-url", moved.url, "b")

        assert installed(venv) == {"a": "1.0", "b": "1.0"}
        assert not [request for request in based.requests if "/files/" in request.path]
        assert [request.status for request in moved.requests] == [302]


@pytest.mark.parametrize("how", ["pages", "flat"])
def test_installers_read_the_index_written_as_files(index: TinyIndex, venv: Path, tmp_path: Path, how: str) -> None:
    index.wheel("a", "1.0", requires=["b"])
    index.wheel("b", "1.0")
    static = index.write_static(tmp_path / "static")
    flat = ["--no-index", "--find-links", str(static.find_links)]
    options = ["--index-url", static.url] if how == "pages" else flat

    uv_install(venv, *options, "a")
    result = run_pip("download", "--no-cache-dir", *options, "--dest", str(tmp_path / "got"), "a", home=tmp_path)

    assert installed(venv) == {"a": "1.0", "b": "1.0"}
    assert result.code == 0, result.stderr
    assert not index.requests


@pytest.mark.parametrize("install", [install_with_uv, install_with_pip])
def test_a_lock_installs(index: TinyIndex, tmp_path: Path, venv: Path, install: Callable[[Path, Path], None]) -> None:
    index.wheel("a", "1.0")
    lock = tmp_path / "pylock.step.toml"
    lock.write_text(pylock(index), encoding="utf-8")

    install(venv, lock)

    assert installed(venv) == {"a": "1.0"}


def pylock(index: TinyIndex) -> str:
    """A lock of the one wheel of `a`."""
    file = index.listing("a").files[0]
    return f"""
lock-version = "1.0"
created-by = "a test"
[[packages]]
name = "a"
version = "1.0"
[[packages.wheels]]
name = "{file.filename}"
url = "{index.root}/{file.location}"
hashes = {{ sha256 = "{file.hashes["sha256"]}" }}
"""


# The index, seen by a client


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, TEXT_TYPE),
        ("*/*", TEXT_TYPE),
        (JSON_TYPE, JSON_TYPE),
        (f"{JSON_TYPE}, {HTML_TYPE};q=0.2, text/html;q=0.01", JSON_TYPE),
        (f"{JSON_TYPE};q=0.1, {HTML_TYPE}", HTML_TYPE),
        (f"{JSON_TYPE};q=0, */*;q=0.5", TEXT_TYPE),
        ("text/*", TEXT_TYPE),
        ("image/png", None),
    ],
)
def test_negotiation_follows_quality(accept: str | None, expected: str | None) -> None:
    assert negotiate(accept, [JSON_TYPE, HTML_TYPE, TEXT_TYPE]) == expected


def test_an_index_with_html_only_answers_406_or_ignores_what_is_accepted(
    index: TinyIndex, http: urllib3.PoolManager
) -> None:
    index.formats = {"html"}
    index.wheel("a", "1.0")
    headers = {"Accept": JSON_TYPE}

    refused = http.request("GET", f"{index.url}a/", headers=headers)
    index.heed_accept = False
    ignored = http.request("GET", f"{index.url}a/", headers=headers)

    assert refused.status == 406
    assert ignored.headers["Content-Type"] == TEXT_TYPE
    assert b"<a " in ignored.data


def test_a_json_page_says_what_the_files_were_listed_with(
    index: TinyIndex, wheelhouse: Path, http: urllib3.PoolManager
) -> None:
    wheel = make_wheel(wheelhouse, "A.b", "1.0", requires_python=">=3.9")
    index.add(wheel, yanked="bad", upload_time="2024-01-01T00:00:00Z", core_metadata="no-hash")
    index.add(make_sdist(wheelhouse, "A.b", "0.9"), hashes="md5", size=False, project="a-b")
    index.status("a.B", "archived", "moved on")

    page = http.request("GET", f"{index.url}a-b/", headers={"Accept": JSON_TYPE}).json()

    assert page["meta"] == {"api-version": "1.4"}
    assert page["project-status"] == {"status": "archived", "reason": "moved on"}
    assert page["versions"] == ["0.9", "1.0"]
    assert page["files"][0] == {
        "filename": wheel.name,
        "url": f"../../{index.listing('a-b').files[0].location}",
        "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()},
        "requires-python": ">=3.9",
        "size": wheel.stat().st_size,
        "upload-time": "2024-01-01T00:00:00Z",
        "yanked": "bad",
        "core-metadata": True,
        "dist-info-metadata": True,
    }
    assert list(page["files"][1]["hashes"]) == ["md5"]
    assert "size" not in page["files"][1]
    assert "requires-python" not in page["files"][1]


def test_a_json_page_of_the_first_version_has_no_later_fields(index: TinyIndex, http: urllib3.PoolManager) -> None:
    index.api_version = "1.0"
    index.wheel("a", "1.0").upload_time = "2024-01-01T00:00:00Z"

    page = http.request("GET", f"{index.url}a/", headers={"Accept": JSON_TYPE}).json()

    assert "versions" not in page
    assert not {"size", "upload-time"} & set(page["files"][0])


def test_an_html_page_says_what_the_files_were_listed_with(index: TinyIndex, http: urllib3.PoolManager) -> None:
    file = index.wheel("a", "1.0", requires_python=">=3.9,<4")
    file.yanked = 'say "why"'
    index.status("a", "deprecated", "use b")

    page = http.request("GET", f"{index.url}a/", headers={"Accept": HTML_TYPE}).data.decode()

    assert f'href="../../{file.location}#sha256={file.sha256}"' in page
    assert 'data-requires-python="&gt;=3.9,&lt;4"' in page
    assert 'data-yanked="say &quot;why&quot;"' in page
    assert 'data-core-metadata="sha256=' in page
    assert 'data-dist-info-metadata="sha256=' in page
    assert '<meta name="pypi:project-status-reason" content="use b">' in page


def test_a_quarantined_project_offers_nothing(index: TinyIndex, http: urllib3.PoolManager) -> None:
    index.wheel("a", "1.0")
    index.status("a", "quarantined")

    page = http.request("GET", f"{index.url}a/", headers={"Accept": JSON_TYPE}).json()

    assert page["files"] == page["versions"] == []


def test_names_are_redirected_to_their_normal_form_and_unknown_ones_are_not_found(
    index: TinyIndex, http: urllib3.PoolManager
) -> None:
    index.wheel("a-b", "1.0")
    index.raw("odd", b"<a href=x>")

    moved = http.request("GET", f"{index.url}A_b/", redirect=False)
    slashless = http.request("GET", f"{index.url}a-b", redirect=False)

    assert (moved.status, moved.headers["Location"]) == (301, "/simple/a-b/")
    assert (slashless.status, slashless.headers["Location"]) == (301, "/simple/a-b/")
    assert http.request("GET", f"{index.url}c/").status == 404
    assert http.request("GET", f"{index.url}odd/").data == b"<a href=x>"
    assert b'<a href="a-b/">' in http.request("GET", index.url).data


def test_what_is_removed_is_gone(index: TinyIndex, http: urllib3.PoolManager) -> None:
    file = index.wheel("a", "1.0")

    index.remove(file.filename)
    empty = http.request("GET", f"{index.url}a/")
    index.remove("A")

    assert b"href" not in empty.data
    assert http.request("GET", f"{index.root}/{file.location}").status == 404
    assert http.request("GET", f"{index.url}a/").status == 404


def test_a_file_may_change_under_its_address(index: TinyIndex, http: urllib3.PoolManager) -> None:
    file = index.wheel("a", "1.0")
    address, claimed = f"{index.root}/{file.location}", file.hashes

    file.content = b"tampered"
    page = http.request("GET", f"{index.url}a/", headers={"Accept": JSON_TYPE}).json()

    assert http.request("GET", address).data == b"tampered"
    assert page["files"][0]["hashes"] == claimed


def test_a_missing_sidecar_is_advertised(index: TinyIndex, http: urllib3.PoolManager) -> None:
    file = index.wheel("a", "1.0")
    file.core_metadata = "missing"

    page = http.request("GET", f"{index.url}a/", headers={"Accept": JSON_TYPE}).json()

    assert page["files"][0]["core-metadata"]
    assert http.request("GET", f"{index.root}/{file.location}.metadata").status == 404


def test_ranges_are_sliced_as_asked(index: TinyIndex, http: urllib3.PoolManager) -> None:
    file = index.wheel("a", "1.0")
    url, size = f"{index.root}/{file.location}", len(file.content)

    def fetch(asked: str) -> tuple[int, bytes, str | None]:
        response = http.request("GET", url, headers={"Range": asked})
        return response.status, response.data, response.headers.get("Content-Range")

    assert fetch("bytes=2-5") == (206, file.content[2:6], f"bytes 2-5/{size}")
    assert fetch("bytes=-10") == (206, file.content[-10:], f"bytes {size - 10}-{size - 1}/{size}")
    assert fetch(f"bytes=-{size + 5}") == (206, file.content, f"bytes 0-{size - 1}/{size}")
    assert fetch("bytes=7-") == (206, file.content[7:], f"bytes 7-{size - 1}/{size}")
    assert fetch(f"bytes={size}-") == (416, b"", f"bytes */{size}")
    assert fetch("bytes=0-1,4-5")[0] == 200
    assert http.request("HEAD", url).headers["Content-Length"] == str(size)


@pytest.mark.parametrize(
    ("how", "asked", "status", "whole", "promise"),
    [
        (False, "bytes=2-5", 200, True, "none"),
        ("ignored", "bytes=2-5", 200, True, "bytes"),
        ("wrong", "bytes=2-5", 206, False, "bytes"),
        ("lying", "bytes=2-5", 206, False, "bytes"),
        ("no-negative", "bytes=-5", 416, False, "bytes"),
        ("no-negative", "bytes=2-5", 206, False, "bytes"),
    ],
)
def test_ranges_go_wrong_as_asked(
    *, index: TinyIndex, http: urllib3.PoolManager, how: Ranges, asked: str, status: int, whole: bool, promise: str
) -> None:
    file = index.wheel("a", "1.0")
    index.ranges = how

    response = http.request("GET", f"{index.root}/{file.location}", headers={"Range": asked})

    assert (response.status, response.data == file.content) == (status, whole)
    assert response.headers["Accept-Ranges"] == promise
    if how in {"wrong", "lying"}:
        assert response.data == file.content[:4]
        assert response.headers["Content-Range"].startswith("bytes 0-3/" if how == "wrong" else "bytes 2-5/")


def test_validators_answer_304_until_the_page_changes(index: TinyIndex, http: urllib3.PoolManager) -> None:
    index.cache_control = "max-age=600"
    index.wheel("a", "1.0")

    first = http.request("GET", f"{index.url}a/")
    again = http.request("GET", f"{index.url}a/", headers={"If-None-Match": first.headers["ETag"]})
    index.wheel("a", "2.0")
    changed = http.request("GET", f"{index.url}a/", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "max-age=600"
    assert (again.status, again.data, changed.status) == (304, b"", 200)


@pytest.mark.parametrize(("how", "layers"), [(True, 1), ("double", 2)])
def test_pages_are_compressed(index: TinyIndex, http: urllib3.PoolManager, how: Compression, layers: int) -> None:
    index.compression = how
    headers = {"Accept-Encoding": "gzip", "Accept": JSON_TYPE}

    response = http.request("GET", index.url, headers=headers, decode_content=False)
    body = response.data
    for _ in range(layers):
        body = gzip.decompress(body)

    assert response.headers["Content-Encoding"] == "gzip"
    assert json.loads(body)["projects"] == []


def test_absolute_links_name_the_host(index: TinyIndex, http: urllib3.PoolManager) -> None:
    index.absolute_urls = True
    file = index.wheel("a", "1.0")

    page = http.request("GET", f"{index.url}a/", headers={"Accept": JSON_TYPE}).json()

    assert page["files"][0]["url"] == f"{index.root}/{file.location}"


def test_requests_are_kept_and_connections_too(index: TinyIndex, http: urllib3.PoolManager) -> None:
    index.wheel("a", "1.0")

    for _ in range(3):
        http.request("GET", f"{index.url}a/?x=1", headers={"X-Test": "yes"})

    assert index.connections == 1
    assert [(request.method, request.path, request.status) for request in index.requests] == [
        ("GET", "/simple/a/?x=1", 200)
    ] * 3
    assert index.requests[0].headers["x-test"] == "yes"


# Faults


def test_faults_come_once_each_in_their_order_and_only_where_they_match(
    index: TinyIndex, http: urllib3.PoolManager
) -> None:
    index.wheel("a", "1.0")
    index.fault("/simple/a/", 429, 503, headers={"Retry-After": "1"})

    elsewhere = http.request("GET", index.url).status
    answers = [http.request("GET", f"{index.url}a/") for _ in range(3)]

    assert elsewhere == 200
    assert [answer.status for answer in answers] == [429, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"


@pytest.mark.parametrize(("times", "expected"), [(2, [500, 500, 404]), (None, [500, 500, 500])])
def test_faults_repeat_as_often_as_asked(
    index: TinyIndex, http: urllib3.PoolManager, times: int | None, expected: list[int]
) -> None:
    index.fault("*/a/", 500, times=times)

    assert [http.request("GET", f"{index.url}a/").status for _ in range(3)] == expected


def test_a_truncated_body_is_shorter_than_promised(index: TinyIndex, http: urllib3.PoolManager) -> None:
    file = index.wheel("a", "1.0")
    index.fault("*.whl", "truncate")

    with pytest.raises(urllib3.exceptions.ProtocolError, match=f"{len(file.content) // 2} bytes read"):
        http.request("GET", f"{index.root}/{file.location}")

    assert http.request("GET", f"{index.root}/{file.location}").data == file.content


def test_a_reset_is_no_answer(index: TinyIndex, http: urllib3.PoolManager) -> None:
    index.fault("*", "reset")

    with pytest.raises(urllib3.exceptions.ProtocolError) as caught:
        http.request("GET", index.url)

    assert isinstance(caught.value.args[1], ConnectionResetError)
    assert [request.status for request in index.requests] == [0]


def test_bodies_that_are_no_page(index: TinyIndex, http: urllib3.PoolManager) -> None:
    index.fault("*", "garbage-json", "login-page")

    garbage, login = (http.request("GET", index.url, headers={"Accept": JSON_TYPE}) for _ in range(2))

    assert (garbage.status, garbage.headers["Content-Type"]) == (200, JSON_TYPE)
    with pytest.raises(json.JSONDecodeError):
        garbage.json()
    assert (login.status, login.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<a" not in login.data


@pytest.mark.parametrize("kind", ["hang", "stall"])
def test_an_index_hangs_until_the_client_gives_up_and_closes_all_the_same(kind: Literal["hang", "stall"]) -> None:
    with TinyIndex() as index, urllib3.PoolManager(retries=False, timeout=0.05) as http:
        index.fault("*", kind)
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            http.request("GET", index.url)

    assert not [thread for thread in threading.enumerate() if thread.name == "loopback-server"]


def test_closing_ends_kept_connections_and_the_port(http: urllib3.PoolManager) -> None:
    before = threading.active_count()
    with TinyIndex() as index:
        http.request("GET", index.url)
        url = index.url

    assert threading.active_count() == before
    with pytest.raises(urllib3.exceptions.HTTPError):
        http.request("GET", url)


def test_a_mistake_in_the_answering_code_fails_the_test_that_made_it() -> None:
    def slip(_call: Call) -> Reply:
        raise KeyError("slip")

    def ask() -> None:
        with (
            LoopbackServer(slip) as server,
            urllib3.PoolManager(retries=False, timeout=30) as http,
            pytest.raises(urllib3.exceptions.ProtocolError),
        ):
            http.request("GET", server.root)

    with pytest.raises(KeyError, match="slip"):
        ask()


# Projects and environments


def test_a_project_runs_commands_without_the_settings_of_the_machine(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module named zlock in place of the real one shows what the command is given."""
    monkeypatch.setenv("UV_INDEX_URL", "http://index.example/")
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.example/")
    fake = """
        import json, os, sys
        print(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}))
        sys.exit(7)
    """
    modules = project.write("../modules/zlock.py", fake).parent

    result = project.run("resolve", "--check", env={"PYTHONPATH": str(modules), "MINE": "1"})
    seen = json.loads(result.stdout)

    assert result.code == 7
    assert seen["arguments"] == ["resolve", "--check", "--cache-dir", str(project.cache)]
    assert seen["environment"]["MINE"] == "1"
    assert seen["environment"]["HOME"] == str(project.home)
    assert not [name for name in seen["environment"] if name.startswith(("PIP_", "UV_"))]
    assert Path(seen["folder"]) == project.folder


def test_a_command_that_takes_too_long_is_ended(project: Project) -> None:
    modules = project.write("../modules/zlock.py", "import time; time.sleep(600)").parent

    with pytest.raises(subprocess.TimeoutExpired):
        project.run("resolve", env={"PYTHONPATH": str(modules)}, timeout=0.1)


def test_a_forked_command_that_takes_too_long_is_ended(project: Project, index: TinyIndex) -> None:
    project.configure({"python": "3.12", "index": [{"url": index.url}], "docker": {"requirements": ["a"]}})
    index.fault("/simple/*", "hang", times=None)

    with pytest.raises(subprocess.TimeoutExpired):
        project.run("resolve", timeout=0.5)
    assert not [each for each in Path("/proc").glob("[0-9]*/cwd") if links_to(each, project.folder)]


def links_to(path: Path, folder: Path) -> bool:
    try:
        return path.readlink() == folder
    except OSError:  # the process has ended
        return False


@pytest.mark.parametrize("arguments", ["--version", "--help", "resolve", "resolve --check --json", "tree", "no-such"])
def test_a_forked_command_prints_and_ends_as_a_started_one(project: Project, index: TinyIndex, arguments: str) -> None:
    index.wheel("a", "1")
    project.configure({"python": "3.12", "index": [{"url": index.url}], "docker": {"requirements": ["a"]}})
    started = {"LANG": "C.UTF-8"}
    assert can_fork(None)
    assert not can_fork(started)
    assert project.run("resolve").code == 0

    assert project.run(*arguments.split()) == project.run(*arguments.split(), env=started)


def test_a_started_command_is_killed_with_its_children(project: Project) -> None:
    """The child shares the output, which ends only when the child has."""
    fake = """
        import subprocess, sys
        child = "import time; print('ready', flush=True); time.sleep(20); print('survived')"
        subprocess.run([sys.executable, "-c", child])
    """
    modules = project.write("../modules/zlock.py", fake).parent

    with project.start("resolve", env={"PYTHONPATH": str(modules)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        kill_group(process)
        rest = process.stdout.read()

    assert rest == ""


@pytest.mark.parametrize("arguments", [("--version",), ("plan", "--cache-dir", "x"), ("plan", "--cache-dir=x")])
def test_a_project_adds_no_cache_folder_where_one_is_said_or_none_fits(
    project: Project, arguments: tuple[str, ...]
) -> None:
    modules = project.write("../modules/zlock.py", "import sys; print(*sys.argv[1:])").parent

    result = project.run(*arguments, env={"PYTHONPATH": str(modules)})

    assert result.stdout.split() == list(arguments)


def test_a_project_reads_its_locks(project: Project) -> None:
    project.configure({"python": "3.12", "docker": {"requirements": ["a"]}})
    project.pipeline("""
        from zlock import pipeline
    """)
    project.write("lockfiles/pylock.train.toml", '[[packages]]\nname = "a"\nversion = "1"\n')

    assert (project.folder / "zlock.toml").read_text(encoding="utf-8").startswith('python = "3.12"\n')
    assert (project.folder / "pipeline.py").read_text(encoding="utf-8") == "from zlock import pipeline\n"
    assert project.locked("train") == {"a": "1"}


def test_an_environment_is_empty_and_its_own(tmp_path: Path) -> None:
    python = make_venv(tmp_path / "one")
    asked = [str(python), "-c", "import sys; print(sys.prefix)"]

    assert subprocess.check_output(asked, text=True).strip() == str(tmp_path / "one")
    assert installed(python) == {}
