"""The building of one image: its context, its secret and its parent, unless it is already there."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Self

from zlock.image.builders.builder import Builder, Image, Recipe, Store
from zlock.image.context.folder import write_context
from zlock.image.context.installation import SECRET
from zlock.image.plan import KEY_LABEL, ImagePlan
from zlock.image.reuse import Build, Reusing
from zlock.process import Watch
from zlock.reporting import Activity, Doing, Line
from zlock.workflow.images.index_secret import index_secret
from zlock.workflow.images.registries import Registries
from zlock.workflow.project.workspace import Workspace

LOCAL = "localhost/zlock"
"""Where images are kept that have no repository: a name that no registry has."""


def name_of(plan: ImagePlan) -> str:
    """Return the repository of an image, or its name in an engine's own store."""
    return plan.repository or LOCAL


def reference_of(plan: ImagePlan) -> str:
    """Return the name and tag under which an image is built, looked for and pushed."""
    return f"{name_of(plan)}:{plan.tag}"


class Workshop:
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
        watch.reporter(Line(f"looking for {reference_of(plan)}"))
        folder = Path(tempfile.mkdtemp(dir=self._files.name))
        recipe = Recipe(
            folder=folder / "context",
            dockerfile=folder / "context" / "Dockerfile",
            reference=reference_of(plan),
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
            watch.reporter(Doing(Activity.BUILDING_PARENT))
            self._make_parent(plan, plan.parent.dockerfile, watch)
        watch.reporter(Doing(Activity.BUILDING_IMAGE))
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
