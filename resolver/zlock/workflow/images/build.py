"""From locks to images: what is missing is built side by side, then pushed; what is there is not built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import Collector, InvalidInput, OutsideFailed, ZlockError, every
from zlock.image.builders.builder import Image
from zlock.image.plan import ImagePlan
from zlock.image.platforms import plan_indexes
from zlock.image.record import Built, record_of, write_record
from zlock.image.registry.registry import Registry
from zlock.model.image import LAYOUT, OCI
from zlock.reporting import End, Reporter
from zlock.wording import listed
from zlock.workflow.images.assembler import Assembler
from zlock.workflow.images.attaching import attach_bills, make_bills
from zlock.workflow.images.build_image import Workshop
from zlock.workflow.images.build_logs import Logged
from zlock.workflow.images.build_plans import plan_images, repository_of
from zlock.workflow.images.choosing import Choices, ChosenEngine, destination_of, engine_of, layering_of
from zlock.workflow.images.parallel import Task, Work, side_by_side
from zlock.workflow.images.platform_indexes import MadeIndex, make_indexes
from zlock.workflow.images.registries import Registries, note_floating
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import Workspace

_ADD_PUSH = "add `--push`"


class MadeImage(Struct, frozen=True, kw_only=True):
    """An image of a pipeline that is there now.

    Attributes:
        plan: Its plan.
        image: What is there, and where.
        built: Whether this run built it.
    """

    plan: ImagePlan
    image: Image
    built: bool

    @property
    def is_pushed(self) -> bool:
        """Whether a registry has it."""
        return self.image.place == "registry"

    @property
    def reference(self) -> str:
        """What runs it: by its digest from a registry, by its tag from an engine's own store or from a disk."""
        if self.is_pushed:
            return f"{self.plan.name}@{self.image.digest}"
        name = self.plan.reference
        in_layout = self.image.place.startswith(LAYOUT)
        is_on_disk = ":" in self.image.place
        return f"{self.image.place}:{self.plan.tag if in_layout else name}" if is_on_disk else name


class Missing(Struct, frozen=True, kw_only=True):
    """An image or an index that is not where it was to be.

    Attributes:
        key: Its key.
        platforms: OCI's names of its platforms.
        steps: The steps that need it.
        state: What became of it: "failed", "not pushed" or "index not written".
    """

    key: str
    platforms: tuple[str, ...]
    steps: tuple[str, ...]
    state: str


class Outcome(Struct, frozen=True, kw_only=True):
    """What a build came to.

    Attributes:
        images: The images that are where they were to be.
        indexes: The indexes over the images of steps with several platforms.
        missing: What is not where it was to be, but for steps that can't be images.
        report: What a person should know; why images and steps failed.
    """

    images: tuple[MadeImage, ...] = ()
    indexes: tuple[MadeIndex, ...] = ()
    missing: tuple[Missing, ...] = ()
    report: Report

    @property
    def references(self) -> list[tuple[str, str]]:
        """What each step runs in: its index, or else the image of each platform."""
        over = {step: index.reference for index in self.indexes for step in index.plan.steps}
        rows = [(step, over.get(step, image.reference)) for image in self.images for step in image.plan.steps]
        return list(dict.fromkeys(rows))


def build(workspace: Workspace, choices: Choices) -> Outcome:
    """Build the images of a pipeline that are not there yet, and record which one each step runs in.

    One that fails lets the others be built, but nothing is pushed unless every image was built. A step that can't be
    an image keeps no other from being pushed.

    Args:
        workspace: The project.
        choices: How to build.

    Raises:
        ZlockError: What is wrong before anything is built: a lock is not current, or no image builder is available;
            several errors come as `Problems`.
    """
    locked = load_locked(workspace)
    if workspace.report.disregarded:
        return Outcome(report=workspace.report)
    _check_choices(workspace, locked, choices)
    engine = engine_of(workspace, choices.builder, choices.network)
    registries, layering = Registries(workspace), layering_of(workspace, choices.builder)
    with workspace.opened:
        plans = plan_images(workspace, locked, registries, layering=layering)
        part, parts = choices.shard
        plans = [plan.anew() if choices.force else plan for plan in plans[part - 1 :: parts]]
        _check_engines(plans, engine, choices)
        bills = make_bills(plans, locked, choices.attach) if choices.attach else {}
        note_floating(registries.floating, plans, workspace)
        for reference in dict.fromkeys(plan.parent.reference for plan in plans if plan.floats):
            workspace.note(f"no registry knows the digest of `{reference}`, so what is on it is built each time")
        production = _Production(plans, choices.jobs, workspace.output_folder, workspace.reporter)
        assembler = None
        if layering and any(plan.assembly for plan in plans):
            assembler = Assembler(workspace, locked, layering, destination_of(choices, engine, registries, workspace))
        workshop = Workshop(workspace, engine, assembler, registries, push=choices.push)
        results = production.build(workshop)
        made = [one for one in results if isinstance(one, MadeImage)]
        if choices.push and len(made) == len(plans):
            results = production.push(made, workshop)
        for path, first, second in assembler.doubles if assembler else ():
            workspace.note(f"`{first}` and `{second}` both have `/{path}`: that of `{second}` counts")
        outcome = _outcome(plans, results, workspace.report, push=choices.push)
        if choices.push and parts == 1:  # who has all images writes what leads to them
            outcome = _with_indexes(outcome, registries.registry, plans, choices.jobs, workspace.reporter)
        images = {one.reference: one.plan for one in outcome.images} if choices.attach else {}
        attach_bills(registries.registry, images, bills, choices.attach, outcome.report.failures.problems)
    _record(workspace, outcome, choices)
    return outcome


def _check_choices(workspace: Workspace, locked: Sequence[LockedStep], choices: Choices) -> None:
    """Refuse arguments that contradict each other or the configuration, before anybody is asked for anything."""
    problems = Collector()
    if choices.attach and not choices.push:
        problems.add(InvalidInput("bills of materials can be attached only to images in registries", hint=_ADD_PUSH))
    if choices.push and workspace.options.offline:
        message = "`--push` sends images to a registry, and `--offline` leaves the network alone"
        problems.add(InvalidInput(message, hint="leave out one of both"))
    if choices.output and choices.builder not in (None, OCI):
        message = f"`--output` takes images that are put together out of layers, which `--builder {choices.builder}` "
        problems.add(InvalidInput(f"{message}does not do", hint=f"leave out one of both, or write `--builder {OCI}`"))
    homeless = [one.step.name for one in locked if one.question.linux and not repository_of(workspace, one.step)]
    if choices.push and homeless:
        message = f"no target repository is configured for the image of step {listed(homeless)}"
        hint = 'set `registry = "host/repository"` or the setting `target-repository`'
        problems.add(InvalidInput(message, hint=hint))
    problems.raise_if_any()


def _check_engines(plans: Sequence[ImagePlan], engine: ChosenEngine, choices: Choices) -> None:
    """Refuse what the engine can't do with the images that it would build."""
    for_engine = [plan for plan in plans if plan.assembly is None]
    if plans and len(for_engine) == len(plans):
        engine()
    every(lambda plan: _check_engine(plan, engine, choices), for_engine)


def _check_engine(plan: ImagePlan, engine: ChosenEngine, choices: Choices) -> None:
    """Refuse what the engine can't do with an image; that there is none is told with the image."""
    if choices.output:
        raise InvalidInput(
            f"step `{plan.steps[0]}` is built by an engine, so its image can't go to `{choices.output}`",
            hint="name the other steps with `--step`, or leave out `--output`",
        )
    try:
        builder = engine()
    except OutsideFailed:
        return
    if builder.stores:
        return
    if plan.parent.dockerfile:
        raise InvalidInput(
            f"step `{plan.steps[0]}` is built on a Dockerfile's image, which {builder.name} can't keep",
            hint="push that image, and name it as `parent-image`",
        )
    if not choices.push:
        raise InvalidInput(f"{builder.name} keeps no images on this machine", hint=_ADD_PUSH)


class _Production:
    """The images of one run on their way, each with what became of it so far."""

    def __init__(self, plans: Sequence[ImagePlan], jobs: int, logs: Path, reporter: Reporter) -> None:
        self._plans = plans
        self._jobs = jobs
        self._logs = logs
        self._reporter = reporter
        self._has_platforms = len({plan.platform for plan in plans}) > 1

    def build(self, workshop: Workshop) -> list[MadeImage | ZlockError]:
        """Build what is not there."""
        ended = {True: End.BUILT, False: End.EXISTS}
        images = self._run(self._plans, lambda plan: partial(workshop.build, plan), lambda image: ended[image.built])
        return [
            image if isinstance(image, ZlockError) else MadeImage(plan=plan, image=image, built=image.built)
            for plan, image in zip(self._plans, images, strict=True)
        ]

    def push(self, made: Sequence[MadeImage], workshop: Workshop) -> list[MadeImage | ZlockError]:
        """Send what the registry does not have yet."""
        waiting = [one.plan for one in made if not one.is_pushed]
        pushed = iter(self._run(waiting, lambda plan: partial(workshop.push, plan), lambda _: End.PUSHED))
        images = [one.image if one.is_pushed else next(pushed) for one in made]
        return [
            image if isinstance(image, ZlockError) else replace(one, image=image)
            for one, image in zip(made, images, strict=True)
        ]

    def _run(
        self, plans: Sequence[ImagePlan], work: Callable[[ImagePlan], Work[Image]], ended: Callable[[Image], End]
    ) -> list[Image | ZlockError]:
        tasks = [Task(name=self._name(plan), work=Logged(work(plan), plan, self._logs), ended=ended) for plan in plans]
        return side_by_side(tasks, self._jobs, self._reporter)

    def _name(self, plan: ImagePlan) -> str:
        steps = ", ".join(plan.steps)
        return f"{steps} ({plan.platform})" if self._has_platforms else steps


def _outcome(
    plans: Sequence[ImagePlan], results: Sequence[MadeImage | ZlockError], report: Report, *, push: bool
) -> Outcome:
    images: list[MadeImage] = []
    missing: list[Missing] = []
    for plan, one in zip(plans, results, strict=True):
        if isinstance(one, MadeImage) and one.is_pushed >= push:
            images.append(one)
        else:
            state = "not pushed"
            if isinstance(one, ZlockError):
                state = "failed"
                one.context = (f"the image of {listed(plan.steps)}", *one.context)
                report.failures.add(one, *plan.steps)
            missing.append(Missing(key=plan.key, platforms=(plan.platform,), steps=plan.steps, state=state))
    return Outcome(images=tuple(images), missing=tuple(missing), report=report)


def _with_indexes(
    outcome: Outcome, registry: Registry, plans: Sequence[ImagePlan], jobs: int, reporter: Reporter
) -> Outcome:
    """Add the indexes over the images of several platforms; none is written where something failed before."""
    there = {(one.plan.key, one.plan.platform): one.reference for one in outcome.images}
    wanted = plan_indexes(plans)
    pushed = [
        (index, [there[image.key, image.platform] for image in index.images])
        for index in wanted
        if all((image.key, image.platform) in there for image in index.images)
    ]
    made = make_indexes(registry, pushed, jobs, reporter, write=not outcome.missing)
    for (index, _), one in zip(pushed, made, strict=True):
        if isinstance(one, ZlockError):
            outcome.report.failures.add(one, *index.steps)
    indexes = [one for one in made if isinstance(one, MadeIndex)]
    keys = {one.plan.key for one in indexes}
    missing = [
        Missing(key=one.key, platforms=one.platforms, steps=one.steps, state="index not written")
        for one in wanted
        if one.key not in keys
    ]
    return replace(outcome, indexes=tuple(indexes), missing=(*outcome.missing, *missing))


def _record(workspace: Workspace, outcome: Outcome, choices: Choices) -> None:
    """Record what each step runs in; of a part of the images, what the others' steps run in is not known."""
    images = [Built(plan=one.plan, reference=one.reference, digest=one.image.digest) for one in outcome.images]
    indexes = [Built(plan=one.plan, reference=one.reference, digest=one.digest) for one in outcome.indexes]
    missing = {step for one in outcome.missing for step in one.steps} | outcome.report.failures.of_steps.keys()
    there = {step for one in outcome.images for step in one.plan.steps}
    missing |= set() if choices.shard[1] == 1 else {step.name for step in workspace.chosen()} - there
    record, steps = record_of(images, indexes), workspace.recorded_steps()
    write_record(workspace.record, record, steps, missing, are_copies=bool(choices.output))
