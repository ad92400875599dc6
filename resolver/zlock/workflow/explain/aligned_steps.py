"""What other steps have to do with a pin: the steps solved together, with a newer release and without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.errors import ZlockError
from zlock.model.explanations import Stated
from zlock.resolution import answer_words
from zlock.resolution.align import Aligned, align
from zlock.resolution.apart import why_differs
from zlock.resolution.clauses import Unsolvable
from zlock.resolution.needs import Node
from zlock.resolution.package import Package
from zlock.resolution.reporter import AtMost, Enough
from zlock.resolution.side import Member, Name, versions_of
from zlock.resolution.solve import answer
from zlock.resolution.trials import added

_BUDGET = 2_000  # steps of each search: steps that hardly go together take more than anyone waits for
_MOST = 4  # lines of one kind
_YEAR = 365.25  # days
_TENTH = 0.05  # years; less is not said


class Together:
    """The steps that have their versions in common, as a question about one package of theirs.

    Args:
        members: The steps, on each of their platforms; what their locks have is what they prefer.
        name: The package.
    """

    def __init__(self, members: Sequence[Member], name: NormalizedName) -> None:
        self._members = {member.name: member for member in members}
        self._name = name
        self._with: dict[str, Aligned] = {}

    @cached_property
    def let_go(self) -> Aligned | None:
        """What they come to with `--upgrade-package`: locks keep all but the package; None if it takes too long."""
        moving = {step for (step, _), member in self._members.items() if self._name in member.problem.preferences}
        members, settled = [], []
        for (step, _), member in self._members.items():
            kept = member.problem.preferences
            if step in moving:
                members.append(keeping(member, {name: one for name, one in kept.items() if name != self._name}))
            else:
                settled.append(kept)
        try:
            return align(members, settled, AtMost(_BUDGET))
        except Enough:
            return None

    @cached_property
    def _anew(self) -> Aligned:
        """What they come to where nothing is kept, as with `--upgrade`."""
        return align([keeping(member, {}) for member in self._members.values()], reporter=AtMost(_BUDGET))

    @cached_property
    def _fewer(self) -> Together | None:
        """The question about those that have the package, without the others; None where there are no others."""
        having = [member for member in self._members.values() if self._name in member.problem.preferences]
        return Together(having, self._name) if len(having) < len(self._members) else None

    def why_not(self, step: Name, version: str) -> list[str]:
        """Return why the steps don't come to a release that one of them could have; nothing where only locks keep it.

        What takes too long with all of them is tried with those that have the package.
        """
        try:
            return list(self._why_not(step, version))
        except Enough:
            said = self._fewer.why_not(step, version) if self._fewer else []
            return said or [f"{version}: no versions were found for the aligned steps within {_BUDGET} tries"]

    def _why_not(self, step: Name, version: str) -> Iterator[str]:
        before = self._anew.pins.get(step, {}).get(Node(self._name, ""))
        position = self._members[step].problem.universe.package(self._name).position(version)
        if before is None or position is None or before <= position:
            return
        if apart := list(dict.fromkeys(self._apart(step, version))):
            yield f"{version} would leave steps with different versions, and they are aligned:"
            yield from _some(apart)
        if back := list(dict.fromkeys(self._back(step, version))):
            yield f"{version} would move other packages back:"
            yield from _some(back)

    def _at(self, version: str) -> Aligned:
        """Return what they come to where those that could have a release do."""
        if version not in self._with:
            members = [self._asking(member, version) for member in self._members.values()]
            self._with[version] = align(members, reporter=AtMost(_BUDGET))
        return self._with[version]

    def _asking(self, member: Member, version: str) -> Member:
        """Return a step that asks for a release too, if it has the package and could have the release."""
        bare = keeping(member, {})
        if self._name not in member.problem.preferences:
            return bare
        asking = replace(bare.problem, requirements=[*bare.problem.requirements, added(f"{self._name}=={version}")])
        try:
            answer(asking, AtMost(_BUDGET))
        except (Unsolvable, ZlockError):
            return bare
        return replace(bare, problem=asking)

    def _apart(self, step: Name, version: str) -> Iterator[str]:
        """Yield what other steps would have instead of what a step would, as they do not now, and what forces it."""
        now, then = self._anew, self._at(version)
        mine, mine_now = (versions_in(self._members[step], one) for one in (then, now))
        for other, member in self._members.items():
            theirs, theirs_now = versions_in(member, then), versions_in(member, now)
            for name in sorted(mine.keys() & theirs.keys()):
                was_apart = name in mine_now and name in theirs_now and mine_now[name] != theirs_now[name]
                if mine[name] != theirs[name] and not was_apart:
                    problem, pins = keeping(member, {}).problem, then.pins[other]
                    found = why_differs(problem, pins, name, mine[name], Stated.at)
                    yield f"  {_called(other, step)} has {name} {theirs[name]}: {answer_words.why_differs(found)}"

    def _back(self, step: Name, version: str) -> Iterator[str]:
        """Yield what would be older in any of the steps, what loses most years first."""
        found: dict[tuple[float, str], list[str]] = {}
        for name, member in self._members.items():
            now, then = (one.pins.get(name, {}) for one in (self._anew, self._at(version)))
            for node in now.keys() & then.keys():
                if not node.extra and now[node] < then[node]:
                    package = member.problem.universe.package(node.name)
                    moved = f"{node.name} {package.versions[now[node]]} -> {package.versions[then[node]]}"
                    found.setdefault((-_years(package, now[node], then[node]), moved), []).append(_called(name, step))
        for (years, moved), steps in sorted(found.items()):
            where = "" if steps == [_called(step, step)] else f" in {_several(list(dict.fromkeys(steps)))}"
            yield f"  {moved}{where}" + (f" ({-years:.1f} years older)" if -years > _TENTH else "")


def _years(package: Package, newer: int, older: int) -> float:
    """Return the years between two releases, 0 where they are not known."""
    days = package.page.uploaded if package.page else ()
    return (days[newer] - days[older]) / _YEAR if days and days[newer] and days[older] else 0.0


def versions_in(member: Member, found: Aligned) -> Mapping[NormalizedName, str]:
    """Return the versions that a step has in an answer; none where it has no part in it."""
    return versions_of(member.problem, found.pins.get(member.name, {}))


def keeping(member: Member, kept: Mapping[NormalizedName, str]) -> Member:
    """Return a step that prefers other versions than those of its lock."""
    return replace(member, problem=replace(member.problem, preferences=kept))


def _called(other: Name, step: Name) -> str:
    """Return what a step is called beside another one, which may be the same on another platform."""
    return f"`{other[0]}` on {other[1]}" if other[0] == step[0] and other != step else f"`{other[0]}`"


def _several(steps: Sequence[str]) -> str:
    more = f" and {len(steps) - _MOST} more" if len(steps) > _MOST else ""
    return ", ".join(steps[:_MOST]) + more


def _some(lines: Sequence[str]) -> list[str]:
    more = [f"  and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return [*lines[:_MOST], *more]
