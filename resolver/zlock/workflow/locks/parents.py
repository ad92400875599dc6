"""Pinning the images that steps are built on, for `zlock resolve --pin-images`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property

from zlock.errors import InvalidInput, NoAnswer, every
from zlock.lock.facts import PinnedParent
from zlock.lock.lock import Lock
from zlock.model.image import is_layout
from zlock.reporting import Activity, Doing
from zlock.workflow.locks.job import Answers, Job
from zlock.workflow.project.registry_errors import NamedParents
from zlock.workflow.project.workspace import Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zlock.image.registry.registry import Registry
    from zlock.model.reference import ImageReference


def pin_parents(workspace: Workspace, jobs: Sequence[Job], answers: Answers) -> Answers:
    """Return the answers with their parents' digests: those that the locks had, or those that registries tell.

    A registry is asked where `--pin-images` wants a digest that is not there, and where `--upgrade` lets one go.

    Raises:
        NoAnswer: A parent is not there, or not for all platforms; several errors come as `Problems`.
        InvalidInput: There would be a registry to ask, and `--offline` forbids it.
        RegistryFailed: A registry could not be asked.
    """
    with closing(_Pinner(workspace)) as pinner:
        parents = every(pinner.parent, jobs)
    workspace.note(*(f"the base image `{one.reference}` is pinned to {one.digest}" for one in pinner.known.values()))
    pinned = zip(jobs, parents, strict=True)
    return {job.step.name: _with_parent(answers[job.step.name], parent) for job, parent in pinned}


def no_parent(registry: Registry, reference: ImageReference, platform: str) -> NoAnswer:
    """Return the error that says that a registry has no such image, or none for the platform."""
    others = registry.platforms(reference)
    return NoAnswer(
        f"there is no base image `{reference}` for {platform}",
        context=[f"it is for {', '.join(others)}"] if others else [],
        hint=f"name one that is for {platform}, or set `platforms`" if others else "check its name, and `platforms`",
    )


class _Pinner:
    """Asks registries, each parent once.

    Attributes:
        known: What they told, by reference and platforms.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.known: dict[tuple[str, tuple[str, ...]], PinnedParent] = {}
        self._parents = NamedParents()

    @cached_property
    def _registry(self) -> Registry:
        from zlock.image.registry.registry import Registry  # most runs ask none

        return Registry(self._workspace.environ)

    def parent(self, job: Job) -> PinnedParent | None:
        """Return what a step's lock is to pin."""
        options, settings = self._workspace.options, job.step.effective
        before = job.lock.facts.parent if job.lock else None
        if settings.dockerfile is not None:
            if options.pin_images:
                self._workspace.note(
                    f"step `{job.step.name}` has a `dockerfile`: give the `FROM` in it a digest, none is recorded"
                )
            return None
        platforms = tuple(one.platform for one in job.question.linux)
        if not platforms:  # then no image is built
            return None
        reference = settings.base_image(job.question.targets[0].python)
        is_same = before is not None and before.reference == reference
        if is_same and not options.upgrade:
            return before
        asks = options.pin_images or (before and options.upgrade)
        if (asks or before) and _is_local(reference):
            self._workspace.note(
                f"step `{job.step.name}` is built on `{reference}`, which no registry has: no digest is recorded"
            )
        elif asks:
            with self._parents.of(job.step, (reference, platforms)):
                return self._ask(reference, platforms)
        elif before:
            self._workspace.note(
                f"step `{job.step.name}` has another base image than the one whose digest was recorded; "
                "`--pin-images` records the new one's"
            )
        return None

    def _ask(self, reference: str, platforms: tuple[str, ...]) -> PinnedParent:
        key = reference, platforms
        if key not in self.known:
            self.known[key] = self._find(*key)
        return self.known[key]

    def _find(self, reference: str, platforms: Sequence[str]) -> PinnedParent:
        from zlock.model.reference import ImageReference

        parsed = ImageReference.parse(reference)
        if self._workspace.options.offline:
            raise InvalidInput(
                f"only the registry knows the digest of the base image `{reference}`", hint="leave out `--offline`"
            )
        found = []
        for platform in platforms:
            self._workspace.reporter(Doing(Activity.ASKING_FOR_PARENT, reference))
            one = self._registry.find(parsed, platform)
            if one is None:
                raise no_parent(self._registry, parsed, platform)
            found.append(one)
        if len({one.tagged for one in found}) != 1:
            raise NoAnswer(f"the base image `{reference}` changed while it was asked for", hint="run again")
        return PinnedParent(reference=reference, digest=found[0].tagged, user=found[0].config.user)

    def close(self) -> None:
        """Close what was opened."""
        if "_registry" in self.__dict__:
            self._registry.close()


def _with_parent(lock: Lock, parent: PinnedParent | None) -> Lock:
    if parent == lock.facts.parent:
        return lock
    reference, digest, user = (parent.reference, parent.digest, parent.user) if parent else ("", "", None)
    return replace(lock, facts=replace(lock.facts, parent_reference=reference, parent_digest=digest, parent_user=user))


def _is_local(reference: str) -> bool:
    if is_layout(reference):
        return True
    from zlock.model.reference import ImageReference  # most runs have no parents to ask for

    return ImageReference.parse(reference).is_local
