"""What needs what in the locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zlock.lock.graph import Graph
from zlock.workflow.locks.current import load_locked
from zlock.workflow.locks.requirement_graph import graphs_of, nodes_of
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
    """

    step: str
    target: str
    roots: tuple[Root, ...]
    graph: Graph
    overrides: Mapping[str, str]


def trees(options: Options) -> list[Tree]:
    """Return a tree per step; several where a step's platforms differ.

    Raises:
        LockOutdated: A lock is missing or outdated.
    """
    workspace = Workspace(options)
    overrides = {one.name: str(one) for one in workspace.project.overrides}
    return [
        Tree(
            step=locked.step.name,
            target="; ".join(map(str, one.targets)),
            roots=tuple(
                Root(requirement=str(root), origins=tuple(map(str, root.origins)), nodes=tuple(nodes_of(root)))
                for root in one.roots
            ),
            graph=one.graph,
            overrides={name: override for name, override in overrides.items() if name in one.graph.versions},
        )
        for locked in load_locked(workspace)
        for one in graphs_of(locked)
    ]
