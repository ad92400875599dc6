"""From locks to images: what is missing is built side by side, then pushed; what is there is not built."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Self

from zlock.errors import Collector, InvalidInput
from zlock.image.builders.builder import Builder, Image, Recipe, Store
from zlock.image.builders.choose import choose_builder
from zlock.image.context.folder import write_context
from zlock.image.context.installers import SECRET
from zlock.image.plan import KEY_LABEL, ImagePlan
from zlock.image.record import RECORD, Built, record_of, write_record
from zlock.image.reuse import Build, Reusing
from zlock.model.ports import Progress
from zlock.process import Watch
from zlock.workflow.imaging import OUTPUT, plan_images
from zlock.workflow.locked import load_locked
from zlock.workflow.registries import Registries, note_floating
from zlock.workflow.report import Report
from zlock.workflow.secrets import index_secret
from zlock.workflow.side_by_side import side_by_side
from zlock.workflow.workspace import Options, Workspace

LOCAL = "localhost/zlock"
"""Where images are kept that have no repository: a name that no registry has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """How to build.

    Attributes:
        builder: The engine's name, or None for the first that can.
        push: Send the images to their repositories.
        jobs: How many are built at a time.
        network: What builds see of the network, as the engine has it; empty for its own default.
    """

    builder: str | None = None
    push: bool = False
    jobs: int = 1
    network: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeImage:
    """An image of a pipeline that is there now.

    Attributes:
        plan: Its plan.
        name: Its repository, without tag and digest.
        image: What is there, and where.
        built: Whether this run built it.
    """

    plan: ImagePlan
    name: str
    image: Image
    built: bool

    @property
    def reference(self) -> str:
        """What runs it: by its digest from a registry, by its tag from an engine's own store."""
        is_local = self.image.place != "registry"
        return f"{self.name}:{self.plan.tag}" if is_local else f"{self.name}@{self.image.digest}"


def build(options: Options, choices: Choices, progress: Progress) -> tuple[list[MadeImage], Report]:
    """Build the images of a pipeline that are not there yet, and record which one each step runs in.

    Raises:
        ZlockError: What went wrong; several errors come as `Problems`. Nothing was pushed unless every image was built.
    """
    workspace = Workspace(options)
    locked = load_locked(workspace)
    if workspace.report.disregarded:
        return [], workspace.report
    builder = choose_builder(choices.builder, workspace.environ, choices.network)
    with Registries(workspace, progress) as registries:
        plans = plan_images(workspace, locked, registries.digest_of, registries.user_of)
        _check(plans, builder, choices)
        note_floating(registries.floating, plans, workspace.report)
        for reference in dict.fromkeys(plan.parent.reference for plan in plans if plan.floats):
            workspace.report.note(f"no registry knows the digest of `{reference}`, so what is on it is built each time")
        with _Workshop(workspace, builder, registries, push=choices.push) as workshop:
            builds = [(_title(plan), partial(workshop.build, plan)) for plan in plans]
            images = side_by_side(builds, choices.jobs, progress)
        made = [
            MadeImage(plan=plan, name=_name(plan), image=image, built=image.built)
            for plan, image in zip(plans, images, strict=True)
        ]
        if choices.push:
            made = _push(made, builder, choices.jobs, progress)
    _record(workspace, made)
    return made, workspace.report


def _check(plans: Sequence[ImagePlan], builder: Builder, choices: Choices) -> None:
    problems = Collector()
    for plan in plans:
        if choices.push and not plan.repository:
            problems.add(
                InvalidInput(
                    f"the image of step `{plan.steps[0]}` has nowhere to go",
                    hint='set `registry = "host/repository"` or the setting `target-repository`',
                )
            )
        if not builder.stores and plan.parent.dockerfile:
            problems.add(
                InvalidInput(
                    f"step `{plan.steps[0]}` is built on a Dockerfile's image, which {builder.name} can't keep",
                    hint="push that image, and name it as `parent-image`",
                )
            )
    if not builder.stores and not choices.push:
        problems.add(InvalidInput(f"{builder.name} keeps no images on this machine", hint="add `--push`"))
    problems.raise_if_any()


def _push(made: Sequence[MadeImage], builder: Builder, jobs: int, progress: Progress) -> list[MadeImage]:
    """Send what the registry does not have yet; engines write a tag after all that it stands for."""
    waiting = [one for one in made if one.image.place != "registry"]
    pushes = [(_title(one.plan), partial(builder.push, f"{one.name}:{one.plan.tag}")) for one in waiting]
    pushed = {id(one): image for one, image in zip(waiting, side_by_side(pushes, jobs, progress), strict=True)}
    return [replace(one, image=pushed.get(id(one), one.image)) for one in made]


def _record(workspace: Workspace, made: Sequence[MadeImage]) -> None:
    rows = [Built(plan=one.plan, reference=one.reference, digest=one.image.digest) for one in made]
    steps = [step.name for step in workspace.steps]
    write_record(workspace.project.folder / OUTPUT / RECORD, record_of(rows), steps)


def _name(plan: ImagePlan) -> str:
    return plan.repository or LOCAL


def _title(plan: ImagePlan) -> str:
    return f"{', '.join(plan.steps)} ({plan.tag})"


class _Workshop:
    """Builds the images of plans, with their parents, contexts and secrets; the files are gone once it is left."""

    def __init__(self, workspace: Workspace, builder: Builder, registries: Registries, *, push: bool) -> None:
        self._workspace = workspace
        self._builder = builder
        self._registries = registries
        self._push = push
        # Only its owner can look into it.
        self._files = tempfile.TemporaryDirectory(prefix="zlock-")
        self._parents: dict[tuple[str, str], Lock] = {}
        self._made: set[tuple[str, str]] = set()
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._files.cleanup()

    def build(self, plan: ImagePlan, watch: Watch) -> Image:
        """Return the image of a plan, built unless it is there."""
        folder = Path(tempfile.mkdtemp(dir=self._files.name))
        recipe = Recipe(
            folder=folder / "context",
            dockerfile=folder / "context" / "Dockerfile",
            reference=f"{_name(plan)}:{plan.tag}",
            platform=plan.platform,
            labels={KEY_LABEL: plan.key},
            secrets={SECRET: folder / "secret"} if plan.needs_secret else {},
            fresh=plan.rebuild,
        )
        build: Build = partial(self._make, plan)
        for store in self._stores(plan):
            build = Reusing(build, store).build
        return build(recipe, watch)

    def _stores(self, plan: ImagePlan) -> list[Store]:
        """Return what may have a plan's image already, the one that is asked first last.

        What is to be pushed may be there; what is to be used here is best found here. A key that does not cover its
        parent is no proof.
        """
        if plan.floats:
            return []
        registry = self._registries.store_of(plan)
        far: list[Store] = [registry] if registry else []
        near: list[Store] = [self._builder] if self._builder.stores else []
        return [*near, *far] if self._push else [*far, *near]

    def _make(self, plan: ImagePlan, recipe: Recipe, watch: Watch) -> Image:
        """Build an image that is nowhere yet."""
        write_context(plan.context, recipe.folder)
        for file in recipe.secrets.values():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(self._secret(plan))
        if plan.parent.dockerfile is not None:
            self._make_parent(plan, plan.parent.dockerfile, watch)
        return self._builder.build(recipe, watch)

    def _secret(self, plan: ImagePlan) -> bytes:
        """Return the content of a plan's secret, one at a time: the first one asks the machine's installers.

        On CPython 3.11 two threads that both ask where uv is may break each other's `sysconfig`.
        """
        with self._lock:
            return index_secret(self._workspace, plan)

    def _make_parent(self, plan: ImagePlan, dockerfile: Path, watch: Watch) -> None:
        """Build what a Dockerfile of the user makes, once for all that is built on it."""
        parent, which = plan.parent, (plan.parent.reference, plan.platform)
        with self._lock:
            turn = self._parents.setdefault(which, Lock())
        with turn:
            if which in self._made:
                return
            recipe = Recipe(
                folder=parent.context or Path(tempfile.mkdtemp(dir=self._files.name)),
                dockerfile=dockerfile,
                reference=parent.reference,
                platform=plan.platform,
                labels={KEY_LABEL: parent.digest.removeprefix("sha256:")},
                fresh=plan.rebuild,
            )
            build = self._builder.build if plan.floats else Reusing(self._builder.build, self._builder).build
            build(recipe, watch)
            self._made.add(which)
