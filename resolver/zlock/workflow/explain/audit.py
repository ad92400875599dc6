"""Known vulnerabilities of what the locks pin: by records in files, so that no name of a package leaves the machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from packaging.utils import canonicalize_name
from packaging.version import Version

from zlock.errors import InvalidInput, LockOutdated, every
from zlock.index.osv import Vulnerability, read_records
from zlock.lock.lock import Lock
from zlock.lock.store import parse_lock
from zlock.reporting import Activity, Doing
from zlock.settings.audit import Ignored
from zlock.wording import did_you_mean
from zlock.workflow.project.workspace import Options, Workspace


class Finding(Struct, frozen=True, kw_only=True):
    """A release that a lock pins and that has a vulnerability.

    Attributes:
        package: The package.
        version: The release.
        steps: The steps whose locks pin it.
        vulnerability: What it has.
        fixed: The releases that are the first without it.
        ignored: Why it does not count; None where it does.
    """

    package: str
    version: str
    steps: tuple[str, ...]
    vulnerability: Vulnerability
    fixed: tuple[str, ...]
    ignored: Ignored | None


class Audit(Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        packages: How many releases were looked at.
        records: How many records were read.
        findings: By package and id.
    """

    packages: int
    records: int
    findings: tuple[Finding, ...]

    @property
    def counting(self) -> list[Finding]:
        """The findings that are not ignored."""
        return [one for one in self.findings if one.ignored is None]


def audit(options: Options, osv: Sequence[Path]) -> Audit:
    """Look for vulnerabilities in what locks pin; locks are taken as they are, current or not.

    Raises:
        InvalidInput: A record can't be read, or there is no such step.
        LockOutdated: There is no lock.
        InvalidLock: A lock was edited or cut short.
    """
    workspace = Workspace(options)
    pins = _pins(workspace)
    workspace.reporter(Doing(Activity.READING_RECORDS))
    known, records = read_records(osv, {canonicalize_name(name) for name, _ in pins})
    now = datetime.now(UTC)
    ignored = workspace.project.audit_ignore
    valid = {one.id: one for one in ignored if one.until > now}
    findings = tuple(
        Finding(
            package=name,
            version=version,
            steps=tuple(steps),
            vulnerability=one,
            fixed=tuple(fix for affected in one.affected if affected.name == name for fix in affected.fixed),
            ignored=next((valid[each] for each in (one.id, *one.aliases) if each in valid), None),
        )
        for (name, version), steps in sorted(pins.items())
        for one in sorted(known, key=lambda each: each.id)
        if any(affected.name == name and affected.holds(Version(version)) for affected in one.affected)
    )
    _note_ignored(workspace, ignored, findings, now)
    return Audit(packages=len(pins), records=records, findings=findings)


def _pins(workspace: Workspace) -> dict[tuple[str, str], dict[str, None]]:
    """Return the releases that locks pin, each with the steps whose locks they are."""
    known = workspace.locks
    if not known:
        raise LockOutdated(f"there is no lock in `{workspace.project.lock_dir}`", hint=workspace.options.hint)

    def read(step: str) -> tuple[str, Lock]:
        if step not in known:
            raise InvalidInput(f"step `{step}` has no lock", hint=did_you_mean(step, known))
        return step, parse_lock(known[step].path, known[step].text)

    found: dict[tuple[str, str], dict[str, None]] = {}
    for step, lock in every(read, workspace.options.steps or known):
        for package in lock.packages:
            if package.version:
                found.setdefault((package.name, package.version), {})[step] = None
    return found


def _note_ignored(workspace: Workspace, ignored: Sequence[Ignored], findings: Sequence[Finding], now: datetime) -> None:
    """Say which entries of the list count no more, and which nothing needs any more."""
    named = {name for one in findings for name in (one.vulnerability.id, *one.vulnerability.aliases)}
    for one in ignored:
        if one.until <= now and one.id in named:
            workspace.note(f"`audit-ignore`: `{one.id}` counts again since {one.until:%Y-%m-%d} ({one.reason})")
        elif one.id not in named and not workspace.options.steps:
            workspace.note(f"`audit-ignore`: nothing that is locked has `{one.id}`; the entry can go")
