"""Why a package is in the locks, from the source's line down to it, and why it is not newer."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import canonicalize_name

from zlock.errors import InvalidInput, NoAnswer
from zlock.model.explanations import Behind, Differs
from zlock.reporting import unheard
from zlock.wording import did_you_mean, listed
from zlock.workflow.explain.debian import DebianGraph, debian_graphs
from zlock.workflow.explain.newer import Looking, Newer
from zlock.workflow.locks.current import LockedStep, collect_locked, load_locked
from zlock.workflow.locks.requirement_graph import TargetGraph, graphs_of, nodes_of
from zlock.workflow.project.workspace import Options, Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """One requirement of a source that leads to a package.

    Attributes:
        requirement: The requirement.
        origins: Where it is stated, each with its file and line.
        path: The nodes from what it requires to the package, the shortest way; each with its version.
    """

    requirement: str
    origins: tuple[str, ...]
    path: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """Why a step installs a package.

    Attributes:
        step: The step.
        platforms: On which of its platforms; empty where it is on all.
        version: The version; empty for what has none.
        chains: What leads to it, in the documented order of the sources.
        differs: Other versions in other steps, and why, as the lock has it.
        newer: Why it is not newer; None for a Debian package.
        behind: That it is more than a year behind, and why; None where it is not.
    """

    step: str
    platforms: tuple[str, ...]
    version: str
    chains: tuple[Chain, ...]
    differs: tuple[Differs, ...]
    newer: Newer | None
    behind: Behind | None = None


def why(options: Options, name: str) -> list[Why]:
    """Say why a package is in the locks and why it is not newer.

    Raises:
        LockOutdated: A lock is missing or outdated.
        NoAnswer: No lock has the package.
    """
    if not name.strip():
        raise InvalidInput("the package has no name", hint="write `zlock why numpy`")
    workspace = Workspace(options)
    package = canonicalize_name(name)
    every = load_locked(workspace)
    if workspace.report.disregarded:
        return []
    found = [(locked, graph) for locked in every for graph in graphs_of(locked) if package in graph.graph.versions]
    if not found:
        debian = [_why_debian(locked, graph, name) for locked in every for graph in debian_graphs(locked)]
        if any(debian):
            return [one for one in debian if one]
        known = {name for locked in every for name in locked.lock.pins}
        base = canonicalize_name(name.partition("[")[0].strip())
        hint = f"a package is named without its extras: `zlock why {base}`" if base in known and base != package else ""
        if any(package == excluded for excluded, _ in workspace.project.exclude):
            hint = f"`exclude` in {workspace.project.shown_file} leaves it out"
        if asking := [one.step.name for one in every if one.facts.apt and name in one.question.apt_packages]:
            hint = f"{listed(asking)} asks for it, and its base image has it already"
        hint = hint or did_you_mean(package, sorted(known)) or "`zlock tree` shows what there is"
        raise NoAnswer(f"no lock has `{name}`", hint=hint)
    steps = [(locked, graph.targets[0]) for locked, graph in found]
    with Looking(workspace, every_step(workspace, every)) as looking:
        newer = [looking.newer(locked, target, package) for locked, target in steps]
        behind = [looking.behind(locked, target, package) for locked, target in steps]
    said = zip(found, newer, behind, strict=True)
    return [_why(locked, graph, package, one, late) for (locked, graph), one, late in said]


def every_step(workspace: Workspace, chosen: list[LockedStep]) -> list[LockedStep]:
    """Return the chosen steps, and the others whose locks are current: they may be aligned with those."""
    if not workspace.options.steps:
        return chosen
    others = collect_locked(Workspace(workspace.options._replace(steps=(), reporter=unheard)))
    names = {locked.step.name for locked in chosen}
    return [*chosen, *(locked for locked in others if locked.step.name not in names)]


def _why_debian(locked: LockedStep, on: DebianGraph, name: str) -> Why | None:
    """Say why a step installs a Debian package, None where it does not."""
    if name not in on.graph.versions:
        return None
    ways = [(root, path) for root in on.asked if (path := on.graph.chain(root.nodes, name))]
    linux = [target for target in locked.question.targets if target.system == "linux"]
    return Why(
        step=locked.step.name,
        platforms=() if len(on.platforms) == len(linux) else on.platforms,
        version=on.graph.versions[name],
        chains=tuple(
            Chain(
                requirement=root.text, origins=root.origins, path=tuple((one, on.graph.versions[one]) for one in path)
            )
            for root, path in ways
        ),
        differs=(),
        newer=None,
    )


def _why(locked: LockedStep, on: TargetGraph, package: str, newer: Newer, behind: Behind | None) -> Why:
    chains = []
    for root in on.roots:
        path = on.graph.chain(nodes_of(root), package)
        if path:
            chains.append(
                Chain(
                    requirement=str(root),
                    origins=tuple(map(str, root.origins)),
                    path=tuple((node, on.graph.version_of(node)) for node in path),
                )
            )
    is_everywhere = len(on.targets) == len(locked.question.targets)
    return Why(
        step=locked.step.name,
        platforms=() if is_everywhere else tuple(target.platform for target in on.targets),
        version=on.graph.versions[package],
        chains=tuple(chains),
        differs=tuple(one for one in locked.facts.differs if one.name == package),
        newer=newer,
        behind=behind,
    )
