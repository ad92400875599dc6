"""What asks for what a step installs, and what needs what of it: Python packages, and Debian packages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from zlock.lock.graph import Graph
from zlock.lock.selection import packages_on
from zlock.merge import merge
from zlock.model.debian import bare_name
from zlock.model.explanations import Stated
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.settings.location import spelled
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.project.workspace import Options, Workspace


class Root(Struct, frozen=True, kw_only=True):
    """What a source asks for.

    Attributes:
        requirement: The requirement, or what apt is given.
        origins: Where it is stated, each with its file and line.
        nodes: The extras it asks for, and the package itself as the last.
    """

    requirement: str
    origins: tuple[str, ...]
    nodes: tuple[str, ...]


class StepGraph(Struct, frozen=True, eq=False, kw_only=True):
    """What a step installs on one or more of its targets, and what asks for it.

    Attributes:
        targets: Those on which it is the same.
        roots: What its sources ask for there, in the documented order.
        graph: What the packages need of each other.
        is_debian: Whether it is of Debian packages.
    """

    targets: tuple[Target, ...]
    roots: tuple[Root, ...]
    graph: Graph
    is_debian: bool = False


def standing(locked: LockedStep) -> tuple[DirectRequirement, ...]:
    """Return what a step asks for, without what gave way to later sources when its lock was made."""
    losers = {one.loser for one in locked.facts.gave_way}
    return tuple(one for one in merge(locked.gathered) if Stated.of(one) not in losers)


def package_graphs(locked: LockedStep) -> list[StepGraph]:
    """Return what a step installs, once for all targets on which that is the same."""
    stated = standing(locked)
    return _joined(_on(target, locked, stated) for target in locked.question.targets)


def debian_graphs(locked: LockedStep) -> list[StepGraph]:
    """Return the Debian packages of a step, once for all targets on which they are the same; none without a lock."""
    apt = locked.facts.apt
    found = [(one, Graph.of_debian(apt.on(one.platform))) for one in locked.question.linux] if apt else []
    return _joined(
        StepGraph(targets=(target,), roots=tuple(_debian_roots(locked, graph)), graph=graph, is_debian=True)
        for target, graph in found
        if graph.versions
    )


def _joined(found: Iterable[StepGraph]) -> list[StepGraph]:
    joined: list[StepGraph] = []
    for one in found:
        same = next((at for at, known in enumerate(joined) if (known.graph, known.roots) == (one.graph, one.roots)), -1)
        if same < 0:
            joined.append(one)
        else:
            joined[same] = replace(one, targets=(*joined[same].targets, *one.targets))
    return joined


def _on(target: Target, locked: LockedStep, stated: Iterable[DirectRequirement]) -> StepGraph:
    """Return what a target installs; a requirement may lead to no package there, as the configuration excludes some."""
    graph = Graph.of(packages_on(locked.lock, target))
    here = [one for one in stated if one.name in graph.versions and target.holds(one.requirement.marker)]
    return StepGraph(targets=(target,), roots=tuple(map(_root, here)), graph=graph)


def _root(direct: DirectRequirement) -> Root:
    extras = sorted(f"{direct.name}[{canonicalize_name(extra)}]" for extra in direct.requirement.extras)
    return Root(requirement=str(direct), origins=tuple(map(str, direct.origins)), nodes=(*extras, direct.name))


def _debian_roots(locked: LockedStep, graph: Graph) -> Iterator[Root]:
    """Yield what is asked for; names that no package has are virtual, and met by what nothing else leads to."""
    virtual: dict[str, tuple[str, ...]] = {}
    reached: set[str] = set()
    for text in locked.question.apt_packages:
        name, origins = bare_name(text), tuple(apt_origins(locked, text))
        if name in graph.versions:
            reached |= graph.below(name)
            yield Root(requirement=text, origins=origins, nodes=(name,))
        else:
            virtual[text] = origins
    needed = {need for needs in graph.edges.values() for need in needs}
    for name in sorted(graph.versions.keys() - reached - needed):
        origins = tuple(dict.fromkeys(origin for several in virtual.values() for origin in several))
        yield Root(requirement=", ".join(virtual), origins=origins, nodes=(name,))


def apt_origins(locked: LockedStep, text: str) -> Iterator[str]:
    """Yield who asks for a Debian package, as it is stated."""
    yield from (str(one.source) for one in locked.gathered if text in one.apt_packages)
    settings = locked.step.settings
    if text in (settings.apt_packages or ()):
        place = settings.where("apt_packages")
        yield f"`{spelled('apt_packages', place)}` in {place or 'the settings'}"


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
