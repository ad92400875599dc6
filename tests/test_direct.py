"""Direct references: archives over real HTTP, folders and files, and real git repositories."""

from __future__ import annotations

import base64
import functools
import hashlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from support.git import GitRepository
from support.index import TinyIndex
from support.wheels import make_sdist, make_tree, make_wheel
from zlock.errors import CommandFailed, IndexFailed, InvalidRequirements, NoEligibleRelease, Problems, ZlockError
from zlock.index.auth import Credentials
from zlock.index.client import Client
from zlock.index.direct import find_reference, find_references
from zlock.index.network import Network
from zlock.index.sdist import SdistBuilder
from zlock.model.distribution import Reference

RUNNING = f"3.{sys.version_info.minor}"
Find = Callable[..., Reference]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep temporary folders, git's settings and uv's cache inside the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project folder."""
    project = tmp_path / "project"
    project.mkdir()
    return project


@pytest.fixture
def find(folder: Path) -> Find:
    """Find a reference of `a`, or of another name."""
    client = Client(Network(retries=0), Credentials({}))

    def fetch(url: str) -> bytes:
        answer = client.get(client.credentials.add_index(None, url))
        if answer.status != 200:
            raise IndexFailed(f"answered {answer.status}")
        return answer.body

    def call(url: str, name: str = "a", *, offline: bool = False, allowed: bool = True) -> Reference:
        builder = SdistBuilder(lambda _: allowed, python=RUNNING, default_index=None, timeout=120)
        normalized = canonicalize_name(name)
        return find_reference(normalized, url, project=folder, fetch=fetch, builder=builder, offline=offline)

    return call


def failure(find: Find, kind: type[ZlockError], url: str, **options: object) -> str:
    """Return all that the error says."""
    with pytest.raises(kind) as caught:
        find(url, **options)
    return "\n".join((caught.value.message, *caught.value.context, caught.value.hint))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Archives over HTTP


def test_a_wheel_by_url(find: Find, index: TinyIndex) -> None:
    file = index.wheel("a", "1.0", requires=["b>=1"])
    url = f"{index.root}/{file.location}"
    reference = find(f"{url}#sha256={hashlib.sha256(file.content).hexdigest()}")
    assert reference == replace(
        reference,
        requested=url,
        kind="archive",
        url=url,
        path="",
        hashes=(("sha256", hashlib.sha256(file.content).hexdigest()),),
        size=len(file.content),
        filename="a-1.0-py3-none-any.whl",
        commit="",
    )
    assert [str(dependency) for dependency in reference.metadata.dependencies] == ["b>=1"]


def test_an_sdist_by_url_is_built_where_that_is_allowed(find: Find, index: TinyIndex) -> None:
    file = index.sdist("a", "1.0", static=False, requires=["b"])
    url = f"{index.root}/{file.location}"
    assert [str(dependency) for dependency in find(url).metadata.dependencies] == ["b"]
    said = failure(find, NoEligibleRelease, url, allowed=False)
    assert "`a` needs a build" in said
    assert 'build-sdists = ["a"]' in said


def test_credentials_reach_the_server_and_nothing_else(find: Find, index: TinyIndex) -> None:
    index.auth = ("me", "hush")
    file = index.wheel("a", "1.0")
    plain = f"{index.root}/{file.location}"
    url = plain.replace("http://", "http://me:hush@")
    reference = find(url)
    assert (reference.requested, reference.url) == (plain, plain)
    assert "hush" not in failure(find, IndexFailed, f"{url}#sha256={'0' * 64}")
    assert "hush" not in failure(find, InvalidRequirements, url, name="b")


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_wrong_hash_names_both(find: Find, index: TinyIndex, algorithm: str) -> None:
    file = index.wheel("a", "1.0")
    url = f"{index.root}/{file.location}#egg=a&{algorithm}="
    right = hashlib.new(algorithm, file.content).hexdigest()
    wrong = "0" * len(right)
    assert find(url + right.upper()).size == len(file.content)
    said = failure(find, IndexFailed, url + wrong)
    assert f"{algorithm} {wrong}" in said
    assert f"{algorithm} {right}" in said


def test_a_hash_of_the_wrong_form_is_refused(find: Find) -> None:
    assert "not a digest of the algorithm" in failure(
        find, InvalidRequirements, "https://index.example/a-1-py3-none-any.whl#sha256=0"
    )


def test_offline_asks_no_one(find: Find, index: TinyIndex) -> None:
    file = index.wheel("a", "1.0")
    assert "--offline" in failure(find, IndexFailed, f"{index.root}/{file.location}", offline=True)
    assert "--offline" in failure(find, IndexFailed, "git+https://index.example/a", offline=True)
    assert not index.requests


def test_another_package_is_refused(find: Find, index: TinyIndex, wheelhouse: Path) -> None:
    wheel = index.wheel("b", "1.0")
    assert "is `b`, another package" in failure(find, InvalidRequirements, f"{index.root}/{wheel.location}")
    sdist = make_sdist(wheelhouse, "b", "1.0")
    assert "is `b`, another package" in failure(find, InvalidRequirements, sdist.as_uri())
    assert "is `b`, another package" in failure(find, InvalidRequirements, f"{sdist.as_uri()}#egg=b", name="a")


def test_a_wheel_whose_metadata_disagrees_with_its_name_is_refused(find: Find, wheelhouse: Path) -> None:
    text = "Metadata-Version: 2.1\nName: a\nVersion: 1.1\n"
    wheel = make_wheel(wheelhouse, "a", "1.0", metadata=text)
    assert "says that it is `a` 1.1" in failure(find, IndexFailed, wheel.as_uri())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://index.example/a-1.0.exe", "neither a wheel nor an sdist"),
        ("https://index.example/a", "git+https://"),
        ("https://index.example/", "neither a wheel nor an sdist"),
        ("https://index.example/%2e%2e%2fa-1.0.tar.gz", "no usable file name"),
        ("https://index.example/..%5Ca-1.0.tar.gz", "no usable file name"),
        ("https://index.example/a.whl", "is not one of a wheel"),
        ("https://index.example/b-1.0-py3-none-any.whl", "is `b`, another package"),
        ("https://[::1/a-1.0.tar.gz", "not a valid URL"),
        ("https://index.example:port/a-1.0.tar.gz", "port is not a number"),
        ("https://index.example/a-1.0.tar.gz#subdirectory=../x", "leads out"),
        ("ftp://index.example/a-1.0.tar.gz", "scheme is unknown"),
        ("file://elsewhere.example/a-1.0.tar.gz", "another machine"),
        ("hg+https://index.example/a", "only git is understood"),
        ("svn+ssh://index.example/a", "only git is understood"),
        ("git+git@index.example:a", "git+ssh://git@host/path"),
        ("git+ext::sh -c x", "scheme is unknown"),
        ("git+https:///a", "no host"),
        ("git+git://index.example/a", "not a git URL"),
        ("git+ssh://-oProxyCommand=x/a", "pass for an option"),
        ("git+https://index.example/a@", "no revision after"),
        ("git+https://index.example/a@--upload-pack=x", "does not allow"),
        ("git+https://index.example/a@%2d-upload-pack=x", "does not allow"),
        ("git+https://index.example/a@main~1", "does not allow"),
        ("git+https://index.example/a@x%0ay", "does not allow"),
        ("", "no scheme"),
        ("../a", "no scheme"),
    ],
)
def test_a_wrong_url_is_refused_before_anything_is_fetched(find: Find, url: str, said: str) -> None:
    assert said in failure(find, InvalidRequirements, url)


def test_bytes_that_are_no_archive_are_refused(find: Find, wheelhouse: Path) -> None:
    for name in ("a-1.0-py3-none-any.whl", "a-1.0.tar.gz", "a-1.0.zip"):
        (wheelhouse / name).write_bytes(b"<html>")
        assert "not a readable" in failure(find, IndexFailed, (wheelhouse / name).as_uri())


def test_an_archive_named_after_a_tag_is_what_its_metadata_says(find: Find, wheelhouse: Path) -> None:
    sdist = make_sdist(wheelhouse, "a", "1.0").rename(wheelhouse / "v1.0.tar.gz")
    assert find(sdist.as_uri()).metadata.version == "1.0"


def test_a_subdirectory_of_an_archive_is_read(find: Find, wheelhouse: Path) -> None:
    inner = b'[project]\nname = "a"\nversion = "2"\n'
    sdist = make_sdist(wheelhouse, "outer", "1.0", files={"packages/a/pyproject.toml": inner})
    reference = find(f"{sdist.as_uri()}#subdirectory=packages/a")
    assert (reference.metadata.version, reference.subdirectory) == ("2", "packages/a")
    assert "no folder `none`" in failure(find, IndexFailed, f"{sdist.as_uri()}#subdirectory=none")


# Files and folders


def test_a_file_is_named_from_the_project_or_by_the_absolute_path_that_was_stated(
    find: Find, folder: Path, wheelhouse: Path
) -> None:
    wheel = make_wheel(wheelhouse, "a", "1.0")
    relative = "../wheelhouse/a-1.0-py3-none-any.whl"
    for url, path in {
        wheel.as_uri(): str(wheel),
        f"file://localhost{wheel}": str(wheel),
        f"file:{relative}": relative,
    }.items():
        reference = find(url, offline=True)
        expected = ("archive", "", path, (("sha256", sha256(wheel)),))
        assert (reference.kind, reference.url, reference.path, reference.hashes) == expected
        assert reference.requested == url
    inside = make_wheel(folder, "a", "2.0")
    assert find(inside.as_uri()).path == "a-2.0-py3-none-any.whl"


def test_a_name_with_spaces_and_percents_is_found(find: Find, tmp_path: Path) -> None:
    odd = tmp_path / "odd 100%25 folder"
    odd.mkdir()
    wheel = make_wheel(odd, "a", "1.0")
    assert find(wheel.as_uri()).path == str(wheel)
    assert find("file:../odd%20100%2525%20folder/a-1.0-py3-none-any.whl").path == f"../odd 100%25 folder/{wheel.name}"


def test_local_places_that_a_folder_requires_are_written_as_the_steps_are(find: Find, folder: Path) -> None:
    """A backend writes them as absolute, wherever the project is."""
    for tree in (folder / "a", folder.parent / "fixed"):
        make_tree(
            tree, "a", "1.0", requires=[f"b @ {(folder.parent / 'b').as_uri()}", f"c @ {(folder / 'c').as_uri()}"]
        )
    inside = find("file:a").metadata.dependencies
    outside = find((folder.parent / "fixed").as_uri()).metadata.dependencies
    assert [need.url for need in inside] == ["file:../b", "file:c"]
    assert [need.url for need in outside] == [(folder.parent / "b").as_uri(), "file:c"]


def test_a_folder_is_a_directory(find: Find, folder: Path) -> None:
    tree = make_tree(folder / "libs" / "a", "a", "1.0", static=False, requires=["b"])
    reference = find(f"{tree.as_uri()}")
    assert (reference.kind, reference.path, reference.url, reference.hashes) == ("directory", "libs/a", "", ())
    assert [str(dependency) for dependency in reference.metadata.dependencies] == ["b"]
    assert find("file:libs#subdirectory=./a/").subdirectory == "a"


def test_the_project_itself_can_be_named(find: Find, folder: Path) -> None:
    make_tree(folder, "a", "1.0")
    assert find("file:.").path == "."


def test_what_is_not_there_is_said_to_be_missing(find: Find, folder: Path) -> None:
    assert str(folder / "a-1-py3-none-any.whl") in failure(find, InvalidRequirements, "file:a-1-py3-none-any.whl")
    assert "is not there" in failure(find, InvalidRequirements, (folder / "gone").as_uri())
    (folder / "loop").symlink_to("loop")
    assert "is not there" in failure(find, InvalidRequirements, "file:loop/a")
    (folder / "empty").mkdir()
    assert "not a Python project" in failure(find, InvalidRequirements, "file:empty")
    (folder / "text.txt").write_text("a", encoding="utf-8")
    assert "neither a wheel nor an sdist" in failure(find, InvalidRequirements, "file:text.txt")


# Git


@pytest.fixture(scope="module")
def two_commits(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    """A repository with two commits: the first is tagged, the second the head of main."""
    made = GitRepository(tmp_path_factory.mktemp("git") / "repository")
    made.commit("1")
    made.git("tag", "v1")
    made.git("tag", "--annotate", "--message", "one", "one")
    made.git("branch", "topic/one")
    made.commit("2")
    return made


@pytest.fixture
def repository(two_commits: GitRepository, tmp_path: Path) -> GitRepository:
    """A copy of that repository, for one test."""
    return two_commits.copied(tmp_path / "repository")


def test_the_default_branch_is_taken_at_its_commit(find: Find, repository: GitRepository, temporary: Path) -> None:
    reference = find(repository.url)
    assert reference == replace(
        reference,
        requested=repository.url,
        kind="vcs",
        url=repository.folder.as_uri(),
        path="",
        requested_revision="",
        commit=repository.git("rev-parse", "HEAD"),
        hashes=(),
    )
    assert reference.metadata.version == "2"
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("revision", ["v1", "one", "topic/one", "refs/tags/v1", "refs/heads/topic/one"])
def test_a_revision_becomes_its_commit(find: Find, repository: GitRepository, revision: str) -> None:
    reference = find(f"{repository.url}@{revision}")
    assert (reference.metadata.version, reference.requested_revision) == ("1", revision)
    assert (reference.commit, reference.url) == (repository.git("rev-parse", "v1"), repository.folder.as_uri())


@pytest.mark.parametrize("digits", [7, 12, 40])
def test_a_commit_may_be_short(find: Find, repository: GitRepository, digits: int) -> None:
    commit = repository.git("rev-parse", "v1")
    assert find(f"{repository.url}@{commit[:digits]}").commit == commit


def test_a_branch_goes_before_a_tag_of_its_name(find: Find, repository: GitRepository) -> None:
    repository.git("tag", "main", "v1")
    assert find(f"{repository.url}@main").metadata.version == "2"


def test_a_commit_of_no_branch_is_asked_for_by_itself(find: Find, repository: GitRepository) -> None:
    repository.git("config", "uploadpack.allowAnySHA1InWant", "true")
    lost = repository.commit("3")
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    assert find(f"{repository.url}@{lost}").commit == lost


def test_a_subdirectory_of_a_repository_is_read(find: Find, repository: GitRepository) -> None:
    repository.commit("7", at="packages/inner", name="inner")
    url = f"{repository.url}#subdirectory=packages/inner&egg=inner"
    reference = find(url, name="inner")
    assert (reference.metadata.version, reference.subdirectory) == ("7", "packages/inner")
    assert reference.requested == repository.url
    assert "no folder `none`" in failure(find, IndexFailed, f"{repository.url}#subdirectory=none")


def test_a_link_out_of_the_repository_is_not_followed(find: Find, repository: GitRepository, tmp_path: Path) -> None:
    make_tree(tmp_path / "outside", "a", "9")
    (repository.folder / "link").symlink_to(tmp_path / "outside")
    repository.commit("3")
    assert "no folder `link`" in failure(find, IndexFailed, f"{repository.url}#subdirectory=link")


def test_submodules_come_along(find: Find, repository: GitRepository, tmp_path: Path) -> None:
    inner = GitRepository(tmp_path / "inner")
    inner.commit("5", name="inner")
    repository.git("submodule", "--quiet", "add", inner.folder.as_uri(), "modules/inner")
    repository.git("commit", "--quiet", "--message", "submodule")
    assert find(f"{repository.url}#subdirectory=modules/inner", name="inner").metadata.version == "5"


def test_the_history_is_there_for_a_build(find: Find, repository: GitRepository) -> None:
    code = "['found-' + os.popen('git describe --tags').read().strip().split('-')[0]]"
    make_tree(repository.folder, "a", "3", static=False, requires_code=code)
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message", "3")
    assert [dependency.name for dependency in find(repository.url).metadata.dependencies] == ["found-one"]


def test_a_git_hook_of_this_project_does_not_lead_git_astray(
    find: Find, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert find(repository.url).metadata.version == "2"


def test_what_a_repository_lacks_is_named(find: Find, repository: GitRepository, tmp_path: Path) -> None:
    assert "no branch, tag or commit `gone`" in failure(find, InvalidRequirements, f"{repository.url}@gone")
    assert "no branch, tag or commit" in failure(find, InvalidRequirements, f"{repository.url}@{'ab' * 20}")
    assert "is not there" in failure(find, InvalidRequirements, f"git+{(tmp_path / 'gone').as_uri()}@v1")
    empty = GitRepository(tmp_path / "empty")
    assert "is empty" in failure(find, InvalidRequirements, empty.url)
    assert "git could not get" in failure(find, IndexFailed, f"git+{(tmp_path / 'temporary').as_uri()}")


def test_without_git_the_error_says_so(
    find: Find, repository: GitRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install git" in failure(find, CommandFailed, repository.url)


class _Guarded(SimpleHTTPRequestHandler):
    """Serves a folder to those who know the password."""

    def do_GET(self) -> None:
        expected = base64.b64encode(b"me:hush/1").decode()
        if self.headers.get("Authorization") == f"Basic {expected}":
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="guarded"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def guarded(repository: GitRepository, tmp_path: Path) -> Iterator[str]:
    """The repository behind a password, as the root of a server."""
    bare = tmp_path / "bare"
    repository.git("clone", "--quiet", "--bare", str(repository.folder), str(bare))
    subprocess.run(["git", "update-server-info"], cwd=bare, check=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Guarded, directory=str(bare))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_credentials_of_a_repository_stay_out_of_sight(find: Find, guarded: str, temporary: Path) -> None:
    url = f"git+{guarded.replace('://', '://me:hush%2F1@')}/@v1"
    reference = find(url)
    assert (reference.requested, reference.url) == (f"git+{guarded}/@v1", f"{guarded}/")
    assert reference.metadata.version == "1"
    said = failure(find, IndexFailed, url.replace("hush", "wrong"))
    assert "wrong" not in said
    assert "git could not get" in said
    assert not list(temporary.iterdir())


def test_a_password_that_is_missing_is_not_asked_for(find: Find, guarded: str) -> None:
    assert "without asking for a password" in failure(find, IndexFailed, f"git+{guarded}/")


# Several


class Graph:
    """References by URL, found as `find_reference` would."""

    def __init__(self, find: Find, folder: Path) -> None:
        self.find_one = find
        self.folder = folder
        self.asked: list[str] = []

    def add(self, name: str, version: str, *requires: str, extras: dict[str, list[str]] | None = None) -> str:
        return make_wheel(self.folder, name, version, requires=requires, extras=extras or {}).as_uri()

    def find(self, name: NormalizedName, url: str) -> Reference:
        self.asked.append(Path(urlsplit(url).path).name.split("-")[0])
        return self.find_one(url, name=name)

    def all(self, **urls: str) -> dict[NormalizedName, Reference]:
        wanted = [(canonicalize_name(name), url, f"line of {name}") for name, url in urls.items()]
        return find_references(wanted, self.find, lambda marker: "win32" not in marker)


@pytest.fixture
def graph(find: Find, wheelhouse: Path) -> Graph:
    """No references yet."""
    return Graph(find, wheelhouse)


def test_references_of_references_are_found_once(graph: Graph) -> None:
    c = graph.add("c", "1")
    b = graph.add("b", "1", f"c @ {c}", "plain>=1")
    a = graph.add("a", "1", f"b @ {b}", f"c @ {c}")
    found = graph.all(a=a)
    assert {name: reference.metadata.version for name, reference in found.items()} == {"a": "1", "b": "1", "c": "1"}
    assert sorted(graph.asked) == ["a", "b", "c"]


def test_a_circle_of_references_ends(graph: Graph) -> None:
    b = (graph.folder / "b-1-py3-none-any.whl").as_uri()
    a = graph.add("a", "1", f"b @ {b}")
    graph.add("b", "1", f"a @ {a}")
    assert set(graph.all(a=a)) == {"a", "b"}


def test_markers_of_the_target_decide_and_extras_all_count(graph: Graph) -> None:
    b = graph.add("b", "1")
    nowhere = (graph.folder / "gone-1-py3-none-any.whl").as_uri()
    a = graph.add(
        "a",
        "1",
        f"gone @ {nowhere} ; sys_platform == 'win32'",
        extras={"x": [f"b @ {b}"], "y": [f"gone @ {nowhere} ; sys_platform == 'win32'"]},
    )
    assert set(graph.all(a=a)) == {"a", "b"}


def test_two_places_for_one_name_are_named(graph: Graph) -> None:
    first, second = graph.add("b", "1"), graph.add("b", "2")
    a = graph.add("a", "1", f"b @ {second}")
    with pytest.raises(InvalidRequirements) as caught:
        graph.all(a=a, b=first)
    assert caught.value.message == "`b` is required from two places"
    assert caught.value.context == (f"`{first}`, required by line of b", f"`{second}`, required by a 1")


def test_the_same_place_with_a_hash_is_still_checked(graph: Graph) -> None:
    b = graph.add("b", "1")
    a = graph.add("a", "1", f"b @ {b}#sha256={'0' * 64}")
    with pytest.raises(IndexFailed, match="wrong hash"):
        graph.all(a=a, b=b)


def test_all_failures_are_told_at_once(graph: Graph) -> None:
    with pytest.raises(Problems) as caught:
        graph.all(a="file:gone", b="ftp://index.example/b")
    assert [error.context[-1] for error in caught.value.errors] == ["required by line of a", "required by line of b"]
    assert caught.value.worst == 2
