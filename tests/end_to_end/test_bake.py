"""The images of a pipeline through `docker buildx bake`, in place of `zlock build`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.building import Engine, base_in_registry, running_newer_docker
from support.engines import registry
from support.index import TinyIndex
from support.project import Project

pytestmark = pytest.mark.engines

PASSWORD = "pass-of-ann"
PRINT = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"


def bake(engine: Engine, folder: Path, secret: str, *arguments: str) -> None:
    """Run bake; builds reach the loopback by a second file, as this bake has no option for that."""
    targets = json.loads((folder / "docker-bake.json").read_text(encoding="utf-8"))["target"]
    services = {name: {"build": {"context": table["context"], "network": "host"}} for name, table in targets.items()}
    (folder / "network.yaml").write_text(json.dumps({"services": services}), encoding="utf-8")  # JSON is YAML
    command = ["docker", "buildx", "bake", "--file", "docker-bake.json", "--file", "network.yaml", *arguments]
    environ = {**os.environ, **engine.environ, "ZLOCK_INDEX": secret}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def configure(project: Project, index: TinyIndex, host: str, **docker: Any) -> None:
    steps: Mapping[str, Any] = {
        "load": {},
        "train": {"docker": {"requirements": ["base", "model>=1"]}},
        "evaluate": {"docker": {"requirements": ["Model >= 1", "base"]}},
        "report": {"docker": {"requirements": ["plot"]}},
    }
    project.configure(
        {
            "python": "3.11",
            "registry": f"{host}/team/images",
            "index": [{"name": "own", "url": index.url, "default": True}],
            "docker": {"requirements": ["base"], **docker},
            "steps": steps,
        }
    )


def test_bake_builds_each_distinct_image_once_and_build_finds_them(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    (project.home / ".netrc").write_text(f"machine 127.0.0.1 login ann password {PASSWORD}\n", encoding="utf-8")
    with (
        TinyIndex(auth=("ann", PASSWORD)) as index,
        registry(tmp_path / "registry") as host,
        running_newer_docker() as engine,
    ):
        for name, version in (("base", "1.0"), ("model", "1.0"), ("plot", "1.0")):
            index.wheel(name, version, requires=["base"] if name == "model" else [])
        base_in_registry(f"{host}/python:3.11")
        configure(project, index, host, **{"parent-image": f"{host}/python:3.11"})
        assert project.run("resolve").code == 0

        exported = project.run("export", "bake", "--output", "docker-bake.json")
        assert exported.code == 0, exported.stderr
        secret = f"PIP_INDEX_URL={index.url_with_credentials}\nPIP_TRUSTED_HOST=127.0.0.1\n"
        bake(engine, project.folder, secret, "--push")

        file = json.loads((project.folder / "docker-bake.json").read_text(encoding="utf-8"))
        assert len(file["target"]) == 3
        assert file["group"]["train"] == file["group"]["evaluate"] != file["group"]["load"]
        built = project.run("build", "--push", "--builder", "docker", "--json", env=engine.environ, timeout=300)
        assert built.code == 0, built.stderr
        images = json.loads(built.stdout)["images"]
        assert [row["built"] for row in images] == [False, False, False]
        for row in images:
            found = json.loads(engine.run(row["reference"], "python", "-c", PRINT))
            assert found == project.locked(row["steps"][0])


def test_a_parent_that_a_dockerfile_makes_is_a_target_of_its_own(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    with TinyIndex() as index, registry(tmp_path / "registry") as host, running_newer_docker() as engine:
        index.wheel("base", "1.0")
        base_in_registry(f"{host}/python:3.11")
        project.write("images/Dockerfile", f"FROM {host}/python:3.11\nCOPY greeting /greeting\n")
        project.write("images/greeting", "hello\n")
        docker = {"dockerfile": "images/Dockerfile", "build-context-root": "images"}
        project.configure(
            {
                "python": "3.11",
                "index": [{"name": "own", "url": index.url, "default": True}],
                "docker": {"requirements": ["base"], **docker},
            }
        )
        assert project.run("resolve").code == 0
        exported = project.run("export", "bake", "--output", "docker-bake.json")
        assert exported.code == 0, exported.stderr

        bake(engine, project.folder, f"PIP_INDEX_URL={index.url}\nPIP_TRUSTED_HOST=127.0.0.1\n")

        built = project.run("build", "--builder", "docker", "--json", env=engine.environ, timeout=300)
        (row,) = json.loads(built.stdout)["images"]
        assert not row["built"]
        assert row["reference"].startswith("localhost/zlock:")
        assert engine.run(row["reference"], "cat", "/greeting") == "hello\n"
        assert json.loads(engine.run(row["reference"], "python", "-c", PRINT)) == {"base": "1.0"}
