"""What a run of a framework takes: its configuration, with the images that `zlock build` made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zlock.errors import Collector, InvalidInput, LockOutdated
from zlock.frameworks.zenml.run import Run, pipeline_build, run_configuration
from zlock.image.plan import ImagePlan
from zlock.image.record import Record, StepRow, read_record
from zlock.model.image import is_layout
from zlock.wording import listed
from zlock.workflow.deliver.export import write_delivered
from zlock.workflow.images.build_plans import plan_images
from zlock.workflow.images.choosing import layering_of
from zlock.workflow.images.registries import Registries
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.project.workspace import Options, Workspace


def find_run(options: Options, builder: str | None = None) -> Run:
    """Return what a run of a ZenML pipeline takes, with an image for every step.

    Args:
        options: What the command line says.
        builder: What built the images, as the build was told; None where it chose.

    Raises:
        ZlockError: The pipeline is not one of ZenML, a lock is not current, or an image is missing or another than
            the last build made; several errors come as `Problems`.
    """
    workspace = Workspace(options)
    return _run(workspace, load_locked(workspace), builder)


def _run(workspace: Workspace, locked: Sequence[LockedStep], builder: str | None) -> Run:
    pipeline = workspace.pipeline
    if pipeline is None or pipeline.framework is None or pipeline.name is None:
        raise InvalidInput(
            "a run is configured for pipelines of ZenML, and none is named",
            hint="name one: `zlock apply run.py:training`",
        )
    registries, layering = Registries(workspace, is_needed=False), layering_of(workspace, builder)
    with workspace.opened:
        plans = plan_images(workspace, locked, registries, layering=layering)
    workspace.report.failures.problems.raise_if_any()
    images = _images(plans, read_record(workspace.record))
    images |= {one.name: one.effective.parent_image or "" for one in workspace.every_step if one.effective.skip_build}
    of_steps = {one.called: images[one.name] for one in workspace.every_step if one.name in images}
    return Run(
        file=pipeline.reference,
        name=pipeline.asked or pipeline.name,
        config=pipeline.config,
        steps={name: image for name, image in of_steps.items() if name != pipeline.own_image},
        around=of_steps.get(pipeline.own_image, ""),
        interpreter=workspace.interpreter,
        folder=workspace.project.folder,
        environ=workspace.environ,
    )


def apply(workspace: Workspace, builder: str | None = None, form: str = "run", output: Path | None = None) -> str:
    """Return the YAML that a run takes, with an image for every step; errors are those of `find_run`.

    Args:
        workspace: The project, whose pipeline is not read again.
        builder: As for `find_run`.
        form: `run` for what configures a run; `build` for a build, which the active stack is asked for.
        output: The file to write, or None.

    Raises:
        CommandFailed: ZenML can't be asked.
        InvalidInput: The output is what it is made from.
        OutsideFailed: The disk refused.
    """
    locked = load_locked(workspace)
    run = _run(workspace, locked, builder)
    if form == "build":
        text, images = pipeline_build(run)
        if not images:
            workspace.note("the active stack wants no images, so a run with this build uses none that were built")
    else:
        text = run_configuration(run)
    if output is not None:
        write_delivered(workspace, locked, output, text)
    return text


def _images(plans: Sequence[ImagePlan], record: Record) -> dict[str, str]:
    """Return the image of each step, as the last build recorded it.

    Raises:
        LockOutdated: There is none, or it was made of something else.
    """
    wanted: dict[str, set[str]] = {}
    for plan in plans:
        for step in plan.steps:
            wanted.setdefault(step, set()).add(plan.key)
    problems = Collector()
    found = {}
    missing = []
    for step, keys in wanted.items():
        row = record.get(step)
        if row is None or not row.reference:
            missing.append(step)
        elif is_layout(row.reference):
            problems.add(
                LockOutdated(
                    f"the image of step `{step}` is in the folder of `{row.reference}`, from where no run takes it",
                    hint="run `zlock build --push`",
                )
            )
        elif keys != {one.key for one in row.platforms.values()}:
            problems.add(_outdated(step, row, keys))
        else:
            found[step] = row.reference
    if missing:
        who = f"step {listed(missing)} has" if len(missing) == 1 else f"steps {listed(missing)} have"
        problems.add(LockOutdated(f"{who} no image yet", hint="run `zlock build --push` first"))
    problems.raise_if_any()
    return found


def _outdated(step: str, row: StepRow, keys: set[str]) -> LockOutdated:
    built = sorted(one.key[:12] for one in row.platforms.values())
    return LockOutdated(
        f"the image of step `{step}` is not what is locked and set now",
        context=[f"built: {listed(built)}", f"now: {listed(sorted(key[:12] for key in keys))}"],
        hint="run `zlock build --push` again, or name the `--builder` that it was told; "
        "`zlock plan --explain` says what changed",
    )
