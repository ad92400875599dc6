"""Locked Debian packages in images that real engines build: from a pool, without a network, the same each time."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
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
DATA = Deb(name="zlock-data", architecture="all", files={"usr/share/zlock-data": b"data\n"})


class World:
    """A project whose Debian packages are locked and fetched, and whose archive is gone."""

    def __init__(self, project: Project, engine: Engine) -> None:
        self.project = project
        self.engine = engine

    def zlock(self, *arguments: str, code: int = 0) -> str:
        done = self.project.run(*arguments, env=self.engine.environ, timeout=300)
        assert done.code == code, done.stderr
        return done.stdout + done.stderr

    def build(self, *arguments: str, code: int = 0) -> str:
        return self.zlock("build", "--builder", self.engine.name, *self.unreachable, *arguments, code=code)

    @property
    def unreachable(self) -> tuple[str, ...]:
        """What leaves a build without a network; Podman can't without namespaces, and the archive is gone anyway."""
        return () if self.engine.name == "podman" else ("--network", "none")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host of a registry with the base image."""
    with registry(tmp_path_factory.mktemp("registry")) as host:
        base_in_registry(f"{host}/team/base:1")
        yield host


@pytest.fixture(params=["buildah", "podman", "docker"])
def world(request: pytest.FixtureRequest, base: str, tmp_path: Path) -> World:
    """Have the base image ask a tiny archive in place of its own: a layer of the engine's making."""
    engine: Engine = request.getfixturevalue(request.param)
    engine = replace(engine, environ={**engine.environ, "DOCKER_BUILDKIT": "1"})
    engine.allow_plain(base)
    key = Key()
    project = Project(tmp_path / "project")
    with TinyArchive(key) as archive, TinyIndex() as index:
        archive.add(TOOL, DATA, Deb(name="zlock-extra"))
        layer = tmp_path / "layer"
        layer.mkdir()
        (layer / "sources.list").write_text(archive.source())
        (layer / "tiny.gpg").write_bytes(key.public)
        (layer / "Dockerfile").write_text(
            f"FROM {BASE}\nCOPY sources.list /etc/apt/sources.list\nCOPY tiny.gpg /etc/apt/trusted.gpg.d/tiny.gpg\n"
        )
        reference = f"{base}/team/{engine.name}:1"
        engine("build", "--tag", reference, str(layer))
        engine("push", reference)
        index.wheel("model", "1.0")
        project.configure(
            {
                "python": "3.11",
                "index": [{"url": index.url, "default": True}],
                "registry": f"{base}/team/images",
                "docker": {"parent-image": reference, "apt-packages": ["zlock-tool"]},
            }
        )
        found = World(project, engine)
        found.zlock("resolve", "--pin-images")
        found.zlock("fetch")
    key.close()
    return found


def test_packages_are_installed_with_their_scripts_from_the_pool_alone(world: World) -> None:
    world.build()

    reference = world.project.run("build", "--builder", world.engine.name, env=world.engine.environ).stdout.split()[-1]
    installed = world.engine.run(reference, "dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", "zlock-*")
    there = [line.split()[0] for line in installed.splitlines() if line.endswith(" installed")]
    assert there == ["zlock-data", "zlock-tool"]
    assert world.engine.run(reference, "cat", "/usr/share/zlock-made") == "data\n"
    left = world.engine.run(reference, "sh", "-c", "ls -AR /opt/zlock /var/lib/apt /var/cache/apt")
    assert ".deb" not in left


@pytest.mark.parametrize("world", ["buildah", "podman"], indirect=True)
def test_two_cold_builds_have_one_digest(world: World) -> None:
    digests = []
    for _ in range(2):
        world.build("--force")
        record = (world.project.folder / "build" / "zlock" / "images.json").read_text()
        digests.append([line for line in record.splitlines() if '"digest"' in line])

    assert digests[0] == digests[1]
    assert digests[0]


def test_a_package_of_the_pool_that_was_replaced_is_refused(world: World) -> None:
    world.zlock("dockerfile", "--wheelhouse", "wheelhouse")
    context = next(world.project.folder.glob("build/zlock/*/Dockerfile")).parent
    for place in (context / "debs", world.project.folder / "wheelhouse" / "debs"):
        path = next(place.glob("zlock-data_*"))
        path.unlink()
        path.write_bytes(replace(DATA, files={"usr/share/zlock-data": b"evil\n"}).build())

    assert "is another file than was locked" in world.build(code=3)
    with pytest.raises(AssertionError, match="zlock: a Debian package is another file than was locked"):
        world.engine("build", *world.unreachable, str(context))


@pytest.mark.parametrize("world", ["buildah"], indirect=True)
def test_an_image_is_verified_and_what_was_changed_in_it_is_named(world: World) -> None:
    world.build()
    record = json.loads((world.project.folder / "build" / "zlock" / "images.json").read_text())
    reference = record["pipeline"]["reference"]
    said = world.zlock("verify", reference)
    assert "as locked for `pipeline`" in said
    assert "2 Debian packages, 2 of their files" in said

    folder = world.project.folder.parent / "changed"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f"FROM {reference}\nRUN echo evil > /usr/share/zlock-data && dpkg --remove zlock-tool\n"
    )
    world.engine("build", "--tag", "localhost/changed:1", str(folder))
    said = world.zlock("verify", "localhost/changed:1", code=1)
    assert "zlock-data:all: /usr/share/zlock-data is changed" in said
    assert f"missing: zlock-tool:amd64 {TOOL.version}, a Debian package" in said


@pytest.mark.parametrize("world", ["buildah"], indirect=True)
def test_a_push_keeps_the_packages_where_others_find_them(world: World, base: str) -> None:
    world.build("--push")
    pool = world.project.folder / "wheelhouse" / "debs"
    before = {path.name: path.read_bytes() for path in pool.iterdir()}
    shutil.rmtree(pool)

    world.zlock("fetch")
    assert {path.name: path.read_bytes() for path in pool.iterdir()} == before
    world.zlock("dockerfile")
    (sums,) = world.project.folder.glob("build/zlock/*/debs/SHA256SUMS")
    digest = hashlib.sha256(sums.read_bytes()).hexdigest()
    found = Registry({}).read(ImageReference.parse(f"{base}/team/images:apt-{digest[:16]}"))
    assert isinstance(found, tuple)
    assert isinstance(found[1], Manifest)
    assert len(found[1].layers) == len(before)
