"""The parent image as a lock pins it: a fact beside the question, part of neither `inputs` nor `identity`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zlock.lock.identity import resign
from zlock.lock.toml import dumps

_LINES = re.compile(r'^parent-(?:reference|digest|user) = ".*"\n', re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BEFORE = re.compile(r'^(?=integrity = ")', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class PinnedParent:
    """The image that a step is built on.

    Attributes:
        reference: As the settings name it, or as the default is called.
        digest: `sha256:...` of what that named when it was asked.
        user: Who runs in it; empty for root.
    """

    reference: str
    digest: str
    user: str

    def to_table(self) -> dict[str, str]:
        """Return the keys of `[tool.zlock]`."""
        return {"parent-reference": self.reference, "parent-digest": self.digest, "parent-user": self.user}


def parent_of(tree: Mapping[str, Any]) -> PinnedParent | None:
    """Return the parent that a lock pins, None where it pins none; one merged by git may hold anything there."""
    own = tree["tool"]["zlock"]
    reference, digest, user = (own.get(f"parent-{key}") for key in ("reference", "digest", "user"))
    if not isinstance(reference, str) or not isinstance(user, str) or not _DIGEST.fullmatch(str(digest)):
        return None
    return PinnedParent(reference=reference, digest=str(digest), user=user)


def with_parent(text: str, parent: PinnedParent | None) -> str:
    """Return a lock's text with a pinned parent in place of the one it may have had."""
    bare = _LINES.sub("", text)
    return resign(_BEFORE.sub(lambda _: dumps(parent.to_table()) if parent else "", bare, count=1))
