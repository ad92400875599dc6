"""Locked Debian packages in images that real engines build: from a pool, without a network, the same each time."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from support.building import BASE, Engine, base_in_registry
from support.debian import Deb, Key, TinyArchive
from support.engines import registry
from support.index import TinyIndex
from support.project import Project
from zlock.image.registry.manifest import Manifest
from zlock.image.registry.registry import Registry
from zlock.model.reference import ImageReference

pytestmark = pytest.mark.engines
TOOL = Deb(
    name="zlock-tool",
    version="1:2.0~rc1+b2",
    fields={"Depends": "zlock-data (>= 1.0)", "Recommends": "zlock-extra"},
    files={"usr/share/zlock-tool": b"tool\n"},
    scripts={"postinst": "#!/bin/sh\nset -e\ncat /usr/share/zlock-data > /usr/share/zlock-made\n"},
)
STEPS: dict[str, list[str]] = {"bare": [], "train": ["model"], "report": ["other"]}
DATA = Deb(name="zlock-data", architecture="all", files={"usr/share/zlock-data": b"data\n"})


class World:
    """A project whose Debian packages are locked and fetched, and no longer in their archive.

    Attributes:
        project: The project, with three steps.
        engine: What builds.
        index: Where wheels are.
    """

    def __init__(self, project: Project, engine: Engine, index: TinyIndex) -> None:
        self.project = project
        self.engine = engine
        self.index = index

    def zlock(self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> str:
        done = self.project.run(*arguments, env=env or self.engine.environ, timeout=300)
        assert done.code == code, done.stderr
        return done.stdout + done.stderr

    def build(self, *arguments: str, code: int = 0) -> str:
        return self.zlock("build", "--builder", self.engine.name, *self.unreachable, *arguments, code=code)

    @property
    def digest(self) -> str:
        """The digest of the image that was built last."""
        record = json.loads((self.project.folder / "build" / "zlock" / "images.json").read_text())
        return str(record["bare"]["digest"])

    @property
    def unreachable(self) -> tuple[str, ...]:
        """What leaves a build without a network; Podman can't without namespaces, and the archive has nothing."""
        return () if self.engine.name == "podman" else ("--network", "none")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host of a registry with the base image."""
    with registry(tmp_path_factory.mktemp("registry")) as host:
        base_in_registry(f"{host}/team/base:1")
        yield host


@pytest.fixture(scope="module")
def made(buildah: Engine, base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, TinyIndex]]:
    """A project whose base image asks a tiny archive in place of its own: a layer of the engine's making."""
    buildah.allow_plain(base)
    key = Key()
    folder = tmp_path_factory.mktemp("made")
    project = Project(folder / "project")
    with TinyIndex() as index, TinyArchive(key) as archive:
        archive.add(TOOL, DATA, Deb(name="zlock-extra"))
        layer = folder / "layer"
        layer.mkdir()
        (layer / "sources.list").write_text(archive.source())
        (layer / "tiny.gpg").write_bytes(key.public)
        (layer / "Dockerfile").write_text(
            f"FROM {BASE}\nCOPY sources.list /etc/apt/\nCOPY tiny.gpg /etc/apt/trusted.gpg.d/\n"
        )
        reference = f"{base}/team/debian:1"
        buildah("build", "--tag", reference, str(layer))
        buildah("push", reference)
        index.wheel("model", "1.0")
        index.wheel("other", "1.0")
        project.configure(
            {
                "python": "3.11",
                "index": [{"url": index.url, "default": True}],
                "registry": f"{base}/team/images",
                "docker": {
                    "parent-image": reference,
                    "apt-packages": ["zlock-tool"],
                    "bytecode": False,
                },
                "steps": {name: {"docker": {"requirements": of}} for name, of in STEPS.items()},
            }
        )
        for command in (["resolve", "--pin-images"], ["fetch"]):
            done = project.run(*command)
            assert done.code == 0, done.stderr
        archive.content = {path: data for path, data in archive.content.items() if not path.startswith("pool/")}
        yield project, index
    key.close()


@pytest.fixture(params=["buildah", "podman", "docker"], scope="module")
def engine(request: pytest.FixtureRequest, base: str) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    found.allow_plain(base)
    return replace(found, environ={**found.environ, "DOCKER_BUILDKIT": "1"})


@pytest.fixture
def world(made: tuple[Project, TinyIndex], engine: Engine, tmp_path: Path) -> World:
    """The project with images of the engine's own, for a test that may change files."""
    project, index = made
    shutil.copytree(project.folder, tmp_path / "project")
    copied = Project(tmp_path / "project")
    settings = copied.folder / "zlock.toml"
    settings.write_text(settings.read_text().replace("/team/images", f"/team/images-{engine.name}"))
    return World(copied, engine, index)


def test_packages_are_installed_with_their_scripts_from_the_pool_alone(world: World) -> None:
    reference = world.build("--step", "bare").split()[1]

    installed = world.engine.run(reference, "dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", "zlock-*")
    there = [line.split()[0] for line in installed.splitlines() if line.endswith(" installed")]
    assert there == ["zlock-data", "zlock-tool"]
    assert world.engine.run(reference, "cat", "/usr/share/zlock-made") == "data\n"
    left = world.engine.run(reference, "sh", "-c", "ls -AR /opt/zlock /var/lib/apt /var/cache/apt")
    assert ".deb" not in left
    if world.engine.name != "docker":  # whose layers have the times of the build
        first = world.digest
        world.build("--step", "bare", "--force")
        assert world.digest == first


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_stage_is_the_same_whichever_engine_makes_it(world: World, base: str, podman: Engine) -> None:
    no_network = "--network", "none"  # Podman can't, and Buildah is next
    digests: list[str] = []
    for engine, *network in (world.engine, *no_network), (podman,), (podman, *no_network):
        engine.allow_plain(base)
        world.zlock("build", "--builder", "oci", "--step", "bare", "--force", "--push", *network, env=engine.environ)
        digests.append(world.digest)

    assert digests == [digests[0]] * 3


def test_a_package_of_the_pool_that_was_replaced_is_refused(world: World) -> None:
    world.zlock("dockerfile", "--step", "bare", "--wheelhouse", "wheelhouse")
    context = next(world.project.folder.glob("build/zlock/*/Dockerfile")).parent
    for place in (context / "debs", world.project.folder / "wheelhouse" / "debs"):
        path = next(place.glob("zlock-data_*"))
        path.unlink()
        path.write_bytes(replace(DATA, files={"usr/share/zlock-data": b"evil\n"}).build())

    assert "is another file than was locked" in world.build("--force", code=3)
    with pytest.raises(AssertionError, match="zlock: a Debian package is another file than was locked"):
        world.engine("build", "--no-cache", *world.unreachable, str(context))


@pytest.mark.parametrize("engine", ["buildah"], indirect=True)
def test_steps_with_the_same_packages_share_a_stage_that_no_change_of_a_wheel_builds_again(
    world: World, tmp_path: Path
) -> None:
    out = f"oci:{tmp_path / 'out'}"
    planned = world.zlock("plan", "--builder", "oci")
    (stage,) = set(re.findall(r"with 2 Debian packages as (stage-[0-9a-f]{16}) \(to build\)", planned))
    said = world.zlock("build", "--builder", "oci", "--push", "-v")
    assert said.count("installing its Debian packages on its base image") == 1
    assert f"as {stage}\n" in world.zlock("plan", "--builder", "oci")

    world.index.wheel("model", "1.1")
    world.zlock("resolve", "--upgrade-package", "model")
    alone = {"PATH": "/nonexistent"}
    planned = world.zlock("plan", "--explain", "train", env=alone)
    assert f"with 2 Debian packages as {stage} (exists in the registry)" in planned
    assert re.findall(r"^  .*: .*", planned, re.MULTILINE) == ["  package model: 1.0 -> 1.1"]
    world.zlock("build", "--output", out, "--cache-dir", str(tmp_path / "cold"), env=alone)
    for step in ("train", "report"):
        row = json.loads((world.project.folder / "build" / "zlock" / "images.json").read_text())[step]
        assert "2 Debian packages, 2 of their files" in world.zlock("verify", row["reference"], "--step", step)


@pytest.mark.parametrize("engine", ["buildah"], indirect=True)
def test_an_image_is_verified_and_what_was_changed_in_it_is_named(world: World) -> None:
    world.build("--step", "bare")
    record = json.loads((world.project.folder / "build" / "zlock" / "images.json").read_text())
    reference = record["bare"]["reference"]
    said = world.zlock("verify", reference)
    assert "as locked for `bare`" in said
    assert "2 Debian packages, 2 of their files" in said

    folder = world.project.folder.parent / "changed"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f"FROM {reference}\nCOPY extra.deb /tmp/\n"
        "RUN echo evil > /usr/share/zlock-data && dpkg --remove zlock-tool && dpkg --install /tmp/extra.deb\n"
    )
    (folder / "extra.deb").write_bytes(Deb(name="zlock-extra").build())
    world.engine("build", "--tag", "localhost/changed:1", str(folder))
    said = world.zlock("verify", "localhost/changed:1", "--step", "bare", code=1)
    assert "zlock-data:all: /usr/share/zlock-data is changed" in said
    assert f"missing: zlock-tool:amd64 {TOOL.version}, a Debian package" in said
    assert "not locked: zlock-extra:amd64 1.0, a Debian package" in said
    assert said.count(", a Debian package") == 2


@pytest.mark.parametrize("engine", ["buildah"], indirect=True)
def test_a_push_keeps_the_packages_where_others_find_them(world: World, base: str) -> None:
    world.build("--push", "--step", "bare")
    pool = world.project.folder / "wheelhouse" / "debs"
    before = {path.name: path.read_bytes() for path in pool.iterdir()}
    shutil.rmtree(pool)

    world.zlock("fetch")
    assert {path.name: path.read_bytes() for path in pool.iterdir()} == before
    world.zlock("dockerfile", "--step", "bare")
    (sums,) = world.project.folder.glob("build/zlock/*/debs/SHA256SUMS")
    digest = hashlib.sha256(sums.read_bytes()).hexdigest()
    found = Registry({}).read(ImageReference.parse(f"{base}/team/images-buildah:apt-{digest[:16]}"))
    assert isinstance(found, tuple)
    assert isinstance(found[1], Manifest)
    assert len(found[1].layers) == len(before)
