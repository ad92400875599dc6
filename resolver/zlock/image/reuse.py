"""What exists is not built again: builders around a builder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from zlock.errors import OutsideFailed
from zlock.image.builders.builder import KEY_LABEL, Image, Recipe, Store
from zlock.process import Watch


class Building(Protocol):
    """What makes an image of a recipe."""

    def build(self, recipe: Recipe, watch: Watch) -> Image:
        """Return the image."""


@dataclass(frozen=True)
class Reusing:
    """Builds what a store does not have.

    Attributes:
        inner: What builds.
        store: What is asked first: a registry, or an engine's own store.
    """

    inner: Building
    store: Store

    def build(self, recipe: Recipe, watch: Watch) -> Image:
        """Return the image that is under the recipe's name, or build it.

        Raises:
            OutsideFailed: Something else is under the name, or it can't be told.
        """
        found = None if recipe.fresh else self.store.find(recipe.reference)
        if found is None:
            return self.inner.build(recipe, watch)
        wanted = recipe.labels[KEY_LABEL]
        if found.key != wanted:
            raise OutsideFailed(
                f"something else is under `{recipe.reference}`",
                context=[f"its key is {found.key or 'not set'}", f"expected    {wanted}", f"found in: {found.place}"],
                hint="remove that tag, or build into another repository (`registry`, `target-repository`)",
            )
        return found
