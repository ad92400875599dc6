"""`zlock plan` on parents that are not pinned: what registries say of them, and of those that Dockerfiles name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project, Result
from support.serve import Reply
from support.stored_images import Image, TinyRegistry


@pytest.fixture
def tiny(tiny: TinyRegistry) -> TinyRegistry:
    tiny.push("team/base", "1", Image())
    tiny.push("team/arm", "1", Image(platform="linux/arm64"))
    tiny.push("team/both", "1", Image(platform="linux/arm64"), Image(platform="linux/arm/v7"))
    return tiny


def configure(project: Project, index: TinyIndex, *, steps: Any = None, **docker: Any) -> None:
    index.wheel("alpha", "1.0")
    table = {"requirements": ["alpha"], **docker}
    indexes = [{"url": index.url, "default": True}]
    project.configure({"python": "3.12", "index": indexes, "docker": table, "steps": steps or {}})


def planned(project: Project, index: TinyIndex, dockerfile: str) -> Result:
    """Plan the image of a step that is built on what a Dockerfile makes."""
    project.write("images/Dockerfile", dockerfile)
    configure(project, index, dockerfile="images/Dockerfile")
    locked = project.run("resolve")
    assert locked.code == 0, locked.stderr
    return project.run("plan", "--json")


def test_images_that_are_there_give_the_parent_a_digest(project: Project, index: TinyIndex, tiny: TinyRegistry) -> None:
    arm = f"FROM --platform=linux/arm64 {tiny.host}/team/arm:1 AS arm"
    result = planned(project, index, f"{arm}\nFROM {tiny.host}/team/base:1\nCOPY --from=arm /a /a\n")

    assert result.code == 0, result.stderr
    (row,) = json.loads(result.stdout)["images"]
    assert row["parent"]["digest"].startswith("sha256:")
    assert "makes is not pinned" not in result.stderr


ABSENT = {  # by repository: the platform that is asked for, and what there is
    "team/gone": ("linux/amd64", ""),
    "team/base": ("linux/arm64", "linux/amd64"),
    "team/arm": ("linux/amd64", "linux/arm64"),
    "team/both": ("linux/amd64", "linux/arm64, linux/arm"),
}


@pytest.mark.parametrize("repository", ABSENT)
def test_an_image_that_is_needed_and_not_there_is_an_error(
    project: Project, index: TinyIndex, tiny: TinyRegistry, repository: str
) -> None:
    platform, others = ABSENT[repository]
    flag = f"--platform={platform}" if platform != "linux/amd64" else ""
    result = planned(project, index, f"FROM {flag} {tiny.host}/{repository}:1 AS base\nFROM base\n")

    assert result.code == 1
    missing = f"there is no base image `{tiny.host}/{repository}:1` for {platform}"
    assert f"error: {missing}\n" in result.stderr
    assert f"named in `{project.folder / 'images' / 'Dockerfile'}`" in result.stderr
    assert (f"  it is for {others}\n" in result.stderr) == bool(others)
    way_out = f"name one that is for {platform}, or set `platforms`" if others else "check its name, and `platforms`"
    assert f"hint: {way_out}\n" in result.stderr


def test_an_image_that_may_not_be_needed_and_is_not_there_is_noted(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    result = planned(project, index, f"FROM {tiny.host}/team/gone:1 AS extra\nFROM {tiny.host}/team/base:1\n")

    assert result.code == 0, result.stderr
    missing = f"there is no base image `{tiny.host}/team/gone:1` for linux/amd64"
    assert f"note: {missing}; whether it is needed, the build of `Dockerfile` will tell" in result.stderr


def test_a_registry_that_does_not_answer_is_one_note_and_leaves_open_what_it_has(
    project: Project, index: TinyIndex
) -> None:
    for name in ("alpha", "beta"):
        index.wheel(name, "1.0")
    parent = {"parent-image": f"base@sha256:{'ab' * 32}"}
    steps = {
        "train": {"docker": {"requirements": ["alpha"], "target-repository": "127.0.0.1:1/team/own"}},
        "report": {"docker": {"requirements": ["beta"]}},
    }
    where = {"python": "3.12", "registry": "127.0.0.1:1/team/all", "index": [{"url": index.url, "default": True}]}
    project.configure({**where, "docker": parent, "steps": steps})
    assert project.run("resolve").code == 0

    shown, told = (project.run("plan", *options, env={"UV_HTTP_RETRIES": "0"}) for options in ((), ("--json",)))

    for result in (shown, told):
        assert result.code == 0, result.stderr
        assert result.stderr.count("note: the registry `127.0.0.1:1` does not say what it has: ") == 1
    assert re.findall(r"\(([\w ]+), ", shown.stdout) == ["not known to exist", "not known to exist"]
    assert [row["exists"] for row in json.loads(told.stdout)["images"]] == [None, None]


REFUSALS = {
    "401": Reply(status=401),
    "403": Reply(status=403),
    "500": Reply(status=500),
    "html": Reply(body=b"<html>hello</html>", headers={"Content-Type": "text/html"}),
    "reset": Reply(ending="reset"),
}


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=list(REFUSALS))
def test_without_its_registry_a_parent_floats_and_the_rest_is_planned_and_baked(
    project: Project, index: TinyIndex, tiny: TinyRegistry, reply: Reply
) -> None:
    index.wheel("beta", "1.0")
    steps = {"train": {}, "report": {"docker": {"requirements": ["beta"]}}}
    configure(project, index, steps=steps, **{"parent-image": f"{tiny.host}/team/base:1"})
    assert project.run("resolve").code == 0
    tiny.answer = lambda _call: reply  # whatever is asked
    environ = {"UV_HTTP_RETRIES": "0"}

    planned = project.run("plan", "--json", env=environ)
    baked = project.run("export", "bake", "--output", "docker-bake.json", env=environ)

    for result in (planned, baked):
        assert result.code == 0, result.stderr
        assert result.stderr.count(f"note: the registry `{tiny.host}` does not say what it has: ") == 1
        assert (
            f"the base image `{tiny.host}/team/base:1` is not pinned to a digest: its name may stand for another image"
            in result.stderr
        )
    rows = json.loads(planned.stdout)["images"]
    assert [(row["exists"], row["parent"]["digest"]) for row in rows] == [(None, ""), (None, "")]
    assert len(json.loads((project.folder / "docker-bake.json").read_text())["target"]) == 2


def test_a_login_that_can_not_be_had_is_no_error_of_a_plan_either(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    tiny.login = "me:hush"
    project.write("docker/config.json", '{"credsStore": "nowhere"}')
    configure(project, index, **{"parent-image": f"{tiny.host}/team/base:1"})
    assert project.run("resolve").code == 0

    result = project.run("plan", env={"DOCKER_CONFIG": str(project.folder / "docker")})

    assert result.code == 0, result.stderr
    assert f"note: the registry `{tiny.host}` does not say what it has: the credential helper `" in result.stderr


def test_an_index_of_a_registry_that_does_not_answer_may_be_there_or_not(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    index.wheel("alpha", "1.0")
    where = {"python": "3.12", "registry": f"{tiny.host}/team/images", "platforms": ["linux/amd64", "linux/arm64"]}
    docker = {"requirements": ["alpha"], "parent-image": f"base@sha256:{'ab' * 32}"}
    project.configure({**where, "index": [{"url": index.url, "default": True}], "docker": docker})
    assert project.run("resolve").code == 0
    tiny.answer = lambda _call: Reply(status=401)

    result = project.run("plan", "--json")

    assert result.code == 0, result.stderr
    told = json.loads(result.stdout)
    assert [row["exists"] for row in (*told["images"], *told["indexes"])] == [None, None, None]


def test_a_parent_that_moved_under_its_tag_moves_the_key_unless_it_is_pinned(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    configure(project, index, **{"parent-image": f"{tiny.host}/team/base:1"})
    moved = Image(labels={"is": "another"})

    def key() -> str:
        result = project.run("plan", "--json", "--builder", "docker")
        assert result.code == 0, result.stderr
        (row,) = json.loads(result.stdout)["images"]
        return str(row["key"])

    assert project.run("resolve").code == 0
    before = key()
    tiny.push("team/base", "1", moved)
    assert key() != before
    assert project.run("resolve", "--pin-images").code == 0
    pinned = key()
    tiny.push("team/base", "1", Image())
    assert key() == pinned
