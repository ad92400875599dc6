"""`zlock export`: each format is read by the tools that it is for."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_nix
from packageurl import PackageURL
from packaging.pylock import Pylock
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
from tree_sitter import Language, Node, Parser

from support.environment import clean_environment
from support.git import GitRepository
from support.index import TinyIndex
from support.project import Project, Result
from support.venv import install_with_pip, install_with_uv, installed, make_venv, run_pip, run_uv
from zlock.index.machine import public_index
from zlock.lock.identity import resign

TAG = f"cp3{sys.version_info.minor}"
LINUX, WINDOWS = f"{TAG}-{TAG}-manylinux_2_17_x86_64", f"{TAG}-{TAG}-win_amd64"
FORMATS = ("requirements", "pylock", "cyclonedx", "spdx", "bazel", "nix")
INSTALLED = {"model": "1.0", "binary": "1!2.0+cu12", "plain": "1.0"}


@pytest.fixture(scope="module")
def index() -> Iterator[TinyIndex]:
    with TinyIndex() as index:
        index.wheel("model", "1.0", requires=["binary", "only-windows; sys_platform == 'win32'"])
        for tag in (LINUX, f"{TAG}-{TAG}-manylinux_2_28_x86_64", WINDOWS):
            index.wheel("binary", "1!2.0+cu12", tag=tag).upload_time = "2024-05-01T10:00:00Z"
        index.wheel("plain", "1.0")
        index.wheel("only-windows", "1.0")
        index.wheel("archived", "3.0")
        yield index


def make(folder: Path, index: TinyIndex, *requirements: str, **settings: Any) -> Project:
    project = Project(folder)
    project.configure(
        {
            "python": f"3.{sys.version_info.minor}",
            "index": [{"url": index.url, "default": True}],
            "steps": {"train": {"docker": {"requirements": list(requirements)}}},
            **settings,
        }
    )
    result = project.run("resolve")
    assert result.code == 0, result.stderr
    return project


@pytest.fixture(scope="module")
def project(index: TinyIndex, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make(tmp_path_factory.mktemp("export") / "project", index, "model", "plain")


@pytest.fixture(scope="module")
def two_platforms(index: TinyIndex, tmp_path_factory: pytest.TempPathFactory) -> Project:
    platforms = ["linux/amd64", "windows/amd64"]
    return make(tmp_path_factory.mktemp("export") / "two", index, "model", "plain", platforms=platforms)


def exported(project: Project, form: str, *arguments: str) -> str:
    result = project.run("export", form, *arguments)
    assert result.code == 0, result.stderr
    return result.stdout


def succeed(result: Result) -> None:
    assert result.code == 0, f"{result.stdout}\n{result.stderr}"


# Requirements


@pytest.mark.parametrize("form", ["requirements", "bazel"])
def test_requirements_with_hashes_are_installed_by_pip_and_uv(
    project: Project, index: TinyIndex, tmp_path: Path, form: str
) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(exported(project, form), encoding="utf-8")
    by_pip, by_uv = make_venv(tmp_path / "pip"), make_venv(tmp_path / "uv")
    options = ("--no-cache-dir", "--require-hashes", "--index-url", index.url, "-r", str(file))

    succeed(run_pip("--python", str(by_pip), "install", *options, home=tmp_path))
    install_with_uv(by_uv, file, options=["--require-hashes", "--index-url", index.url])

    assert installed(by_pip) == installed(by_uv) == INSTALLED


def test_an_extra_that_a_package_needs_is_installed_where_the_index_has_a_newer_release(tmp_path: Path) -> None:
    """Pip looks for `part[more]` by itself where the file has `part` alone."""
    with TinyIndex() as index:
        index.wheel("part", "1.0", extras={"more": ["added"]})
        index.wheel("part", "2.0", extras={"more": ["added"]})
        index.wheel("added", "1.0")
        index.wheel("whole", "1.0", requires=["part[more]>=1"])
        project = Project(tmp_path / "project")
        rows = [{"url": index.url, "default": True}]
        python = f"3.{sys.version_info.minor}"
        project.configure({"python": python, "index": rows, "docker": {"requirements": ["whole", "part<2"]}})
        succeed(project.run("resolve"))
        file = tmp_path / "requirements.txt"
        file.write_text(exported(project, "requirements"), encoding="utf-8")
        by_pip, by_uv = make_venv(tmp_path / "pip"), make_venv(tmp_path / "uv")
        options = ("--no-cache-dir", "--require-hashes", "--index-url", index.url, "-r", str(file))

        succeed(run_pip("--python", str(by_pip), "install", *options, home=tmp_path))
        install_with_uv(by_uv, file, options=["--require-hashes", "--index-url", index.url])

    assert installed(by_pip) == installed(by_uv) == {"added": "1.0", "part": "1.0", "whole": "1.0"}


def test_indexes_that_anybody_may_ask_are_named_in_requirements(tmp_path: Path) -> None:
    with TinyIndex() as index, TinyIndex() as second, TinyIndex() as third:
        index.wheel("plain", "1.0")
        for version in ("0.9", "2.0+cpu"):
            second.wheel("fast", version, requires=["plain"])
        second.wheel("plain", "0.5")
        index.wheel("fast", "9.0")
        third.wheel("other", "1.0")
        rows = [
            {"url": index.url, "default": True, "index-in-context": True},
            {"url": second.url, "name": "cpu", "explicit": True, "index-in-context": True},
            {"url": third.url, "index-in-context": True},
        ]
        project = Project(tmp_path / "project")
        settings = {"python": f"3.{sys.version_info.minor}", "index": rows, "index-sources": {"fast": "cpu"}}
        project.configure({**settings, "docker": {"requirements": ["fast"]}})
        succeed(project.run("resolve"))
        file = tmp_path / "requirements.txt"
        text = exported(project, "requirements")
        file.write_text(text, encoding="utf-8")
        by_pip, by_uv = make_venv(tmp_path / "pip"), make_venv(tmp_path / "uv")

        succeed(run_pip("--python", str(by_pip), "install", "--no-cache-dir", "-r", str(file), home=tmp_path))
        install_with_uv(by_uv, file, options=["--require-hashes", "--index-strategy", "unsafe-best-match"])

    assert text.splitlines()[:3] == [
        f"--index-url {index.url}",
        "# By `index-sources`, `fast` is of this index alone; here, the hashes see to it.",
        f"--extra-index-url {second.url}",
    ]
    assert third.url not in text
    assert installed(by_pip) == installed(by_uv) == {"fast": "2.0+cpu", "plain": "1.0"}


@pytest.mark.parametrize("setting", [{"exclude": ["plain"]}, {"overrides": ["plain<2"]}])
def test_what_leaves_out_what_metadata_asks_for_says_how_it_installs(tmp_path: Path, setting: dict[str, Any]) -> None:
    with TinyIndex() as index:
        index.wheel("plain", "1.0")
        index.wheel("needy", "1.0", requires=["plain>=2"])
        project = make(tmp_path / "project", index, "needy", **setting)
        text, lock = exported(project, "requirements"), project.lock_path("train")
        file = tmp_path / "requirements.txt"
        file.write_text(text, encoding="utf-8")
        options = ("install", "--no-cache-dir", "--index-url", index.url, "-r")
        python = make_venv(tmp_path / "pip")

        refused = [run_pip("--python", str(python), *options, str(one), home=tmp_path) for one in (file, lock)]
        for one in (file, lock):
            succeed(run_pip("--python", str(python), *options, str(one), "--no-deps", home=tmp_path))

    assert text.splitlines()[0] == (
        f"# The configuration has `{next(iter(setting))}`, so install it with `--no-deps`: pip would ask for the rest."
    )
    assert [one.code for one in refused] == [1, 1]
    assert installed(python)["needy"] == "1.0"


def test_a_wrong_hash_stops_pip(project: Project, index: TinyIndex, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    text = exported(project, "requirements")
    file.write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", text), encoding="utf-8")
    python = make_venv(tmp_path / "pip")

    result = run_pip(
        "--python", str(python), "install", "--no-cache-dir", "--index-url", index.url, "-r", str(file), home=tmp_path
    )

    assert result.code != 0
    assert "DO NOT MATCH THE HASHES" in result.stderr


@pytest.mark.parametrize("form", ["requirements", "bazel"])
def test_an_archive_keeps_its_url_and_hash(index: TinyIndex, tmp_path: Path, form: str) -> None:
    location = next(file for file in index.listing("archived").files).location
    project = make(tmp_path / "project", index, "plain", f"archived @ {index.root}/{location}")
    file = tmp_path / "requirements.txt"
    file.write_text(exported(project, form), encoding="utf-8")
    python = make_venv(tmp_path / "pip")

    options = ("--no-cache-dir", "--require-hashes", "--index-url", index.url, "-r", str(file))
    succeed(run_pip("--python", str(python), "install", *options, home=tmp_path))

    assert installed(python) == {"archived": "3.0", "plain": "1.0"}


@pytest.mark.parametrize("form", ["requirements", "bazel", "nix"])
def test_what_has_no_hash_is_refused_by_name(index: TinyIndex, tmp_path: Path, form: str) -> None:
    folder = Project(tmp_path / "project")
    folder.write("own/pyproject.toml", '[project]\nname = "own"\nversion = "1"\n')
    project = make(folder.folder, index, "plain", f"own @ {(folder.folder / 'own').as_uri()}")

    result = project.run("export", form)

    assert (result.code, result.stdout) == (2, "")
    assert "`own` comes from a folder" in result.stderr
    assert "hint: export `pylock`" in result.stderr


def test_markers_hold_on_several_platforms_and_one_can_be_chosen(two_platforms: Project) -> None:
    both = exported(two_platforms, "requirements")
    linux = exported(two_platforms, "requirements", "--platform", "linux/amd64")

    assert 'only-windows==1.0 ; sys_platform == "win32"' in both
    assert "only-windows" not in linux
    assert ";" not in linux
    assert linux.count("--hash") == both.count("--hash") - 2  # that package, and the wheel for Windows


def test_the_file_for_bazel_reads_as_pip_parse_reads_it(two_platforms: Project) -> None:
    """What stands before the first `;` is `name==version`, then a marker, then sha256 hashes and nothing else."""
    text = exported(two_platforms, "bazel")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]

    found = {}
    for line in lines:
        head, _, hashes = line.partition("--hash=")
        requirement, _, marker = head.partition(";")
        name, _, version = requirement.strip().partition("==")
        found[name] = (version, marker.strip())
        assert re.fullmatch(r"sha256:[0-9a-f]{64}( +--hash=sha256:[0-9a-f]{64})*", hashes.strip())
    assert found == {
        "binary": ("1!2.0+cu12", ""),
        "model": ("1.0", ""),
        "only-windows": ("1.0", 'sys_platform == "win32"'),
        "plain": ("1.0", ""),
    }


@pytest.mark.parametrize("form", ["requirements", "bazel", "nix"])
def test_a_portable_lock_with_an_sdist_of_a_url_says_what_it_misses(tmp_path: Path, form: str) -> None:
    with TinyIndex() as index:
        index.sdist("archived", "3.0")
        index.wheel("hatchling", "1.0")
        (file,) = index.listing("archived").files
        project = make(tmp_path / "project", index, f"archived @ {index.root}/{file.location}", urls="portable")

        result = project.run("export", form)

    assert result.code == 2
    assert "local file" not in result.stderr
    assert 'set `urls = "index"`' in result.stderr


@pytest.mark.parametrize("form", ["requirements", "bazel"])
def test_a_portable_lock_with_a_wheel_of_a_url_installs_from_the_wheelhouse(
    index: TinyIndex, tmp_path: Path, form: str
) -> None:
    location = next(file for file in index.listing("archived").files).location
    project = make(tmp_path / "project", index, "plain", f"archived @ {index.root}/{location}", urls="portable")
    file = tmp_path / "requirements.txt"
    file.write_text(exported(project, form), encoding="utf-8")
    succeed(project.run("fetch"))
    python = make_venv(tmp_path / "pip")

    options = ("--no-index", "--find-links", str(project.folder / "wheelhouse"), "--require-hashes", "-r", str(file))
    succeed(run_pip("--python", str(python), "install", *options, home=tmp_path))

    assert installed(python) == {"archived": "3.0", "plain": "1.0"}


# The lock of the standard


def test_the_plain_lock_has_nothing_of_zlock_and_installs(project: Project, tmp_path: Path) -> None:
    lock = tmp_path / "pylock.toml"
    succeed(project.run("export", "pylock", "--output", str(lock)))
    by_pip, by_uv = make_venv(tmp_path / "pip"), make_venv(tmp_path / "uv")

    install_with_pip(by_pip, lock)
    install_with_uv(by_uv, lock)

    tree = tomllib.loads(lock.read_text(encoding="utf-8"))
    Pylock.from_dict(tree).validate()
    assert "tool" not in tree
    assert not any("tool" in package for package in tree["packages"])
    assert installed(by_pip) == installed(by_uv) == INSTALLED


def test_paths_count_from_where_the_plain_lock_is_written(index: TinyIndex, tmp_path: Path) -> None:
    folder = Project(tmp_path / "project")
    folder.write("own/pyproject.toml", '[project]\nname = "own"\nversion = "1"\n')
    project = make(folder.folder, index, f"own @ {(folder.folder / 'own').as_uri()}")
    project.write("elsewhere/deep/keep", "")

    succeed(project.run("export", "pylock", "--output", "elsewhere/deep/pylock.toml"))

    written = tomllib.loads((project.folder / "elsewhere/deep/pylock.toml").read_text(encoding="utf-8"))
    assert written["packages"][0]["directory"]["path"] == "../../own"


# Bills of materials


def purls(components: dict[str, Any]) -> dict[str, PackageURL]:
    return {name: PackageURL.from_string(one["purl"]) for name, one in components.items() if "purl" in one}


def test_cyclonedx_is_valid_and_has_the_graph_and_every_file(project: Project, index: TinyIndex) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = exported(project, "cyclonedx")

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    components = {one["name"]: one for one in bom["components"]}
    assert {name: one["version"] for name, one in components.items()} == INSTALLED
    assert purls(components)["plain"].to_dict()["qualifiers"] == {"repository_url": index.url}
    files = components["binary"]["externalReferences"]
    assert len(files) == 2
    assert all(one["type"] == "distribution" and one["hashes"][0]["alg"] == "SHA-256" for one in files)
    edges = {one["ref"]: one.get("dependsOn", []) for one in bom["dependencies"]}
    assert edges["step"] == ["model-1.0", "plain-1.0"]
    assert edges["model-1.0"] == ["binary-1!2.0+cu12"]


def test_identifiers_say_where_what_the_public_index_does_not_have_comes_from(index: TinyIndex, tmp_path: Path) -> None:
    location = next(file for file in index.listing("archived").files).location
    folder = Project(tmp_path / "project")
    folder.write("own/pyproject.toml", '[project]\nname = "own"\nversion = "1"\n')
    repository = GitRepository(tmp_path / "cloned")
    commit = repository.commit("1", name="cloned")
    project = make(
        folder.folder,
        index,
        "plain",
        f"archived @ {index.root}/{location}",
        f"cloned @ {repository.url}",
        f"own @ {(folder.folder / 'own').as_uri()}",
    )
    lock = project.lock_path("train")
    lock.write_text(resign(lock.read_text(encoding="utf-8").replace(index.url, public_index())), "utf-8")

    bom = json.loads(exported(project, "cyclonedx"))
    found = purls({one["name"]: one for one in bom["components"]})
    spdx = json.loads(exported(project, "spdx"))

    assert found["plain"].to_string() == "pkg:pypi/plain@1.0"
    assert found["archived"].qualifiers == {"download_url": f"{index.root}/{location}"}
    assert found["cloned"].qualifiers == {"vcs_url": f"{repository.url}@{commit}"}
    assert "own" not in found
    assert {one["name"]: len(one.get("externalRefs", ())) for one in spdx["packages"]} == {
        "train": 0,
        "plain": 1,
        "archived": 1,
        "cloned": 1,
        "own": 0,
    }


@pytest.mark.parametrize(
    "root", ["https://index.example", "http://127.0.0.1:8080", "https://nexus", "http://localhost:1"]
)
def test_spdx_is_valid_and_has_the_graph_and_every_file(index: TinyIndex, tmp_path: Path, root: str) -> None:
    project = make(tmp_path / "project", index, "model", "plain")
    lock = project.lock_path("train")
    lock.write_text(resign(lock.read_text(encoding="utf-8").replace(index.root, root)), "utf-8")
    text = exported(project, "spdx")

    assert f"{root}/" in text
    document = JsonLikeDictParser().parse(json.loads(text))  # type: ignore[no-untyped-call]  # it has no annotations
    assert validate_full_spdx_document(document) == []
    assert {one.name for one in document.packages} == {"train", *INSTALLED}
    rows = {
        (one.spdx_element_id, one.relationship_type.name, one.related_spdx_element_id) for one in document.relationships
    }
    assert ("SPDXRef-step", "DEPENDS_ON", "SPDXRef-model-1.0") in rows
    assert ("SPDXRef-model-1.0", "DEPENDS_ON", "SPDXRef-binary-1-2.0-cu12") in rows
    assert sum(kind == "VARIANT_OF" for _, kind, _ in rows) == 2
    assert len([one for one in document.packages if one.checksums]) == 4


@pytest.mark.parametrize(("form", "library"), [("cyclonedx", "cyclonedx"), ("spdx", "spdx_tools")])
def test_without_the_library_the_error_names_the_extra(
    project: Project, tmp_path: Path, form: str, library: str
) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; from zlock.cli import main; main(['export', {form!r}])"

    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=project.folder,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert "hint: install zlock with its extra `sbom`, from where you have it" in done.stderr


# Nix


def attributes(node: Node) -> dict[str, Any]:
    """Return an attribute set of strings and sets as Nix's grammar reads it."""
    found = {}
    for binding in [inner for child in node.children if child.type == "binding_set" for inner in child.children]:
        path, value = binding.child_by_field_name("attrpath"), binding.child_by_field_name("expression")
        assert path is not None
        assert value is not None
        found[text_of(path).strip('"')] = attributes(value) if value.type == "attrset_expression" else string(value)
    return found


def text_of(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def string(node: Node) -> str:
    assert node.type == "string_expression"
    assert {child.type for child in node.children} <= {'"', "string_fragment", "escape_sequence"}
    return "".join(text_of(child).removeprefix("\\") for child in node.children[1:-1])


def test_the_attribute_set_parses_and_its_hashes_are_those_of_the_files(project: Project, index: TinyIndex) -> None:
    parser = Parser(Language(tree_sitter_nix.language()))
    tree = parser.parse(exported(project, "nix").encode())

    assert not tree.root_node.has_error
    (expression,) = [child for child in tree.root_node.children if child.type == "attrset_expression"]
    found = attributes(expression)
    assert {name: one["version"] for name, one in found.items()} == INSTALLED
    assert found["binary"]["file"] == f"binary-1!2.0+cu12-{TAG}-{TAG}-manylinux_2_28_x86_64.whl"
    for name, one in found.items():
        (content,) = [file.content for file in index.listing(name).files if file.filename == one["file"]]
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert one["hash"] == f"sha256-{digest}"
        assert one["url"].startswith(index.root)


def test_an_attribute_set_is_for_one_platform(two_platforms: Project) -> None:
    result = two_platforms.run("export", "nix")

    assert result.code == 2
    assert "add `--platform`, one of `linux/amd64`, `windows/amd64`" in result.stderr
    assert '"only-windows"' in exported(two_platforms, "nix", "--platform", "windows/amd64")


# All of them


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_lock_gives_the_same_bytes(project: Project, tmp_path: Path, form: str) -> None:
    first, second = tmp_path / "pylock.a.toml", tmp_path / "pylock.b.toml"

    succeed(project.run("export", form, "--output", str(first)))
    succeed(project.run("export", form, "--output", str(second)))

    assert first.read_bytes() == second.read_bytes() != b""


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
@pytest.mark.parametrize("stated", ["99999999999999", "abc", "-5", "1.5"])
def test_a_time_that_no_document_can_have_is_refused(project: Project, form: str, stated: str) -> None:
    result = project.run("export", form, env={"SOURCE_DATE_EPOCH": stated})

    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: `SOURCE_DATE_EPOCH` is not a time: `{stated}`\nhint: set it to seconds")


def test_a_step_has_to_be_named_where_there_are_several(index: TinyIndex, tmp_path: Path) -> None:
    steps = {name: {"docker": {"requirements": ["plain"]}} for name in ("train", "report")}
    several = make(tmp_path / "several", index, steps=steps)

    result = several.run("export", "requirements")

    assert result.code == 2
    assert "add `--step`, one of `train`, `report`" in result.stderr
    assert exported(several, "requirements", "--step", "report").startswith("plain==1.0")


def test_an_output_that_can_t_be_written_leaves_what_was_there(project: Project, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for output, why in ((tmp_path / "missing" / "file.nix", "no such file"), (tmp_path / "folder", "is a directory")):
        result = project.run("export", "nix", "--output", str(output))

        assert result.code == 3
        assert f"error: `{output}` can't be written: {why}" in result.stderr

    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_an_export_is_written_into_a_pipe_and_behind_a_link(project: Project, tmp_path: Path) -> None:
    pipe, link, real = tmp_path / "pipe", tmp_path / "link.txt", tmp_path / "folder" / "real.txt"
    os.mkfifo(pipe)
    real.parent.mkdir()
    real.write_text("before", encoding="utf-8")
    link.symlink_to(Path("folder", "real.txt"))
    expected = exported(project, "nix")
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, encoding="utf-8") as reader:
        try:
            succeed(project.run("export", "nix", "--output", str(pipe)))
            read, _ = reader.communicate(timeout=60)
        finally:
            reader.kill()

    succeed(project.run("export", "nix", "--output", str(link)))

    assert read == expected
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == expected
    assert [path.name for path in real.parent.iterdir()] == ["real.txt"]


def test_an_export_does_not_take_the_place_of_what_it_is_made_from(index: TinyIndex, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write("asked.txt", "plain\n")
    project.configure(
        {
            "python": f"3.{sys.version_info.minor}",
            "index": [{"url": index.url, "default": True}],
            "docker": {"requirements": "asked.txt"},
        }
    )
    succeed(project.run("resolve"))
    project.write("link.txt", "").unlink()
    (project.folder / "link.txt").symlink_to("zlock.toml")
    outputs = ("zlock.toml", "link.txt", "asked.txt", "lockfiles/pylock.pipeline.toml")
    before = {name: (project.folder / name).read_bytes() for name in outputs}

    refused = {name: project.run("export", "pylock", "--output", name) for name in outputs}

    for name, result in refused.items():
        assert (result.code, result.stderr) == (
            2,
            f"error: `{name}` is a file that this is made from\nhint: name another file with `--output`\n",
        )
    assert {name: (project.folder / name).read_bytes() for name in outputs} == before
    succeed(project.run("resolve", "--check"))


def test_an_export_that_the_disk_has_no_room_for_leaves_nothing_behind(project: Project, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    output = tmp_path / "file.nix"
    output.write_text("before", encoding="utf-8")
    command = f"ulimit -f 0 && {shlex.quote(sys.executable)} -P -m zlock export nix --output {shlex.quote(str(output))}"

    result = project.call("sh", "-c", f"{command} --cache-dir {shlex.quote(str(project.cache))}")

    assert result.code == 3
    assert f"error: `{output}` can't be written: file too large" in result.stderr
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"file.nix": "before"}


def test_a_dash_stands_for_standard_output(project: Project) -> None:
    assert exported(project, "nix", "--output", "-") == exported(project, "nix")
    assert not (project.folder / "-").exists()


def test_a_platform_that_the_lock_is_not_for_is_refused(project: Project) -> None:
    result = project.run("export", "bazel", "--platform", "darwin/arm64")

    assert result.code == 2
    assert "it is for `linux/amd64`" in result.stderr


def test_uv_reads_the_plain_lock_of_two_platforms(two_platforms: Project, tmp_path: Path) -> None:
    lock = tmp_path / "pylock.toml"
    succeed(two_platforms.run("export", "pylock", "--output", str(lock)))
    python = make_venv(tmp_path / "uv")

    succeed(run_uv("pip", "sync", "--no-cache", "--python", str(python), str(lock), home=tmp_path))

    assert installed(python) == INSTALLED
