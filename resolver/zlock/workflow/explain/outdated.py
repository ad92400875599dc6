"""What of the locks has newer releases, and what holds each back."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name
from packaging.version import Version

from zlock.errors import OutsideFailed, ZlockError
from zlock.lock.selection import packages_on
from zlock.reporting import Activity, Doing
from zlock.workflow.explain.members import Members
from zlock.workflow.explain.newer import Newer, newer
from zlock.workflow.locks.current import LockedStep, load_locked
from zlock.workflow.project.workspace import Options, Workspace


class OutdatedPackage(Struct, frozen=True, kw_only=True):
    """A package that has a newer release than its lock.

    Attributes:
        name: The package.
        version: What is locked.
        newer: The newest release, and why it is not that.
    """

    name: str
    version: str
    newer: Newer


class OutdatedStep(Struct, frozen=True, kw_only=True):
    """What of a step has newer releases.

    Attributes:
        step: The step.
        packages: How many packages its lock has.
        outdated: Those of them that have, by name.
        unknown: Those of which the index could not be asked, each with the reason.
        failed: What an index failed with that was asked, if one did.
    """

    step: str
    packages: int
    outdated: tuple[OutdatedPackage, ...]
    unknown: tuple[tuple[str, str], ...]
    failed: OutsideFailed | None = None


def outdated(options: Options) -> list[OutdatedStep]:
    """Say what of the chosen steps has newer releases.

    Pre-releases count only for what is locked as one.

    Raises:
        LockOutdated: A lock is missing or outdated.
        OutsideFailed: No index could be asked about any package.
    """
    workspace = Workspace(options)
    chosen = load_locked(workspace)
    if not chosen:
        return []
    with workspace.opened:
        members = Members(workspace, chosen, refresh=True)
        found = [_outdated(workspace, members, locked) for locked in chosen]
    failed = next((one.failed for one in found if one.failed), None)
    if failed and all(len(one.unknown) == one.packages for one in found):
        raise failed
    return found


def _outdated(workspace: Workspace, members: Members, locked: LockedStep) -> OutdatedStep:
    found: dict[tuple[str, str], OutdatedPackage] = {}
    unknown: dict[str, str] = {}
    failed: OutsideFailed | None = None
    pins = {
        (canonicalize_name(package.name), package.version): (locked.step.name, target.platform)
        for target in reversed(locked.question.targets)
        for package in packages_on(locked.lock, target)
        if package.version
    }
    for number, ((name, version), step) in enumerate(sorted(pins.items(), key=lambda pin: pin[0])):
        workspace.reporter(Doing(Activity.LOOKING_FOR_NEWER, locked.step.name, done=number, total=len(pins)))
        try:
            newest = _newest(members.versions(step, name), Version(version))
        except ZlockError as error:
            unknown[name] = str(error)
            if isinstance(error, OutsideFailed) and not workspace.options.offline:  # offline nobody was asked
                failed = failed or error
            continue
        if newest is not None:
            why = newer(members, step, name)
            if why.verdict == "unknown":
                unknown[name] = "; ".join(why.reasons)
            else:
                why = replace(why, newest=str(newest))
                if why.moves == why.newest:  # what rules pre-releases out is of no interest then
                    why = replace(why, verdict="kept", reasons=())
                found[name, version] = OutdatedPackage(name=name, version=version, newer=why)
    return OutdatedStep(
        step=locked.step.name,
        packages=len(locked.lock.packages),
        outdated=tuple(found.values()),
        unknown=tuple(unknown.items()),
        failed=failed,
    )


def _newest(versions: Sequence[Version], locked: Version) -> Version | None:
    """Return the newest of some releases that is newer than what is locked; None where none is."""
    newer = (one for one in versions if locked.is_prerelease or not one.is_prerelease)
    return next((one for one in newer if one > locked), None)
