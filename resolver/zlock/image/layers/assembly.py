"""What an image is put together of, all that its plan says of it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from zlock.image.layers.layer import LayerMaker
from zlock.image.layers.packing import Wheel
from zlock.image.layers.parent import ParentFacts


class Assembly(Struct, frozen=True, kw_only=True):
    """What an image is put together of.

    Attributes:
        maker: Makes its layers.
        facts: What its parent is.
        wheels: What is installed.
        locked: What it says that was locked.
        environment: Variables that are set first.
        later: Variables that are set last.
        user: Who runs in it; empty for whoever the base image has.
        owner: Whose the folder is in which a container runs, as `chown` takes it; empty for root's.
        any_user: Whether everybody may write into that folder.
    """

    maker: LayerMaker
    facts: ParentFacts
    wheels: tuple[Wheel, ...]
    locked: str
    environment: Mapping[str, str]
    later: Mapping[str, str]
    user: str
    owner: str
    any_user: bool
