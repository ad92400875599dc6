"""What images are called where they are kept."""

from __future__ import annotations

from zlock.image.plan import ImagePlan

LOCAL = "localhost/zlock"
"""Where images are kept that have no repository: a name that no registry has."""


def name_of(plan: ImagePlan) -> str:
    """Return the repository of an image, or its name in an engine's own store."""
    return plan.repository or LOCAL


def reference_of(plan: ImagePlan) -> str:
    """Return the name and tag under which an image is built, looked for and pushed."""
    return f"{name_of(plan)}:{plan.tag}"


def stage_of(plan: ImagePlan) -> str:
    """Return the name and tag of a stage, beside the images that are put together on it."""
    return f"{name_of(plan)}:stage-{plan.tag}"
