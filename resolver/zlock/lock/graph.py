"""The graph of a lock: which package needs which, extras told apart from their packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from zlock.lock.package import Package
from zlock.model.debian import DebianPackage


class Graph(Struct, frozen=True, kw_only=True):
    """What the packages of a lock need of each other.

    Attributes:
        versions: Of each package, by name; empty where it has none, as a repository.
        edges: By node, a package `a` or an extra of it `a[x]`, the nodes it needs, sorted.
    """

    versions: Mapping[str, str]
    edges: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, packages: Iterable[Package]) -> Graph:
        """Return the graph of a lock's packages; an edge out of them, as to another platform's package, is left out."""
        rows = list(packages)
        versions = {row.name: row.version for row in rows}
        edges = {
            f"{row.name}[{extra}]" if extra else row.name: tuple(
                need for need in sorted(needs) if name_of(need) in versions
            )
            for row in rows
            for extra, needs in row.needs.items()
        }
        return cls(versions=versions, edges=edges)

    @classmethod
    def of_debian(cls, packages: Iterable[DebianPackage]) -> Graph:
        """Return the graph of Debian packages; one that is there for several architectures counts as one."""
        rows = sorted(packages, key=lambda one: (one.name, one.architecture))
        versions = {row.name: row.version for row in rows}
        edges = {row.name: tuple(dict.fromkeys(need.partition(":")[0] for need in row.needs)) for row in rows}
        return cls(versions=versions, edges=edges)

    def version_of(self, node: str) -> str:
        """Return the version of a node's package."""
        return self.versions[name_of(node)]

    def below(self, node: str) -> set[str]:
        """Return a node and all that it leads to."""
        found = {node: None}
        waiting = [node]
        for one in waiting:  # grows while it is walked
            more = [need for need in self.edges.get(one, ()) if need not in found]
            found |= dict.fromkeys(more)
            waiting += more
        return set(found)

    def chain(self, start: Iterable[str], name: str) -> tuple[str, ...] | None:
        """Return the shortest way from some nodes to a package, of equal ones the first by name; None for no way."""
        ways: dict[str, tuple[str, ...]] = {node: (node,) for node in start}
        waiting = list(ways)
        for node in waiting:  # grows while it is walked
            if name_of(node) == name:
                return ways[node]
            for need in self.edges.get(node, ()):
                if need not in ways:
                    ways[need] = (*ways[node], need)
                    waiting.append(need)
        return None


def name_of(node: str) -> str:
    """Return the package that a node belongs to."""
    return node.partition("[")[0]
