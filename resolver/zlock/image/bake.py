"""Images as targets of `docker buildx bake`, which builds all of them side by side on whatever builder there is."""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec import Struct

from zlock.image.builders.builder import EPOCH
from zlock.image.context.installation import SECRET
from zlock.image.plan import KEY_LABEL, ImagePlan

SECRET_VARIABLE = "ZLOCK_INDEX"  # noqa: S105 - the variable's name
"""The environment variable that bake takes the content of the indexes' secret from."""

ALL = "default"
"""The group that bake builds when nothing is named; a step of that name has none of its own."""

_HEAD = '{\n  "group": {'


class BakeTarget(Struct, frozen=True, kw_only=True):
    """An image to bake.

    Attributes:
        plan: Its plan.
        name: Its repository, without a tag.
        context: Its context's folder, from where bake runs.
        parent: For a parent that a Dockerfile makes: that one's context and Dockerfile, the latter from the context.
    """

    plan: ImagePlan
    name: str
    context: str
    parent: tuple[str, str] | None = None


def bake_file(targets: Sequence[BakeTarget]) -> str:
    """Return a `docker-bake.json`: a target for each image, a group for each step (buildx, "Bake file reference")."""
    found: dict[str, dict[str, object]] = {}
    tags: dict[str, list[str]] = {}
    groups: dict[str, list[str]] = {ALL: []}
    for one in targets:
        name = target_name(one.plan)
        own = tags.setdefault(name, [])
        found.setdefault(name, _target(one, own))
        if (tag := f"{one.name}:{one.plan.tag}") not in own:  # one image may go to several repositories
            own.append(tag)
        if one.parent:
            found[_parent_name(one)] = _parent(one, *one.parent)
        for group in (ALL, *one.plan.steps):
            members = groups.setdefault(group, [])
            if name not in members:
                members.append(name)
    tables = {group: {"targets": members} for group, members in groups.items()}
    return json.dumps({"group": tables, "target": found}, indent=2) + "\n"


def target_name(plan: ImagePlan) -> str:
    """Return what bake calls an image."""
    return f"image-{plan.tag}"


def is_bake_file(data: bytes) -> bool:
    """Tell what `bake_file` made from any other file."""
    return data.startswith(_HEAD.encode()) and f'"{KEY_LABEL}": "'.encode() in data


def _target(one: BakeTarget, tags: Sequence[str]) -> dict[str, object]:
    table = {**_common(one, one.context), "labels": {KEY_LABEL: one.plan.key}, "tags": tags}
    if one.plan.needs_secret:
        table["secret"] = [f"id={SECRET},env={SECRET_VARIABLE}"]
    if one.parent:
        table["contexts"] = {one.plan.parent.reference: f"target:{_parent_name(one)}"}
    return table


def _parent(one: BakeTarget, context: str, dockerfile: str) -> dict[str, object]:
    return {**_common(one, context), "dockerfile": dockerfile, "output": ["type=cacheonly"]}


def _common(one: BakeTarget, context: str) -> dict[str, object]:
    return {
        "context": context,
        "platforms": [one.plan.platform],
        "args": {"SOURCE_DATE_EPOCH": EPOCH},
        "attest": ["type=provenance,disabled=true"],  # it would hold the time of the build
    }


def _parent_name(one: BakeTarget) -> str:
    digits = one.plan.parent.reference.rpartition(":")[2]
    return f"parent-{digits}-{one.plan.platform.replace('/', '-')}"
