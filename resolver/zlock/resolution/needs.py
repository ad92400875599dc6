"""What is pinned, and what pins need of each other: the graph that every search walks."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, final

from packaging.utils import NormalizedName

from zlock.model.distribution import Dependency
from zlock.model.requirement import DirectRequirement


@final
class Node:
    """What is pinned: a package, or one extra of it.

    An extra is pinned like a package of its own, at the version of its base, which it requires.
    Equal ones are one object, since searches look them up a million times.

    Attributes:
        name: The package.
        extra: The extra, or empty.
    """

    __slots__ = ("extra", "name")
    _made: ClassVar[dict[tuple[str, str], Node]] = {}
    name: NormalizedName
    extra: str

    def __new__(cls, name: NormalizedName, extra: str) -> Node:
        """Return the one node of a name and an extra."""
        made = cls._made.get((name, extra))
        if made is None:
            made = cls._made[name, extra] = super().__new__(cls)
            made.name, made.extra = name, extra
        return made

    def __lt__(self, other: Node) -> bool:
        return (self.name, self.extra) < (other.name, other.extra)

    def __repr__(self) -> str:
        return f"Node({self.name!r}, {self.extra!r})"

    def __str__(self) -> str:
        return f"{self.name}[{self.extra}]" if self.extra else self.name


class Need(NamedTuple):
    """That some candidates of a node, and no others, will do.

    Attributes:
        node: What is needed.
        mask: The candidates that will do.
        parent: Who needs it, None for the step itself.
        position: Which candidate of the parent.
        cause: The requirement it comes from.
        names_prerelease: Whether it is a package's requirement that names a pre-release.
    """

    node: Node
    mask: int
    parent: Node | None
    position: int
    cause: Dependency | DirectRequirement
    names_prerelease: bool = False


class Pin(NamedTuple):
    """A node at one candidate."""

    node: Node
    position: int


Pins = dict[Node, int]
"""The candidate that was chosen of each node."""


def nodes_of(dependency: Dependency) -> list[Node]:
    """Return what a requirement needs: each extra that it names, and the package itself."""
    return [Node(dependency.name, extra) for extra in (*dependency.extras, "")]
