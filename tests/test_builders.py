"""Each engine, really building: what it makes, keeps, finds and pushes, and how it fails."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from msgspec.structs import replace

from support.building import BASE, Engine, running_engine, running_newer_docker, runs
from support.engines import registry, small_disk
from zlock.errors import OutsideFailed
from zlock.image.builders.buildctl import Buildctl
from zlock.image.builders.builder import Builder, Image, ImageBuildFailed, Recipe
from zlock.image.builders.choose import BUILDERS, choose_builder
from zlock.image.builders.engine import Client
from zlock.image.reuse import Reusing
from zlock.process import CommandStopped, Watch
from zlock.reporting import Line, News

KEY = "0123456789abcdef" * 4
DOCKERFILE = f"""
FROM {BASE}
COPY greeting /greeting
RUN --mount=type=secret,id=index wc -c < /run/secrets/index > /length
"""
needs_engines = pytest.mark.engines
each_engine = pytest.mark.parametrize("engine", ["docker", "buildah", "podman"], indirect=True)
each_store = pytest.mark.parametrize("engine", ["docker", "buildah"], indirect=True)


@pytest.fixture(scope="module")
def registry_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


def builder_of(engine: Engine) -> Builder:
    return choose_builder(engine.name, {**os.environ, **engine.environ}, engine.network)


def recipe(folder: Path, reference: str, dockerfile: str = DOCKERFILE, **others: Any) -> Recipe:
    context = folder / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    (context / "greeting").write_text("hello\n", encoding="utf-8")
    (folder / "secret").write_text("12345", encoding="utf-8")
    return Recipe(
        folder=context,
        dockerfile=context / "Dockerfile",
        reference=reference,
        platform="linux/amd64",
        labels={"zlock.key": KEY},
        secrets={"index": folder / "secret"},
        **others,
    )


def quiet() -> Watch:
    return Watch()


@needs_engines
@each_engine
def test_an_image_is_built_kept_under_its_name_and_found_again(tmp_path: Path, engine: Engine) -> None:
    builder = builder_of(engine)
    heard: list[News] = []

    built = builder.build(recipe(tmp_path, "localhost/zlock:built"), Watch(reporter=heard.append))

    assert built.built
    assert built.key == KEY
    assert builder.find("localhost/zlock:built") == replace(built, built=False)
    assert engine.run("localhost/zlock:built", "cat", "/greeting", "/length") == "hello\n5\n"
    assert any(isinstance(news, Line) and "COPY greeting" in news.text for news in heard)
    assert engine.left_over() == []


@needs_engines
@each_engine
def test_a_name_that_nothing_is_under_is_none_and_no_error(engine: Engine) -> None:
    assert builder_of(engine).find("localhost/zlock:nothing") is None


@needs_engines
@each_engine
def test_a_push_says_the_digest_that_the_registry_has(tmp_path: Path, engine: Engine, registry_host: str) -> None:
    builder, reference = builder_of(engine), f"{registry_host}/zlock/{engine.name}:pushed"
    engine.allow_plain(registry_host)
    builder.build(recipe(tmp_path, reference), quiet())

    pushed = builder.push(reference, quiet())

    assert (pushed.key, pushed.place) == (KEY, "registry")
    buildah = ["--tls-verify=false", f"docker://{registry_host}/zlock/{engine.name}@{pushed.digest}"]
    assert json.loads(skopeo("inspect", *buildah))["Labels"]["zlock.key"] == KEY


@needs_engines
@each_engine
def test_a_push_to_where_nobody_listens_is_an_error_with_the_log(tmp_path: Path, engine: Engine) -> None:
    builder = builder_of(engine)
    builder.build(recipe(tmp_path, "127.0.0.1:9/zlock:tag"), quiet())

    with pytest.raises(OutsideFailed, match=r"could not push `127\.0\.0\.1:9/zlock:tag`") as caught:
        builder.push("127.0.0.1:9/zlock:tag", quiet())
    assert "refused" in "\n".join(caught.value.context)


@needs_engines
@each_engine
def test_a_command_that_fails_is_shown_with_the_end_of_its_log_and_leaves_nothing(
    tmp_path: Path, engine: Engine
) -> None:
    text = f"FROM {BASE}\nRUN seq 1 100; echo https://me:hush@index.example/ is gone >&2; sleep 1; exit 7\n"
    builder = builder_of(engine)

    with pytest.raises(ImageBuildFailed, match="could not build `localhost/zlock:fails`") as caught:
        builder.build(recipe(tmp_path, "localhost/zlock:fails", text), quiet())

    log = "\n".join(caught.value.context)
    assert "https://index.example/ is gone" in log
    assert "hush" not in log
    assert "exit code: 7" in log or "exit status 7" in log
    assert caught.value.exit_code == 3
    assert builder.find("localhost/zlock:fails") is None
    assert engine.left_over() == []


@needs_engines
@each_store
def test_a_check_of_zlocks_own_that_fails_is_said_in_the_first_line(tmp_path: Path, engine: Engine) -> None:
    said = "zlock: the lock is for Python 3.13, the base image has 3.11: name another base image"
    text = f"FROM {BASE}\nRUN echo '{said}'; sleep 1; exit 1\n"

    with pytest.raises(ImageBuildFailed, match=r"the lock is for Python 3\.13, the base image has 3\.11$") as caught:
        builder_of(engine).build(recipe(tmp_path, "localhost/zlock:python", text), quiet())
    assert caught.value.hint == "name another base image"


@needs_engines
@each_store
def test_a_full_disk_is_named(tmp_path: Path, engine: Engine) -> None:
    text = f"FROM {BASE}\nRUN dd if=/dev/zero of=/dev/full count=1; sleep 1; exit 1\n"

    with pytest.raises(ImageBuildFailed, match="the disk is full") as caught:
        builder_of(engine).build(recipe(tmp_path, "localhost/zlock:full", text), quiet())
    assert "free some space" in caught.value.hint


@needs_engines
def test_a_disk_that_fills_up_under_the_engine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"FROM {BASE}\nRUN dd if=/dev/zero of=/large bs=1M count=2000; sleep 1; exit 1\n"
    with small_disk(tmp_path / "disk", "1500m") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))  # where the engine is put
        with running_engine("buildah") as engine, pytest.raises(ImageBuildFailed, match="the disk is full"):
            builder_of(engine).build(recipe(tmp_path, "localhost/zlock:large", text), quiet())


@needs_engines
@each_store
def test_a_parent_that_nobody_has_is_an_error(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(ImageBuildFailed) as caught:
        builder_of(engine).build(recipe(tmp_path, "localhost/zlock:parent", "FROM 127.0.0.1:9/none:1\n"), quiet())
    assert "127.0.0.1:9" in "\n".join(caught.value.context)
    assert caught.value.hint


def test_a_registry_that_answers_without_tls_is_named_with_the_way_out() -> None:
    said = "pinging container registry 127.0.0.1:5000: http: server gave HTTP response to HTTPS client"

    with pytest.raises(OutsideFailed, match=r"could not push `127\.0\.0\.1:5000/zlock:tag`: .* without TLS") as caught:
        Client("sh", os.environ).push(["-c", f"echo '{said}' >&2; exit 125"], "127.0.0.1:5000/zlock:tag", quiet())

    assert caught.value.context == (said,)
    assert "`insecure = true` in `registries.conf`" in caught.value.hint


@needs_engines
@each_engine
def test_a_build_that_is_stopped_leaves_nothing(tmp_path: Path, engine: Engine) -> None:
    stop = Event()

    def hear(news: News) -> None:
        if isinstance(news, Line) and "begun" in news.text and "echo" not in news.text:
            stop.set()

    text = f"FROM {BASE}\nRUN while echo begun; do sleep 0.432; done\n"
    with pytest.raises(CommandStopped):
        builder_of(engine).build(recipe(tmp_path, "localhost/zlock:stopped", text), Watch(reporter=hear, stop=stop))

    assert engine.left_over() == []
    assert not runs("sleep 0.432")


@needs_engines
@pytest.mark.parametrize("engine", ["buildah", "podman"], indirect=True)
def test_a_build_that_is_stopped_while_a_layer_is_written_leaves_nothing_and_touches_no_other(
    tmp_path: Path, engine: Engine
) -> None:
    buildah, stop = Engine(name="buildah", environ=engine.environ), Event()
    other = buildah("from", BASE).strip()

    def hear(news: News) -> None:
        if isinstance(news, Line) and news.text.strip() == "wrote":
            stop.set()

    text = f"FROM {BASE}\nRUN dd if=/dev/urandom of=/large bs=1M count=600 status=none; echo wrote\n"
    with pytest.raises(CommandStopped):
        builder_of(engine).build(recipe(tmp_path, "localhost/zlock:stopped", text), Watch(reporter=hear, stop=stop))

    assert buildah("containers", "--format", "{{.ContainerName}}", "--noheading").split() == [other]
    buildah("rm", other)


@needs_engines
def test_a_daemon_that_ends_in_the_middle_is_an_error(tmp_path: Path) -> None:
    with running_engine("docker") as engine:
        pid = int((Path(engine.environ["DOCKER_CONFIG"]).parent / "pid").read_text(encoding="utf-8"))

        def hear(news: News) -> None:
            if isinstance(news, Line) and "begun" in news.text and "echo" not in news.text:
                os.kill(pid, signal.SIGTERM)

        text = f"FROM {BASE}\nRUN echo begun; exec sleep 20\n"
        with pytest.raises(ImageBuildFailed, match="could not build `localhost/zlock:ends`") as caught:
            builder_of(engine).build(recipe(tmp_path, "localhost/zlock:ends", text), Watch(reporter=hear))
        assert "see whether the engine and the registry run" in caught.value.hint


@needs_engines
@each_engine
def test_a_fresh_build_takes_no_layer_of_an_earlier_one(tmp_path: Path, engine: Engine) -> None:
    text = f"FROM {BASE}\nRUN cat /proc/sys/kernel/random/uuid > /once\n"
    builder, wanted = builder_of(engine), recipe(tmp_path, "localhost/zlock:fresh", text)

    def once() -> str:
        return engine.run(wanted.reference, "cat", "/once")

    builder.build(wanted, quiet())
    first = once()
    builder.build(wanted, quiet())
    assert once() == first
    builder.build(replace(wanted, fresh=True), quiet())
    assert once() != first


@needs_engines
@pytest.mark.parametrize("engine", ["buildah", "podman"], indirect=True)
def test_a_second_build_from_cold_has_the_same_digest(tmp_path: Path, engine: Engine) -> None:
    text = f"FROM {BASE}\nCOPY greeting /greeting\nRUN mkdir -p /a/b && date > /dev/null && echo same > /a/b/file\n"
    builder, wanted = builder_of(engine), recipe(tmp_path, "localhost/zlock:cold", text, fresh=True)

    first = builder.build(wanted, quiet())
    (tmp_path / "context" / "greeting").touch()

    assert builder.build(wanted, quiet()) == first


@needs_engines
@each_store
def test_what_is_there_is_not_built_again(tmp_path: Path, engine: Engine) -> None:
    builder, wanted = builder_of(engine), recipe(tmp_path, "localhost/zlock:again")
    reusing = Reusing(builder.build, builder)

    assert reusing.build(wanted, quiet()).built
    assert not reusing.build(wanted, quiet()).built
    assert reusing.build(replace(wanted, fresh=True), quiet()).built


@needs_engines
@each_store
def test_something_else_under_the_name_is_an_error(tmp_path: Path, engine: Engine) -> None:
    builder, wanted = builder_of(engine), recipe(tmp_path, "localhost/zlock:other")
    builder.build(replace(wanted, labels={"zlock.key": KEY[::-1]}), quiet())

    with pytest.raises(OutsideFailed, match="something else is under `localhost/zlock:other`") as caught:
        Reusing(builder.build, builder).build(wanted, quiet())
    assert any(KEY[::-1] in line for line in caught.value.context)


@needs_engines
def test_builds_of_one_store_run_side_by_side(tmp_path: Path, buildah: Engine) -> None:
    builder = builder_of(buildah)
    recipes = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        recipes.append(recipe(folder, f"localhost/zlock:side-{number}", f"FROM {BASE}\nRUN echo {number} > /number\n"))

    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda wanted: builder.build(wanted, quiet()), recipes))

    assert [buildah.run(one.reference, "cat", "/number") for one in recipes] == ["0\n", "1\n", "2\n", "3\n"]


# Choosing


def test_without_any_engine_each_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(OutsideFailed, match="no image builder is available") as caught:
        choose_builder(None, {"PATH": str(tmp_path)})

    assert [line.partition(":")[0] for line in caught.value.context] == list(BUILDERS)
    assert "`docker`" in caught.value.context[0]
    assert "zlock dockerfile" in caught.value.hint


def test_the_engine_that_is_named_is_the_only_one_that_is_tried(tmp_path: Path) -> None:
    with pytest.raises(OutsideFailed, match="`podman` can't build") as caught:
        choose_builder("podman", {"PATH": str(tmp_path)})
    assert caught.value.context == ("podman: the program `podman` was not found",)


@needs_engines
def test_a_daemon_that_does_not_run_is_said_so_and_the_next_engine_is_taken(buildah: Engine, tmp_path: Path) -> None:
    environ = {**os.environ, **buildah.environ, "DOCKER_HOST": f"unix://{tmp_path}/no-socket"}
    script_folder = tmp_path / "bin"
    script_folder.mkdir()
    for program in ("docker", "buildah"):
        (script_folder / program).symlink_to(f"/usr/bin/{program}")

    assert choose_builder(None, {**environ, "PATH": str(script_folder)}).name == "buildah"
    with pytest.raises(OutsideFailed) as caught:
        choose_builder("docker", {**environ, "PATH": str(script_folder)})
    assert "no-socket" in caught.value.context[0]


@needs_engines
def test_a_docker_without_the_plugin_that_builds_is_said_so_and_the_next_engine_is_taken(
    buildah: Engine, tmp_path: Path
) -> None:
    with running_newer_docker() as docker:
        with_plugin = {**os.environ, **buildah.environ, **docker.environ}
        without = {**with_plugin, "DOCKER_CONFIG": str(tmp_path)}

        assert choose_builder(None, with_plugin).name == "docker"
        assert choose_builder(None, without).name in {"podman", "buildah"}
        with pytest.raises(OutsideFailed, match="`docker` can't build") as caught:
            choose_builder("docker", without)
        assert "no working buildx, without which it can't build: install that plugin" in caught.value.context[0]


# buildctl, which is held to what its documentation says: no BuildKit of its own is to be had for these tests

_RECORDER = """\
import json, pathlib, sys
folder = pathlib.Path(sys.argv[0]).parent
arguments = sys.argv[1:]
(folder / "arguments.json").write_text(json.dumps(arguments))
if "--metadata-file" in arguments:
    digest = "sha256:" + "a" * 64
    metadata = pathlib.Path(arguments[arguments.index("--metadata-file") + 1])
    metadata.write_text(json.dumps({"containerimage.digest": digest}))
"""


def recorder(folder: Path) -> Mapping[str, str]:
    """Put a program in the place of buildctl that writes down how it is called."""
    program = folder / "buildctl"
    program.write_text(f"#!{sys.executable}\n{_RECORDER}", encoding="utf-8")
    program.chmod(0o755)
    return {"PATH": str(folder), "BUILDKIT_HOST": "tcp://buildkit.example:1234"}


def test_buildctl_is_called_as_its_documentation_says(tmp_path: Path) -> None:
    builder = Buildctl(recorder(tmp_path), "host")
    wanted = recipe(tmp_path, "registry.example/zlock:tag", fresh=True)

    built = builder.build(wanted, quiet())

    arguments = json.loads((tmp_path / "arguments.json").read_text(encoding="utf-8"))
    pairs = list(itertools.pairwise(arguments))
    assert arguments[0] == "build"
    assert ("--frontend", "dockerfile.v0") in pairs
    assert ("--local", f"context={tmp_path / 'context'}") in pairs
    assert ("--local", f"dockerfile={tmp_path / 'context'}") in pairs
    assert ("--opt", "platform=linux/amd64") in pairs
    assert ("--opt", f"label:zlock.key={KEY}") in pairs
    assert ("--opt", "build-arg:SOURCE_DATE_EPOCH=0") in pairs
    assert ("--secret", f"id=index,src={tmp_path / 'secret'}") in pairs
    assert ("--output", "type=image,name=registry.example/zlock:tag,push=true,rewrite-timestamp=true") in pairs
    assert ("--allow", "network.host") in pairs
    assert ("--opt", "force-network-mode=host") in pairs
    assert "--no-cache" in arguments
    assert built == Image(digest=f"sha256:{'a' * 64}", key=KEY, place="registry", built=True)
    assert builder.push(wanted.reference, quiet()) == built


def test_buildctl_reaches_a_daemon_with_the_certificates_of_a_folder(tmp_path: Path) -> None:
    builder = Buildctl({**recorder(tmp_path), "ZLOCK_BUILDKIT_TLS": "/certificates"}, "none")

    def called(action: Callable[[], object]) -> list[str]:
        action()
        arguments: list[str] = json.loads((tmp_path / "arguments.json").read_text(encoding="utf-8"))
        return arguments

    arguments = called(lambda: builder.build(recipe(tmp_path, "registry.example/zlock:tag"), quiet()))

    assert arguments[:3] == ["--tlsdir", "/certificates", "build"]
    assert called(builder.trouble)[:3] == ["--tlsdir", "/certificates", "debug"]
    assert "force-network-mode=none" in arguments
    assert "--allow" not in arguments


def test_buildctl_without_an_address_is_not_taken(tmp_path: Path) -> None:
    environ = {**recorder(tmp_path), "BUILDKIT_HOST": ""}
    assert Buildctl(environ).trouble() == "`BUILDKIT_HOST` names no daemon"


def skopeo(*arguments: str) -> str:
    return Engine(name="skopeo", environ={})(*arguments)
