"""`add` and `remove`: requirements are edited where they are stated, and the locks follow, or nothing changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from zlock.errors import Collector, InvalidInput, NoAnswer
from zlock.model import misstated
from zlock.model.bounds import specifier
from zlock.redact import redact
from zlock.settings.place import Place
from zlock.settings.toml_edit import name_in
from zlock.wording import did_you_mean, listed
from zlock.workflow.deliver.stated_places import Editable, Editing, StatedStep, TomlPlace, lists_of
from zlock.workflow.locks.job import Answers
from zlock.workflow.project.report import Report
from zlock.workflow.project.workspace import Options, Workspace
from zlock.workflow.solving.resolve import proposed, resolve

Bounds = Literal["lower", "major", "minor", "exact", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A requirement that was added, replaced or removed.

    Attributes:
        place: Where.
        before: What was stated there, or nothing.
        after: What is stated there now, or nothing.
    """

    place: Editable
    before: str
    after: str


def add(options: Options, stated: Sequence[str], bounds: Bounds) -> tuple[list[Change], Report]:
    """Add requirements to the chosen steps, or to all, and bring the locks up to date.

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
    requirements = _parsed(stated)
    places = _Places(Workspace(options))
    editing = Editing()
    homes = {one.name: places.homes(canonicalize_name(one.name), str(one), editing) for one in requirements}
    before = {(one.name, place): _stated(editing, place, one.name) for one in requirements for place in homes[one.name]}
    for one in requirements:
        for place in homes[one.name]:
            if not (_is_bare(one) and before[one.name, place]):  # there already, with what it says of versions
                editing.add(place, str(one))
    with editing.kept_if_it_works():
        bare = [
            one for one in requirements if _is_bare(one) and not all(before[one.name, at] for at in homes[one.name])
        ]
        if bare and bounds != "none":
            _, answers = proposed(Workspace(options))
            for one in bare:
                bound = _bound(canonicalize_name(one.name), answers, bounds)
                for place in homes[one.name] if bound else ():
                    if not before[one.name, place]:
                        editing.add(place, f"{one}{bound}")
            editing.write()
        report = resolve(options)
    rows = [(one.name, place) for one in requirements for place in homes[one.name]]
    changes = [Change(place=at, before=before[name, at], after=_stated(editing, at, name)) for name, at in rows]
    return [one for one in changes if one.before != one.after], report


def remove(options: Options, names: Sequence[str]) -> tuple[list[Change], Report, dict[str, list[str]]]:
    """Remove requirements from the chosen steps, or from all, and bring the locks up to date.

    Returns:
        What was removed, what became of the locks, and by name where it is still stated for these steps.

    Raises:
        NoAnswer: Nothing that zlock edits states one of them; several errors come as `Problems`.
        ZlockError: The locks can't be brought up to date; all files are as they were.
    """
    places = _Places(Workspace(options))
    editing, changes = Editing(), []
    problems = Collector()
    for name in dict.fromkeys(map(canonicalize_name, names)):
        with problems:
            for place in places.stating(name, editing):
                changes.append(Change(place=place, before=_stated(editing, place, name), after=""))
                editing.remove(place, name)
    problems.raise_if_any()
    with editing.kept_if_it_works():
        report = resolve(options)
    left = _Places(Workspace(options)) if changes else places
    return changes, report, {name: found for name in names if (found := left.stated(canonicalize_name(name)))}


def _parsed(stated: Iterable[str]) -> list[Requirement]:
    problems = Collector()
    found = []
    for text in stated:
        with problems:
            found.append(_requirement(text))
    for name, several in groupby(sorted(set(found), key=_name_of), key=_name_of):
        with problems:
            _refuse_several(name, [str(one) for one in several])
    problems.raise_if_any()
    return list(dict.fromkeys(found))


def _requirement(text: str) -> Requirement:
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        shown = redact(text)
        raise InvalidInput(
            f"`{shown}` is not a requirement: {redact(str(error).splitlines()[0])}", hint=_meant(shown)
        ) from error
    if found.url and not re.search(r"[:/]", found.url):  # `requests@latest`, as other tools have it
        raise InvalidInput(
            f"`{text}` has `{found.url}` where a URL is to be",
            hint=f"write `{found.name}` for the newest release, `{found.name}==VERSION` for another",
        )
    return found


def _meant(text: str) -> str:
    if form := misstated.meant(text, alone=False):
        return f"write `{form}`"
    is_url = "://" in text
    if is_url or text.startswith((".", "/")):
        file = text.partition("#")[0].partition("?")[0].rpartition("/")[2]
        name = file.partition("-")[0] if file.endswith(".whl") and "-" in file else "NAME"
        return f"write `{name} @ {text if is_url else f'file:{text}'}`"
    return "write `pandas`, `pandas>=2`, `pandas[excel]` or `name @ URL` (PEP 508)"


def _name_of(one: Requirement) -> str:
    return canonicalize_name(one.name)


def _refuse_several(name: str, stated: list[str]) -> None:
    if len(stated) > 1:
        raise InvalidInput(
            f"`{name}` is named {len(stated)} times, and not the same: {listed(stated)}",
            hint="name it once, with all bounds: `pandas>=2,<3`",
        )


def _is_bare(one: Requirement) -> bool:
    return not (one.specifier or one.url or one.marker)


def _stated(editing: Editing, place: Editable, name: str) -> str:
    return ", ".join(text for text in editing.stated(place) if name_in(text) == canonicalize_name(name))


def _bound(name: str, answers: Answers, bounds: Bounds) -> str:
    """Return what a requirement says of versions, from the oldest that is locked; nothing for a folder and the like."""
    found = [one.version for lock in answers.values() for one in lock.packages if one.name == name and one.version]
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
        chosen = {step.name for step in workspace.chosen()}
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
        python = [home for home in found if isinstance(home, Place)]
        if python:
            raise NoAnswer(
                f"{listed(one.name for one in lacking)} has its requirements in Python, which zlock does not edit",
                context=[f'{place}: add "{requirement}" to `requirements`' for place in python],
                hint="edit that line, then run `zlock resolve`",
            )
        return [*stated, *(home for home in found if not isinstance(home, Place))]

    def _homes(self, lacking: Sequence[StatedStep]) -> Iterator[Editable | Place]:
        """Yield where a requirement of each of some steps belongs, so that it reaches no other step."""
        if self._workspace.options.steps:
            shared = {other.home for other in self._others}
            for one in lacking:
                own = one.home if one.home not in shared else None
                yield own or self._in_configuration(one.name)
            return
        homes = {one.home for one in lacking}
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

    def stated(self, name: str) -> list[str]:
        """Return where a name is stated for the chosen steps, whoever edits that."""
        return list(dict.fromkeys(origin for one in self._steps for origin in one.elsewhere.get(name, ())))

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
                f"`{name}` is stated where zlock does not remove it for {listed(one.name for one in self._steps)}",
                context=[f"by {origin}" for origin in elsewhere],
                hint="remove it there by hand, then run `zlock resolve`; what all steps share is removed without "
                "`--step`, what one step states with it",
            )
        known = {name_in(text) for place in editable for text in editing.stated(place)} - {""}
        raise NoAnswer(
            f"nothing states `{name}`",
            hint=did_you_mean(name, known)
            or f"`zlock why {name}` says what brings it; stated here: {listed(sorted(known)) or 'nothing'}",
        )
