"""Images as values: what one is built on, and who runs in it."""

from __future__ import annotations

import re

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?", re.ASCII)

USER_HINT = "write `name`, `name:group`, or their numbers"
"""The way out where a text is no user."""


def default_parent(python: str) -> str:
    """Return the image that a step is built on where nothing names one: the slim official one of its Python."""
    return f"python:{python}-slim"


def is_user(text: str) -> bool:
    """Tell whether a text names a user, with or without a group, as the `USER` of a Dockerfile takes it."""
    return _USER.fullmatch(text) is not None
