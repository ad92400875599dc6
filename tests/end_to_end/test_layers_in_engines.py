"""Images out of layers in registries and engines that are real: they run, and are what a Dockerfile makes."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.building import Engine, base_in_registry, running_newer_docker
from support.engines import registry
from support.index import TinyIndex
from support.project import Project, Result

pytestmark = pytest.mark.engines

ENGINES = ("buildah", "docker", "newer_docker")
SITE = "opt/venv/lib/python3.11/site-packages"
# What docs/building-images.md lists, with reasons.
EXCEPTIONS = (
    r"opt/zlock(/.*)?",
    r"opt/venv/bin/(activate.*|Activate\.ps1)",
    rf"{SITE}/[^/]+\.dist-info/(INSTALLER|RECORD)",
    r"opt/venv/bin/tool",
)
RUNNING = r"etc/(hosts|resolv\.conf)|run/secrets|tmp/printed"  # what Buildah leaves of containers


@dataclass(frozen=True, kw_only=True)
class World:
    """An index, and a registry that has a base image."""

    index: TinyIndex
    host: str

    def configure(self, project: Project, docker: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Configure a project and lock it."""
        settings = {"requirements": ["tool"], "parent-image": f"{self.host}/python:3.11", **(docker or {})}
        indexes = [{"url": self.index.url, "default": True}]
        project.configure({"python": "3.11", "index": indexes, "docker": settings, **more})
        locked = project.run("resolve", "--pin-images")
        assert locked.code == 0, locked.stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with TinyIndex() as index, registry(tmp_path_factory.mktemp("registry")) as host:
        base_in_registry(f"{host}/python:3.11")
        index.wheel("base", "1.0", files={"base/__init__.py": b"NAME = 'base'\n", "base/data.bin": os.urandom(2 << 20)})
        tool = {
            "tool/__init__.py": b"from base import NAME\n\ndef main():\n    print(f'tool of {NAME}')\n",
            "tool/template.py": b"{{ this is not a python }}\n",
            "tool-1.0.data/scripts/run": b"#!python\nprint('run')\n",
            "tool-1.0.data/data/share/tool.txt": b"data",
            "tool-1.0.data/headers/tool.h": b"header",
        }
        commands = {"console_scripts": {"tool": "tool:main"}}
        index.wheel("tool", "1.0", requires=["base"], files=tool, entry_points=commands)
        yield World(index=index, host=host)


@pytest.fixture(scope="module")
def newer_docker() -> Iterator[Engine]:
    with running_newer_docker() as engine:
        yield engine


def build(project: Project, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
    result = project.run("build", "--json", *arguments, env=env, timeout=300)
    assert result.code == 0, result.stderr
    return result


def rows_of(result: Result) -> dict[str, Any]:
    return {row["steps"][0]: row for row in json.loads(result.stdout)["images"]}


def alone(engine: Engine, folder: Path) -> dict[str, str]:
    """Return an environment in which an engine is the only one."""
    folder.mkdir()
    for name in (engine.name, *(("buildah",) if engine.name == "podman" else ())):
        path = engine.environ["PATH"]
        program = next(Path(one, name) for one in path.split(os.pathsep) if Path(one, name).exists())
        (folder / name).symlink_to(program)
    return {**engine.environ, "PATH": str(folder)}


def test_two_registries_get_the_same_images_from_cold_caches(world: World, project: Project, tmp_path: Path) -> None:
    with registry(tmp_path / "other") as other:
        base_in_registry(f"{other}/python:3.11")
        steps = {"first": {}, "second": {"docker": {"requirements": ["base"]}}}
        found = []
        for number, host in enumerate((world.host, other)):
            docker = {"parent-image": f"{host}/python:3.11"}
            world.configure(project, docker, registry=f"{host}/team/images", steps=steps)
            cache = ("--cache-dir", str(tmp_path / f"cache{number}"))
            found.append(rows_of(build(project, "--push", *cache, env={"PATH": "/nonexistent"})))
            for attached in ("cyclonedx", "cyclonedx", "spdx"):  # one that is there is not put there again
                build(project, "--push", "--attach", attached, env={"PATH": "/nonexistent"})
            verified = project.run("verify", f"docker://{found[-1]['first']['reference']}", "--step", "first")
            assert verified.code == 0, verified.stdout + verified.stderr
            bills = re.findall(r"bill of materials: (\w+), (sha256:\w+)", verified.stderr)
            assert [name for name, _ in bills] == ["cyclonedx", "spdx"]
            planned = project.run("plan", env={"PATH": "/nonexistent"}).stdout
            assert all(f"bill of materials: {name}, {digest}" in planned for name, digest in bills)

    digests = [{step: (row["key"], row["digest"]) for step, row in rows.items()} for rows in found]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_an_image_from_a_registry_runs(world: World, project: Project, engine: Engine) -> None:
    engine.allow_plain(world.host)
    docker = {"user": "nobody", "environment": {"SAID": 'a "$b"'}}
    world.configure(project, docker, registry=f"{world.host}/team/images")
    row = rows_of(build(project, "--push", "--builder", "oci"))["pipeline"]

    def said(*command: str) -> str:
        return engine.run(row["reference"], *command).strip()

    assert said("tool") == "tool of base"
    assert said("run") == "run"
    program = "import os, sys, tool; print(os.environ['SAID'], os.getcwd(), sys.prefix, tool.__cached__)"
    cached = f"/{SITE}/tool/__pycache__/__init__.cpython-311.pyc"
    assert said("python", "-c", program) == f'a "$b" /app /opt/venv {cached}'
    if engine.name == "docker":  # Buildah's chroot writes what it runs as root
        assert said("sh", "-c", "id -un; touch /app/x; stat -c %U /app").split() == ["nobody", "nobody"]


@pytest.mark.parametrize("engine", [*ENGINES, "podman"], indirect=True)
def test_an_image_is_loaded_into_the_engine_that_is_there(
    world: World, project: Project, engine: Engine, tmp_path: Path
) -> None:
    world.configure(project)
    environ = alone(engine, tmp_path / "bin")

    row = rows_of(build(project, env=environ))["pipeline"]
    planned = json.loads(project.run("plan", "--json", env=environ).stdout)["images"][0]
    again = rows_of(build(project, env=environ))["pipeline"]

    assert (row["place"], row["built"]) == (engine.name, True)
    assert engine.run(row["reference"], "tool").strip() == "tool of base"
    assert (planned["exists"], planned["place"]) == (True, engine.name)
    assert (again["built"], again["digest"]) == (False, row["digest"])
    verified = project.run("verify", row["reference"], env=engine.environ, timeout=120)
    assert verified.code == 0, verified.stdout + verified.stderr


def test_a_parent_out_of_an_engines_store_is_taken(
    world: World, project: Project, docker: Engine, tmp_path: Path
) -> None:
    world.configure(project)
    settings = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    project.write("zlock.toml", settings.replace(f"{world.host}/python:3.11", "localhost/base:3.11"))
    assert project.run("resolve").code == 0

    output = ("--builder", "oci", "--output", f"oci:{tmp_path / 'out'}")
    row = rows_of(build(project, *output, env=docker.environ))["pipeline"]

    verified = project.run("verify", row["reference"])
    assert verified.code == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize(
    "docker",
    [
        {"user": "nobody", "python-package-installer-args": {"timeout": 60}},
        {"user": "nobody", "include-project": True},
        {"include-project": True},
        {"any-user": True, "include-project": True},
    ],
)
def test_it_is_what_buildah_makes_of_the_dockerfile(
    world: World, project: Project, buildah: Engine, docker: dict[str, Any]
) -> None:
    buildah.allow_plain(world.host)
    for name in ("train.py", "jobs/start.sh", "jobs/data/table.csv"):
        project.write(name, name).chmod(0o700 if name.endswith(".sh") else 0o600)
    world.configure(project, docker)

    ours = rows_of(build(project, "--builder", "oci", env=buildah.environ))["pipeline"]
    theirs = rows_of(build(project, *buildah.options, env=buildah.environ))["pipeline"]

    with mounted(buildah, ours["reference"]) as mine, mounted(buildah, theirs["reference"]) as other:
        own, wanted = tree_of(mine), tree_of(other)
    other_release = (r".*\.pyc", r"opt/venv/pyvenv\.cfg") if b"compiled-by" in own["opt/venv/pyvenv.cfg"][3] else ()
    differing = {path for path in own.keys() | wanted.keys() if own.get(path) != wanted.get(path)}
    beyond = sorted(
        path for path in differing if not any(re.fullmatch(one, path) for one in (*EXCEPTIONS, RUNNING, *other_release))
    )
    assert {path: (own.get(path), wanted.get(path)) for path in beyond} == {}
    assert own[f"{SITE}/tool/__init__.py"][0] == 0o100644
    assert own[f"{SITE}/tool/__init__.py"] == wanted[f"{SITE}/tool/__init__.py"]
    assert ("app/jobs/data/table.csv" in own) == ("include-project" in docker)


@contextmanager
def mounted(buildah: Engine, reference: str) -> Iterator[Path]:
    container = buildah("from", reference).strip()
    try:
        yield Path(buildah("mount", container).strip())
    finally:
        buildah("rm", container)


def tree_of(root: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return each file, folder and link by its path: its mode, its owner, and what it holds or leads to."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        is_link = stat.S_ISLNK(status.st_mode)
        data = os.fsencode(path.readlink()) if is_link else path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[path.relative_to(root).as_posix()] = (status.st_mode, status.st_uid, status.st_gid, data)
    return found
