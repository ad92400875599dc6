"""`zlock dockerfile`."""

from __future__ import annotations

import argparse

from zlock.cli.failed import end_with_failures, plain_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.workflow.images.plan import PlannedImage, write_contexts


def run_dockerfile(parsed: argparse.Namespace, screen: Screen) -> int:
    """Run the command; return its exit code."""
    images, report = write_contexts(options_of(parsed), parsed.output, parsed.wheelhouse)
    if parsed.json:
        rows = [_plain(image) for image in images]
        table = {"disregarded": report.disregarded, "contexts": rows, "failed": plain_failures(report)}
        screen.json(table)
        return end_with_failures(report, screen)
    for image in images:
        screen.say(f"{', '.join(image.plan.steps)} -> {image.folder}")
        parent = image.plan.parent
        if parent.dockerfile is not None:
            context = parent.context or "an empty folder"
            screen.say(f"  build its base image first: `{parent.dockerfile}` in {context}, tagged `{parent.reference}`")
    return end_with_failures(report, screen)


def _plain(image: PlannedImage) -> dict[str, object]:
    made = image.plan
    return {
        "folder": str(image.folder),
        "key": None if made.floats else made.key,
        "platform": made.platform,
        "steps": list(made.steps),
        "secret": made.needs_secret,
        "parent": {
            "reference": made.parent.reference,
            "digest": made.parent.digest,
            "dockerfile": str(made.parent.dockerfile) if made.parent.dockerfile else None,
            "context": str(made.parent.context) if made.parent.context else None,
        },
    }
