"""What needs what in the locks."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from zlock.workflow.explain.graphs import StepGraph, debian_graphs, package_graphs
from zlock.workflow.locks.current import load_locked
from zlock.workflow.project.workspace import Options, Workspace


class Tree(Struct, frozen=True, kw_only=True):
    """What a step installs and what asks for it.

    Attributes:
        step: The step.
        on: What it installs on some of its targets.
        overrides: What the configuration puts in the place of all that is asked of a package, by package.
    """

    step: str
    on: StepGraph
    overrides: Mapping[str, str]

    @property
    def target(self) -> str:
        """What it runs on; Debian packages are the same for all Pythons."""
        targets = self.on.targets
        return ", ".join(one.platform for one in targets) if self.on.is_debian else "; ".join(map(str, targets))


def trees(options: Options) -> list[Tree]:
    """Return a tree per step; several where a step's platforms differ, and one of its Debian packages after them.

    Raises:
        LockOutdated: A lock is missing or outdated.
    """
    workspace = Workspace(options)
    stated: dict[str, str] = {one.name: str(one) for one in workspace.project.overrides}
    found = []
    for locked in load_locked(workspace):
        for on in (*package_graphs(locked), *debian_graphs(locked)):
            own = {} if on.is_debian else {name: one for name, one in stated.items() if name in on.graph.versions}
            found.append(Tree(step=locked.step.name, on=on, overrides=own))
    return found
