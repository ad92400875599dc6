"""What a step asks, as plain values: the part of a lock that says what it answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from zlock.model.form import plain
from zlock.model.requirement import Asked
from zlock.model.target import Target


class Question(Struct, frozen=True, kw_only=True):
    """All that a step's lock depends on, but for the index.

    Attributes:
        step: The step's name; no part of the digest.
        targets: What it runs on; they differ in the platform only.
        asked: Per source, in the documented order.
        apt_packages: Debian packages, sorted.
        parent_image: The image it is built on, or empty for the default.
        policy: Everything else of the configuration that decides which versions are chosen.
        wheelhouse: Where a portable lock has its files, from its folder; empty for others. No part of the digest.
        local: For each local folder and archive that is required, by its `file:` URL, the digest of what it asks.
    """

    step: str
    targets: tuple[Target, ...]
    asked: tuple[Asked, ...]
    apt_packages: tuple[str, ...] = ()
    parent_image: str = ""
    policy: Mapping[str, object] = {}
    wheelhouse: str = ""
    local: Mapping[str, str] = {}

    @property
    def linux(self) -> tuple[Target, ...]:
        """Those of its targets that images can be for."""
        return tuple(target for target in self.targets if target.system == "linux")

    def digest(self) -> str:
        """Return `inputs`: a digest that changes whenever the lock may no longer answer the question."""
        return digest_of(self.to_plain())

    def to_plain(self) -> dict[str, object]:
        """Return the question as plain values, in one way only."""
        return {
            "target": target_table(self.targets),
            "asked": plain(self.asked),
            "apt-packages": list(self.apt_packages),
            "parent-image": self.parent_image,
            "policy": dict(self.policy),
            **({"local": dict(self.local)} if self.local else {}),
        }


def target_table(targets: Sequence[Target]) -> dict[str, Any]:
    """Return targets, which differ in the platform only, as a table of the lock."""
    table: dict[str, Any] = {"python": targets[0].python, "platforms": tuple(target.platform for target in targets)}
    for target in targets:  # libc floors are those of Linux
        if target.manylinux:
            table["manylinux"] = "{}_{}".format(*target.manylinux)
        if target.musllinux:
            table["musllinux"] = "{}_{}".format(*target.musllinux)
    return table


def digest_of(value: object) -> str:
    """Return the sha256 of a plain value, written as JSON in one way only; times count as their text."""
    return digest_of_text(plain_text(value))


def plain_text(value: object) -> str:
    """Return what the digest of a plain value is of."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def digest_of_text(text: str) -> str:
    """Return the sha256 of a text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def changes(old: Sequence[Asked], new: Sequence[Asked]) -> list[tuple[str, str]]:
    """Return which source asks for something else than before: a line each, and what came in."""
    before, after = {a.source: a for a in old}, {a.source: a for a in new}
    lines = []
    for source in dict.fromkeys([*before, *after]):
        was, now = before.get(source), after.get(source)
        if was is None or now is None:
            lines.append((f"{source}: {'added' if was is None else 'gone'}", ""))
        if was is not None and now is not None and was.described != now.described:
            lines.append((f"{source}: was `{was.described}`, is `{now.described}`", ""))
        lines += [(f"{source}: - {kind}`{one}`", "") for kind, one in _missing(was, now)]
        lines += [(f"{source}: + {kind}`{one}`", one) for kind, one in _missing(now, was)]
    return lines


def _missing(here: Asked | None, there: Asked | None) -> list[tuple[str, str]]:
    """Return what one side asks for and the other does not, each with the word for its kind."""
    kinds = {"": "requirements", "constraint ": "constraints", "apt package ": "apt_packages"}
    return [
        (kind, one)
        for kind, name in kinds.items()
        for one in (getattr(here, name) if here else ())
        if one not in (getattr(there, name) if there else ())
    ]
