"""Locking Debian packages: what those of a step come to on its base image, by the machine's apt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from zlock.debian.closure import find_closure
from zlock.errors import IndexFailed, ZlockError, every
from zlock.image.context.debs import DEBS, cached_at
from zlock.index.wheelhouse import differs
from zlock.lock.facts import Apt, Facts
from zlock.lock.lock import Lock
from zlock.model.debian import DebianPackage, bare_name
from zlock.model.reference import ImageReference
from zlock.wording import listed
from zlock.workflow.locks.base_images import BaseImages, base_image_of
from zlock.workflow.locks.job import Answers, Job
from zlock.workflow.project.workspace import Workspace


def lock_debian_packages(workspace: Workspace, answers: Answers) -> Answers:
    """Return the answers with the Debian packages that steps ask for, where their base images have digests.

    Those that are locked stay, and nobody is asked, as long as the step, or another one, asks for the same on the same
    base image; else their versions do, while an archive has them.

    Raises:
        ZlockError: apt has no answer, or can't be asked; several errors come as `Problems`.
    """
    locker = _Locker(workspace, [job for job, _ in answers])
    return every(lambda one: (one[0], locker.locked(*one)), answers)


class _Locker:
    """Asks apt for the steps of a run."""

    def __init__(self, workspace: Workspace, jobs: Sequence[Job]) -> None:
        self._workspace = workspace
        self._images = BaseImages(workspace)
        self._moves = workspace.options.upgrade or workspace.options.upgrade_apt
        self._locked = [job.lock.facts for job in jobs if job.lock]
        self._answered: dict[tuple[object, ...], tuple[DebianPackage, ...]] = {}

    def locked(self, job: Job, lock: Lock) -> Lock:
        """Return a step's lock with its Debian packages; itself where it has them."""
        apt = self._apt(job, lock)
        return lock if apt == lock.facts.apt else replace(lock, facts=replace(lock.facts, apt=apt))

    def _apt(self, job: Job, lock: Lock) -> Apt | None:
        """Return the Debian packages of a step, None where they are not to be locked."""
        names = job.question.apt_packages
        platforms = tuple(one.platform for one in job.question.linux)
        reference = base_image_of(job.step, job.question.targets[0].python, lock.facts) if names and platforms else None
        if reference is None:
            if names and platforms:
                self._note_unlocked(job, names)
            return None
        for facts in () if self._moves else self._before(job):
            is_asked = (facts.apt_packages, facts.platforms) == (names, lock.facts.platforms)
            if is_asked and facts.apt and facts.apt.base_image == reference.digest:
                return facts.apt
        if self._workspace.options.no_apt:
            return None
        known = job.lock.facts.apt if job.lock else None
        by_platform = {one: self._closure(job, reference, one) for one in platforms}
        base = self._images.base(reference, platforms[0])
        if known and not self._moves:
            _check_replaced(job, known, by_platform)
        packages = tuple(_joined(by_platform))
        found = {one.name for one in packages}
        there = [one for one in names if bare_name(one) not in found and base.provides(bare_name(one))]
        if there:  # without the step's name, so that it is said once
            self._workspace.note(
                f"{listed(there)}: in the base image `{reference}` already, so nothing is locked for it"
            )
        return Apt(base_image=reference.digest, distribution=base.distribution, packages=packages)

    def _before(self, job: Job) -> list[Facts]:
        """Return what is locked: by the step itself, and by the others, whose packages are as good."""
        return [job.lock.facts, *self._locked] if job.lock else self._locked

    def _closure(self, job: Job, reference: ImageReference, platform: str) -> tuple[DebianPackage, ...]:
        names, kept = job.question.apt_packages, self._kept(job, platform)
        asked = (reference, platform, names, kept)  # once
        if asked not in self._answered:
            try:
                with self._images.apt(reference, platform, self._pool(kept)) as (base, apt):
                    self._answered[asked] = find_closure(base, apt, names, kept, self._workspace.note)
            except ZlockError as error:
                error.of(step=job.step.name).context += tuple(_stated(job))
                raise
        return self._answered[asked]

    def _kept(self, job: Job, platform: str) -> tuple[DebianPackage, ...]:
        """Return the packages whose versions are to stay."""
        found: dict[tuple[str, str], DebianPackage] = {}
        for facts in () if self._moves else self._before(job):
            for one in facts.apt.on(platform) if facts.apt else ():
                found.setdefault((one.name, one.architecture), one)
        return tuple(found[key] for key in sorted(found))

    def _pool(self, kept: Sequence[DebianPackage]) -> dict[DebianPackage, Path]:
        """Return those packages whose files are in the wheelhouse, or were brought for a build."""
        found = {}
        for one in kept:
            for place in (
                self._workspace.wheelhouse / DEBS / one.filename,
                cached_at(self._workspace.cache_folder, one),
            ):
                if differs(place, one.size, one.sha256) is None:
                    found[one] = place
        return found

    def _note_unlocked(self, job: Job, names: Sequence[str]) -> None:
        why, way_out = "the base image has no digest", "; `--pin-images` records it"
        if job.step.effective.dockerfile is not None:
            why, way_out = f"the base image of `{job.step.name}` is made by its `dockerfile`", ""
        # Without the step's name, so that it is said once for all steps with the same packages.
        self._workspace.note(f"apt packages are not locked ({listed(names)}), as {why}{way_out}")


def _joined(by_platform: Mapping[str, Sequence[DebianPackage]]) -> Iterator[DebianPackage]:
    """Yield the packages of all platforms, each once, with the platforms where not all have it."""
    platforms: dict[DebianPackage, list[str]] = {}
    for platform, packages in by_platform.items():
        for one in packages:
            platforms.setdefault(one, []).append(platform)
    for one in sorted(platforms, key=lambda one: (one.name, one.architecture, platforms[one])):
        is_everywhere = len(platforms[one]) == len(by_platform)
        yield one if is_everywhere else replace(one, platforms=tuple(platforms[one]))


def _check_replaced(job: Job, known: Apt, found: Mapping[str, Sequence[DebianPackage]]) -> None:
    """Refuse what an archive serves under the name and version of another file that was locked.

    Raises:
        IndexFailed: There is such a file.
    """
    before = {(one.name, one.version, one.architecture, one.suite): one for one in known.packages}
    for one in (one for packages in found.values() for one in packages):
        old = before.get((one.name, one.version, one.architecture, one.suite), one)
        if old.sha256 != one.sha256:
            raise IndexFailed(
                f"`{one.filename}` is another file in its archive than was locked",
                context=[f"locked: sha256 {old.sha256}", f"now: sha256 {one.sha256}"],
                hint="ask whoever keeps the archive; if it is right, `zlock resolve --upgrade-apt`",
            ).of(step=job.step.name)


def _stated(job: Job) -> Iterator[str]:
    """Yield who asks for Debian packages."""
    for one in job.gathered:
        if one.apt_packages:
            yield f"{listed(one.apt_packages)}: required by {one.source}"
    settings = job.step.settings
    place = settings.where("apt_packages")
    if place:
        yield f"{listed(settings.apt_packages or ())}: stated in {place}"
