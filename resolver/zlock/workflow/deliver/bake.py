"""From locks to a `docker-bake.json` with the contexts that it names."""

from __future__ import annotations

import os
from pathlib import Path

from zlock.image.bake import ALL, SECRET_VARIABLE, BakeTarget, bake_file, target_name
from zlock.image.context.folder import folder_names, write_context
from zlock.image.context.installation import SECRET
from zlock.image.plan import ImagePlan
from zlock.model.paths import real
from zlock.regular import read_regular
from zlock.wording import listed
from zlock.workflow.deliver.export import write_delivered
from zlock.workflow.fetching.pool import Pool
from zlock.workflow.images.build_plans import plan_images
from zlock.workflow.images.registries import Registries, note_floating, note_unknown
from zlock.workflow.locks.current import load_locked
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import Options, Workspace


def export_bake(options: Options, platform: str | None, output: Path | None) -> tuple[str, Report]:
    """Return a `docker-bake.json` for the images of a pipeline; their contexts are written to `build/zlock`.

    Steps that can't be images are reported, and are not in it: where none can, there is no file. A registry that does
    not answer is reported too.

    Args:
        options: What the command line says.
        platform: Limit the images to one platform.
        output: Where the file is written, or None; its paths count from its folder, else from the working folder.

    Raises:
        ZlockError: A lock is not current, or the output is what the export is made from.
        OSError: The disk refused.
    """
    workspace = Workspace(options)
    locked = load_locked(workspace)
    if workspace.report.disregarded:
        return "", workspace.report
    registries = Registries(workspace, is_needed=False)
    plans = plan_images(workspace, locked, registries)
    if not plans and workspace.report.failures.of_steps:
        return "", workspace.report
    plans = [plan for plan in plans if platform in {None, plan.platform}]
    note_unknown(plans, workspace)
    note_floating(registries.floating, plans, workspace)
    around = workspace.output_folder
    start = output.absolute().parent if output else Path.cwd()
    named, pool = zip(plans, folder_names(plans), strict=True), Pool(workspace)
    text = bake_file([_target(plan, around / name, start, pool) for plan, name in named])
    if any(plan.needs_secret for plan in plans):
        workspace.note(
            f"the builds need the secret `{SECRET}`: "
            f"where bake runs, set `{SECRET_VARIABLE}` to its lines, as the Dockerfiles say"
        )
    targets = [target_name(plan) for plan in plans if ALL in plan.steps]
    if targets:
        why = "as bake builds that group where nothing is named"
        workspace.note(f"the step `{ALL}` has no group, {why}: name its target, {listed(targets)}")
    if real(start) != real(Path.cwd()):
        workspace.note(f"run bake in `{real(start)}`, from which the file's paths count")
    if output is not None:
        write_delivered(workspace, locked, output, text)
    return text, workspace.report


def _target(plan: ImagePlan, folder: Path, start: Path, pool: Pool) -> BakeTarget:
    """Write a plan's context, and return its target."""
    write_context(plan.context, folder, pool.links(plan))
    return BakeTarget(
        plan=plan,
        name=plan.name,
        context=os.path.relpath(folder, start),
        parent=_parent(plan, folder.parent, start),
    )


def _parent(plan: ImagePlan, around: Path, start: Path) -> tuple[str, str] | None:
    """Return context and Dockerfile of a parent that a Dockerfile makes; without a context it has one of its own."""
    parent = plan.parent
    if parent.dockerfile is None:
        return None
    context, dockerfile = parent.context, parent.dockerfile
    if context is None:
        context = around / parent.reference.replace(":", "-")
        write_context({"Dockerfile": read_regular(parent.dockerfile)}, context)
        dockerfile = context / "Dockerfile"
    return os.path.relpath(context, start), os.path.relpath(dockerfile, context)
