"""The pins of a lock as the dependencies of a project: for applications, whose wheels install what was tested."""

from __future__ import annotations

from pathlib import Path

from zlock.errors import InvalidConfiguration, NoAnswer
from zlock.lock.package import Package
from zlock.lock.store import lock_path, read_lock
from zlock.wording import did_you_mean
from zlock.workflow.deliver.shipment import prepare_shipment


def pinned_dependencies(folder: Path, step: str) -> list[str]:
    """Return what the lock of a step pins, as requirements (PEP 508), each with the marker where it is installed.

    The lock is held against the files that it was made for by digests alone: nothing is run, solved or fetched.

    Args:
        folder: The project folder.
        step: The step.

    Raises:
        InvalidConfiguration: The project does not use zlock, or has no such step.
        LockOutdated: The lock is missing or was made for something else; several come as `Problems`.
        NoAnswer: It holds what no index serves: a folder, a repository or an archive.
    """
    shipment = prepare_shipment(folder, [step])
    if shipment is None:
        raise InvalidConfiguration(
            "there is no `[tool.zlock]` and no `zlock.toml` in the project", hint="begin one with `zlock init`"
        )
    if shipment.disregarded:
        raise InvalidConfiguration(
            "`stack.remote = false`: the pipeline runs locally, and no lock counts",
            hint="leave the metadata hook out, or the setting",
        )
    shipment.raise_if_outdated()
    path = shipment.locks.get(step)
    lock = read_lock(path) if path else None
    if lock is None:
        hint = did_you_mean(step, shipment.locks) or f"expected `{lock_path(folder, step).name}`"
        raise InvalidConfiguration(f"there is no lock of step `{step}`", hint=hint)
    strangers = [one.name for one in lock.packages if one.vcs or one.directory or one.archive]
    if strangers:
        raise NoAnswer(
            f"a wheel can't require all of step `{step}`",
            context=[f"`{name}` comes from a folder, a repository or a URL" for name in strangers],
            hint="require released versions of these",
        )
    return [_requirement(one) for one in lock.packages]


def _requirement(package: Package) -> str:
    marker = f" ; {package.marker}" if package.marker else ""
    return f"{package.name}=={package.version}{marker}"
