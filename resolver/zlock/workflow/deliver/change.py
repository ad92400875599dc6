"""`add` and `remove`: requirements are edited where they are stated, and the locks follow, or nothing changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from zlock.errors import Collector, InvalidInput, Located, NoAnswer, every
from zlock.model.addition import ambiguous, joined, name_in, subject_of
from zlock.model.bounds import specifier
from zlock.redact import redact
from zlock.settings.location import Location
from zlock.wording import did_you_mean, listed
from zlock.workflow.deliver.arguments import read_arguments
from zlock.workflow.deliver.editing import Editing
from zlock.workflow.deliver.stated_places import DEPENDENCIES, Editable, StatedStep, TomlPlace, lists_of
from zlock.workflow.locks.job import Answers
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import Options, Workspace
from zlock.workflow.solving.resolve import kept, proposed, resolve_kept

Bounds = Literal["lower", "major", "minor", "exact", "none"]


class Change(Struct, frozen=True, kw_only=True):
    """A requirement that was added, replaced or removed.

    Attributes:
        place: Where.
        before: What was stated there, or nothing.
        after: What is stated there now, or nothing.
        lost_hashes: Whether hashes of files (`--hash`) are gone with the version that was stated.
    """

    place: Editable
    before: str
    after: str
    lost_hashes: bool = False


def add(options: Options, stated: Sequence[str], bounds: Bounds) -> tuple[list[Change], Report]:
    """Add requirements to the chosen steps, or to all, and bring the locks up to date.

    Returns:
        What is stated now, also where it was before, and what became of the locks.

    Args:
        options: The options.
        stated: The requirements (PEP 508). One that says nothing but a name gets bounds from the version that is
            locked for it.
        bounds: How these bounds are.

    Raises:
        InvalidInput: One is not a requirement, or there is nothing to add it to.
        NoAnswer: The requirements are stated in Python, where a person has to add it.
        ZlockError: The locks can't be brought up to date; all files are as they were.
    """
    requirements = read_arguments(stated)
    with kept(options) as workspace:
        return _add(workspace, requirements, bounds)


def _add(workspace: Workspace, requirements: Sequence[Requirement], bounds: Bounds) -> tuple[list[Change], Report]:
    places, editing = _Places(workspace), Editing(workspace.project.folder)
    homes = {one.name: places.homes(canonicalize_name(one.name), str(one), editing) for one in requirements}
    rows = {(one.name, place): editing.hashes(place, one.name) for one in requirements for place in homes[one.name]}
    before = {(name, place): _stated(editing, place, name) for name, place in rows}
    _join(editing, requirements, homes)
    with editing.kept_if_it_works(workspace.reporter) as reporter:
        bare = [
            (one, at) for one in requirements if _is_bare(one) for at in homes[one.name] if not before[one.name, at]
        ]
        if bare and bounds != "none":
            answers = proposed(workspace.anew(reporter, is_run=False))
            for one, place in bare:
                editing.add(place, f"{one}{_bound(canonicalize_name(one.name), answers, bounds)}")
            editing.write()
        report = resolve_kept(workspace.anew(reporter, is_run=editing.is_beyond_configuration))
    found = [
        Change(
            place=place,
            before=before[name, place],
            after=_stated(editing, place, name),
            lost_hashes=editing.hashes(place, name) < hashes,
        )
        for (name, place), hashes in rows.items()
    ]
    return found, report


def _join(editing: Editing, requirements: Sequence[Requirement], homes: Mapping[str, Sequence[Editable]]) -> None:
    """Add requirements to what is stated, each in its places.

    Raises:
        InvalidInput: A place states a name for several environments, and the requirement says none.
    """
    problems = Collector()
    for one in requirements:
        stated = {place: _entries(editing, place, one.name) for place in homes[one.name]}
        is_there = bool(one.marker) and any(_has_marker_of(one, texts) for texts in stated.values())
        for place, texts in stated.items():
            if is_there and texts and not _has_marker_of(one, texts):
                continue  # what this place states is for other environments
            with problems:
                if ambiguous(texts, one):
                    marker = next(marker for _, marker in map(subject_of, texts) if marker)
                    raise InvalidInput(
                        f"`{redact(str(one))}` could be for any of {len(texts)} requirements with different markers",
                        context=[f"{place}: `{redact(text)}`" for text in texts],
                        hint=f"name the marker: `{redact(str(one))} ; {marker}`",
                    )
                if text := joined(texts, one):
                    editing.add(place, text)
    problems.raise_if_any()


def _has_marker_of(one: Requirement, stated: Sequence[str]) -> bool:
    return subject_of(str(one)) in map(subject_of, stated)


def remove(options: Options, names: Sequence[str]) -> tuple[list[Change], Report, dict[str, list[Located]]]:
    """Remove requirements from the chosen steps, or from all, and bring the locks up to date.

    Returns:
        What was removed, what became of the locks, and by name where it is still stated for these steps.

    Raises:
        NoAnswer: Nothing that zlock edits states one of them; several errors come as `Problems`.
        ZlockError: The locks can't be brought up to date; all files are as they were.
    """
    with kept(options) as workspace:
        places, editing, changes = _Places(workspace), Editing(workspace.project.folder), list[Change]()

        def remove_all(name: str) -> None:
            for place in places.stating(name, editing):
                changes.append(Change(place=place, before=_stated(editing, place, name), after=""))
                editing.remove(place, name)

        every(remove_all, dict.fromkeys(map(canonicalize_name, names)))
        with editing.kept_if_it_works(workspace.reporter) as reporter:
            edited = workspace.anew(reporter, is_run=editing.is_beyond_configuration)
            report = resolve_kept(edited)
        left = _Places(edited)
    return changes, report, {name: found for name in names if (found := left.stated(canonicalize_name(name)))}


def _is_bare(one: Requirement) -> bool:
    return not (one.specifier or one.url or one.marker)


def _stated(editing: Editing, place: Editable, name: str) -> str:
    return ", ".join(_entries(editing, place, name))


def _entries(editing: Editing, place: Editable, name: str) -> list[str]:
    return [text for text in editing.stated(place) if name_in(text) == canonicalize_name(name)]


def _bound(name: str, answers: Answers, bounds: Bounds) -> str:
    """Return what a requirement says of versions, from the oldest that is locked; nothing for a folder and the like."""
    found = [one.version for _, lock in answers for one in lock.packages if one.name == name and one.version]
    if not found:
        return ""
    version = min(map(Version, found)).public
    kinds = {"lower": f">={version}", "exact": f"=={version}"}
    return kinds.get(bounds) or specifier(f"{'^' if bounds == 'major' else '~'}{version}")


class _Places:
    """Where the requirements of the chosen steps are stated."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        gatherer = workspace.gatherer()
        chosen = {step.called for step in workspace.chosen()}
        steps = [
            StatedStep.of(workspace, step, gatherer.gather(step.settings, {}, step.routing)) for step in workspace.steps
        ]
        self._steps = [one for one in steps if one.name in chosen]
        self._others = [one for one in steps if one.name not in chosen]

    def homes(self, name: str, requirement: str, editing: Editing) -> list[Editable]:
        """Return where a requirement is to be: where its name is stated already, else where the steps have theirs."""
        stated = [place for place in self._editable() if _stated(editing, place, name)]
        lacking = [one for one in self._steps if not set(one.places) & set(stated)]
        found = list(dict.fromkeys(self._homes(lacking)))
        python = [home for home in found if isinstance(home, Location)]
        if python:
            raise NoAnswer(
                f"{listed(one.name for one in lacking)} has its requirements in Python, which zlock does not edit",
                context=[f'{place}: add "{requirement}" to `requirements`' for place in python],
                hint="edit that line, then run `zlock resolve`",
            )
        return [*stated, *(home for home in found if not isinstance(home, Location))]

    def _homes(self, lacking: Sequence[StatedStep]) -> Iterator[Editable | Location]:
        """Yield where a requirement of each of some steps belongs, so that it reaches no other step."""
        if self._workspace.options.steps:
            shared = {place for other in self._others for place in other.places}
            for one in lacking:
                own = one.home if one.home not in shared else None
                yield own or self._in_configuration(one.name)
            return
        homes = list(dict.fromkeys(one.home for one in lacking))
        projects = [TomlPlace(home.named, DEPENDENCIES) for home in homes if isinstance(home, TomlPlace)]
        editable = [one for one in (*homes, *projects) if isinstance(one, Editable)]
        common = [one for one in editable if all(one in each.places for each in lacking)]
        if common:
            yield common[0]
            return
        is_part = 0 < len(lacking) < len(self._steps)
        if is_part or (len(homes) > 1 and not all(isinstance(home, Editable) for home in homes)):
            yield lists_of(self._workspace, "")[1]  # which reaches all steps, whatever they state themselves
            return
        for home in homes:
            yield home or self._in_configuration("")

    def _in_configuration(self, step: str) -> TomlPlace:
        """Return the list of the configuration that reaches a step, or all where none was chosen."""
        lists = lists_of(self._workspace, step)
        steps = self._workspace.project.steps
        if step:
            return lists[0 if step in steps and isinstance(steps[step].docker.requirements, tuple) else 1]
        return lists[1 if any(one.docker.requirements is not None for one in steps.values()) else 0]

    def _editable(self) -> list[Editable]:
        """Return all that states requirements of the chosen steps, and of no others."""
        others = {place for one in self._others for place in one.places}
        found = dict.fromkeys(place for one in self._steps for place in one.places if place not in others)
        shared = lists_of(self._workspace, "") if self._workspace.project.file else ()
        if self._workspace.options.steps:
            return [place for place in found if place not in shared]
        return list(found | dict.fromkeys(shared))

    def stated(self, name: str) -> list[Located]:
        """Return where a name is stated for the chosen steps, whoever edits that."""
        return list(dict.fromkeys(origin for one in self._steps for origin in one.elsewhere.get(name, ())))

    def _stated_for_others(self, name: str) -> list[tuple[str, Located]]:
        return [(one.name, origin) for one in self._others for origin in one.elsewhere.get(name, ())]

    def stating(self, name: str, editing: Editing) -> list[Editable]:
        """Return the places that state a name.

        Raises:
            NoAnswer: There are none that zlock edits, or others share them.
        """
        editable = self._editable()
        found = [place for place in editable if _stated(editing, place, name)]
        if found:
            return found
        elsewhere = self.stated(name)
        if elsewhere:
            raise NoAnswer(
                f"`{name}` is stated where zlock does not remove it for "
                f"{listed(one.name for one in self._steps if name in one.elsewhere)}",
                context=[Located(f"by {origin}", origin) for origin in elsewhere],
                hint="remove it there by hand, then run `zlock resolve`; what all steps share is removed without "
                "`--step`, what one step states with it",
            )
        if others := self._stated_for_others(name):
            raise NoAnswer(
                f"nothing states `{name}` for {listed(one.name for one in self._steps)}",
                context=[Located(f"`{step}` requires it by {origin}", origin) for step, origin in others],
                hint=f"name the step that it is to be removed from: `--step {others[0][0]}`",
            )
        known = {name_in(text) for place in editable for text in editing.stated(place)} - {""}
        raise NoAnswer(
            f"nothing states `{name}`",
            hint=did_you_mean(name, known)
            or f"`zlock why {name}` says what brings it; stated here: {listed(sorted(known)) or 'nothing'}",
        )
