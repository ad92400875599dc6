"""Metadata of sdists and source trees: stated or built, always for real."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from support.index import TinyIndex
from support.wheels import SdistOptions, make_sdist, make_tree
from zlock.errors import NoEligibleRelease, ZlockError
from zlock.index.sdist import BuildFailed, SdistBuilder, folder_in
from zlock.index.tree import unpack
from zlock.model.distribution import Metadata
from zlock.model.ports import InvalidMetadata
from zlock.reporting import Activity, Doing, News, Note, Reporter, unheard

RUNNING = f"3.{sys.version_info.minor}"
A = canonicalize_name("a")
LEAKS = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_X_PASSWORD", "PYTHONPATH", "VIRTUAL_ENV", "GIT_DIR")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep uv's cache and all temporary folders inside the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return folder


def builder(
    *,
    allowed: bool = True,
    python: str = RUNNING,
    index: str | None = None,
    timeout: float = 120,
    reporter: Reporter = unheard,
) -> SdistBuilder:
    return SdistBuilder(lambda _: allowed, python=python, default_index=index, timeout=timeout, reporter=reporter)


def built(folder: Path, of: SdistBuilder | None = None, **options: object) -> Metadata:
    """Make an sdist `a` 1.0 that needs a build, and return its metadata."""
    typed: SdistOptions = {"static": False, **options}  # type: ignore[typeddict-item]
    sdist = make_sdist(folder, "a", "1.0", **typed)
    return (of or builder()).build_archive(io.BytesIO(sdist.read_bytes()), sdist.name)


def failure(folder: Path, of: SdistBuilder | None = None, **options: object) -> BuildFailed:
    with pytest.raises(BuildFailed) as caught:
        built(folder, of, **options)
    assert caught.value.exit_code == 3
    return caught.value


def written(error: ZlockError) -> str:
    return "\n".join((error.message, *error.context, error.hint))


def project(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def stated(folder: Path) -> Metadata:
    """Read a tree that may not be built."""
    return builder(allowed=False).describe_tree(folder, name=A, what="here").metadata


def test_a_build_is_said_while_it_lasts(tmp_path: Path) -> None:
    heard: list[News] = []
    runs = SdistBuilder(lambda _: True, python=RUNNING, default_index=None, timeout=120, reporter=heard.append)
    built(tmp_path, runs)

    assert heard == [Doing(Activity.BUILDING, "a-1.0.tar.gz")]
    assert runs.building == {}


# What is stated


def test_a_static_project_table_is_enough(tmp_path: Path) -> None:
    project(
        tmp_path,
        """
        [project]
        name = "My_Project"
        version = "01.0"
        requires-python = ">=3.9"
        dependencies = ["b>=1 ; sys_platform == 'linux' or os_name == 'nt'", "c[x]"]
        dynamic = ["readme"]
        [project.optional-dependencies]
        Fast_Mode = ["d ; python_version < '4' or os_name == 'nt'", "e @ https://index.example/e-1.tar.gz"]
        all = ["my-project[fast-mode]"]
        """,
    )
    metadata = stated(tmp_path)
    assert metadata[:3] == ("my-project", "1.0", ">=3.9")
    assert metadata.extras == ("fast-mode", "all")
    assert [str(dependency) for dependency in metadata.dependencies] == [
        'b>=1 ; sys_platform == "linux" or os_name == "nt"',
        "c[x]",
        'd ; (python_version < "4" or os_name == "nt") and extra == "fast-mode"',
        'e @ https://index.example/e-1.tar.gz ; extra == "fast-mode"',
        'my-project[fast-mode] ; extra == "all"',
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "a"\ndynamic = ["version"]',
        '[project]\nname = "a"\nversion = "1"\ndynamic = ["dependencies"]',
        '[project]\nname = "a"\nversion = "1"\ndynamic = ["optional-dependencies"]',
        '[project]\nname = "a"\nversion = "1"\ndynamic = ["requires-python"]',
        '[project]\nname = "a"\nversion = "1"\n[tool.poetry.dependencies]\nb = "^1"',
        '[project]\nname = "a"\nversion = "1"\ndependencies = ["b @ {root:uri}/b"]',
        '[build-system]\nrequires = ["setuptools"]',
    ],
)
def test_what_a_backend_decides_is_not_taken_from_the_table(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoEligibleRelease) as caught:
        stated(project(tmp_path, text))
    assert 'build-sdists = ["a"]' in caught.value.hint
    assert "`a` needs a build" in caught.value.message


def test_a_static_pkg_info_answers_what_the_table_leaves_open(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path, "a", "1.0", requires=["b>2"], requires_python=">=3.8", backend="fails")
    metadata = builder(allowed=False).build_archive(io.BytesIO(sdist.read_bytes()), sdist.name)
    assert metadata[:3] == ("a", "1.0", ">=3.8")
    assert [str(dependency) for dependency in metadata.dependencies] == ["b>2"]


def test_an_old_pkg_info_is_not_trusted(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path, "a", "1.0", metadata_version="2.1")
    with pytest.raises(NoEligibleRelease, match="`a` needs a build"):
        builder(allowed=False).build_archive(io.BytesIO(sdist.read_bytes()), sdist.name)


def test_spellings_of_one_extra_in_a_table_are_that_extra(tmp_path: Path) -> None:
    text = '[project]\nname = "a"\nversion = "1"\n[project.optional-dependencies]\nd-e = ["b"]\nD_e = ["c"]\n'
    metadata = stated(project(tmp_path, text))
    assert metadata.extras == ("d-e",)
    assert list(map(str, metadata.dependencies)) == ['b ; extra == "d-e"', 'c ; extra == "d-e"']


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[project", "`pyproject.toml` is invalid"),
        ('[project]\nname = "a"\nversion = "1"\ndependencies = "b"', "`project.dependencies`: 'b' is not a list"),
        ('[project]\nname = "a"\nversion = "1"\ndependencies = ["b >>1"]', "`b >>1`, which is not a requirement"),
        ('[project]\nname = "a"\nversion = "one"', "`project.version`: Invalid version: 'one'"),
        ('[project]\nname = "-a"\nversion = "1"', "`project.name`: name is invalid: '-a'"),
        (
            '[project]\nname = "a"\nversion = "1"\nrequires-python = "3"',
            "`project.requires-python`: Invalid",
        ),
        ('[project]\nname = "a"\nversion = 1', "`project.version`: 1 is not a text"),
        (
            '[project]\nname = "a"\nversion = "1"\noptional-dependencies = []',
            "`project.optional-dependencies`: ",
        ),
        ("[build-system]", "`build-system.requires`: it is not there"),
        ('[build-system]\nrequires = ["--index-url=x"]', "requires `--index-url=x`"),
        ('[build-system]\nrequires = []\nbackend-path = ["../x"]', "leads out"),
    ],
)
def test_a_broken_pyproject_says_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidMetadata, match=reason):
        stated(project(tmp_path, text))


def test_a_folder_that_is_a_circle_of_links_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    with pytest.raises(InvalidMetadata, match="it has no folder `one/lib`"):
        folder_in(tmp_path, "one/lib")


def test_a_folder_without_a_project_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(InvalidMetadata, match="neither"):
        stated(tmp_path)


# What is built


@pytest.mark.parametrize("backend", ["works", "no-prepare"])
def test_a_build_tells_what_is_decided_there(tmp_path: Path, temporary: Path, backend: str) -> None:
    metadata = built(tmp_path, backend=backend, requires=["b"], requires_code="['c>=%d' % sys.version_info[0]]")
    assert [str(dependency) for dependency in metadata.dependencies] == ["b", "c>=3"]
    assert not list(temporary.iterdir())


def test_a_zip_is_built_too(tmp_path: Path) -> None:
    assert built(tmp_path, form="zip", requires=["b"]).version == "1.0"


def test_a_folder_is_built_where_it_is_and_stays_as_it_was(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", "a", "1.0", static=False, requires=["b"])
    before = sorted(tree.rglob("*"))
    metadata = builder().describe_tree(tree, name=A, what="here").metadata
    assert [str(dependency) for dependency in metadata.dependencies] == ["b"]
    assert sorted(tree.rglob("*")) == before


def test_build_requirements_come_from_the_index_with_its_credentials(tmp_path: Path, index: TinyIndex) -> None:
    index.auth = ("me", "hush")
    index.wheel("first", "1", files={"first/__init__.py": b"NAMES = ['b']"})
    index.wheel("second", "1", files={"second/__init__.py": b"NAMES = ['c']"})
    metadata = built(
        tmp_path,
        builder(index=index.url_with_credentials),
        build_requires=["first>=1 ; python_version >= '3'"],
        wheel_requires=["second"],
        requires_code="__import__('first').NAMES + __import__('second').NAMES",
    )
    assert [dependency.name for dependency in metadata.dependencies] == ["b", "c"]


@pytest.mark.parametrize("form", ["a page per project", "flat", "flat, by URL"])
def test_build_requirements_come_from_a_folder_where_that_is_the_index(
    tmp_path: Path, index: TinyIndex, form: str
) -> None:
    index.wheel("only-here", "1", files={"only_here/__init__.py": b"NAMES = ['b']"})
    static = index.write_static(tmp_path / "an index")
    flat = static.find_links
    places = {"a page per project": static.url, "flat": str(flat), "flat, by URL": flat.as_uri()}
    metadata = built(
        tmp_path,
        builder(index=places[form]),
        build_requires=["only-here"],
        requires_code="__import__('only_here').NAMES",
    )
    assert [dependency.name for dependency in metadata.dependencies] == ["b"]
    assert index.requests == []


def test_a_tree_without_a_build_system_is_built_the_old_way(tmp_path: Path, index: TinyIndex) -> None:
    index.wheel(
        "setuptools",
        "99",
        files={
            "setuptools/__init__.py": b"",
            "setuptools/build_meta.py": b"""
import pathlib
class Old:
    def prepare_metadata_for_build_wheel(self, folder, config_settings=None):
        pathlib.Path(folder, "a.dist-info").mkdir()
        text = "Metadata-Version: 2.1\\nName: a\\nVersion: 1\\nRequires-Dist: b\\n"
        pathlib.Path(folder, "a.dist-info", "METADATA").write_text(text)
        return "a.dist-info"
__legacy__ = Old()
""",
        },
    )
    (tmp_path / "setup.py").write_text("raise SystemExit('not run by this backend')\n", encoding="utf-8")
    metadata = builder(index=index.url).describe_tree(tmp_path, name=A, what="here").metadata
    assert [str(dependency) for dependency in metadata.dependencies] == ["b"]


def test_a_build_inherits_nothing_that_leads_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LEAKS:
        monkeypatch.setenv(name, "/nowhere")
    metadata = built(tmp_path, requires_code=f"[name.replace('_', '-') for name in {LEAKS!r} if name in os.environ]")
    assert metadata.dependencies == ()


def test_the_scripts_of_build_requirements_are_found_first(tmp_path: Path) -> None:
    code = "['yes'] if os.environ['PATH'].split(os.pathsep)[0] == os.path.dirname(sys.executable) else []"
    assert [dependency.name for dependency in built(tmp_path, requires_code=code).dependencies] == ["yes"]


def test_a_python_that_is_not_here_is_replaced_with_a_note(tmp_path: Path) -> None:
    heard: list[News] = []
    other = builder(python="3.99.1", reporter=heard.append)
    assert built(tmp_path, other, requires=["b"]).version == "1.0"
    (note,) = {news for news in heard if isinstance(news, Note)}
    assert note.text.startswith(f"`a` was built on Python {RUNNING}, as no Python 3.99 was found here: ")


def test_a_backend_that_fails_is_shown_with_what_it_printed(tmp_path: Path, temporary: Path) -> None:
    error = failure(tmp_path, backend="fails")
    assert error.message == "`a` could not be built: its backend `tiny_backend` failed"
    assert error.context[0] == "from `a-1.0.tar.gz`"
    assert "tiny backend: the compiler is missing" in error.context
    assert "has a wheel" in error.hint
    assert not list(temporary.iterdir())


def test_a_backend_that_hangs_is_killed(tmp_path: Path, temporary: Path) -> None:
    pid_file = tmp_path / "pid"
    error = failure(tmp_path, builder(timeout=4), backend="hangs", pid_file=pid_file)
    assert error.message.endswith("it did not end within 4 seconds")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os\ndef build_wheel(*a, **k): os._exit(0)\n", "gave no usable answer"),
        ("def get_requires_for_build_wheel(*a): return ['-r x']\ndef build_wheel(*a, **k): ...\n", "not a requirement"),
        ("def prepare_metadata_for_build_wheel(*a): return '../../x'\n", "gave no usable answer"),
        ("import nothing_of_this_name\n", "can't be imported"),
        ("import warnings\nwarnings.warn('look')\ndef build_wheel(*a, **k): raise ValueError('why')\n", "failed"),
    ],
)
def test_a_backend_that_misbehaves_is_named(tmp_path: Path, code: str, message: str) -> None:
    make_tree(tmp_path, "a", "1.0", static=False, files={"backend/tiny_backend.py": code.encode()})
    with pytest.raises((BuildFailed, InvalidMetadata), match=message):
        builder().describe_tree(tmp_path, name=A, what="here")


def test_what_a_build_requires_is_what_is_stated_where_the_backend_lacks_a_library_of_this_machine(
    tmp_path: Path,
) -> None:
    fails = "def get_requires_for_build_wheel(*a): raise OSError('krb5-config is missing')\n"
    sdist = make_sdist(tmp_path, "a", "1.0", files={"backend/tiny_backend.py": fails.encode()})
    heard: list[News] = []
    found = builder(reporter=heard.append).requirements_of_archive(io.BytesIO(sdist.read_bytes()), sdist.name)

    (note,) = (news.text for news in heard if isinstance(news, Note))
    assert found == []
    assert note.startswith("`a`: what it states is locked for its build")
    assert note.endswith("its backend `tiny_backend` failed (OSError: krb5-config is missing)")


def test_a_build_requirement_that_is_missing_shows_no_credentials(tmp_path: Path, index: TinyIndex) -> None:
    index.auth = ("me", "hush")
    error = failure(tmp_path, builder(index=index.url_with_credentials), build_requires=["absent"])
    assert "uv could not install what its build requires" in error.message
    assert "absent" in "".join(error.context)
    assert "hush" not in written(error)


def test_a_build_requirement_is_never_built_itself(tmp_path: Path, index: TinyIndex) -> None:
    index.sdist("helper", "1", pid_file=tmp_path / "ran", static=False)
    failure(tmp_path, builder(index=index.url), build_requires=["helper"])
    assert not (tmp_path / "ran").exists()


# Unpacking


def _tar(member: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def _link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def _file(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = 1
    return member


@pytest.mark.parametrize(
    "member",
    [
        _file("a-1/../../outside"),
        _link("a-1/link", "../../outside"),
        _link("a-1/link", "/etc"),
        _link("a-1/link", "../outside", tarfile.LNKTYPE),
    ],
    ids=["dots", "link", "absolute link", "hard link"],
)
def test_a_tar_that_reaches_outside_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InvalidMetadata, match="not a readable sdist"):
        unpack(io.BytesIO(_tar(member)), "a-1.tar.gz", folder)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("name", ["a/../../outside", "/tmp/outside", "a\\..\\..\\outside", "C:\\outside"])
def test_a_zip_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a-1/pyproject.toml", "")
        archive.writestr(name, "x")
    with pytest.raises(InvalidMetadata, match="written outside its folder"):
        unpack(buffer, "a-1.zip", tmp_path)
    assert not (tmp_path / "a-1").exists()


@pytest.mark.parametrize("filename", ["a-1.tar.gz", "a-1.zip", "a-1.tar.xz"])
@pytest.mark.parametrize("cut", [0, 1 / 2, 9 / 10])
def test_a_broken_archive_is_no_traceback(tmp_path: Path, filename: str, cut: float) -> None:
    sdist = make_sdist(tmp_path, "b", "1.0", files={"noise": os.urandom(4096)})
    data = sdist.read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InvalidMetadata, match="not a readable sdist"):
        unpack(io.BytesIO(data[: int(len(data) * cut)]), filename, folder)
