"""Images as values: what one is built on."""

from __future__ import annotations


def default_parent(python: str) -> str:
    """Return the image that a step is built on where nothing names one: the slim official one of its Python."""
    return f"python:{python}-slim"
