"""All sources of a step as one list: duplicates joined, each requirement with all its origins."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from zlock.model.requirement import DirectRequirement, Gathered


def merge(gathered: Iterable[Gathered]) -> tuple[DirectRequirement, ...]:
    """Join the requirements of all sources, in the documented order of the sources."""
    return join(one for source in sorted(gathered, key=lambda g: g.source.rank) for one in source.requirements)


def merge_constraints(gathered: Iterable[Gathered], own: Iterable[DirectRequirement]) -> tuple[DirectRequirement, ...]:
    """Join the constraints of the configuration and of all sources."""
    return join([*own, *(one for source in gathered for one in source.constraints)])


def join(requirements: Iterable[DirectRequirement]) -> tuple[DirectRequirement, ...]:
    """Join equal requirements; the first place that states one stays first."""
    equal: dict[tuple[str, tuple[str, ...]], list[DirectRequirement]] = {}
    for one in requirements:
        equal.setdefault((f"{one.name} {one.requirement}", one.hashes), []).append(one)
    return tuple(
        replace(first, origins=tuple(origin for one in (first, *others) for origin in one.origins)) if others else first
        for first, *others in equal.values()
    )
