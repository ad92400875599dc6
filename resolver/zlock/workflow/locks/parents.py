"""Pinning the images that steps are built on, for `zlock resolve --pin-images`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from zlock.errors import InvalidInput, InvalidLock, NoAnswer, every
from zlock.lock.facts import Facts, PinnedParent
from zlock.lock.lock import Lock
from zlock.lock.store import parse_facts
from zlock.model.image import USER_HINT, is_layout, is_user
from zlock.model.reference import ImageReference
from zlock.model.target import Target
from zlock.reporting import Activity, Doing
from zlock.workflow.locks.job import Answers, Job
from zlock.workflow.project.registry_errors import NamedParents
from zlock.workflow.project.workspace import Step, Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zlock.image.registry.registry import Registry


def pin_parents(workspace: Workspace, answers: Answers) -> Answers:
    """Return the answers with their parents' digests: those that the locks had, or those that registries tell.

    A step without a lock, or with another base image than before, has the digest that the locks of all other steps
    agree on. A registry is asked where `--pin-images`, or the setting, wants a digest that is not there, and where
    `--upgrade` lets one go.

    Raises:
        NoAnswer: A parent is not there, or not for all platforms; several errors come as `Problems`.
        InvalidInput: There would be a registry to ask, and `--offline` forbids it.
        RegistryFailed: A registry could not be asked.
    """
    pinner = _Pinner(workspace, _recorded(workspace, [job for job, _ in answers]))
    pinned = every(lambda one: (one[0], _with_parent(one[1], pinner.parent(one[0]))), answers)
    workspace.note(*(f"the base image `{one.reference}` is pinned to {one.digest}" for one in pinner.known.values()))
    return pinned


def is_unpinned(step: Step, targets: Sequence[Target], facts: Facts) -> bool:
    """Return whether a lock lacks the digest of a base image that a registry can tell."""
    base = _base(step, targets)
    return base is not None and not _is_local(base[0]) and (facts.parent is None or _is_new(facts, base[0]))


def no_parent(registry: Registry, reference: ImageReference, platform: str) -> NoAnswer:
    """Return the error that says that a registry has no such image, or none for the platform."""
    others = registry.platforms(reference)
    return NoAnswer(
        f"there is no base image `{reference}` for {platform}",
        context=[f"it is for {', '.join(others)}"] if others else [],
        hint=f"name one that is for {platform}, or set `platforms`" if others else "check its name, and `platforms`",
    )


_Base = tuple[str, tuple[str, ...]]
"""A base image as settings name it, and the platforms that it has to be for."""


class _Pinner:
    """Asks registries, each parent once.

    Args:
        workspace: The project.
        recorded: What locks record, see `_recorded`.

    Attributes:
        known: What steps are pinned to that were not before.
    """

    def __init__(self, workspace: Workspace, recorded: Mapping[_Base, PinnedParent]) -> None:
        self._workspace = workspace
        self._recorded = recorded
        self._pins = workspace.options.pin_images or workspace.project.pin_images
        self.known: dict[_Base, PinnedParent] = {}
        self._parents = NamedParents()

    def parent(self, job: Job) -> PinnedParent | None:
        """Return what a step's lock is to pin."""
        options, base = self._workspace.options, _base(job.step, job.question.targets)
        if base is None:
            if options.pin_images and job.step.effective.dockerfile is not None:
                self._workspace.note(
                    f"step `{job.step.name}` has a `dockerfile`: give the `FROM` in it a digest, none is recorded"
                )
            return None
        reference = base[0]
        facts = job.lock.facts if job.lock else None
        before = facts.parent if facts else None
        if _is_new(facts, reference) and base in self._recorded:
            before = self._recorded[base]
            if not options.upgrade:
                self.known[base] = before
        if before and before.reference == reference and not options.upgrade:
            return before
        if (options.pin_images or before) and _is_local(reference):
            self._workspace.note(
                f"step `{job.step.name}` is built on `{reference}`, which no registry has: no digest is recorded"
            )
        elif (self._pins and not _is_local(reference)) or (before and options.upgrade):
            with self._parents.of(job.step, base):
                if base not in self.known:
                    self.known[base] = self._find(*base)
                return self.known[base]
        elif before:
            self._workspace.note(
                f"step `{job.step.name}` has another base image than the one whose digest was recorded; "
                "`--pin-images` records the new one's"
            )
        return None

    def _find(self, reference: str, platforms: Sequence[str]) -> PinnedParent:
        parsed = ImageReference.parse(reference)
        if self._workspace.options.offline:
            raise InvalidInput(
                f"only the registry knows the digest of the base image `{reference}`", hint="leave out `--offline`"
            )
        found = []
        for platform in platforms:
            self._workspace.reporter(Doing(Activity.ASKING_FOR_PARENT, reference))
            one = self._workspace.registry.find(parsed, platform)
            if one is None:
                raise no_parent(self._workspace.registry, parsed, platform)
            found.append(one)
        if len({one.tagged for one in found}) != 1:
            raise NoAnswer(f"the base image `{reference}` changed while it was asked for", hint="run again")
        user = found[0].config.user
        if user and not is_user(user):
            raise NoAnswer(
                f"the base image `{reference}` runs as {user!r}, which is not a valid user of an image",
                hint=f"where it is made, {USER_HINT}",
            )
        return PinnedParent(reference=reference, digest=found[0].tagged, user=user)


def _base(step: Step, targets: Sequence[Target]) -> _Base | None:
    """Return what a step is built on; None where a `dockerfile` makes that, or no image is built."""
    platforms = tuple(one.platform for one in targets if one.system == "linux")
    if step.effective.dockerfile is not None or not platforms:
        return None
    return step.effective.base_image(targets[0].python), platforms


def _is_new(facts: Facts | None, reference: str) -> bool:
    """Return whether a step has no lock yet, or its lock records another base image."""
    return facts is None or (facts.parent is not None and facts.parent.reference != reference)


def _recorded(workspace: Workspace, jobs: Sequence[Job]) -> dict[_Base, PinnedParent]:
    """Return what locks record of base images, as far as those of all steps that are built on one agree."""
    chosen = {job.step.name for job in jobs}
    rows = [(job.lock.facts, _base(job.step, job.question.targets)) for job in jobs if job.lock]
    for step in (step for step in workspace.steps if step.name in workspace.locks.keys() - chosen):
        with suppress(InvalidLock):  # whoever locks that one is told
            facts = parse_facts(workspace.locks[step.name].path, workspace.locks[step.name].text)
            rows.append((facts, _base(step, facts.targets)))
    found: dict[_Base, set[PinnedParent | None]] = {}
    for facts, base in rows:
        if base and not _is_new(facts, base[0]):
            found.setdefault(base, set()).add(facts.parent)
    return {base: parent for base, (parent, *others) in found.items() if parent and not others}


def _with_parent(lock: Lock, parent: PinnedParent | None) -> Lock:
    if parent == lock.facts.parent:
        return lock
    reference, digest, user = (parent.reference, parent.digest, parent.user) if parent else ("", "", None)
    return replace(lock, facts=replace(lock.facts, parent_reference=reference, parent_digest=digest, parent_user=user))


def _is_local(reference: str) -> bool:
    return is_layout(reference) or ImageReference.parse(reference).is_local
