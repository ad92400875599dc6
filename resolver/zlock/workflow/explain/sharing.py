"""What it costs that steps share versions: what each would have alone, and which step keeps it from that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName

from zlock.model.explanations import Stated
from zlock.reporting import Activity, Doing
from zlock.resolution.align import Aligned, align
from zlock.resolution.apart import why_differs
from zlock.resolution.side import Member
from zlock.workflow.explain.aligned_steps import keeping, versions_in
from zlock.workflow.explain.members import Members
from zlock.workflow.locks.current import load_locked
from zlock.workflow.project.workspace import Options, Workspace


class Older(Struct, frozen=True, kw_only=True):
    """A package that is older in a step than the step would have it alone.

    Attributes:
        step: The step.
        name: The package.
        version: What the step has.
        alone: What it would have alone.
        days: How much older that makes it; 0 where the index gives no upload times.
        for_step: A step that has the version too and could not have the other one; empty where several packages of
            several steps come together in that.
        forcing: The requirements of that step that rule the other version out.
    """

    step: str
    name: str
    version: str
    alone: str
    days: int
    for_step: str = ""
    forcing: tuple[Stated, ...] = ()


class Sharing(Struct, frozen=True, kw_only=True):
    """What sharing costs, and what it gives.

    Attributes:
        differing: How many packages have several versions where steps share.
        differing_alone: How many would have where each step had what it has alone.
        older: What is older for it, the most days first.
    """

    differing: int
    differing_alone: int
    older: tuple[Older, ...]


def sharing(options: Options) -> Sharing:
    """Say what sharing costs, where all steps are locked from nothing, as by `zlock resolve --upgrade`.

    Raises:
        LockOutdated: A lock is missing or outdated.
    """
    workspace = Workspace(options)
    chosen = load_locked(workspace)
    with workspace.opened:
        members = [keeping(one, {}) for one in Members(workspace, chosen).every()]
        workspace.reporter(Doing(Activity.SOLVING, total=len(members)))
        shared = align(members)
        alone = align([replace(one, group="/".join(one.name)) for one in members])
        steps = {locked.step.name for locked in chosen}
        older = [one for member in members if member.name[0] in steps for one in _older(member, members, shared, alone)]
        return Sharing(
            differing=_differing(members, shared),
            differing_alone=_differing(members, alone),
            older=tuple(sorted(dict.fromkeys(older), key=lambda one: (-one.days, one.name, one.step))),
        )


def _differing(members: Sequence[Member], found: Aligned) -> int:
    versions: dict[str, set[str]] = {}
    for member in members:
        for name, version in versions_in(member, found).items():
            versions.setdefault(name, set()).add(version)
    return sum(len(each) > 1 for each in versions.values())


def _older(member: Member, members: Sequence[Member], shared: Aligned, alone: Aligned) -> Iterator[Older]:
    ages, now, before = member.problem.ages, versions_in(member, shared), versions_in(member, alone)
    for name in sorted(now.keys() & before.keys()):
        package = member.problem.universe.package(name)
        here, there = package.position(now[name]), package.position(before[name])
        if here is not None and there is not None and here > there:
            found = Older(
                step=member.name[0],
                name=name,
                version=now[name],
                alone=before[name],
                days=max(0, ages.age(name, here) - ages.age(name, there)),
            )
            yield _with_reason(found, name, members, shared)


def _with_reason(found: Older, name: NormalizedName, members: Sequence[Member], shared: Aligned) -> Older:
    """Add which step could not have what another one would have alone, and which of its requirements say so."""
    for other in members:
        if other.name[0] != found.step and versions_in(other, shared).get(name) == found.version:
            why = why_differs(other.problem, shared.pins[other.name], name, found.alone)
            if why.reason == "forced":
                return replace(found, for_step=other.name[0], forcing=why.forcing)
    return found
