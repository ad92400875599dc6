"""`zlock build`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from zlock.cli.failed import end_with_failures
from zlock.cli.layout import Screen
from zlock.cli.options import options_of
from zlock.workflow.images.build import MadeImage, Outcome, build
from zlock.workflow.images.choosing import Choices
from zlock.workflow.images.platform_indexes import MadeIndex
from zlock.workflow.project.workspace import Workspace


def run_build(parsed: argparse.Namespace, screen: Screen) -> None:
    """Run the command."""
    choices = Choices(
        builder=parsed.builder,
        output=parsed.output or "",
        push=parsed.push,
        attach=parsed.attach or "",
        jobs=parsed.jobs,
        network=parsed.network or "",
        force=parsed.force,
        shard=parsed.shard,
    )
    workspace = Workspace(options_of(parsed))
    outcome = build(workspace, choices)
    screen.json(_plain(outcome))
    if not parsed.json:
        _show(outcome, screen)
    end_with_failures(outcome.report, screen)
    if parsed.apply:
        from zlock.workflow.deliver.apply import apply  # most builds are for nobody's run

        apply(workspace, parsed.builder, output=parsed.apply)
        screen.say(f"wrote {parsed.apply}")


def _show(outcome: Outcome, screen: Screen) -> None:
    """Show step and image, a line each; a step has a line for each of its platforms, unless an index is over them.

    What is not there is no data: who reads the table must not take it for an image.
    """
    missing = [(step, one) for one in outcome.missing for step in one.steps]
    width = max((len(step) for step, _ in (*outcome.references, *missing)), default=0)
    screen.lines(f"{step:{width}}  {reference}" for step, reference in outcome.references)
    for step, one in missing:
        screen.say(f"{step:{width}}  {one.state} ({', '.join(one.platforms)})")
    if not outcome.report.disregarded:
        screen.say(", ".join(_summary(outcome)))


def _summary(outcome: Outcome) -> Iterator[str]:
    built = sum(image.built for image in outcome.images)
    yield f"{built} built"
    yield f"{len(outcome.images) - built} already there"
    states = [one.state for one in outcome.missing]
    yield from (f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def _plain(outcome: Outcome) -> dict[str, object]:
    return {
        "disregarded": outcome.report.disregarded,
        "images": [_plain_image(image) for image in outcome.images],
        "indexes": [_plain_index(index) for index in outcome.indexes],
        "missing": outcome.missing,
    }


def _plain_image(image: MadeImage) -> dict[str, object]:
    return {
        "key": image.plan.key,
        "platform": image.plan.platform,
        "steps": image.plan.steps,
        "reference": image.reference,
        "digest": image.image.digest,
        "place": image.image.place,
        "built": image.built,
    }


def _plain_index(index: MadeIndex) -> dict[str, object]:
    return {
        "key": index.plan.key,
        "platforms": index.images,
        "steps": index.plan.steps,
        "reference": index.reference,
        "digest": index.digest,
        "written": index.written,
    }
