"""What exists is not built again: builders around a builder."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from zlock.errors import OutsideFailed
from zlock.image.builders.builder import Image, Recipe, Store
from zlock.image.plan import KEY_LABEL
from zlock.process import Watch

Build = Callable[[Recipe, Watch], Image]
"""Makes the image of a recipe."""


class Reusing(Struct, frozen=True):
    """Builds what a store does not have.

    Attributes:
        inner: What builds.
        store: What is asked first: a registry, or an engine's own store.
    """

    inner: Build
    store: Store

    def build(self, recipe: Recipe, watch: Watch) -> Image:
        """Return the image that is under the recipe's name, or build it.

        Raises:
            OutsideFailed: Something else is under the name, or it can't be told.
        """
        found = None if recipe.fresh else self.store.find(recipe.reference)
        if found is None:
            return self.inner(recipe, watch)
        check_key(found, recipe.reference, recipe.labels[KEY_LABEL])
        return found


def check_key(found: Image, reference: str, wanted: str) -> None:
    """Hold what is under a name to the key that it was to have.

    Raises:
        OutsideFailed: It is something else.
    """
    if found.key != wanted:
        raise OutsideFailed(
            f"something else is under `{reference}`",
            context=[f"its key is {found.key or 'not set'}", f"expected    {wanted}", f"found in: {found.place}"],
            hint="remove that tag, or build into another repository (`registry`, `target-repository`)",
        )
