"""`zlock dockerfile`."""

from __future__ import annotations

import argparse

from zlock.cli.failed import end_with_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.workflow.images.plan import PlannedImage, write_contexts


def run_dockerfile(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    images, report = write_contexts(options_of(parsed), parsed.output, parsed.wheelhouse)
    screen.json({"disregarded": report.disregarded, "contexts": list(map(_plain, images))})
    for image in images if not parsed.json else ():
        screen.say(f"{', '.join(image.plan.steps)} -> {image.folder}")
        parent = image.plan.parent
        if parent.dockerfile is not None:
            context = parent.context or "an empty folder"
            screen.say(f"  build its base image first: `{parent.dockerfile}` in {context}, tagged `{parent.reference}`")
    end_with_failures(report, screen)


def _plain(image: PlannedImage) -> dict[str, object]:
    made = image.plan
    return {
        "folder": image.folder,
        "key": None if made.floats else made.key,
        "platform": made.platform,
        "steps": made.steps,
        "secret": made.needs_secret,
        "parent": {
            "reference": made.parent.reference,
            "digest": made.parent.digest,
            "dockerfile": made.parent.dockerfile,
            "context": made.parent.context or None,
        },
    }
