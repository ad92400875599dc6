"""`zlock plan`."""

from __future__ import annotations

import argparse

from zlock.cli.failed import end_with_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.image.plan import ImagePlan
from zlock.wording import counted
from zlock.workflow.images.plan import PlannedImage, PlannedIndex, plan

_PLACES = {"registry": "exists in the registry", "": "to build", None: "not known to exist"}
_WRITTEN = {True: "exists", False: "to write", None: "not known to exist"}


def run_plan(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    images, indexes, report = plan(options_of(parsed), explain=parsed.explain, builder=parsed.builder)
    rows = {"images": list(map(_plain, images)), "indexes": list(map(_plain_index, indexes))}
    lines = (line for image in images for line in _lines(image))
    screen.result(lambda: {"disregarded": report.disregarded, **rows}, (*lines, *map(_line_of_index, indexes)))
    if parsed.explain is None and not (report.disregarded or parsed.json):
        names = {step for image in images for step in image.plan.steps}
        screen.say(f"{counted(len(images), 'image')} for {counted(len(names), 'step')}")
    end_with_failures(report, screen)


def _lines(image: PlannedImage) -> list[str]:
    made = image.plan
    head = f"{made.tag} {made.platform}: {', '.join(made.steps)} ({_where(image.place)}"
    size = f", {_size(image.download)} of packages)" if image.download and not image.exists else ")"
    lines = [head + size, f"  on {made.parent.text}", *(f"  {line}" for line in image.changes or ())]
    if made.stage:
        where = "" if image.exists else f" ({_where(image.stage)})"
        lines.insert(2, f"  with {counted(len(made.stage.debs), 'Debian package')} as stage-{made.stage.tag}{where}")
    lines += [f"  bill of materials: {one.format}, {one.digest}" for one in image.bills]
    return lines


def _line_of_index(index: PlannedIndex) -> str:
    steps, platforms = ", ".join(index.plan.steps), ", ".join(index.plan.platforms)
    return f"{index.plan.tag} {platforms}: {steps} (index, {_WRITTEN[index.exists]})"


def _where(place: str | None) -> str:
    return _PLACES.get(place, f"exists in {f'`{place}`' if place and ':' in place else f'the store of {place}'}")


def _plain(image: PlannedImage) -> dict[str, object]:
    made = image.plan
    row: dict[str, object] = {
        "key": made.key,
        "platform": made.platform,
        "steps": made.steps,
        "parent": {"reference": made.parent.reference, "digest": made.parent.digest},
        "identity": made.identity,
        "repository": made.repository,
        "exists": image.exists,
        "place": image.place or None,
        **({"stage": _plain_stage(image, made.stage)} if made.stage else {}),
        "download": image.download,
    }
    row |= {"bills": {one.digest: one.format for one in image.bills}} if image.bills else {}
    return row if image.changes is None else {**row, "changes": image.changes}


def _plain_stage(image: PlannedImage, stage: ImagePlan) -> dict[str, object]:
    is_there = None if image.stage is None else bool(image.stage)
    return {"key": stage.key, "packages": len(stage.debs), "exists": image.exists or is_there}


def _plain_index(index: PlannedIndex) -> dict[str, object]:
    return {
        "key": index.plan.key,
        "platforms": {image.platform: image.key for image in index.plan.images},
        "steps": index.plan.steps,
        "repository": index.plan.repository,
        "exists": index.exists,
    }


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004 - decimal units
            return f"{count} {unit}"
        count //= 1000
    return f"{count} GB"
