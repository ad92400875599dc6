"""Folders of the project in images: built once for what is in them, the same wheel in every checkout."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.building import BASE, Engine
from support.folders import HATCHLING, SETUPTOOLS, add_tiny_flit, make_folder
from support.git import GitRepository
from support.index import TinyIndex
from support.project import Project, Result
from support.wheelhouse import make_wheelhouse

PYTHON = f"3.{sys.version_info.minor}"
PARENT = f"{BASE}@sha256:{'ab' * 32}"


def succeed(result: Result) -> Result:
    assert result.code == 0, result.stderr
    return result


def configure(project: Project, index: TinyIndex, *requirements: str, **more: Any) -> None:
    project.configure(
        {
            "python": PYTHON,
            "index": [{"url": index.url_with_credentials if index.auth else index.url, "default": True}],
            "docker": {"requirements": list(requirements), "parent-image": PARENT},
            **more,
        }
    )


def contexts(project: Project, *options: str) -> dict[str, Path]:
    """Write the contexts and return the folder of each step; its name is the key."""
    rows = json.loads(succeed(project.run("dockerfile", "--json", *options)).stdout)["contexts"]
    return {step: Path(row["folder"]) for row in rows for step in row["steps"]}


def key(project: Project, step: str = "pipeline") -> str:
    return contexts(project)[step].name


def own_files(context: Path) -> list[str]:
    return sorted(path.name for path in (context / "folders").iterdir())


@pytest.fixture
def filled(index: TinyIndex) -> TinyIndex:
    add_tiny_flit(index)
    index.wheel("alpha", "1.0")
    return index


@pytest.fixture
def locked(project: Project, filled: TinyIndex) -> Project:
    """A project whose only step requires a folder that requires another one, and a release."""
    make_folder(project.folder / "libs/inner", dependencies=["alpha"])
    make_folder(project.folder / "libs/outer", dependencies=["inner @ file:libs/inner"])
    configure(project, filled, "./libs/outer")
    succeed(project.run("resolve"))
    return project


# What enters a build


def test_each_folder_is_a_wheel_of_the_context_and_nothing_else_of_it_is(locked: Project) -> None:
    (locked.folder / "libs/inner/notes.txt").write_text("not packed", encoding="utf-8")

    context = contexts(locked)["pipeline"]

    assert own_files(context) == ["inner-1.0-py3-none-any.whl", "outer-1.0-py3-none-any.whl"]
    lines = (context / "folders.txt").read_text(encoding="utf-8").splitlines()
    assert [line.partition("#sha256=")[0] for line in lines] == [
        f"{name} @ file:///opt/zlock/folders/{name}-1.0-py3-none-any.whl" for name in ("inner", "outer")
    ]
    assert (context / "requirements.txt").read_text(encoding="utf-8").startswith("alpha==1.0")
    assert not (context / "sdists").exists()
    identity = locked.lock("pipeline")["tool"]["zlock"]["identity"]
    assert identity in (context / "Dockerfile").read_text(encoding="utf-8").splitlines()[0]
    assert str(locked.folder).encode() not in b"".join(
        path.read_bytes() for path in context.rglob("*") if path.is_file()
    )
    with zipfile.ZipFile(context / "folders/inner-1.0-py3-none-any.whl") as wheel:
        assert {name.partition("/")[0] for name in wheel.namelist()} == {"inner", "inner-1.0.dist-info"}


def test_folders_of_the_project_stay_as_they_are(locked: Project) -> None:
    before = sorted((locked.folder / "libs").rglob("*"))

    contexts(locked)

    assert sorted((locked.folder / "libs").rglob("*")) == before


def test_an_image_of_folders_alone_needs_no_index(project: Project, filled: TinyIndex) -> None:
    make_folder(project.folder / "libs/own")
    configure(project, filled, "./libs/own")
    succeed(project.run("resolve"))

    (row,) = json.loads(succeed(project.run("dockerfile", "--json")).stdout)["contexts"]

    assert not row["secret"]
    assert "--mount" not in (Path(row["folder"]) / "Dockerfile").read_text(encoding="utf-8")


def test_an_editable_folder_is_a_wheel_too(project: Project, filled: TinyIndex) -> None:
    make_folder(project.folder / "libs/own")
    project.write("requirements.txt", "-e ./libs/own\nalpha\n")
    configure(project, filled, docker={"requirements": "requirements.txt", "parent-image": PARENT})
    succeed(project.run("resolve"))

    assert own_files(contexts(project)["pipeline"]) == ["own-1.0-py3-none-any.whl"]


def test_what_it_is_built_with_is_locked(locked: Project, filled: TinyIndex) -> None:
    inner, outer = locked.lock("pipeline")["tool"]["zlock"]["builds"]
    assert (inner["package"], outer["package"], inner["requires"]) == ("inner", "outer", ["tiny-flit"])
    assert inner["requirements"][0].startswith("tiny-flit==1.0 --hash=sha256:")
    before = key(locked)

    filled.wheel("tiny-flit", "2.0", files={"tiny_flit/__init__.py": b"raise SystemExit('the new one')"})
    shutil.rmtree(locked.cache)

    assert key(locked) == before


def test_another_requirement_of_the_build_outdates_the_lock(locked: Project) -> None:
    make_folder(
        locked.folder / "libs/inner",
        dependencies=["alpha"],
        system={"requires": ["tiny-flit", "alpha"], "build-backend": "tiny_flit"},
    )

    checked = locked.run("resolve", "--check")
    assert checked.code == 1
    assert "local: `file:libs/inner` has changed since it was locked" in checked.stderr
    succeed(locked.run("resolve"))
    assert locked.lock("pipeline")["tool"]["zlock"]["builds"][0]["requires"] == ["alpha", "tiny-flit"]


# Keys


def test_two_checkouts_have_the_same_image(locked: Project, tmp_path: Path) -> None:
    """The backend packs times, modes and the order of the disk; the other checkout has other ones, and a cold cache."""
    for number in range(20):
        locked.write(f"libs/inner/inner/module{number}.py", f"VALUE = {number}\n")
    before = contexts(locked)["pipeline"]
    other = Project(tmp_path / "elsewhere" / "deep" / "checkout")
    for path in sorted(locked.folder.rglob("*"), reverse=True):
        place = other.folder / path.relative_to(locked.folder)
        if path.is_file() and "build" not in path.parts:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            place.chmod(0o600)
            os.utime(place, (1e9, 1e9))

    after = contexts(other)["pipeline"]

    assert after.name == before.name
    assert {path.name: path.read_bytes() for path in (after / "folders").iterdir()} == {
        path.name: path.read_bytes() for path in (before / "folders").iterdir()
    }


def test_what_is_in_a_folder_moves_the_key_and_not_the_lock(locked: Project, filled: TinyIndex) -> None:
    both = {"one": {"docker": {"requirements": ["./libs/outer"]}}, "two": {"docker": {"requirements": ["alpha"]}}}
    configure(locked, filled, steps=both)
    succeed(locked.run("resolve"))
    before = contexts(locked)
    lock = locked.lock_path("one").read_bytes()

    (locked.folder / "libs/inner/inner/__init__.py").write_text("VALUE = 2\n", encoding="utf-8")
    after = contexts(locked)

    assert before["one"] != after["one"]
    assert before["two"] == after["two"]
    succeed(locked.run("resolve", "--check"))
    assert locked.lock_path("one").read_bytes() == lock


@pytest.mark.parametrize("path", ["__pycache__/a.pyc", "build/lib/a.py", "inner.egg-info/PKG-INFO", "notes.md"])
def test_what_is_not_packed_does_not_move_it(locked: Project, path: str) -> None:
    before = key(locked)

    locked.write(f"libs/inner/{path}", "anything")

    assert key(locked) == before


def test_a_wheel_is_built_once_for_what_is_in_a_folder(locked: Project, filled: TinyIndex) -> None:
    log = locked.folder.parent / "log"
    env = {"TINY_FLIT_LOG": str(log)}

    succeed(locked.run("dockerfile", env=env))
    asked = len(filled.requests)
    succeed(locked.run("dockerfile", env=env))

    assert sorted(log.read_text(encoding="utf-8").split()) == ["inner", "outer"]
    assert len(filled.requests) == asked


def test_hatchling_builds_what_it_would_in_place(project: Project, filled: TinyIndex, tmp_path: Path) -> None:
    for wheel in make_wheelhouse(tmp_path / "wheels", ["hatchling"]).iterdir():
        filled.add(wheel)
    repository = GitRepository(tmp_path / "repository")
    project = Project(repository.folder / "project")
    make_folder(project.folder / "libs/own", system=HATCHLING)
    for path in ("own/secret.env", "own/data.json"):
        project.write(f"libs/own/{path}", "{}")
    (repository.folder / ".gitignore").write_text("*.env\n", encoding="utf-8")
    configure(project, filled, "own @ file:libs/own")
    succeed(project.run("resolve"))

    (wheel,) = (contexts(project)["pipeline"] / "folders").iterdir()

    with zipfile.ZipFile(wheel) as archive:
        packed = [name for name in archive.namelist() if name.startswith("own/")]
    assert packed == ["own/__init__.py", "own/data.json"]


def test_version_control_may_say_the_version(filled: TinyIndex, tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "project")
    project = Project(repository.folder)
    make_folder(project.folder / "libs/own", dynamic=["version"])
    configure(project, filled, "./libs/own", **{"build-sdists": ["own"]})
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message", "1")
    repository.git("tag", "1.5")
    succeed(project.run("resolve"))

    assert own_files(contexts(project)["pipeline"]) == ["own-1.5-py3-none-any.whl"]
    repository.git("tag", "--delete", "1.5")
    repository.git("tag", "1.6")
    assert own_files(contexts(project)["pipeline"]) == ["own-1.6-py3-none-any.whl"]


def test_what_setuptools_scm_would_find_is_packed(project: Project, filled: TinyIndex, tmp_path: Path) -> None:
    """In a repository it tells setuptools of every file; in a copy it has none to look into."""
    for wheel in make_wheelhouse(tmp_path / "wheels", ["setuptools"]).iterdir():
        filled.add(wheel)
    filled.wheel("setuptools-scm", "9.0")
    system = {**SETUPTOOLS, "requires": ["setuptools>=77", "setuptools-scm"]}
    make_folder(project.folder / "libs/own", system=system)
    make_folder(project.folder / "libs/plain", system=SETUPTOOLS)
    for path in ("own/own/data.json", "own/own/notes.md", "plain/plain/data.json"):
        project.write(f"libs/{path}", "{}")
    project.write("libs/own/MANIFEST.in", "exclude own/notes.md\n")
    configure(project, filled, "./libs/own", "./libs/plain")
    succeed(project.run("resolve"))

    packed = [
        name
        for path in sorted((contexts(project)["pipeline"] / "folders").iterdir())
        for name in zipfile.ZipFile(path).namelist()
        if ".dist-info/" not in name
    ]

    assert packed == ["own/__init__.py", "own/data.json", "plain/__init__.py"]


# What is not pure


def test_what_is_not_pure_is_an_sdist_of_the_context(project: Project, filled: TinyIndex) -> None:
    make_folder(project.folder / "libs/native", tool={"tiny-flit": {"tag": "cp311-cp311-linux_x86_64"}})
    configure(project, filled, "./libs/native")
    succeed(project.run("resolve"))

    context = contexts(project)["pipeline"]

    assert own_files(context) == ["native-1.0.zip"]
    assert not (context / "folders.txt").exists()
    source = (context / "sdists/native.txt").read_text(encoding="utf-8")
    assert source.startswith("native @ file:///opt/zlock/folders/native-1.0.zip#sha256=")
    assert (context / "sdists/native.build.txt").read_text(encoding="utf-8").startswith("tiny-flit==1.0 ")
    with zipfile.ZipFile(context / "folders/native-1.0.zip") as archive:
        assert archive.namelist() == ["native-1.0/native/__init__.py", "native-1.0/pyproject.toml"]


def test_credentials_do_not_get_into_an_image(project: Project) -> None:
    with TinyIndex(auth=("ann", "pass-of-ann")) as index:
        add_tiny_flit(index)
        make_folder(project.folder / "libs/own", text=f"URL = '{index.url_with_credentials}'\n")
        configure(project, index, "./libs/own")
        succeed(project.run("resolve"))

        refused = project.run("dockerfile")

    assert refused.code == 2
    assert "`own-1.0-py3-none-any.whl` holds the credentials of an index" in refused.stderr
    assert not (project.folder / "build").exists()


# What is refused


def test_a_build_that_fails_is_named_with_the_end_of_its_log_once_for_all_steps(
    project: Project, filled: TinyIndex
) -> None:
    make_folder(project.folder / "libs/own", tool={"tiny-flit": {"fails": "the compiler is missing"}})
    steps = {name: {"docker": {"requirements": ["./libs/own"]}} for name in ("one", "two")}
    configure(project, filled, steps=steps)
    succeed(project.run("resolve"))

    for command in ("dockerfile", "fetch"):
        failed = project.run(command)
        assert failed.code == 3
        lines = failed.stderr.splitlines()
        begin = lines.index("error: `own` could not be built: its backend `tiny_flit` failed")
        assert lines[begin + 1] == "  from `libs/own`"
        assert "  the compiler is missing" in lines
        assert lines[-3:-1] == ["  step `one` requires it", "  step `two` requires it"]
        assert lines[-1].startswith("hint: correct the project in that folder")


def test_what_a_backend_asks_for_beyond_the_lock_is_locked_once_it_may_say_so(
    project: Project, filled: TinyIndex
) -> None:
    make_folder(project.folder / "libs/own", tool={"tiny-flit": {"asks": ["alpha>=1"]}})
    configure(project, filled, "./libs/own")
    succeed(project.run("resolve"))

    failed = project.run("dockerfile")
    assert failed.code == 1
    assert "`own` could not be built: its backend asks for `alpha>=1`, which was not locked" in failed.stderr
    assert 'hint: `build-sdists = ["own"]` lets it say so when locks are made' in failed.stderr

    configure(project, filled, "./libs/own", **{"build-sdists": ["own"]})
    succeed(project.run("resolve"))
    assert own_files(contexts(project)["pipeline"]) == ["own-1.0-py3-none-any.whl"]


def test_a_folder_outside_of_the_project_is_built_by_its_name_only(
    project: Project, filled: TinyIndex, tmp_path: Path
) -> None:
    make_folder(tmp_path / "other")
    (project.folder / "other").symlink_to(tmp_path / "other")
    for requirement in ("../other", "./other", f"other @ {(tmp_path / 'other').as_uri()}"):
        configure(project, filled, requirement, **{"build-sdists": ["alpha"]})
        said = succeed(project.run("resolve")).stderr
        assert "note: `other` is a folder outside of the project" in said
        refused = project.run("dockerfile")
        assert refused.code == 1
        assert "step `pipeline`: `other` is a folder outside of the project" in refused.stderr
        assert all('write `build-sdists = ["alpha", "other"]`: its code' in one for one in (said, refused.stderr))

        configure(project, filled, requirement, **{"build-sdists": ["other"]})
        assert "outside of the project" not in succeed(project.run("resolve")).stderr
        assert own_files(contexts(project)["pipeline"]) == ["other-1.0-py3-none-any.whl"]


def test_a_backend_that_no_index_has_is_named(project: Project, index: TinyIndex) -> None:
    make_folder(project.folder / "libs/own")
    configure(project, index, "./libs/own")

    said = succeed(project.run("resolve")).stderr
    refused = project.run("dockerfile")

    assert "no image can hold `own`, as its build can't be locked" in said
    assert refused.code == 1
    assert "step `pipeline`: `own` is built with `tiny-flit`, of which no index has wheels" in refused.stderr


# Wheelhouses


@pytest.mark.parametrize("urls", ["index", "portable"])
def test_a_wheelhouse_has_what_folders_are_built_with_and_come_to(
    locked: Project, filled: TinyIndex, urls: str
) -> None:
    configure(locked, filled, "./libs/outer", urls=urls)
    succeed(locked.run("resolve"))

    fetched = json.loads(succeed(locked.run("fetch", "--json")).stdout)
    again = json.loads(succeed(locked.run("fetch", "--json", "--offline")).stdout)

    names = ["alpha-1.0", "inner-1.0", "outer-1.0", "tiny_flit-1.0"]
    assert fetched["files"] == {f"{name}-py3-none-any.whl": "fetched" for name in names}
    assert set(again["files"].values()) == {"kept"}


def test_contexts_are_made_from_a_wheelhouse_alone(locked: Project, filled: TinyIndex) -> None:
    succeed(locked.run("fetch"))
    shutil.rmtree(locked.cache)
    asked = len(filled.requests)

    context = contexts(locked, "--wheelhouse", "wheelhouse")["pipeline"]

    assert len(filled.requests) == asked
    assert [path.name for path in (context / "wheelhouse").iterdir()] == ["alpha-1.0-py3-none-any.whl"]
    assert own_files(context) == ["inner-1.0-py3-none-any.whl", "outer-1.0-py3-none-any.whl"]


def test_a_wheel_of_other_content_is_not_used_and_is_replaced(locked: Project) -> None:
    succeed(locked.run("fetch"))
    stale = (locked.folder / "wheelhouse/inner-1.0-py3-none-any.whl").read_bytes()
    (locked.folder / "libs/inner/inner/__init__.py").write_text("VALUE = 2\n", encoding="utf-8")

    context = contexts(locked, "--wheelhouse", "wheelhouse")["pipeline"]
    fetched = json.loads(succeed(locked.run("fetch", "--json")).stdout)

    made = (context / "folders/inner-1.0-py3-none-any.whl").read_bytes()
    assert made != stale
    assert fetched["files"]["inner-1.0-py3-none-any.whl"] == "replaced"
    assert (locked.folder / "wheelhouse/inner-1.0-py3-none-any.whl").read_bytes() == made


def test_a_wheelhouse_without_what_folders_are_built_with_is_refused(locked: Project) -> None:
    succeed(locked.run("fetch"))
    (locked.folder / "wheelhouse/tiny_flit-1.0-py3-none-any.whl").unlink()

    refused = locked.run("dockerfile", "--wheelhouse", "wheelhouse")

    assert refused.code == 3
    assert "does not hold what the locks install" in refused.stderr
    assert "no wheel of tiny-flit 1.0 with sha256 " in refused.stderr
    assert "hint: run `zlock fetch`" in refused.stderr


# Images


PRINT = """
import importlib.metadata as m, json, native, pure
print(json.dumps({d.name: [d.version, d.read_text("direct_url.json")] for d in m.distributions()}))
"""


@dataclass(frozen=True, kw_only=True)
class World:
    """A project whose two steps an engine has built."""

    engine: Engine
    project: Project

    def build(self, *arguments: str) -> Result:
        return self.project.run("build", *self.engine.options, *arguments, env=self.engine.environ, timeout=600)

    def reference(self, step: str) -> str:
        record = json.loads((self.project.folder / "build" / "zlock" / "images.json").read_text(encoding="utf-8"))
        return str(record[step]["reference"])

    def layers(self, step: str) -> list[str]:
        config = json.loads(self.engine("inspect", "--type", "image", self.reference(step)))["Config"]
        layers: list[str] = json.loads(config)["rootfs"]["diff_ids"]
        return layers


STEPS = ("by-pip", "by-uv")


@pytest.fixture(scope="module")
def world(buildah: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("folders")
    with TinyIndex() as index:
        add_tiny_flit(index)
        index.wheel("alpha", "1.0")
        for path in make_wheelhouse(folder / "wheels", ["uv"]).iterdir():
            index.add(path)
        project = Project(folder / "project")
        make_folder(project.folder / "libs/pure", dependencies=["alpha"])
        make_folder(project.folder / "libs/native", tool={"tiny-flit": {"tag": "cp311-cp311-linux_x86_64"}})
        docker = {"requirements": ["./libs/pure", "./libs/native"], "parent-image": BASE}
        steps = {step: {"docker": {"python-package-installer": step.removeprefix("by-")}} for step in STEPS}
        configure(project, index, python="3.11", docker=docker, steps=steps)
        succeed(project.run("resolve"))
        world = World(engine=buildah, project=project)
        succeed(world.build())
        yield world


@pytest.mark.engines
@pytest.mark.parametrize("step", STEPS)
def test_what_was_built_is_what_runs(world: World, step: str) -> None:
    found = json.loads(world.engine.run(world.reference(step), "python", "-c", PRINT))

    assert {name: version for name, (version, _) in found.items()} == {"alpha": "1.0", "native": "1.0", "pure": "1.0"}
    assert json.loads(found["pure"][1])["url"] == "file:///opt/zlock/folders/pure-1.0-py3-none-any.whl"
    verified = world.project.run("verify", world.reference(step), "--step", step, env=world.engine.environ, timeout=120)
    assert verified.code == 0, verified.stdout + verified.stderr
    assert world.engine.run(world.reference(step), "ls", "/tmp").split() in ([], ["printed"])


@pytest.mark.engines
def test_another_build_gives_the_same_layers_until_a_folder_moves(world: World) -> None:
    """Of the base, which no registry has, nobody knows a digest: so what is on it is built each time."""
    before = {step: world.layers(step) for step in STEPS}

    succeed(world.build())
    assert {step: world.layers(step) for step in STEPS} == before

    (world.project.folder / "libs/pure/pure/__init__.py").write_text("VALUE = 2\n", encoding="utf-8")
    explained = succeed(world.project.run("plan", "--explain", "by-pip", env=world.engine.environ))
    assert "package pure: 1.0 of content " in explained.stdout + explained.stderr
    succeed(world.build("--step", "by-pip"))
    said = world.engine.run(world.reference("by-pip"), "python", "-c", "import pure; print(pure.VALUE)")
    assert said.split() == ["2"]
