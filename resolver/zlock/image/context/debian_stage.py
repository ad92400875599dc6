"""A base image with Debian packages on it, which an engine makes: below the wheels of images that are put together."""

from __future__ import annotations

from collections.abc import Sequence

from zlock.image.context.debs import SUMS, install_debs, sums_of
from zlock.image.context.dockerfile import Comment, From, User, render
from zlock.image.layers.difference import WRITTEN
from zlock.image.plan import DOCKERFILE, HEADING, ImagePlan
from zlock.image.wanted import ROOT, Wanted
from zlock.model.debian import DebianPackage
from zlock.model.digest import digest_of_bytes


def plan_stage(wanted: Wanted, debs: Sequence[DebianPackage]) -> ImagePlan:
    """Return the plan of what is below the wheels of a step's image: its key is of the base image and the packages.

    Args:
        wanted: What the image is made from.
        debs: The Debian packages that are locked for it.
    """
    user = wanted.parent.user or ""
    is_root = user in ROOT
    parts = (
        (Comment(f"{HEADING}: Debian packages, for a layer of version {WRITTEN}"),),
        (From(wanted.parent.pinned), *(() if is_root else (User("root"),))),
        (install_debs(debs),),
        () if is_root else (User(user),),
    )
    sums = sums_of(debs)
    return ImagePlan(
        context={DOCKERFILE: render(parts), SUMS: sums},
        platform=wanted.target.platform,
        parent=wanted.parent,
        identity=digest_of_bytes(sums),
        steps=(wanted.step,),
        repository=wanted.repository,
        rebuild=wanted.settings.effective().prevent_build_reuse,
        debs=tuple(debs),
    )
