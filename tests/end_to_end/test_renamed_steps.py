"""A new step begins with the pins and the base image's digest of a lock that goes, as its step is gone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.index import TinyIndex
from support.project import Project
from support.stored_images import Image, TinyRegistry

FIRST, SECOND = Image(labels={"is": "first"}), Image(labels={"is": "second"})


@pytest.fixture
def tiny(tiny: TinyRegistry) -> TinyRegistry:
    tiny.push("team/parent", "1", FIRST)
    return tiny


@pytest.fixture
def index(index: TinyIndex) -> TinyIndex:
    for name in ("alpha", "beta"):
        for version in ("1.0", "2.0"):
            index.wheel(name, version)
    return index


def configure(project: Project, index: TinyIndex, tiny: TinyRegistry, steps: Mapping[str, str]) -> None:
    """Write a configuration of steps, each with the names that it requires; of one called `pipeline`, as its own."""
    docker = {name: {"requirements": stated.split()} for name, stated in steps.items()}
    shared = {"parent-image": f"{tiny.host}/team/parent:1"}
    project.configure(
        {
            "python": "3.12",
            "align": False,
            "index": [{"url": index.url, "default": True}],
            "docker": {**shared, **docker.pop("pipeline", {})},
            "steps": {name: {"docker": stated} for name, stated in docker.items()},
        }
    )


def resolved(project: Project, *arguments: str) -> str:
    result = project.run("resolve", *arguments)
    assert result.code == 0, result.stderr
    return result.stderr


def begin(project: Project, index: TinyIndex, tiny: TinyRegistry, **steps: str) -> None:
    """Lock steps at 1.0 and with their base image, which is another one after that."""
    configure(project, index, tiny, steps)
    names = sorted(set(" ".join(steps.values()).split()))
    resolved(project, "--pin-images", *(f"--upgrade-package={name}==1.0" for name in names))
    tiny.push("team/parent", "1", SECOND)


def digest(project: Project, step: str) -> object:
    return project.lock(step)["tool"]["zlock"].get("parent-digest")


def test_a_renamed_step_keeps_its_pins_and_its_base_image(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    begin(project, index, tiny, train="alpha")
    configure(project, index, tiny, {"training": "alpha>=1 beta"})
    for _ in range(2):
        said = resolved(project, "--dry-run")
        assert "note: `training` is new and `train` is gone: its pins were taken over\n" in said
    resolved(project)

    assert project.locked("training") == {"alpha": "1.0", "beta": "2.0"}
    assert digest(project, "training") == FIRST.digest
    assert not project.lock_path("train").exists()
    assert "taken over" not in resolved(project), "nothing is gone by now"

    configure(project, index, tiny, {"late": "alpha>=2"})
    assert "`late` is new and `training` is gone: its pins were taken over" in resolved(project)
    assert project.locked("late") == {"alpha": "2.0"}, "only what the step admits"
    assert digest(project, "late") == FIRST.digest

    configure(project, index, tiny, {"last": "alpha"})
    assert "taken over" not in resolved(project, "--upgrade")
    assert digest(project, "last") == SECOND.digest


def test_one_step_that_becomes_several_gives_its_pins_to_all_of_them(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    begin(project, index, tiny, pipeline="alpha beta")
    configure(project, index, tiny, {"serve": "alpha", "train": "beta"})
    said = resolved(project)

    assert "note: `serve`, `train` are new and `pipeline` is gone: its pins were taken over\n" in said
    assert "serve: 1 package (same versions) -> " in said, "what another step has was not removed"
    assert (project.locked("serve"), project.locked("train")) == ({"alpha": "1.0"}, {"beta": "1.0"})
    assert {digest(project, name) for name in ("serve", "train")} == {FIRST.digest}


def test_of_several_that_are_gone_the_one_that_required_the_same_counts(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    begin(project, index, tiny, serve="alpha", train="beta alpha", report="beta")
    configure(project, index, tiny, {"serving": "alpha", "training": "alpha beta", "reporting": "beta>=1"})
    said = resolved(project)

    assert "note: `serving` is new and `serve` is gone: its pins were taken over\n" in said
    assert "note: `training` is new and `train` is gone: its pins were taken over\n" in said
    gone = "`report`, `serve`, `train` are gone"
    assert f"note: `reporting` is new and {gone}: no pins were taken over, as none of these required the same" in said
    locked = [project.locked(name) for name in ("serving", "training", "reporting")]
    assert locked == [{"alpha": "1.0"}, {"alpha": "1.0", "beta": "1.0"}, {"beta": "2.0"}]


def test_a_lock_that_stays_or_can_not_be_read_gives_nothing(
    project: Project, index: TinyIndex, tiny: TinyRegistry
) -> None:
    begin(project, index, tiny, train="alpha")
    configure(project, index, tiny, {"training": "alpha"})
    assert "taken over" not in resolved(project, "--step", "training"), "that removes no lock"
    assert project.locked("training") == {"alpha": "2.0"}

    configure(project, index, tiny, {"late": "alpha", "training": "alpha"})
    path = project.lock_path("train")
    path.write_text(path.read_text(encoding="utf-8").replace('"1.0"', '"1.1"'), encoding="utf-8")
    said = resolved(project)
    assert "note: `late` is new and `train` is gone: no pins were taken over, as its lock can't be read\n" in said
    assert project.locked("late") == {"alpha": "2.0"}
