"""The answers for several targets as the packages of one lock, each with the marker that says where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from packaging.markers import Marker

from zlock.model.distribution import Reference
from zlock.model.target import Target
from zlock.resolution.solve import Resolved

Answer = tuple[Target, Sequence[Resolved]]
"""A target and what was chosen for it."""

_MARKS = (("sys_platform",), ("platform_machine",), ("sys_platform", "platform_machine"))
"""What tells platforms apart, the fewest first; targets of one lock differ in nothing else."""


def join_answers(answers: Sequence[Answer]) -> list[tuple[Resolved, str]]:
    """Return each release of any answer once, sorted by name, the newest first, with its marker.

    The marker is empty where every target installs the release. Those of two releases of one package exclude each
    other, as PEP 751 (packages.marker) asks of entries with one name.
    """
    if len(answers) == 1:
        return [(one if _lists_files_once(one) else _joined([one]), "") for one in answers[0][1]]
    found: dict[tuple[str, str, Reference | None], list[tuple[Target, Resolved]]] = {}
    for target, resolved in answers:
        for one in resolved:
            key = (one.name, str(one.candidate.version), one.candidate.reference)
            found.setdefault(key, []).append((target, one))
    every = [target for target, _ in answers]
    rows = [(_joined([one for _, one in pairs]), _marker([t for t, _ in pairs], every)) for pairs in found.values()]
    rows.sort(key=lambda row: row[0].candidate.version, reverse=True)
    return sorted(rows, key=lambda row: row[0].name)


def _lists_files_once(one: Resolved) -> bool:
    return len({file.filename for file in one.candidate.files}) == len(one.candidate.files)


def _joined(rows: Sequence[Resolved]) -> Resolved:
    """Return one release as all targets together need it."""
    first = rows[0]
    files = {file.filename: file for one in rows for file in one.candidate.files}
    return replace(
        first,
        candidate=replace(first.candidate, files=tuple(files.values())),
        requires=tuple(sorted({name for one in rows for name in one.requires})),
        needs=_joined_needs([one.needs for one in rows]),
    )


def _joined_needs(rows: Sequence[Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    extras = sorted({extra for row in rows for extra in row})
    return {extra: tuple(sorted({need for row in rows for need in row.get(extra, ())})) for extra in extras}


def _marker(targets: Sequence[Target], every: Sequence[Target]) -> str:
    """Return the shortest marker that holds on some targets of a lock and on no other of them."""
    others = [target for target in every if target not in targets]
    if not others:
        return ""
    names = next(names for names in _MARKS if not _conditions(targets, names) & _conditions(others, names))
    return str(Marker(" or ".join(sorted(_conditions(targets, names)))))


def _conditions(targets: Sequence[Target], names: Sequence[str]) -> set[str]:
    """Return what holds on some targets of the marker variables of these names."""
    return {" and ".join(f'{name} == "{target.environment[name]}"' for name in names) for target in targets}
