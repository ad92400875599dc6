"""`zlock build`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence

from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.workflow.building import Choices, MadeImage, build


def run_build(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    choices = Choices(builder=parsed.builder, push=parsed.push, jobs=parsed.jobs, network=parsed.network or "")
    images, report = build(options_of(parsed), choices, screen.log if screen.verbose else screen.progress)
    for note in report.notes:
        screen.note(note)
    if parsed.json:
        rows = [_plain(image) for image in images]
        screen.data(json.dumps({"disregarded": report.disregarded, "images": rows}, indent=2) + "\n")
        return 0
    for line in _table(images):
        screen.data(f"{line}\n")
    if not report.disregarded:
        screen.say(_summary(images))
    return 0


def _table(images: Sequence[MadeImage]) -> Iterator[str]:
    """Return step and image, a line each; a step has a line for each of its platforms."""
    width = max((len(step) for image in images for step in image.plan.steps), default=0)
    for image in images:
        for step in image.plan.steps:
            yield f"{step:{width}}  {image.reference}"


def _summary(images: Sequence[MadeImage]) -> str:
    built = sum(image.built for image in images)
    return f"{built} built, {len(images) - built} there already"


def _plain(image: MadeImage) -> dict[str, object]:
    return {
        "key": image.plan.key,
        "platform": image.plan.platform,
        "steps": list(image.plan.steps),
        "reference": image.reference,
        "digest": image.image.digest,
        "place": image.image.place,
        "built": image.built,
    }
