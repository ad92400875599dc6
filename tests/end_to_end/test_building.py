"""`zlock build` where something is special or goes wrong: parents, hostile settings, registries, interrupts."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.building import Engine, base_in_registry, runs
from support.engines import registry
from support.index import TinyIndex
from support.project import Project, Result
from support.serve import Reply
from support.stored_images import TinyRegistry
from support.wheelhouse import ROOT, make_wheelhouse

pytestmark = pytest.mark.engines


@dataclass(frozen=True, kw_only=True)
class World:
    """A registry that has a parent, and an index that has a package; a project of each test's own."""

    index: TinyIndex
    host: str

    @property
    def parent(self) -> str:
        return f"{self.host}/python:3.11"

    def configure(self, project: Project, docker: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Configure a project of one step and lock it."""
        docker = {"requirements": ["base"], **(docker or {})}
        if "dockerfile" not in docker:
            docker = {"parent-image": self.parent, **docker}
        project.configure(
            {"python": "3.11", "index": [{"name": "own", "url": self.index.url, "default": True}], **more}
            | {"docker": docker}
        )
        locked = project.run("resolve")
        assert locked.code == 0, locked.stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with TinyIndex() as index, registry(tmp_path_factory.mktemp("registry")) as host:
        index.wheel("base", "1.0", files={"base.py": b"NAME = 'base'\n"})
        base_in_registry(f"{host}/python:3.11")
        yield World(index=index, host=host)


@pytest.fixture(params=["buildah", "docker"])
def any_engine(request: pytest.FixtureRequest, world: World) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    engine.allow_plain(world.host)
    return engine


@pytest.fixture
def one_engine(buildah: Engine, world: World) -> Engine:
    """The one that is fastest, where it makes no difference."""
    buildah.allow_plain(world.host)
    return buildah


def build(project: Project, engine: Engine, *arguments: str, timeout: float = 300) -> Result:
    return project.run(*command(engine), *arguments, env=engine.environ, timeout=timeout)


def plan(engine: Engine) -> tuple[str, ...]:
    return ("plan", "--builder", engine.name)


def command(engine: Engine) -> tuple[str, ...]:
    network = ("--network", engine.network) if engine.network else ()
    return ("build", "--builder", engine.name, *network)


def image_of(result: Result) -> dict[str, Any]:
    assert result.code == 0, result.stderr
    (row,) = json.loads(result.stdout)["images"]
    found: dict[str, Any] = row
    return found


# Settings

HOSTILE = {
    "QUOTES": "a 'single' and a \"double\"",
    "SUBSTITUTION": "$(touch /tmp/owned) `touch /tmp/owned` ${HOME} $HOME $$",
    "END": "x; touch /tmp/owned && exit 1 # RUN touch /tmp/owned",
    "BACKSLASH": "ends with one \\",
    "BACKSLASHES": '\\n \\\\ \\$ \\" %s %%',
    "UNICODE": "žluťoučký kůň 🐴 “quoted”",
    "DASHES": "--build-arg=X=1 --",
    "TAB": "a\tb",
    "SPACES": "  around  ",
    "EMPTY": "",
}
PRINT = "import json, os, sys; print(json.dumps([dict(os.environ), os.path.exists('/tmp/owned'), os.getcwd()]))"


def test_hostile_values_reach_the_container_as_they_are(project: Project, world: World, any_engine: Engine) -> None:
    arguments = {"config-settings": ["n=1\n2", "a=$(touch /tmp/owned)", "b='\"; touch /tmp/owned; #"]}
    docker = {
        "environment": HOSTILE,
        "runtime-environment": {f"RUN_{name}": value for name, value in HOSTILE.items()},
        "python-package-installer-args": arguments,
    }
    world.configure(project, docker)

    row = image_of(build(project, any_engine, "--json"))

    environ, owned, _ = json.loads(any_engine.run(row["reference"], "python", "-c", PRINT))
    assert {name: environ.get(name) for name in HOSTILE} == HOSTILE
    assert {name: environ.get(f"RUN_{name}") for name in HOSTILE} == HOSTILE
    assert not owned


@pytest.mark.parametrize(
    ("docker", "named"),
    [
        ({"environment": {"A": "one\ntwo"}}, "A"),
        ({"environment": {"A=B": "c"}}, "A=B"),
        ({"environment": {"A\nRUN touch /tmp/owned": "c"}}, "RUN touch"),
        ({"runtime-environment": {"A": "x\x00"}}, "A"),
        ({"apt-packages": ["-o=Dpkg::Pre-Invoke::=touch"]}, "-o=Dpkg"),
        ({"apt-packages": ["git; touch /tmp/owned"]}, "git; touch"),
        ({"user": "root; touch /tmp/owned"}, "root; touch"),
        ({"parent-image": "python:3.11\nRUN touch /tmp/owned"}, "parent-image"),
        ({"python-package-installer-args": {"index-url": "http://index.example"}}, "index-url"),
        ({"python-package-installer-args": {"no such option": 1}}, "no such option"),
    ],
    ids=["newline", "name", "name-newline", "nul", "apt-option", "apt-shell", "user", "parent", "index", "option"],
)
def test_what_cannot_be_carried_is_refused_by_name(
    project: Project, world: World, one_engine: Engine, docker: Mapping[str, Any], named: str
) -> None:
    project.configure(
        {
            "python": "3.11",
            "index": [{"name": "own", "url": world.index.url, "default": True}],
            "docker": {"requirements": ["base"], "parent-image": world.parent, **docker},
        }
    )
    locked = project.run("resolve")

    result = build(project, one_engine) if locked.code == 0 else locked

    assert result.code == 2
    assert named in result.stderr
    assert "hint: " in result.stderr
    assert "Traceback" not in result.stderr
    assert not (project.folder / "build").exists()


# Parents


def test_a_parent_that_a_dockerfile_makes_is_built_first(project: Project, world: World, one_engine: Engine) -> None:
    project.write("images/Dockerfile", f"FROM {world.parent}\nCOPY greeting /greeting\n")
    project.write("images/greeting", "hello\n")
    docker = {"dockerfile": "images/Dockerfile", "build-context-root": "images"}
    world.configure(project, docker)

    first = image_of(build(project, one_engine, "--json"))
    assert first["built"]
    assert one_engine.run(first["reference"], "cat", "/greeting") == "hello\n"
    assert not image_of(build(project, one_engine, "--json"))["built"]

    project.write("images/greeting", "good day\n")
    changed = image_of(build(project, one_engine, "--json"))
    assert changed["built"]
    assert one_engine.run(changed["reference"], "cat", "/greeting") == "good day\n"


def test_a_parent_of_another_python_is_said_in_the_first_line(
    project: Project, world: World, one_engine: Engine
) -> None:
    world.configure(project, python="3.12")

    result = build(project, one_engine)

    assert result.code == 3
    (error,) = (line for line in result.stderr.splitlines() if line.startswith("error:"))
    assert error.endswith("the lock is for Python 3.12, the base image has 3.11")
    assert "hint: name another base image, or correct python" in result.stderr
    assert one_engine.left_over() == []
    assert not (project.folder / "build").exists()


def test_a_parent_that_is_in_no_registry_is_built_on_each_time(
    project: Project, world: World, one_engine: Engine
) -> None:
    world.configure(project, {"parent-image": "localhost/base:3.11"})

    results = [build(project, one_engine, "--json") for _ in range(2)]

    assert [image_of(result)["built"] for result in results] == [True, True]
    assert "no registry knows the digest of `localhost/base:3.11`" in results[0].stderr


def test_a_parent_that_the_registry_does_not_have_is_an_error(
    project: Project, world: World, one_engine: Engine
) -> None:
    world.configure(project, {"parent-image": f"{world.host}/none:1"})

    for result in (build(project, one_engine), project.run(*plan(one_engine))):
        assert result.code == 1
        assert f"there is no base image `{world.host}/none:1` for linux/" in result.stderr


def test_a_platform_that_the_registry_does_not_have_the_parent_for_is_an_error_before_anything_is_built(
    project: Project, world: World, one_engine: Engine
) -> None:
    world.configure(project, platforms=["linux/amd64", "linux/arm64"])

    for result in (build(project, one_engine), project.run(*plan(one_engine))):
        assert result.code == 1
        assert f"there is no base image `{world.parent}` for linux/arm64" in result.stderr
        assert "it is for linux/amd64" in result.stderr


def test_a_parent_of_another_platform_is_refused_where_no_registry_was_asked(
    project: Project, world: World, any_engine: Engine
) -> None:
    world.configure(project, platforms=["linux/arm64"])

    for _ in range(2):
        result = build(project, any_engine, "--offline")

        assert result.code == 3, result.stderr
        said = re.search(r"could not build `localhost/zlock:(?P<tag>\w+)`", result.stderr)
        assert said, result.stderr
        assert said["tag"] not in any_engine("images")
        assert "the lock is for linux/arm64, the base image has x86_64 with 64 bits" in result.stderr
        assert "hint: name another base image, or correct platforms" in result.stderr


def test_a_parent_that_a_dockerfile_makes_for_another_platform_is_refused_and_not_kept(
    project: Project, world: World, one_engine: Engine
) -> None:
    project.write("images/Dockerfile", f"FROM {world.parent}\nENV MADE=here\n")
    world.configure(project, {"dockerfile": "images/Dockerfile"}, platforms=["linux/arm64"])

    result = build(project, one_engine, "--offline")

    assert result.code == 3, result.stderr
    said = re.search(r"did not build `(?P<name>zlock-parent:\w+)` for linux/arm64", result.stderr)
    assert said, result.stderr
    assert "hint: name a base image for this platform, or correct `platforms`" in result.stderr
    assert said["name"].partition(":")[2] not in one_engine("images")


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_parent_with_an_environment_keeps_it_and_gets_another(
    project: Project, world: World, one_engine: Engine, installer: str
) -> None:
    """As images of frameworks have it: their own packages are in it, first on the `PATH`."""
    made = "RUN python3 -m venv --without-pip --system-site-packages /opt/venv && touch /opt/venv/own"
    lines = [f"FROM {world.parent}", made, "ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH"]
    project.write("images/Dockerfile", "\n".join(lines) + "\n")
    for path in make_wheelhouse(project.home / "uv", ["uv"]).iterdir():
        world.index.add(path)
    docker = {"dockerfile": "images/Dockerfile", "python-package-installer": installer}
    world.configure(project, docker)

    refused = build(project, one_engine)

    assert refused.code == 3
    (error,) = (line for line in refused.stderr.splitlines() if line.startswith("error:"))
    assert error.endswith("the base image has /opt/venv already")
    assert "hint: set venv to another folder, or system to true" in refused.stderr

    world.configure(project, {**docker, "venv": "/opt/own/venv"})
    row = image_of(build(project, one_engine, "--json"))
    printing = "import base, os, sys; print(sys.prefix, base.__file__.startswith(sys.prefix), os.listdir('/opt/zlock'))"
    assert one_engine.run(row["reference"], "python", "-c", printing).startswith("/opt/own/venv True")
    assert "own" in one_engine.run(row["reference"], "ls", "/opt/venv").split()
    verified = project.run("verify", row["reference"], env=one_engine.environ, timeout=120)
    assert verified.code == 0, verified.stdout + verified.stderr


# Indexes


@pytest.mark.parametrize(("any_engine", "installer"), [("buildah", "pip"), ("docker", "uv")], indirect=["any_engine"])
def test_a_context_that_names_its_indexes_is_built_by_an_engine_alone(
    project: Project, world: World, any_engine: Engine, installer: str
) -> None:
    for path in make_wheelhouse(project.home / "uv", ["uv"]).iterdir():
        world.index.add(path)
    with TinyIndex() as second:
        second.wheel("torch", "2.0+cpu", requires=["base"], files={"torch.py": b"import base\n"})
        second.wheel("base", "0.5")  # another than is locked
        world.index.wheel("torch", "9.0")
        indexes = [
            {"url": world.index.url, "default": True, "index-in-context": True},
            {"name": "cpu", "url": second.url, "explicit": True, "index-in-context": True},
        ]
        docker = {"requirements": ["torch"], "python-package-installer": installer}
        world.configure(project, docker, index=indexes, **{"index-sources": {"torch": "cpu"}})
        (row,) = json.loads(project.run("dockerfile", "--json").stdout)["contexts"]
        network = ("--network", any_engine.network) if any_engine.network else ()

        any_engine("build", *network, "--tag", f"localhost/alone:{installer}", row["folder"])

    assert row["secret"] is False
    names = (
        "import importlib.metadata as m, json, torch; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    found = json.loads(any_engine.run(f"localhost/alone:{installer}", "python", "-c", names))
    assert found == {"base": "1.0", "torch": "2.0+cpu"}


# Reuse


def test_prevent_build_reuse_builds_again_and_moves_the_tag(project: Project, world: World, any_engine: Engine) -> None:
    world.configure(project, {"prevent-build-reuse": True, "environment": {"A": "again"}})

    rows = [image_of(build(project, any_engine, "--json")) for _ in range(2)]

    assert [row["built"] for row in rows] == [True, True]
    inspected = json.loads(any_engine("inspect", "--type", "image", rows[1]["reference"]))
    (there,) = inspected if isinstance(inspected, list) else [inspected]
    assert (there.get("Id") or f"sha256:{there['FromImageID']}") == rows[1]["digest"]
    if any_engine.name == "buildah":  # what other engines leave different is in docs/building-images.md
        assert rows[0]["digest"] == rows[1]["digest"]


def test_force_builds_what_is_there_and_the_parent_that_a_dockerfile_makes(
    project: Project, world: World, one_engine: Engine
) -> None:
    project.write("images/Dockerfile", f"FROM {world.parent}\nRUN cat /proc/sys/kernel/random/uuid > /made\n")
    world.configure(project, {"dockerfile": "images/Dockerfile"}, registry=f"{world.host}/forced/images")

    def built(*options: str) -> tuple[bool, str]:
        row = image_of(build(project, one_engine, "--push", "--json", *options))
        return row["built"], one_engine.run(row["reference"], "cat", "/made")

    first = built()
    assert built() == (False, first[1])
    forced = built("--force")
    assert forced[0]
    assert forced[1] != first[1]
    assert built() == (False, forced[1])


def test_a_plan_finds_what_a_build_has_left_in_the_store_of_this_machine(
    project: Project, world: World, any_engine: Engine
) -> None:
    world.configure(project, {"environment": {"PLANNED_ON": any_engine.name}})
    assert project.run("resolve", "--pin-images").code == 0

    def planned(*options: str) -> list[Any]:
        result = project.run(*plan(any_engine), "--json", *options, env=any_engine.environ)
        assert result.code == 0, result.stderr
        return [row["place"] for row in json.loads(result.stdout)["images"]]

    assert planned() == [None]
    assert image_of(build(project, any_engine, "--json"))["built"]
    assert planned() == planned("--offline") == [any_engine.name]
    assert not image_of(build(project, any_engine, "--json"))["built"]
    assert "exists in the store of " in project.run(*plan(any_engine), env=any_engine.environ).stdout


def test_something_else_under_the_tag_in_the_registry_is_an_error_of_the_plan_too(
    project: Project, world: World, one_engine: Engine
) -> None:
    world.configure(project, registry=f"{world.host}/taken/images")
    (planned,) = json.loads(project.run(*plan(one_engine), "--json").stdout)["images"]
    taken = f"{world.host}/taken/images:{planned['key'][:16]}"
    base_in_registry(taken)

    for result in (project.run(*plan(one_engine)), build(project, one_engine, "--push")):
        assert result.code == 3
        assert f"something else is under `{taken}`" in result.stderr
        assert planned["key"] in result.stderr


def test_something_else_under_the_tag_is_an_error_and_stays(project: Project, world: World, one_engine: Engine) -> None:
    world.configure(project, {"environment": {"A": "taken"}})  # a key that no other test has
    row = image_of(build(project, one_engine, "--json"))
    other = Engine(name="buildah", environ=one_engine.environ)
    container = other("from", "localhost/base:3.11").strip()
    other("commit", container, row["reference"])
    other("rm", container)

    result = build(project, one_engine)

    assert result.code == 3
    assert f"something else is under `{row['reference']}`" in result.stderr
    assert row["key"] in result.stderr


# Registries


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=401),
        Reply(status=403),
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=500),
        Reply(body=b"<html>hello</html>", headers={"Content-Type": "text/html"}),
        Reply(ending="reset"),
    ],
    ids=["401", "403", "429", "500", "html", "reset"],
)
def test_a_registry_that_does_not_say_whether_an_image_is_there_is_an_error(
    project: Project, world: World, one_engine: Engine, reply: Reply
) -> None:
    with TinyRegistry() as tiny:
        world.configure(project, registry=f"{tiny.host}/team/images")
        tiny.answer = lambda _call: reply  # whatever is asked

        result = build(project, one_engine, "--push", timeout=120)

    assert result.code == 3
    assert tiny.host in result.stderr
    assert "hint: " in result.stderr
    assert "Traceback" not in result.stderr
    assert not (project.folder / "build").exists()


@pytest.mark.parametrize(
    "reply", [Reply(status=401), Reply(status=500), Reply(ending="reset")], ids=["401", "500", "reset"]
)
def test_a_push_that_fails_is_an_error_and_writes_no_tag(
    project: Project, world: World, one_engine: Engine, reply: Reply
) -> None:
    with TinyRegistry() as tiny:
        answer = tiny.answer
        tiny.answer = lambda call: answer(call) if call.method in {"GET", "HEAD"} else reply
        one_engine.allow_plain(tiny.host)
        world.configure(project, registry=f"{tiny.host}/team/images")

        result = build(project, one_engine, "--push")

        assert result.code == 3
        assert f"buildah could not push `{tiny.host}/team/images:" in result.stderr
        assert "hint: " in result.stderr
        assert not any(request.method == "PUT" for request in tiny.requests)
    assert not (project.folder / "build").exists()


def test_an_image_that_is_in_the_registry_is_not_built(project: Project, world: World, one_engine: Engine) -> None:
    world.configure(project, registry=f"{world.host}/reuse/images")
    pushed = image_of(build(project, one_engine, "--push", "--json"))
    one_engine("rmi", "--force", f"{world.host}/reuse/images:{pushed['key'][:16]}")

    found = image_of(build(project, one_engine, "--push", "--json"))

    assert not found["built"]
    assert found["reference"] == pushed["reference"]


def test_the_job_for_ci_builds_pushes_and_summarizes(project: Project, world: World, one_engine: Engine) -> None:
    world.configure(project, registry=f"{world.host}/ci/images")
    script = [sys.executable, str(ROOT / "ci" / "job.py"), "build", *command(one_engine)[1:]]
    result = project.call(*script, env=one_engine.environ)

    assert result.code == 0, result.stderr
    record = json.loads((project.folder / "build" / "zlock" / "images.json").read_text(encoding="utf-8"))["pipeline"]
    (platform,) = record["platforms"]
    row = f"| pipeline | {platform} | `{record['reference']}` | `{record['digest']}` |"
    assert row in result.stdout.splitlines()
    assert record["reference"].startswith(f"{world.host}/ci/images")


def test_a_push_without_a_repository_is_refused_before_anything_is_built(
    project: Project, world: World, one_engine: Engine
) -> None:
    world.configure(project)

    result = build(project, one_engine, "--push")

    assert result.code == 2
    assert "no target repository is configured" in result.stderr
    assert "target-repository" in result.stderr


# Ends


def test_a_package_that_cannot_be_had_any_more_is_shown_with_the_log(
    project: Project, world: World, any_engine: Engine
) -> None:
    world.index.wheel("fleeting", "1.0")
    world.configure(project, {"requirements": ["fleeting"]})
    world.index.remove("fleeting")

    result = build(project, any_engine)

    assert result.code == 3
    assert f"{any_engine.name} could not build" in result.stderr
    assert "fleeting" in result.stderr
    assert any_engine.left_over() == []
    assert not (project.folder / "build").exists()


@pytest.fixture
def half_broken(project: Project, world: World) -> Project:
    """A project of two steps, one of which can't be built."""
    world.index.wheel("fleeting", "1.0")
    steps = {"good": {}, "bad": {"docker": {"requirements": ["fleeting"]}}}
    world.configure(project, steps=steps, registry=f"{world.host}/half/images")
    world.index.remove("fleeting")
    return project


def record_of(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.folder / "build/zlock/images.json").read_text(encoding="utf-8"))
    return found


def test_what_was_built_beside_a_failure_is_shown_and_recorded(half_broken: Project, one_engine: Engine) -> None:
    result = build(half_broken, one_engine)

    assert result.code == 3
    (row,) = result.stdout.splitlines()
    assert row.split() == ["good", record_of(half_broken)["good"]["reference"]]
    assert sorted(record_of(half_broken)) == ["good"]
    said = result.stderr.splitlines()
    states = [line for line in said if line.startswith(("good: ", "bad: ")) and "building" not in line]
    assert sorted(re.sub(r"\d+", "N", line) for line in states) == [
        "bad: failed (N of N)",
        "good: built in N s (N of N)",
    ]
    assert "bad   failed (linux/amd64)" in said
    assert "1 built, 0 already there, 1 failed" in said
    assert said.count("  the image of `bad`") == 1
    assert not any("Successfully installed base" in line for line in said)  # what engines say is for `-v`


def test_an_image_beside_a_failure_is_not_pushed_and_not_recorded(half_broken: Project, one_engine: Engine) -> None:
    result = build(half_broken, one_engine, "--push", "--json")

    assert result.code == 3
    told = json.loads(result.stdout)
    assert told["images"] == []
    assert [(row["steps"], row["state"]) for row in told["missing"]] == [
        (["good"], "not pushed"),
        (["bad"], "failed"),
    ]
    assert not (half_broken.folder / "build/zlock/images.json").exists()


def test_a_failure_leaves_no_older_image_on_record_and_the_plan_still_explains(
    project: Project, world: World, one_engine: Engine
) -> None:
    own = {"environment": {"A": "on record"}}
    world.configure(project, own)
    assert build(project, one_engine).code == 0
    world.index.wheel("fleeting", "1.0")
    world.configure(project, {**own, "requirements": ["base", "fleeting"]})
    world.index.remove("fleeting")

    assert build(project, one_engine).code == 3

    assert "reference" not in record_of(project)["pipeline"]
    assert "package fleeting: added (1.0)" in project.run(*plan(one_engine), "--explain", "pipeline").stdout


def test_the_whole_log_of_a_failure_is_kept_until_the_image_is_built(
    project: Project, world: World, one_engine: Engine
) -> None:
    project.write("images/Dockerfile", f"FROM {world.parent}\nRUN seq 1000 1999; sleep 1; test -e /never\n")
    world.configure(project, {"dockerfile": "images/Dockerfile"})

    result = build(project, one_engine)

    assert result.code == 3
    named = re.search(r"^hint: .*the whole log is in `(?P<file>.+)`$", result.stderr, re.MULTILINE)
    assert named, result.stderr
    log = Path(named["file"]).read_text(encoding="utf-8")
    assert "1001" in log
    assert "1001" not in result.stderr


def test_a_terminal_has_a_line_for_each_image_that_runs(project: Project, world: World, one_engine: Engine) -> None:
    world.configure(project, steps={name: {"docker": {"environment": {"A": name}}} for name in ("one", "two")})

    code, shown = on_terminal(project, *command(one_engine), "--jobs", "1", env=one_engine.environ)

    assert code == 0, shown
    assert re.search(r"one: building \d+ s[^\n]*\n1 waiting", shown), shown
    assert re.search(r"one: built in \d+ s \(1 of 2\)\n", shown), shown
    assert re.search(r"two: built in \d+ s \(2 of 2\)\n", shown), shown


def on_terminal(project: Project, *arguments: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Run zlock with a terminal as standard error; return its exit code and all that was shown there."""
    ours, theirs = os.openpty()
    with project.start(*arguments, env=env, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # so ends a terminal that nobody has open any more
            while chunk := os.read(ours, 65536):
                shown += chunk
        process.communicate(timeout=60)
    os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("any_engine", "how"),
    [
        pytest.param("buildah", signal.SIGINT, id="buildah-interrupt"),
        pytest.param("docker", signal.SIGTERM, id="docker-terminate"),
    ],
    indirect=["any_engine"],
)
def test_an_interrupt_ends_the_build_and_leaves_nothing(
    project: Project, world: World, any_engine: Engine, how: signal.Signals
) -> None:
    sleep = f"sleep 0.3{os.getpid()}"  # as no other run of the tests has it
    project.write("images/Dockerfile", f"FROM {world.parent}\nRUN while echo begun; do {sleep}; done\n")
    world.configure(project, {"dockerfile": "images/Dockerfile"})
    environ = {**any_engine.environ, "TMPDIR": str(project.home)}

    with project.start(*command(any_engine), "-v", env=environ) as process:
        assert process.stderr
        for line in process.stderr:
            if "begun" in line and "echo" not in line:
                break
        os.kill(process.pid, how)
        process.communicate(timeout=60)

    assert process.returncode == 130
    assert any_engine.left_over() == []
    assert not runs(sleep)
    assert list(project.home.glob("zlock-*")) == []
    assert not (project.folder / "build").exists()


SLOW_TO_END = """\
#!/bin/sh
case " $* " in
*" inspect "*) echo "image not known" >&2; exit 1 ;;
*" build "*) trap 'sleep 7; echo done > "$CLEANED"; exit 1' TERM; echo begun; while :; do sleep 0.1; done ;;
esac
"""


def interrupted(project: Project, folder: Path, script: str, **environ: str) -> str:
    """Interrupt a build by a program in the place of buildah once it has begun; return what is said after that."""
    (folder / "buildah").write_text(script, encoding="utf-8")
    (folder / "buildah").chmod(0o755)
    environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    with project.start("build", "--builder", "buildah", "-v", env=environ) as process:
        assert process.stderr
        for line in process.stderr:
            if "begun" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    return said


def test_one_interrupt_of_the_whole_group_gives_an_engine_time_to_clean_up(
    project: Project, world: World, tmp_path: Path
) -> None:
    world.configure(project)
    cleaned = tmp_path / "cleaned"

    interrupted(project, tmp_path, SLOW_TO_END, CLEANED=str(cleaned))

    assert cleaned.read_text(encoding="utf-8") == "done\n"


REMOVES_NOTHING = """\
#!/bin/sh
case " $* " in
*" inspect "*) echo "image not known" >&2; exit 1 ;;
*" containers "*) echo $ID ;;
*" rm "*) echo "no" >&2; exit 1 ;;
*" build "*) echo "time=\\"now\\" level=debug msg=\\"Container ID: $ID\\""; echo begun; while :; do sleep 0.1; done ;;
esac
"""


def test_what_an_interrupt_could_not_remove_is_named_with_the_command_that_does(
    project: Project, world: World, tmp_path: Path
) -> None:
    world.configure(project)

    said = interrupted(project, tmp_path, REMOVES_NOTHING, ID="ab" * 32)

    assert "remove them with `buildah rm abababababab`" in said
    assert "nothing is left half-written" not in said


def test_without_an_engine_the_way_out_is_named(project: Project, world: World, tmp_path: Path) -> None:
    world.configure(project, {"system": True})

    result = project.run("build", env={"PATH": str(tmp_path)})

    assert result.code == 3
    assert "no image builder is available" in result.stderr
    assert "docker:" in result.stderr
    assert "zlock dockerfile" in result.stderr


# What `init` writes


def test_the_first_configuration_with_all_its_comments_is_locked_and_built(
    project: Project, world: World, one_engine: Engine
) -> None:
    project.pipeline("""
        from zlock import pipeline, step

        @step
        def train(): ...

        @pipeline
        def my_pipeline():
            train()
        """)
    assert project.run("init").code == 0
    text = (project.folder / "zlock.toml").read_text(encoding="utf-8")
    lines = ['pipeline = "pipeline.py:my_pipeline"', "[steps.train.docker]", 'extra-requirements = ["pandas>=2"]']
    for line in lines:
        text = text.replace(f"# {line}\n", f"{line}\n")
    text = text.replace("requirements = []", f'requirements = []\nparent-image = "{world.parent}"')
    index = f'[[index]]\nname = "own"\nurl = "{world.index.url}"\ndefault = true\n'
    project.write("zlock.toml", text.replace('"pandas>=2"', '"base>=1"') + index)
    locked = project.run("resolve")
    assert locked.code == 0, locked.stderr

    row = image_of(build(project, one_engine, "--json"))

    program = "from importlib.metadata import version; print(version('base'))"
    assert one_engine.run(row["reference"], "python", "-c", program).strip() == "1.0"
