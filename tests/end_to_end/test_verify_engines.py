"""`zlock verify` and the registry reader on what real engines and a real registry keep."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from support.building import Engine, base_in_registry, running_engine, running_newer_docker
from support.certificates import make_certificate
from support.engines import PASSWORD, USER, registry, require
from support.environment import clean_environment
from support.index import TinyIndex
from support.project import Project
from support.stored_images import OCI_LAYER, OCI_ZSTD_LAYER, add_layer, in_members, make_layer
from support.venv import install_with_pip, make_plain_venv
from zlock.image.registry.registry import Registry
from zlock.model.reference import ImageReference

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.engines

PYTHON = f"3.{sys.version_info.minor}"
NAME = "localhost/zlock-verify:1"
DOCKERFILE = "FROM scratch\nCOPY venv /opt/venv\nLABEL zlock.key=0a\n"


@dataclass(frozen=True, kw_only=True)
class World:
    """A locked project, its environment in an image of buildah's, and the same as a layout.

    Attributes:
        project: The project.
        environ: What makes engines keep their images beside the project.
        layout: The image as an OCI layout.
    """

    project: Project
    environ: dict[str, str]
    layout: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    require("buildah")
    folder = tmp_path_factory.mktemp("engines")
    storage = folder / "storage.conf"
    places = {"driver": "vfs", "graphroot": str(folder / "images"), "runroot": str(folder / "run")}
    lines = [f'{key} = "{value}"' for key, value in places.items()]
    storage.write_text("\n".join(["[storage]", *lines]) + "\n", encoding="utf-8")
    with TinyIndex() as index:
        index.wheel("model", "2.0", requires=["speed"], entry_points={"console_scripts": {"model": "model:main"}})
        index.wheel("speed", "1.5")
        project = Project(folder / "project")
        project.configure(
            {
                "python": PYTHON,
                "index": [{"url": index.url, "default": True}],
                "docker": {"requirements": ["model"]},
            }
        )
        assert project.run("resolve").code == 0
        install_with_pip(make_plain_venv(folder / "context" / "venv"), project.lock_path("pipeline"))
    (folder / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    environ = {"CONTAINERS_STORAGE_CONF": str(storage)}
    context = str(folder / "context")
    run(project, environ, "buildah", "build", "--isolation=chroot", "-t", NAME, "-f", f"{folder}/Dockerfile", context)
    run(project, environ, "buildah", "push", NAME, f"oci:{folder}/layout:1")
    yield World(project=project, environ=environ, layout=folder / "layout")
    run(project, environ, "buildah", "rmi", "--all", "--force")


def run(project: Project, environ: dict[str, str], *command: str) -> str:
    """Run a program of the engines in the environment of the project's commands."""
    done = subprocess.run(
        [require(command[0]), *command[1:]],
        env=clean_environment(project.home, environ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def verified(world: World, image: str, **environ: str) -> str:
    """Verify, and return what was verified and where it was."""
    result = world.project.run("verify", image, "--json", env={**world.environ, **environ})
    assert result.code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["equal"], found["platforms"]["linux/amd64"]["packages"]) == (True, 2)
    return str(found["image"])


def push(world: World, host: str, *options: str, tag: str = "1") -> None:
    options = ("--dest-tls-verify=false", *options)
    run(
        world.project,
        world.environ,
        "skopeo",
        "copy",
        *options,
        f"oci:{world.layout}:1",
        f"docker://{host}/team/x:{tag}",
    )


def test_an_image_of_buildahs_is_read_out_of_its_store(world: World) -> None:
    assert verified(world, NAME).endswith("store")


def test_a_layout_that_buildah_wrote_is_read(world: World) -> None:
    verified(world, f"oci:{world.layout}")


def test_an_image_that_no_store_has_is_looked_for_in_its_registry(world: World, tmp_path: Path) -> None:
    with registry(tmp_path) as host:
        assert world.project.run("verify", f"{host}/team/x:1", env=world.environ).code == 1
        push(world, host)

        assert verified(world, f"{host}/team/x:1").endswith("in its registry")


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_what_is_found_in_a_registry_is_what_skopeo_finds(form: str, world: World, tmp_path: Path) -> None:
    with registry(tmp_path) as host:
        push(world, host, "--format", form)
        said = json.loads(
            run(world.project, {}, "skopeo", "inspect", "--tls-verify=false", f"docker://{host}/team/x:1")
        )
        reader = Registry(clean_environment(tmp_path))
        found = reader.find(ImageReference.parse(f"{host}/team/x:1"), "linux/amd64")
        reader.close()

    assert found is not None
    assert (found.digest, found.config.labels, len(found.layers)) == (
        said["Digest"],
        said["Labels"],
        len(said["Layers"]),
    )
    assert found.config.labels["zlock.key"] == "0a"


def test_a_registry_with_a_login_is_read_with_it_and_not_without(world: World, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", login=True) as host:
        push(world, host, "--dest-creds", f"{USER}:{PASSWORD}")
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = tmp_path / "docker" / "config.json"
        config.parent.mkdir()
        config.write_text(json.dumps({"auths": {host: {"auth": auth}}}), encoding="utf-8")

        verified(world, f"{host}/team/x:1", DOCKER_CONFIG=str(config.parent))
        refused = world.project.run("verify", f"{host}/team/x:1", env=world.environ)

    assert refused.code == 3
    assert "asks for a login" in refused.stderr
    assert PASSWORD not in refused.stderr


def test_a_registry_with_tls_is_read_where_its_certificate_is_trusted(world: World, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with registry(tmp_path / "registry", secured=(certificate, key)) as host:
        push(world, host)

        verified(world, f"{host}/team/x:1", SSL_CERT_FILE=str(certificate))
        refused = world.project.run("verify", f"{host}/team/x:1", env=world.environ)

    assert refused.code == 3
    assert "certificate verify failed" in refused.stderr


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_an_archive_that_buildah_wrote_is_read(form: str, world: World, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    run(world.project, world.environ, "buildah", "push", "--quiet", NAME, f"{form}:{archive}:{NAME}")

    verified(world, f"{form}:{archive}")
    verified(world, f"{form}:{archive}:{NAME}")
    archive.write_bytes(archive.read_bytes()[:4096])
    assert world.project.run("verify", f"{form}:{archive}").code == 3


def test_an_image_is_read_out_of_the_store_that_is_named(world: World, tmp_path: Path) -> None:
    assert verified(world, f"containers-storage:{NAME}") == f"{NAME} in podman's store"
    elsewhere = world.project.run("verify", "containers-storage:localhost/none:1", env=world.environ)
    no_daemon = {"DOCKER_HOST": f"unix://{tmp_path}/none"}
    closed = world.project.run("verify", f"docker-daemon:{NAME}", env={**world.environ, **no_daemon})

    assert (elsewhere.code, closed.code) == (1, 3)
    assert "there is no image `containers-storage:localhost/none:1`" in elsewhere.stderr
    assert "docker's store can't be looked into" in closed.stderr


@pytest.mark.parametrize("running", [partial(running_engine, "docker"), running_newer_docker], ids=["older", "newer"])
def test_what_docker_keeps_and_saves_is_read(
    running: Callable[[], AbstractContextManager[Engine]], world: World, tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    run(world.project, world.environ, "buildah", "push", "--quiet", NAME, f"docker-archive:{archive}:x/train:1")
    with running() as docker:
        docker("load", "--quiet", "--input", str(archive))
        docker("save", "--output", str(tmp_path / "saved.tar"), "x/train:1")

        assert verified(world, "docker-daemon:x/train:1", **docker.environ) == "x/train:1 in docker's store"
    verified(world, f"docker-archive:{tmp_path / 'saved.tar'}")
    verified(world, f"docker-archive:{tmp_path / 'saved.tar'}:x/train:1")


@pytest.mark.parametrize("kind", [OCI_LAYER, OCI_ZSTD_LAYER])
def test_what_an_engine_runs_is_what_is_read(kind: str, project: Project, buildah: Engine, tmp_path: Path) -> None:
    """The second member of a layer is unpacked, and what it brings runs at every start of Python."""
    with TinyIndex() as index, registry(tmp_path / "registry") as host:
        base_in_registry(f"{host}/python:3.11")
        buildah.allow_plain(host)
        index.wheel("speed", "1.5")
        project.configure(
            {
                "python": "3.11",
                "index": [{"url": index.url, "default": True}],
                "docker": {"requirements": ["speed"], "parent-image": f"{host}/python:3.11"},
            }
        )
        assert project.run("resolve").code == 0
        built = project.run("build", "--json", *buildah.options, env=buildah.environ, timeout=300)
        assert built.code == 0, built.stderr
    layout = tmp_path / "layout"
    buildah("push", "--quiet", json.loads(built.stdout)["images"][0]["reference"], f"oci:{layout}:1")
    before = project.run("verify", f"oci:{layout}")
    site = "opt/venv/lib/python3.11/site-packages"
    plain = make_layer({"opt/": None, f"{site}/evil.pth": b"import sys; print('evil')\n"}, plain=True)
    compress = gzip.compress if kind == OCI_LAYER else zstd.compress
    add_layer(layout, in_members(plain, 512, compress=compress), kind)

    printed = buildah.run(buildah("pull", "--quiet", f"oci:{layout}:1").strip(), "/opt/venv/bin/python", "-c", "pass")
    after = project.run("verify", f"oci:{layout}")

    assert set(printed.split()) == {"evil"}
    assert (before.code, after.code) == (0, 1), before.stderr
    assert f"of no package: /{site}/evil.pth" in after.stderr
