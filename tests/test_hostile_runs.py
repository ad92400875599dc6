"""Whole runs on an index that lists hostile values, and on a record of images that holds some."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.harmless import hold_command, hold_contexts, hold_requirements, installed_by
from support.hostile import disturbed, examples, near
from support.index import TinyIndex
from support.observed import Commands
from support.project import Project

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
METADATA = {
    "Metadata-Version": "2.4",
    "Name": "alpha",
    "Version": "2.0",
    "Requires-Python": ">=3.9",
    "Requires-Dist": "beta[x]>=1.0,!=1.5; python_version >= '3.9' or extra == 'z'",
    "Provides-Extra": "z",
}


@dataclass(frozen=True)
class World:
    """A project that asks for a package with a right release 1.0 and another one, as an index tells it."""

    commands: Commands
    project: Project
    index: TinyIndex
    page: Any

    def hold_runs(self) -> None:
        """Lock, export and write the contexts, and hold each; nothing else may be asked for then."""
        for path in (self.project.folder / "build", self.project.folder / "lockfiles", self.project.cache):
            shutil.rmtree(path, ignore_errors=True)
        locked = self.commands.run(self.project, "resolve")
        hold_command(locked, self.project, self.commands)
        if locked.code:
            return
        tree = self.project.lock("pipeline")
        assert {row["name"] for row in tree["packages"]} <= {"alpha", "beta", "gamma"}
        written = self.commands.run(self.project, "dockerfile")
        found = self.commands.run(self.project, "export", "requirements")
        for each in (written, found):
            hold_command(each, self.project, self.commands)
            assert each.code == 0, each.stderr
        hold_contexts(self.project.folder / "build", installed_by([tree]))
        file = self.commands.temporary / "requirements.txt"
        file.write_text(found.stdout, encoding="utf-8")
        hold_requirements(file, installed_by([tree]), index=self.index.url)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("runs")
    with TinyIndex() as index, Commands(folder / "commands") as commands:
        index.wheel("beta", "1.0", extras={"x": ["gamma"]})
        index.wheel("gamma", "1.0")
        index.wheel("evil", "1.0")
        files = []
        for version in ("1.0", "2.0"):
            file = index.wheel("alpha", version, requires=["beta[x]"])
            files.append(
                {
                    "filename": file.filename,
                    "url": f"{index.root}/{file.location}",
                    "hashes": {"sha256": file.sha256},
                    "requires-python": ">=3.9",
                    "upload-time": "2026-01-01T00:00:00Z",
                    "size": len(file.content),
                    "core-metadata": True,
                    "yanked": False,
                }
            )
        project = Project(folder / "project")
        docker = {"requirements": ["alpha"], "parent-image": "localhost/base:3.11"}
        project.configure({"python": PYTHON, "index": [{"url": index.url, "default": True}], "docker": docker})
        page = {"meta": {"api-version": "1.1"}, "name": "alpha", "files": files}
        found = World(commands, project, index, page)
        found.hold_runs()
        assert project.locked("pipeline") == {"alpha": "2.0", "beta": "1.0", "gamma": "1.0"}
        yield found


@examples(40)
@given(st.data())
def test_any_value_on_a_page(world: World, data: st.DataObject) -> None:
    page = {**world.page, "files": [world.page["files"][0], data.draw(disturbed(world.page["files"][1], places=2))]}
    world.index.raw("alpha", json.dumps(page).encode(), JSON_TYPE)
    world.hold_runs()


@examples(40)
@given(st.sampled_from(sorted(METADATA)), st.data())
def test_any_value_in_metadata(world: World, name: str, data: st.DataObject) -> None:
    world.index.listing("alpha").raw = None
    file = world.index.listing("alpha").files[1]
    values = {**METADATA, name: data.draw(near(METADATA[name]))}
    text = "".join(f"{key}: {value}\n" for key, value in values.items())
    file.metadata = text.encode("utf-8", "surrogatepass")
    world.hold_runs()


@examples(40)
@given(st.data())
def test_any_value_in_the_record_of_images(world: World, data: st.DataObject) -> None:
    shutil.rmtree(world.project.folder / "build", ignore_errors=True)
    digest = f"sha256:{'0' * 64}"
    row = {"key": "0" * 64, "reference": f"registry.example/a:b@{digest}", "digest": digest}
    components = {"package": {"alpha": "1.0", "gone": "2"}, "parent": {"localhost/base:3.11": digest}, "setting": {}}
    record = {"pipeline": {**row, "platforms": {"linux/amd64": {**row, "components": components}}}}
    path = world.project.write("build/zlock/images.json", json.dumps(data.draw(disturbed(record, places=2))).encode())
    found = world.commands.run(world.project, "plan", "--explain", "pipeline")
    hold_command(found, world.project, world.commands)
    assert path.is_file()
