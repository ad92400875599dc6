"""A step of two platforms: an image for each, and an index over both, in a real registry.

Nothing here runs what is built for another machine, so the image for arm64 is already there: what was built for this
machine, under another platform's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.building import BASE, Engine, base_in_registry
from support.engines import registry
from support.index import TinyIndex
from support.project import Project, Result

pytestmark = pytest.mark.engines

OCI, DOCKER = "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"
PLATFORMS = ["linux/amd64", "linux/arm64"]
PLAN = ("plan", "--builder", "buildah")


@dataclass(frozen=True, kw_only=True)
class World:
    """A registry with a parent for both platforms, an index of packages, and the engine that moves images."""

    index: TinyIndex
    host: str
    buildah: Engine

    def configure(self, project: Project, repository: str, **more: Any) -> None:
        docker = {"requirements": ["base"], "parent-image": f"{self.host}/python:3.11"}
        settings = {"python": "3.11", "registry": f"{self.host}/{repository}", "platforms": PLATFORMS, "docker": docker}
        project.configure({**settings, "index": [{"name": "own", "url": self.index.url, "default": True}], **more})
        locked = project.run("resolve")
        assert locked.code == 0, locked.stderr

    def skopeo(self, *arguments: str, reference: str) -> Any:
        skopeo = Engine(name="skopeo", environ={})
        return json.loads(skopeo(*arguments, "--tls-verify=false", f"docker://{reference}"))

    def put_for_arm64(self, image: str, reference: str, *, key: str = "", form: str = "oci") -> None:
        """Push an image of the engine's store as one for arm64."""
        labels = ("--label", f"zlock.key={key}") if key else ()
        container = self.buildah("from", image).strip()
        self.buildah("config", "--arch", "arm64", *labels, container)
        self.buildah("commit", "--format", form, container, reference)
        self.buildah("rm", container)
        self.buildah("push", "--format", "v2s2" if form == "docker" else form, reference)
        self.buildah("rmi", "--force", reference)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, buildah: Engine) -> Iterator[World]:
    with TinyIndex() as index, registry(tmp_path_factory.mktemp("registry")) as host:
        index.wheel("base", "1.0", files={"base.py": b"NAME = 'base'\n"})
        buildah.allow_plain(host)
        world = World(index=index, host=host, buildah=buildah)
        parent = f"{host}/python"
        base_in_registry(f"{parent}:amd64")
        world.put_for_arm64(BASE, f"{parent}:arm64")
        buildah("manifest", "create", "localhost/parents")
        for architecture in ("amd64", "arm64"):
            buildah("manifest", "add", "--tls-verify=false", "localhost/parents", f"docker://{parent}:{architecture}")
        buildah("manifest", "push", "--all", "--tls-verify=false", "localhost/parents", f"docker://{parent}:3.11")
        buildah("manifest", "rm", "localhost/parents")
        yield world


@pytest.fixture(params=[("buildah", "oci", OCI), ("docker", "docker", DOCKER), ("docker", "oci", OCI)])
def engine_form_and_index(request: pytest.FixtureRequest, world: World) -> tuple[Engine, str, str]:
    name, form, index = request.param
    engine: Engine = request.getfixturevalue(name)
    engine.allow_plain(world.host)
    return engine, form, index


def build(project: Project, engine: Engine, *arguments: str) -> Result:
    network = ("--network", engine.network) if engine.network else ()
    return project.run(
        "build", "--push", "--builder", engine.name, *network, *arguments, env=engine.environ, timeout=300
    )


def told(result: Result) -> dict[str, Any]:
    assert result.code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def an_environment(project: Project, world: World, repository: str) -> str:
    """Return an image of the engine's store that has what the lock says, and another key."""
    world.configure(
        project, repository, platforms=PLATFORMS[:1], steps={"train": {"docker": {"environment": {"A": "1"}}}}
    )
    done = project.run("build", "--builder", "buildah", "--json", env=world.buildah.environ, timeout=300)
    reference: str = told(done)["images"][0]["reference"]
    return reference


def test_the_images_of_a_step_have_one_name_that_each_platform_resolves(
    project: Project, world: World, engine_form_and_index: tuple[Engine, str, str]
) -> None:
    engine, form, media_type = engine_form_and_index
    repository = f"{engine.name}/{form}"
    environment = an_environment(project, world, repository)
    world.configure(project, repository)
    planned = told(project.run(*PLAN, "--json"))
    keys = {image["platform"]: image["key"] for image in planned["images"]}
    (index,) = planned["indexes"]
    assert (index["platforms"], index["exists"]) == (keys, False)
    arm64 = f"{world.host}/{repository}:{keys['linux/arm64'][:16]}"
    world.put_for_arm64(environment, arm64, key=keys["linux/arm64"], form=form)

    first = told(build(project, engine, "--json"))

    assert {image["platform"]: image["built"] for image in first["images"]} == {
        "linux/amd64": True,
        "linux/arm64": False,
    }
    (made,) = first["indexes"]
    assert made["written"]
    assert made["reference"] == f"{world.host}/{repository}@{made['digest']}"
    raw = world.skopeo("inspect", "--raw", reference=f"{world.host}/{repository}:{index['key'][:16]}")
    assert raw["mediaType"] == media_type
    assert raw["annotations"] == {"zlock.key": index["key"]}
    assert [one["digest"] for one in raw["manifests"]] == [made["platforms"][platform] for platform in PLATFORMS]
    for platform in PLATFORMS:
        architecture = platform.partition("/")[2]
        found = world.skopeo("inspect", "--override-arch", architecture, reference=made["reference"])
        assert (found["Architecture"], found["Labels"]["zlock.key"]) == (architecture, keys[platform])

    record = json.loads((project.folder / "build/zlock/images.json").read_text(encoding="utf-8"))["pipeline"]
    assert {name: record[name] for name in ("key", "reference", "digest")} == {
        name: made[name] for name in ("key", "reference", "digest")
    }
    assert {platform: row["digest"] for platform, row in record["platforms"].items()} == {
        image["platform"]: image["digest"] for image in first["images"]
    }

    again = told(build(project, engine, "--json"))
    assert [one["written"] for one in again["indexes"]] == [False]
    assert again["indexes"][0]["digest"] == made["digest"]
    assert told(project.run(*PLAN, "--json"))["indexes"][0]["exists"]
    assert build(project, engine).stdout.split() == ["pipeline", made["reference"]]
    shown = project.run(*PLAN).stdout.splitlines()[-1]
    assert shown == f"{index['key'][:16]} linux/amd64, linux/arm64: pipeline (index, exists)"

    verified = project.run("verify", made["reference"], "--json", env=engine.environ, timeout=120)
    assert verified.code == 0, verified.stdout + verified.stderr
    assert sorted(json.loads(verified.stdout)["platforms"]) == PLATFORMS


def test_an_index_over_an_older_image_of_the_same_key_is_written_again(project: Project, world: World) -> None:
    world.configure(project, "older/images")
    planned = told(project.run(*PLAN, "--json"))
    keys = {image["platform"]: image["key"] for image in planned["images"]}
    arm64 = f"{world.host}/older/images:{keys['linux/arm64'][:16]}"
    world.put_for_arm64(BASE, arm64, key=keys["linux/arm64"])
    (first,) = told(build(project, world.buildah, "--json"))["indexes"]
    world.put_for_arm64(f"{world.host}/python:amd64", arm64, key=keys["linux/arm64"], form="docker")
    assert not told(project.run(*PLAN, "--json"))["indexes"][0]["exists"]

    (second,) = told(build(project, world.buildah, "--json"))["indexes"]

    assert second["written"]
    assert second["key"] == first["key"]
    assert second["platforms"]["linux/amd64"] == first["platforms"]["linux/amd64"]
    assert second["platforms"]["linux/arm64"] != first["platforms"]["linux/arm64"]


def test_something_else_under_the_tag_of_the_index_is_an_error_and_leaves_the_step_unrecorded(
    project: Project, world: World
) -> None:
    world.configure(project, "taken/images")
    planned = told(project.run(*PLAN, "--json"))
    keys = {image["platform"]: image["key"] for image in planned["images"]}
    world.put_for_arm64(BASE, f"{world.host}/taken/images:{keys['linux/arm64'][:16]}", key=keys["linux/arm64"])
    taken = f"{world.host}/taken/images:{planned['indexes'][0]['key'][:16]}"
    base_in_registry(taken)

    result = build(project, world.buildah)

    assert result.code == 3
    assert f"something else is under `{taken}`" in result.stderr
    assert "pipeline  index not written (linux/amd64, linux/arm64)" in result.stderr
    assert not (project.folder / "build/zlock/images.json").exists()
    assert project.run(*PLAN).code == 3


def test_without_push_each_platform_is_named_for_itself(project: Project, world: World) -> None:
    world.configure(project, "local/images")
    planned = told(project.run(*PLAN, "--json"))
    keys = {image["platform"]: image["key"] for image in planned["images"]}
    world.put_for_arm64(BASE, f"{world.host}/local/images:{keys['linux/arm64'][:16]}", key=keys["linux/arm64"])

    done = project.run("build", "--builder", "buildah", env=world.buildah.environ, timeout=300)

    assert done.code == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert "(linux/arm64): exists" in done.stderr
