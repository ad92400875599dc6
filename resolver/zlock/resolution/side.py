"""A step on a platform among those that are solved together, with its answer so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct
from packaging.utils import NormalizedName

from zlock.resolution.alone import attempt
from zlock.resolution.held import Held, Limit
from zlock.resolution.needs import Node, Pins
from zlock.resolution.problem import Problem
from zlock.resolution.verify import walk
from zlock.resolution.windows import Windows

Name = tuple[str, str]
Versions = Mapping[NormalizedName, str]


class Member(Struct, frozen=True, kw_only=True):
    """One step, on one platform, among those that are solved together.

    Attributes:
        name: The step and the platform.
        problem: What it asks.
        group: Its versions are to be those of its group's other members, and of no others.
        opened: The packages that are shared however old they become for it; None for all.
    """

    name: Name
    problem: Problem
    group: str = ""
    opened: Collection[NormalizedName] | None = ()


class Side:
    """A member with its answer so far.

    Attributes:
        member: The member.
        pins: Its answer.
        versions: The same by package; a direct reference has none that others could have.
        alone: The versions around which it has windows.
    """

    def __init__(self, member: Member, problem: Problem, pins: Pins) -> None:
        self.member = member
        self._problem = problem
        self.take(pins)
        self.settle()

    def settle(self) -> None:
        """Let the answer be the one that windows are around, and nothing be shared yet."""
        self._windows = Windows(self._problem, self.pins)
        self._shared: dict[NormalizedName, int] = {}
        self.alone = self.versions

    def take(self, pins: Pins) -> None:
        """Take an answer."""
        self.pins = pins
        self.versions = versions_of(self._problem, pins)
        self._held: Held | None = None

    def share(self, name: NormalizedName) -> None:
        """Let a package stay as it is from here on."""
        if name in self.versions:
            self._shared[name] = 1 << self.pins[Node(name, "")]

    def window(self, name: NormalizedName, *, is_open: bool) -> int:
        """Return the candidates of a package that may be shared."""
        opened = self.member.opened
        if is_open or opened is None or name in opened:
            return self._windows.kept(name)
        return self._windows.mask(name)

    def with_version(self, name: NormalizedName, version: str, *, is_open: bool) -> Pins | None:
        """Return an answer with a version of a package; None where none was found in which all is in its window."""
        if self.versions[name] == version:
            return self.pins
        position = self._problem.universe.package(name).position(version)
        if position is None or name in self._shared or not self.window(name, is_open=is_open) >> position & 1:
            return None
        found = self._attempt(self._windows.mask, name, 1 << position)
        if found is None and (is_open or self.member.opened is None):
            found = self._attempt(self._windows.kept, name, 1 << position)
        return found

    def _attempt(self, limit: Limit, name: NormalizedName, mask: int) -> Pins | None:
        fixed = {**self._shared, name: mask}

        def limited(other: NormalizedName) -> int:
            return fixed[other] if other in fixed else limit(other)

        self._held = self._held or Held(self._problem, self.pins)
        if self._held.is_held(name, limited):
            return None
        return attempt(self._problem, limited, len(self.pins), self._held.around(name, limited))

    def is_held(self, name: NormalizedName, limit: Limit, *, is_open: bool) -> bool:
        """Return whether it is plain that no answer in its windows has a package within a limit."""
        self._held = self._held or Held(self._problem, self.pins)
        return self._held.is_held(name, lambda other: limit(other) & self.window(other, is_open=is_open))

    def part(self, pins: Mapping[Node, int], *, is_open: bool) -> tuple[Pins, set[NormalizedName]] | None:
        """Return what it needs of an answer to all, and what of that is in no window; None where it is wrong."""
        reached, flaw = walk(self._problem, pins)
        if flaw:
            return None
        return reached, {
            node.name for node, at in reached.items() if not self.window(node.name, is_open=is_open) >> at & 1
        }


def versions_of(problem: Problem, pins: Mapping[Node, int]) -> dict[NormalizedName, str]:
    """Return the versions of an answer; a direct reference has none that others could have."""
    found = {}
    for node, position in pins.items():
        package = problem.universe.package(node.name)
        if not package.reference:
            found[node.name] = package.versions.text(position)
    return found
