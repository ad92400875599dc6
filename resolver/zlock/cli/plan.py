"""`zlock plan`."""

from __future__ import annotations

import argparse

from zlock.cli.failed import end_with_failures, plain_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.wording import counted
from zlock.workflow.images.plan import PlannedImage, PlannedIndex, plan

_PLACES = {"registry": "exists in the registry", "": "to build", None: "existence unknown"}
_WRITTEN = {True: "exists", False: "to write", None: "existence unknown"}


def run_plan(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    images, indexes, report = plan(options_of(parsed), explain=parsed.explain, builder=parsed.builder)
    if parsed.json:
        rows = {"images": [_plain(image) for image in images], "indexes": [_plain_index(index) for index in indexes]}
        table = {"disregarded": report.disregarded, **rows, "failed": plain_failures(report)}
        screen.json(table)
        return end_with_failures(report, screen)
    screen.lines((line for image in images for line in _lines(image)), in_colors=True)
    for index in indexes:
        steps, platforms = ", ".join(index.plan.steps), ", ".join(index.plan.platforms)
        screen.lines([f"{index.plan.tag} {platforms}: {steps} (index, {_WRITTEN[index.exists]})"], in_colors=True)
    if parsed.explain is None and not report.disregarded:
        names = {step for image in images for step in image.plan.steps}
        screen.say(f"{counted(len(images), 'image')} for {counted(len(names), 'step')}")
    return end_with_failures(report, screen)


def _lines(image: PlannedImage) -> list[str]:
    made = image.plan
    where = f"`{image.place}`" if image.place and ":" in image.place else f"the store of {image.place}"
    place = _PLACES.get(image.place, f"exists in {where}")
    head = f"{made.tag} {made.platform}: {', '.join(made.steps)} ({place}"
    size = f", {_size(made.download)} of packages to download)" if made.download and not image.exists else ")"
    return [head + size, f"  on {made.parent.text}", *(f"  {line}" for line in image.changes or ())]


def _plain(image: PlannedImage) -> dict[str, object]:
    made = image.plan
    row: dict[str, object] = {
        "key": made.key,
        "platform": made.platform,
        "steps": list(made.steps),
        "parent": {"reference": made.parent.reference, "digest": made.parent.digest},
        "identity": made.identity,
        "repository": made.repository,
        "exists": image.exists,
        "place": image.place or None,
        "download": made.download,
    }
    return row if image.changes is None else {**row, "changes": list(image.changes)}


def _plain_index(index: PlannedIndex) -> dict[str, object]:
    return {
        "key": index.plan.key,
        "platforms": {image.platform: image.key for image in index.plan.images},
        "steps": list(index.plan.steps),
        "repository": index.plan.repository,
        "exists": index.exists,
    }


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004 - decimal units
            return f"{count} {unit}"
        count //= 1000
    return f"{count} GB"
