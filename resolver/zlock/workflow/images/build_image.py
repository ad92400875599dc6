"""The building of one image: its context, its secret and its parent, unless it is already there."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from zlock.image.builders.builder import Image, Recipe, Store
from zlock.image.context.folder import write_context
from zlock.image.context.installation import SECRET
from zlock.image.context.installers import index_variables
from zlock.image.kept_debs import keep_debs
from zlock.image.plan import DOCKERFILE, KEY_LABEL, ImagePlan
from zlock.image.reuse import Build, Reusing
from zlock.model.indexes import urls_of
from zlock.model.reference import is_loopback
from zlock.process import Watch
from zlock.reporting import Activity, Doing, Line
from zlock.workflow.fetching.pool import Pool
from zlock.workflow.images.assembler import Assembler
from zlock.workflow.images.choosing import ChosenEngine
from zlock.workflow.images.debian_stages import DebianStages
from zlock.workflow.images.find import ImageFinder
from zlock.workflow.images.registries import Registries
from zlock.workflow.project.serving import serving_with_logins
from zlock.workflow.project.workspace import Workspace


class Workshop:
    """Builds the images of plans, with their parents, contexts and secrets; the files are gone at the end of the run.

    Args:
        workspace: The project.
        engine: Returns what builds what is not put together; raises `OutsideFailed` where there is none.
        assembler: Puts images together; None where none is.
        registries: The registries.
        push: Whether images are to be pushed.
    """

    def __init__(
        self,
        workspace: Workspace,
        engine: ChosenEngine,
        assembler: Assembler | None,
        registries: Registries,
        *,
        push: bool,
    ) -> None:
        self._workspace = workspace
        self._engine = engine
        self._assembler = assembler
        self._registries = registries
        self._pool = Pool(workspace)
        self._push = push
        self._stages = DebianStages(registries, engine, self._make_stage, ImageFinder(workspace))
        # Only its owner can look into it.
        self._files = workspace.opened.enter_context(tempfile.TemporaryDirectory(prefix="zlock-"))
        self._parents: dict[tuple[str, str], Lock] = {}
        self._made: set[tuple[str, str]] = set()
        self._lock = Lock()

    def build(self, plan: ImagePlan, watch: Watch) -> Image:
        """Return the image of a plan, built unless it is there."""
        watch.reporter(Line(f"looking for {plan.reference}"))
        build: Build = self._make_by(plan)
        for store in self._stores(plan):
            build = Reusing(build, store).build
        return build(self._recipe(plan), watch)

    def _recipe(self, plan: ImagePlan) -> Recipe:
        folder = Path(tempfile.mkdtemp(dir=self._files))
        return Recipe(
            folder=folder / "context",
            dockerfile=folder / "context" / DOCKERFILE,
            reference=plan.reference,
            platform=plan.platform,
            labels={KEY_LABEL: plan.key},
            secrets={SECRET: folder / "secret"} if plan.needs_secret else {},
            fresh=plan.rebuild,
        )

    def _stores(self, plan: ImagePlan) -> list[Store]:
        """Return what may have a plan's image already, the one that is asked first last.

        What is to be pushed may be there; what is to be used here is best found here. A key that does not cover its
        parent is no proof.
        """
        if plan.floats:
            return []
        registry = self._registries.store_of(plan)
        far: list[Store] = [registry] if registry else []
        if plan.assembly is not None and self._assembler is not None:
            return self._assembler.destination.stores(plan, far)
        near: list[Store] = [self._engine()] if self._engine().stores else []
        return [*near, *far] if self._push else [*far, *near]

    def push(self, plan: ImagePlan, watch: Watch) -> Image:
        """Send the image of a plan to its registry; the tag is written after all that it stands for."""
        if plan.assembly is not None and self._assembler is not None:
            return self._assembler.push(plan, watch)
        watch.reporter(Doing(Activity.PUSHING))
        self._keep_debs(plan)
        return self._engine().push(plan.reference, watch)

    def _keep_debs(self, plan: ImagePlan) -> None:
        """Put the Debian packages of an image beside it, before it is there."""
        if plan.debs and self._push:
            files = {path.name: path for path in self._pool.links(plan).values()}
            keep_debs(self._registries.registry, plan.repository, plan.debs, files)

    def _make_by(self, plan: ImagePlan) -> Build:
        assembler, stage = self._assembler, plan.stage
        if plan.assembly is None or assembler is None:
            return partial(self._make, plan)
        if stage is None:
            return lambda _, watch: assembler.build(plan, assembler.base(plan), watch)
        return lambda _, watch: assembler.build(plan, self._stages.open(stage, assembler, watch), watch)

    def _make_stage(self, stage: ImagePlan, watch: Watch) -> Image:
        engine = self._engine()
        self._keep_debs(stage)
        make: Build = partial(self._make, stage, what=Activity.BUILDING_STAGE)
        return (Reusing(make, engine).build if engine.stores else make)(self._recipe(stage), watch)

    def _make(self, plan: ImagePlan, recipe: Recipe, watch: Watch, what: Activity = Activity.BUILDING_IMAGE) -> Image:
        """Build an image that is nowhere yet."""
        write_context(plan.context, recipe.folder, self._pool.links(plan))
        for file in recipe.secrets.values():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(index_secret(self._workspace, plan, self._engine.network))
        if plan.parent.dockerfile is not None:
            watch.reporter(Doing(Activity.BUILDING_PARENT))
            self._make_parent(plan, plan.parent.dockerfile, watch)
        watch.reporter(Doing(what))
        return self._engine().build(recipe, watch)

    def _make_parent(self, plan: ImagePlan, dockerfile: Path, watch: Watch) -> None:
        """Build what a Dockerfile of the user makes, once for all that is built on it."""
        parent, which = plan.parent, (plan.parent.reference, plan.platform)
        with self._lock:
            turn = self._parents.setdefault(which, Lock())
        with turn:
            if which in self._made:
                return
            recipe = Recipe(
                folder=parent.context or Path(tempfile.mkdtemp(dir=self._files)),
                dockerfile=dockerfile,
                reference=parent.reference,
                platform=plan.platform,
                labels={KEY_LABEL: parent.digest.removeprefix("sha256:")},
                fresh=plan.rebuild,
            )
            engine = self._engine()
            build = engine.build if plan.floats else Reusing(engine.build, engine).build
            build(recipe, watch)
            self._made.add(which)


def index_secret(workspace: Workspace, plan: ImagePlan, network: str) -> bytes:
    """Return the content of the secret of a plan that `needs_secret`; it is kept nowhere.

    Args:
        workspace: The project; hears of an index that a build in its own network can't reach.
        plan: The plan.
        network: What builds see of the network, see `Choices`.
    """
    (routing, *_) = (step.routing for step in workspace.steps if step.name in plan.steps)
    indexes = serving_with_logins(workspace, routing)
    near = [one.shown for one in indexes if is_loopback(urlsplit(one.shown).netloc)]
    if near and not network:
        workspace.note(f"the index `{near[0]}` is on this machine: builds by an engine reach it with `--network host`")
    return index_variables(*urls_of(indexes))
