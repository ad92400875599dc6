"""A `docker-bake.json` as a value: one target for each image, whoever shares it and wherever it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from support.images import planned, wheel
from zlock.image.bake import BakeTarget, bake_file
from zlock.image.plan import ImagePlan, Parent

PLAN = replace(planned(wheel("base", "1.0")), steps=("train", "evaluate"))


def target(plan: ImagePlan, name: str = "registry.example/team", **more: Any) -> BakeTarget:
    return BakeTarget(plan=plan, name=name, context=f"build/{plan.tag}", **more)


def test_an_image_is_a_target_with_its_key_and_a_group_for_each_step() -> None:
    file = json.loads(bake_file([target(PLAN)]))

    (name,) = file["target"]
    assert file["group"] == {group: {"targets": [name]} for group in ("default", "train", "evaluate")}
    assert file["target"][name] == {
        "context": f"build/{PLAN.tag}",
        "platforms": [PLAN.platform],
        "args": {"SOURCE_DATE_EPOCH": "0"},
        "attest": ["type=provenance,disabled=true"],
        "labels": {"zlock.key": PLAN.key},
        "tags": [f"registry.example/team:{PLAN.tag}"],
    }


def test_one_image_for_two_repositories_is_built_once() -> None:
    file = json.loads(bake_file([target(PLAN), target(PLAN, "other.example/team")]))

    (table,) = file["target"].values()
    assert table["tags"] == [f"registry.example/team:{PLAN.tag}", f"other.example/team:{PLAN.tag}"]


def test_a_secret_comes_from_the_environment_and_is_in_no_file() -> None:
    text = bake_file([target(replace(PLAN, needs_secret=True))])

    (table,) = json.loads(text)["target"].values()
    assert table["secret"] == ["id=zlock-index,env=ZLOCK_INDEX"]


def test_a_parent_that_a_dockerfile_makes_is_referred_to_and_not_exported() -> None:
    made = Parent(reference="zlock-parent:0123", digest=f"sha256:{'1' * 64}", dockerfile=Path("/p/Dockerfile"))
    plan = replace(PLAN, parent=made)

    tables = json.loads(bake_file([target(plan, parent=("../p", "Dockerfile"))]))["target"]

    parent = tables.pop("parent-0123-linux-amd64")
    assert (parent["context"], parent["dockerfile"], parent["output"]) == ("../p", "Dockerfile", ["type=cacheonly"])
    (table,) = tables.values()
    assert table["contexts"] == {"zlock-parent:0123": "target:parent-0123-linux-amd64"}
