"""`zlock resolve --pin-images` records what parents are; without it no registry is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.index import TinyIndex
from support.project import Project
from support.stored_images import Image, TinyRegistry, as_json, descriptor, digest_of
from zlock.errors import NoAnswer
from zlock.image.registry.manifest import OCI_CONFIG, OCI_MANIFEST

FIRST, SECOND = Image(labels={"is": "first"}), Image(labels={"is": "second"})
PINS: dict[str, Any] = {"pin-images": True}


@pytest.fixture
def tiny(tiny: TinyRegistry) -> TinyRegistry:
    tiny.push("team/parent", "1", FIRST)
    return tiny


@pytest.fixture
def index() -> Iterator[TinyIndex]:
    with TinyIndex() as index:
        index.wheel("model", "1.0")
        yield index


def configure(project: Project, index: TinyIndex, parent: str, requirement: str = "model", **more: object) -> None:
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "docker": {"requirements": [requirement], "parent-image": parent},
            **more,
        }
    )


def pinned(project: Project, step: str = "pipeline") -> dict[str, str]:
    """Return what a lock says of its parent."""
    own = project.lock(step)["tool"]["zlock"]
    return {key: value for key, value in own.items() if key.startswith("parent-") and key != "parent-image"}


def run(project: Project, *arguments: str, code: int = 0) -> str:
    result = project.run("resolve", *arguments, env={"UV_HTTP_RETRIES": "0"})
    assert result.code == code, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("user", ["root\nRUN evil", "-x", ["root"]])
def test_a_user_that_no_lock_may_hold_is_not_recorded(
    project: Project, index: TinyIndex, tiny: TinyRegistry, user: object
) -> None:
    config = as_json({**json.loads(FIRST.config), "config": {"User": user}})
    manifest = as_json({**json.loads(FIRST.manifest), "config": descriptor(config, OCI_CONFIG)})
    tiny.content[f"team/parent/blobs/{digest_of(config)}"] = ("application/octet-stream", config)
    tiny.tag("team/parent", "1", manifest, OCI_MANIFEST)
    configure(project, index, f"{tiny.host}/team/parent:1")

    said = run(project, "--pin-images", code=1)

    assert "which is not a valid user of an image" in said
    assert not project.lock_path("pipeline").exists()


def test_the_digest_of_the_parent_is_recorded_and_nothing_else_moves(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    parent = f"{tiny.host}/team/parent:1"
    configure(project, index, parent)
    run(project)
    assert tiny.requests == []
    before = project.lock("pipeline")["tool"]["zlock"]
    text = project.lock_path("pipeline").read_text(encoding="utf-8")

    said = run(project, "--pin-images")

    own = project.lock("pipeline")["tool"]["zlock"]
    assert pinned(project) == {"parent-reference": parent, "parent-digest": FIRST.digest, "parent-user": ""}
    assert f"is pinned to {FIRST.digest}" in said
    assert {key: own[key] for key in ("identity", "inputs")} == {key: before[key] for key in ("identity", "inputs")}
    added = set(project.lock_path("pipeline").read_text(encoding="utf-8").splitlines()) - set(text.splitlines())
    assert {line.partition(" = ")[0] for line in added} == {
        "parent-reference", "parent-digest", "parent-user", "integrity",
    }  # fmt: skip
    run(project, "--check")


def test_a_lock_made_at_once_with_the_digest_is_the_same_bytes(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    configure(project, index, f"{tiny.host}/team/parent:1")
    run(project)
    run(project, "--pin-images")
    later = project.lock_path("pipeline").read_bytes()
    project.lock_path("pipeline").unlink()

    run(project, "--pin-images")

    assert project.lock_path("pipeline").read_bytes() == later


def test_the_digest_stays_until_an_upgrade(project: Project, index: TinyIndex, tiny: TinyRegistry) -> None:
    configure(project, index, f"{tiny.host}/team/parent:1")
    run(project, "--pin-images")
    tiny.push("team/parent", "1", SECOND)
    asked = len(tiny.requests)

    run(project)
    run(project, "--pin-images")
    configure(project, index, f"{tiny.host}/team/parent:1", "model>=1")
    run(project)
    assert len(tiny.requests) == asked
    assert pinned(project)["parent-digest"] == FIRST.digest

    run(project, "--upgrade")
    assert pinned(project)["parent-digest"] == SECOND.digest


def test_the_setting_records_it_in_every_run_and_holds_locks_to_it(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    parent = f"{tiny.host}/team/parent:1"
    configure(project, index, parent)
    assert project.run("resolve").code == 0
    configure(project, index, parent, **PINS)
    lacking = project.run("resolve", "--check")
    assert project.run("resolve").code == 0
    first = pinned(project)
    project.lock_path("pipeline").unlink()
    again = project.run("resolve")
    asked = len(tiny.requests)
    kept, checked = project.run("resolve", "--offline"), project.run("resolve", "--check", "--exit-code")

    assert lacking.code == 1
    assert "`pipeline` has no digest of its base image, and `pin-images` is set\nhint: run `zlock" in lacking.stderr
    assert first["parent-digest"] == FIRST.digest
    assert (again.code, kept.code, checked.code, pinned(project)) == (0, 0, 0, first)
    assert len(tiny.requests) == asked


def test_the_setting_asks_nobody_for_what_no_registry_has(project: Project, index: TinyIndex) -> None:
    configure(project, index, "localhost/own:1", **PINS)
    result = project.run("resolve")

    assert (result.code, project.run("resolve", "--check").code) == (0, 0)
    assert "note: step" not in result.stderr


def test_an_upgrade_records_none_where_none_was(project: Project, index: TinyIndex, tiny: TinyRegistry) -> None:
    configure(project, index, f"{tiny.host}/team/parent:1")
    run(project)
    run(project, "--upgrade")

    assert pinned(project) == {}
    assert tiny.requests == []


def test_another_parent_loses_the_digest_and_says_so(project: Project, index: TinyIndex, tiny: TinyRegistry) -> None:
    tiny.push("team/other", "1", SECOND)
    configure(project, index, f"{tiny.host}/team/parent:1")
    run(project, "--pin-images")
    configure(project, index, f"{tiny.host}/team/other:1")

    assert "has another base image than the one whose digest was recorded" in run(project)
    assert pinned(project) == {}
    run(project, "--pin-images")
    assert pinned(project)["parent-digest"] == SECOND.digest


def test_of_several_platforms_the_digest_is_that_of_the_index(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    tagged = tiny.push("team/parent", "2", FIRST, Image(platform="linux/arm64"))
    platforms = ["linux/amd64", "linux/arm64", "darwin/arm64"]
    configure(project, index, f"{tiny.host}/team/parent:2", platforms=platforms)
    run(project, "--pin-images")
    assert pinned(project)["parent-digest"] == tagged

    configure(project, index, f"{tiny.host}/team/parent:1", platforms=platforms)
    assert "for linux/arm64" in run(project, "--pin-images", code=1)


@pytest.mark.parametrize(
    ("parent", "said"), [("HOST/team/none:1", (1, "no base image")), ("127.0.0.1:1/x:1", (3, "could not fetch"))]
)
def test_a_parent_that_is_not_found_leaves_the_locks_alone(
    parent: str, said: tuple[int, str], project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    code, why = said
    configure(project, index, parent.replace("HOST", tiny.host))
    run(project)
    before = project.lock_path("pipeline").read_bytes()

    assert why in run(project, "--pin-images", code=code)
    assert project.lock_path("pipeline").read_bytes() == before


def configure_steps(project: Project, index: TinyIndex, **parents: str) -> None:
    steps = {name: {"docker": {"requirements": ["model"], "parent-image": parent}} for name, parent in parents.items()}
    project.configure({"python": "3.12", "index": [{"url": index.url, "default": True}], "steps": steps})


def test_a_new_step_has_the_digest_that_all_others_have_of_its_parent(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    tiny.push("team/other", "1", SECOND)
    parent, other = f"{tiny.host}/team/parent:1", f"{tiny.host}/team/other:1"
    configure_steps(project, index, train=parent, score=other)
    run(project, "--pin-images")
    tiny.push("team/parent", "1", SECOND)
    asked = len(tiny.requests)

    configure_steps(project, index, train=parent, score=parent, report=parent, check=other)
    said = run(project)

    assert said.count(f"the base image `{parent}` is pinned to {FIRST.digest}") == 1
    assert {name: pinned(project, name).get("parent-digest") for name in ("score", "report", "check")} == {
        "score": FIRST.digest, "report": FIRST.digest, "check": None,
    }  # fmt: skip

    configure_steps(project, index, train=parent, score=parent, report=parent, check=other, alone=parent)
    run(project, "--step", "alone")
    assert pinned(project, "alone")["parent-digest"] == FIRST.digest

    configure_steps(project, index, train=parent, score=parent, report=parent, check=parent, alone=parent, late=parent)
    run(project)
    assert {name: bool(pinned(project, name)) for name in ("check", "late")} == {"check": False, "late": False}
    assert len(tiny.requests) == asked


def test_a_parent_that_no_registry_has_is_noted_and_no_registry_is_asked(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    configure_steps(project, index, train=f"{tiny.host}/team/parent:1", report="localhost/base:1")

    said = run(project, "--pin-images")

    assert "step `report` is built on `localhost/base:1`, which no registry has: no digest is recorded" in said
    assert pinned(project, "train")["parent-digest"] == FIRST.digest
    assert pinned(project, "report") == {}


@pytest.mark.parametrize(("parent", "code"), [("HOST/team/none:1", 1), ("127.0.0.1:1/x:1", 3)])
def test_a_parent_that_can_not_be_had_is_one_error_that_names_its_steps_and_their_files(
    parent: str, code: int, project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    steps = ("train", "score")
    configure_steps(project, index, **dict.fromkeys(steps, parent.replace("HOST", tiny.host)))
    run(project)
    planned = project.run("plan", env={"UV_HTTP_RETRIES": "0"})

    is_told = code == NoAnswer.exit_code
    assert planned.code == (code if is_told else 0)  # a plan does without a registry that does not answer
    for said in (run(project, "--pin-images", code=code), *([planned.stderr] if is_told else [])):
        assert said.count("error:") == 1
        for name in steps:
            assert said.count(f"  the `parent-image` of step `{name}`, stated in zlock.toml") == 1


def test_what_needs_a_registry_is_refused_offline(project: Project, index: TinyIndex, tiny: TinyRegistry) -> None:
    configure(project, index, f"{tiny.host}/team/parent:1")
    run(project)

    assert "only the registry knows the digest" in run(project, "--pin-images", "--offline", code=2)
    assert "leave it out, or the others" in run(project, "--pin-images", "--check", code=2)
    assert tiny.requests == []


def test_a_custom_dockerfile_has_no_digest_of_its_own(project: Project, index: TinyIndex) -> None:
    project.write("Dockerfile", "FROM scratch\n")
    project.configure(
        {
            "python": "3.12",
            "index": [{"url": index.url, "default": True}],
            "docker": {"requirements": ["model"], "dockerfile": "Dockerfile"},
        }
    )

    assert "give the `FROM` in it a digest" in run(project, "--pin-images")
    assert pinned(project) == {}
