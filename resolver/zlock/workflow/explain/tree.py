"""What needs what in the locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zlock.lock.graph import Graph
from zlock.workflow.explain.debian import DebianGraph, debian_graphs
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.locks.requirement_graph import TargetGraph, graphs_of, nodes_of
from zlock.workflow.project.workspace import Options, Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """One requirement of a source.

    Attributes:
        requirement: The requirement.
        origins: Where it is stated, each with its file and line.
        nodes: The extras it asks for, and the package itself as the last.
    """

    requirement: str
    origins: tuple[str, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """What a step installs and what asks for it.

    Attributes:
        step: The step.
        target: What it runs on.
        roots: What its sources ask for, in the documented order.
        graph: What packages need of each other.
        overrides: What the configuration puts in the place of all that is asked of a package, by package.
        is_debian: Whether it is of Debian packages.
    """

    step: str
    target: str
    roots: tuple[Root, ...]
    graph: Graph
    overrides: Mapping[str, str]
    is_debian: bool = False


def trees(options: Options) -> list[Tree]:
    """Return a tree per step; several where a step's platforms differ, and one of its Debian packages after them.

    Raises:
        LockOutdated: A lock is missing or outdated.
    """
    workspace = Workspace(options)
    overrides: dict[str, str] = {one.name: str(one) for one in workspace.project.overrides}
    found = []
    for locked in load_locked(workspace):
        found += [_tree(locked, one, overrides) for one in graphs_of(locked)]
        found += [_debian_tree(locked, one) for one in debian_graphs(locked)]
    return found


def _tree(locked: LockedStep, one: TargetGraph, overrides: Mapping[str, str]) -> Tree:
    return Tree(
        step=locked.step.name,
        target="; ".join(map(str, one.targets)),
        roots=tuple(
            Root(requirement=str(root), origins=tuple(map(str, root.origins)), nodes=tuple(nodes_of(root)))
            for root in one.roots
        ),
        graph=one.graph,
        overrides={name: override for name, override in overrides.items() if name in one.graph.versions},
    )


def _debian_tree(locked: LockedStep, one: DebianGraph) -> Tree:
    return Tree(
        step=locked.step.name,
        target=", ".join(one.platforms),
        roots=tuple(Root(requirement=root.text, origins=root.origins, nodes=root.nodes) for root in one.asked),
        graph=one.graph,
        overrides={},
        is_debian=True,
    )
