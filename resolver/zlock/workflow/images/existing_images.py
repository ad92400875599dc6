"""What of planned images is already there, in registries and in this machine's own store, where a build would look."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from zlock.errors import OutsideFailed
from zlock.image.builders.builder import Builder, Store
from zlock.image.plan import ImagePlan
from zlock.image.reuse import check_key
from zlock.model.reference import ImageReference
from zlock.reporting import Activity, Doing
from zlock.workflow.images.choosing import ChosenEngine, own_layout
from zlock.workflow.images.registries import Registries
from zlock.workflow.project.workspace import Workspace


class Existing:
    """Looks for images; an engine is asked only for what no registry has."""

    def __init__(self, workspace: Workspace, registries: Registries, engine: ChosenEngine) -> None:
        self._workspace = workspace
        self._registries = registries
        self._wanted = engine

    def place_of(self, plan: ImagePlan) -> str | None:
        """Return what has the image of a plan, so that no build makes it: "registry", or the name of an engine.

        It is empty where a build would make it, and None where that can't be told.

        Raises:
            OutsideFailed: Something else is under its tag, which no build would replace, or an engine failed.
        """
        if plan.rebuild:
            return ""
        if plan.floats:
            return None if self._registries.is_unknown(plan.parent) else ""
        place = None
        for store in self._stores(plan):
            found = store.find(plan.reference)
            if found is not None:
                check_key(found, plan.reference, plan.key)
                return found.place
            place = ""
        return None if self._registries.is_silent(ImageReference.parse(plan.reference)) else place

    def _stores(self, plan: ImagePlan) -> Iterator[Store]:
        """Return what may have a plan's image."""
        registry = self._registries.store_of(plan)
        if registry is not None:
            yield registry
        if self._engine is None and plan.assembly is not None:
            yield from own_layout(self._workspace).stores(plan, [])
        elif self._engine is not None and self._engine.stores:
            where = f"the store of {self._engine.name}"
            self._workspace.reporter(Doing(Activity.LOOKING_IN_STORE, plan.reference, where))
            yield self._engine

    @cached_property
    def _engine(self) -> Builder | None:
        """The engine that a build would take; a plan is none the less where there is none."""
        try:
            return self._wanted()
        except OutsideFailed as error:
            why = "; ".join(error.context)
            self._workspace.note(f"no engine of this machine was asked what is there, as none answers: {why}")
            return None
