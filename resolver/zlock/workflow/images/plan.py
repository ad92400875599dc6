"""What would be built: the images of a pipeline, which of them there are, and why they are others than before."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from zlock.errors import InvalidInput
from zlock.image.attached import Attached
from zlock.image.components import moved
from zlock.image.context.folder import NO_LINKS, folder_names, write_context
from zlock.image.plan import ImagePlan
from zlock.image.platforms import IndexPlan, plan_indexes
from zlock.image.record import PlatformRow, read_record
from zlock.model.image import OCI
from zlock.model.paths import real
from zlock.workflow.fetching.build_files import links_into
from zlock.workflow.fetching.pool import Pool, missing_debs
from zlock.workflow.images.build_plans import plan_images
from zlock.workflow.images.choosing import ChosenEngine, layering_of
from zlock.workflow.images.existing_images import Existing
from zlock.workflow.images.registries import Registries, note_floating, note_unknown
from zlock.workflow.locks.current import collect_locked, load_locked
from zlock.workflow.project.registry_errors import NamedImages
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import OUTPUT, Options, Workspace


class PlannedImage(Struct, frozen=True, kw_only=True):
    """One image of a pipeline.

    Attributes:
        plan: Its plan.
        place: What has it, so that no build makes it: "registry", or the name of an engine; empty where it is to be
            built, None where nobody could be asked.
        stage: The same of the stage with its Debian packages, on which it is put together; of an image that is there,
            and of one without a stage, None.
        download: Bytes that its build downloads of locked packages, as far as indexes say the sizes; without the Debian
            packages that this machine has, and those of a stage that is there.
        bills: The bills of materials that refer to it in its registry.
        changes: Why it is another than the last one that was built for the step that is to be explained, a line each;
            None where nothing is to be explained.
        folder: Where its context was written, or None.
    """

    plan: ImagePlan
    place: str | None = None
    stage: str | None = None
    download: int = 0
    bills: tuple[Attached, ...] = ()
    changes: tuple[str, ...] | None = None
    folder: Path | None = None

    @property
    def exists(self) -> bool | None:
        """Whether it is there; None where nobody could be asked."""
        return None if self.place is None else bool(self.place)


class PlannedIndex(Struct, frozen=True, kw_only=True):
    """An index over the images of a step with several platforms.

    Attributes:
        plan: Its plan.
        exists: Whether it is there; None where nobody was asked.
    """

    plan: IndexPlan
    exists: bool | None


def plan(
    options: Options, *, explain: str | None = None, builder: str | None = None
) -> tuple[list[PlannedImage], list[PlannedIndex], Report]:
    """Return the images of a pipeline, none of which is built, and the indexes over them.

    Offline no registry is asked, only this machine's store; without a repository there are no indexes. What is wrong
    with single steps is reported; so is a registry that does not answer, which leaves open what it has.

    Args:
        options: What the command line says.
        explain: The step whose change since the last build is to be explained.
        builder: What will build, see `Choices`.

    Raises:
        ZlockError: What is wrong with the project, or the step to be explained is none of it.
    """
    workspace = Workspace(options)
    failures = workspace.report.failures
    locked = collect_locked(workspace)
    if explain is not None and not workspace.report.disregarded:
        (explain,) = workspace.named([explain])
    registries, layering = Registries(workspace, is_needed=False), layering_of(workspace, builder)
    with workspace.opened:
        plans = plan_images(workspace, locked, registries, layering=layering)
        note_unknown(plans, workspace)
        note_floating(registries.floating, plans, workspace)
        before = read_record(workspace.record) if explain is not None else {}
        plans = [one for one in plans if explain in {None, *one.steps}]
        engine = ChosenEngine(None if builder == OCI else builder, workspace.environ)
        existing, named = Existing(workspace, registries, engine), NamedImages(workspace.steps)
        rows = []
        for one in plans:
            last = before[explain].platforms.get(one.platform) if explain and explain in before else None
            changes = None if explain is None else _changes(one, last)
            with failures.of(*one.steps), named.of(one):
                place = existing.place_of(one)
                stage = existing.place_of(one.stage) if one.stage and not place else None
                bills = registries.bills_of(one) if place == "registry" else ()
                debs = () if stage else (one.stage or one).debs
                download = one.download + sum(deb.size for deb in missing_debs(workspace, debs))
                rows.append(
                    PlannedImage(plan=one, place=place, stage=stage, download=download, bills=bills, changes=changes)
                )
        indexes = []
        for index in filter(lambda index: index.repository, plan_indexes(plans)):
            with failures.of(*index.steps):
                indexes.append(PlannedIndex(plan=index, exists=registries.index_exists(index)))
    return rows, indexes, workspace.report


def write_contexts(options: Options, output: Path | None, wheelhouse: Path | None) -> tuple[list[PlannedImage], Report]:
    """Write the build context of each image of a pipeline into a folder of its own.

    What is wrong with single steps is reported, and those of the others are written.

    Args:
        options: What the command line says.
        output: The folder around them, from the working folder; `build/zlock` of the project where it is None.
        wheelhouse: The folder with all that the images install, each context then holds its part of it; None: their
            builds ask indexes.

    Raises:
        ZlockError: A lock is not current, or the wheelhouse does not hold all; several errors come as `Problems`.
            Nothing was written.
        OSError: The disk refused; each folder is whole.
    """
    if output is not None and output.exists() and not output.is_dir():
        raise InvalidInput(f"`{output}` is a file", hint="name a folder: each context is a folder in it")
    workspace = Workspace(options)
    house = real(wheelhouse) if wheelhouse else None
    plans = plan_images(workspace, load_locked(workspace), wheelhouse=house)
    note_unknown(plans, workspace)
    links = [NO_LINKS] * len(plans) if house is None else links_into(plans, house, workspace)
    pool = Pool(workspace, house)
    links = [{**linked, **pool.links(one)} for one, linked in zip(plans, links, strict=True)]
    around = workspace.output_folder if output is None else Path.cwd() / output
    rows = []
    for one, name, linked in zip(plans, folder_names(plans), links, strict=True):
        write_context(one.context, around / name, linked)
        rows.append(PlannedImage(plan=one, folder=around / name))
    return rows, workspace.report


def _changes(plan: ImagePlan, last: PlatformRow | None) -> tuple[str, ...]:
    if last is None:
        return (
            f"no build of it is on record in `{OUTPUT.as_posix()}/images.json`, which the machine that builds writes",
        )
    if last.key == plan.key:
        return ("nothing moved since the last build",)
    return tuple(moved(last.components, plan.components)) or ("another version of zlock renders it",)
