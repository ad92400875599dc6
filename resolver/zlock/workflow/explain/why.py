"""Why a package is in the locks, from the source's line down to it, and why it is not newer."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from packaging.utils import canonicalize_name

from zlock.errors import InvalidInput, Located, NoAnswer
from zlock.merge import merge
from zlock.model.debian import bare_name
from zlock.model.explanations import Behind, Differs
from zlock.wording import did_you_mean, listed
from zlock.workflow.explain.graphs import StepGraph, apt_origins, debian_graphs, package_graphs
from zlock.workflow.explain.members import Members
from zlock.workflow.explain.newer import Newer, behind, newer
from zlock.workflow.locks.current import LockedStep, load_locked, others_with
from zlock.workflow.project.workspace import Options, Workspace

_CLOSE = 0.75  # how like a name another one has to be; a Debian package of the base image is like no Python package


class Chain(Struct, frozen=True, kw_only=True):
    """One requirement of a source that leads to a package.

    Attributes:
        requirement: The requirement.
        origins: Where it is stated, each with its file and line.
        path: The nodes from what it requires to the package, the shortest way; each with its version.
    """

    requirement: str
    origins: tuple[str, ...]
    path: tuple[tuple[str, str], ...]


class Why(Struct, frozen=True, kw_only=True):
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
    found = [(locked, graph) for locked in every for graph in package_graphs(locked) if package in graph.graph.versions]
    if not found:
        debian = [(locked, graph) for locked in every for graph in debian_graphs(locked)]
        if why_debian := [_why(locked, graph, name) for locked, graph in debian if name in graph.graph.versions]:
            return why_debian
        raise _absent(workspace, every, name)
    steps = [(locked.step.name, graph.targets[0].platform) for locked, graph in found]
    with workspace.opened:
        members = Members(workspace, every)
        newest = [newer(members, step, package) for step in steps]
        late = [behind(members, step, package) for step in steps]
    said = zip(found, newest, late, strict=True)
    return [_why(locked, graph, package, one, two) for (locked, graph), one, two in said]


def _absent(workspace: Workspace, every: list[LockedStep], name: str) -> NoAnswer:
    """Return the error for a package that no lock has, with what leaves it out."""
    package = canonicalize_name(name)
    known = {name for locked in every for name in locked.lock.pins}
    base = canonicalize_name(name.partition("[")[0].strip())
    hint = f"a package is named without its extras: `zlock why {base}`" if base in known and base != package else ""
    context: list[str] = [line for locked in every for line in _left_out(locked, package)]
    if context:
        hint = "remove the marker where the package is to be locked all the same"
    if any(package == excluded for excluded, _ in workspace.project.exclude):
        hint = f"`exclude` in {workspace.project.shown_file} leaves it out"
    asking = [(one, text) for one in every for text in one.question.apt_packages if bare_name(text) == name]
    if asking:
        context = [
            f"`{text}` by {origin} for `{one.step.called}`" for one, text in asking for origin in apt_origins(one, text)
        ]
        hint = "it is a Debian package, which the base image has already"
        if not all(one.facts.apt for one, _ in asking):
            hint = (
                "it is a Debian package that is not locked: that takes the digest of the base image, which "
                "`zlock resolve --pin-images` records"
            )
    elif others := others_with(workspace, package):
        hint = f"the lock of {listed(others)} has it: name that with `--step`, or leave `--step` out"
    near = did_you_mean(package, sorted(known), cutoff=_CLOSE)
    return NoAnswer(f"no lock has `{name}`", context=context, hint=hint or near or "`zlock tree` shows what there is")


def _left_out(locked: LockedStep, package: str) -> Iterator[Located]:
    """Yield each requirement of a package that a step states and its marker leaves out."""
    targets = locked.question.targets
    on = f"Python {targets[0].python} on {', '.join(target.platform for target in targets)}"
    for direct in merge(locked.gathered):
        marker = direct.requirement.marker
        if direct.name == package and not any(target.holds(marker) for target in targets):
            for origin in direct.origins:
                yield Located(f"`{direct}` by {origin}: its marker is false for `{locked.step.name}`, {on}", origin)


def _why(
    locked: LockedStep, on: StepGraph, package: str, newer: Newer | None = None, behind: Behind | None = None
) -> Why:
    question, ways = locked.question, [(root, on.graph.chain(root.nodes, package)) for root in on.roots]
    is_everywhere = len(on.targets) == len(question.linux if on.is_debian else question.targets)
    return Why(
        step=locked.step.name,
        platforms=() if is_everywhere else tuple(target.platform for target in on.targets),
        version=on.graph.versions[package],
        chains=tuple(
            Chain(
                requirement=root.requirement,
                origins=root.origins,
                path=tuple((node, on.graph.version_of(node)) for node in path),
            )
            for root, path in ways
            if path
        ),
        differs=() if on.is_debian else tuple(one for one in locked.facts.differs if one.name == package),
        newer=newer,
        behind=behind,
    )
