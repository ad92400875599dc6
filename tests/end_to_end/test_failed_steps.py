"""A pipeline some of whose steps can't be images: the others go on, and the failed ones are named at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.building import Engine, base_in_registry
from support.engines import registry
from support.index import TinyIndex
from support.project import Project, Result
from support.serve import Reply
from support.stored_images import Image, TinyRegistry

PINNED = f"base@sha256:{'ab' * 32}"
WRONG = {"local-project-install-command": "true"}
SAID = "the link `out` leads out of the project"


@pytest.fixture
def tiny(tiny: TinyRegistry) -> TinyRegistry:
    tiny.push("team/base", "1", Image())
    return tiny


def configure(project: Project, index: TinyIndex, bad: Mapping[str, Any], **more: Any) -> None:
    """Configure steps `good`, `other` and `bad`, and lock them; no image can hold the files of the project."""
    if not (project.folder / "out").is_symlink():
        (project.folder / "out").symlink_to("/etc/hostname")
    for name in ("alpha", "beta"):
        index.wheel(name, "1.0", files={f"{name}.py": b""})
    docker = {"requirements": ["alpha"], "parent-image": PINNED}
    steps = {"bad": {"docker": bad}, "good": {}, "other": {"docker": {"requirements": ["beta"]}}}
    table = {"python": "3.11", "index": [{"url": index.url, "default": True}], "docker": docker, "steps": steps}
    for key, value in more.items():
        table[key] = {**table[key], **value} if isinstance(value, dict) else value  # type: ignore[dict-item]
    project.configure(_without_arguments(table))
    locked = project.run("resolve")
    assert locked.code == 0, locked.stderr
    project.configure(table)


def _without_arguments(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_arguments(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if key not in WRONG
    }


def failed(result: Result) -> dict[str, list[str]]:
    """Return what is told of failed steps."""
    return {row["step"]: row["errors"] for row in json.loads(result.stdout)["failed"]}


def test_a_step_that_can_not_be_an_image_is_named_at_the_end_of_the_plan(project: Project, index: TinyIndex) -> None:
    configure(project, index, WRONG)

    shown, told = (project.run("plan", "--offline", *options) for options in ((), ("--json",)))

    assert (shown.code, told.code) == (2, 2)
    assert [row["steps"] for row in json.loads(told.stdout)["images"]] == [["good"], ["other"]]
    assert failed(told) == {"bad": [SAID]}
    assert [(one["id"], one["step"], one["message"]) for one in json.loads(told.stdout)["errors"]] == [
        ("invalid-configuration", "bad", SAID)
    ]
    assert f"2 images for 2 steps\nfailed: `bad`\nerror: {SAID}\nhint: " in shown.stderr
    assert shown.stdout.count("linux/amd64: ") == 2


def test_the_contexts_of_the_others_are_written_and_baked(project: Project, index: TinyIndex) -> None:
    configure(project, index, WRONG)

    written = project.run("dockerfile", "--json")
    baked = project.run("export", "bake", "--output", "docker-bake.json")

    assert (written.code, baked.code) == (2, 2)
    rows = json.loads(written.stdout)["contexts"]
    assert [row["steps"] for row in rows] == [["good"], ["other"]]
    assert all((Path(row["folder"]) / "Dockerfile").is_file() for row in rows)
    assert list(failed(written)) == ["bad"]
    groups = json.loads((project.folder / "docker-bake.json").read_text())["group"]
    assert sorted(groups) == ["default", "good", "other"]
    assert "failed: `bad`\nerror: " in baked.stderr


def test_where_no_step_can_be_an_image_nothing_is_written(project: Project, index: TinyIndex) -> None:
    configure(project, index, {}, docker=WRONG)

    for command in (("plan",), ("dockerfile",), ("export", "bake", "--output", "docker-bake.json")):
        result = project.run(*command)
        assert result.code == 2
        assert f"failed: `bad`, `good`, `other`\nerror: {SAID}\n" in result.stderr
        assert result.stderr.count("error: ") == 1
    assert not (project.folder / "build").exists()
    assert not (project.folder / "docker-bake.json").exists()


def test_the_worst_of_several_errors_is_the_exit_code(project: Project, index: TinyIndex, tiny: TinyRegistry) -> None:
    gone = {"docker": {"parent-image": f"{tiny.host}/team/gone:1"}}
    configure(project, index, WRONG, steps={"gone": gone})

    result = project.run("plan", "--json")

    assert result.code == 2
    assert failed(result)["gone"] == [f"there is no base image `{tiny.host}/team/gone:1` for linux/amd64"]
    assert "failed: `bad`, `gone`\n" in result.stderr
    assert project.run("plan", "--step", "gone", "--step", "good").code == 1
    assert project.run("plan", "--step", "good").code == 0


def test_a_step_that_lacks_one_of_its_platforms_has_no_image(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    bad = {"parent-image": f"{tiny.host}/team/base:1"}
    configure(project, index, bad, platforms=["linux/amd64", "linux/arm64"])

    result = project.run("plan", "--json", "--builder", "docker")

    assert result.code == 1
    assert {step for row in json.loads(result.stdout)["images"] for step in row["steps"]} == {"good", "other"}
    assert failed(result) == {"bad": [f"there is no base image `{tiny.host}/team/base:1` for linux/arm64"]}
    assert "is not pinned to a digest: it is" not in result.stderr


def test_what_is_under_a_tag_and_should_not_be_is_an_error_of_its_steps(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    configure(project, index, {}, registry=f"{tiny.host}/team/images")
    (key,) = (
        row["key"] for row in json.loads(project.run("plan", "--json").stdout)["images"] if row["steps"] == ["other"]
    )
    tiny.push("team/images", key[:16], Image(labels={"zlock.key": "another"}))

    result = project.run("plan", "--json")

    assert result.code == 3
    assert [row["steps"] for row in json.loads(result.stdout)["images"]] == [["bad", "good"]]
    assert failed(result) == {"other": [f"something else is under `{tiny.host}/team/images:{key[:16]}`"]}


def test_a_lock_that_is_not_current_stops_all_but_the_plan(project: Project, index: TinyIndex) -> None:
    """One `resolve` mends it, which may move the others too."""
    configure(project, index, {})
    project.lock_path("bad").unlink()

    planned = project.run("plan", "--offline", "--json")
    others = [
        project.run(*command)
        for command in (("dockerfile",), ("build",), ("fetch",), ("export", "bake", "--output", "docker-bake.json"))
    ]

    assert planned.code == 1
    assert [row["steps"] for row in json.loads(planned.stdout)["images"]] == [["good"], ["other"]]
    assert failed(planned) == {"bad": ["step `bad` has no lock"]}
    for result in others:
        assert result.code == 1
        assert "error: step `bad` has no lock" in result.stderr
    assert not {"build", "wheelhouse", "docker-bake.json"} & {path.name for path in project.folder.iterdir()}


def test_what_a_step_lacks_is_told_with_what_was_fetched_for_the_others(project: Project, index: TinyIndex) -> None:
    configure(project, index, {"requirements": ["alpha", "beta"]})
    index.remove("beta")

    shown, told = (project.run("fetch", *options) for options in ((), ("--json",)))

    assert (shown.code, told.code) == (3, 3)
    files = json.loads(told.stdout)["files"]
    assert files == {"alpha-1.0-py3-none-any.whl": "kept"}
    assert list(failed(told)) == ["bad", "other"]
    assert failed(told)["bad"] == failed(told)["other"]
    assert "1 file (1 fetched), " in shown.stderr
    assert "failed: `bad`, `other`\nerror: " in shown.stderr


def test_a_failed_step_is_explained_by_its_error(project: Project, index: TinyIndex) -> None:
    configure(project, index, WRONG)

    result = project.run("plan", "--offline", "--explain", "bad")

    assert result.code == 2
    assert SAID in result.stderr
    assert "no step `bad`" not in result.stderr


# By an engine


@pytest.fixture
def host(tmp_path: Path, buildah: Engine) -> Iterator[str]:
    with registry(tmp_path / "registry") as host:
        base_in_registry(f"{host}/python:3.11")
        buildah.allow_plain(host)
        yield host


def build(project: Project, engine: Engine, *options: str) -> Result:
    return project.run("build", *engine.options, "--json", *options, env=engine.environ, timeout=300)


def record_of(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.folder / "build/zlock/images.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.engines
def test_the_others_are_built_pushed_and_recorded(
    project: Project, index: TinyIndex, buildah: Engine, host: str
) -> None:
    where = {"registry": f"{host}/images", "docker": {"parent-image": f"{host}/python:3.11"}}
    configure(project, index, {}, **where)
    first = build(project, buildah, "--push")
    assert first.code == 0, first.stderr
    configure(project, index, {**WRONG, "requirements": ["alpha", "beta"]}, **where)

    result = build(project, buildah, "--push")

    assert result.code == 2
    told = json.loads(result.stdout)
    assert [(row["steps"], row["place"]) for row in told["images"]] == [(["good"], "registry"), (["other"], "registry")]
    assert told["missing"] == []
    assert list(failed(result)) == ["bad"]
    record = record_of(project)
    assert {step for step, row in record.items() if "reference" in row} == {"good", "other"}
    assert record["bad"]["platforms"]["linux/amd64"]["components"]["package"] == {"alpha": "1.0"}


@pytest.mark.engines
def test_a_parent_whose_registry_does_not_answer_fails_its_steps_only(
    project: Project, index: TinyIndex, buildah: Engine, host: str, tiny: TinyRegistry
) -> None:
    tiny.answer = lambda _call: Reply(status=401)
    configure(
        project,
        index,
        {"parent-image": f"{tiny.host}/team/base:1"},
        docker={"parent-image": f"{host}/python:3.11"},
    )

    result = build(project, buildah)

    assert result.code == 3
    assert [row["steps"] for row in json.loads(result.stdout)["images"]] == [["good"], ["other"]]
    assert list(failed(result)) == ["bad"]
    assert sorted(record_of(project)) == ["good", "other"]
