"""Locks of other tools, as what they install on the targets of ours: any valid file of PEP 751."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import Package as ForeignPackage
from packaging.pylock import Pylock, PylockSelectError, PylockValidationError

from zlock.errors import InvalidInput
from zlock.lock.files import PackageFile
from zlock.lock.package import Package, PackageDirectory, PackageVcs
from zlock.model.target import Target
from zlock.model.toml import parse_toml

if TYPE_CHECKING:  # slow to import
    from packaging.tags import Tag


_HINT = "name a lock (PEP 751), a folder of locks, or a revision"


def rows_in(path: Path, text: str, targets: Sequence[Target]) -> dict[str, tuple[Package, ...]]:
    """Return by name what a lock of another tool installs on some targets, its default groups and no extras.

    Raises:
        InvalidInput: It is not a valid lock, or not for one of the targets.
    """
    try:
        document = parse_toml(text)
        lock = Pylock.from_dict(document)
        lock.validate()
    except (ValueError, PylockValidationError) as error:
        raise InvalidInput(
            f"`{path.name}` is not a valid lock: {str(error).splitlines()[0]}",
            hint=_HINT,
        ) from error
    found: dict[str, dict[str, Package]] = {}
    for target in targets:
        try:
            for package, _ in lock.select(environment=_environment(target), tags=_tags(target)):
                row = _row(package)
                found.setdefault(row.name, {}).setdefault(row.shown, row)
        except (UndefinedComparison, UndefinedEnvironmentName) as error:
            raise InvalidInput(
                f"`{path.name}` is not a valid lock: a marker in it has no answer: {error}", hint=_HINT
            ) from error
        except PylockSelectError as error:
            raise InvalidInput(
                f"`{path.name}` can't be compared: on {target.platform} it is not to be installed",
                context=[str(error)],
                hint="compare with a lock that is for the same Python and platforms",
            ) from error
    return {name: tuple(rows.values()) for name, rows in found.items()}


def _environment(target: Target) -> Any:
    """Return the markers of a target in the type that `packaging` has for them."""
    return {name: value for name, value in target.environment.items() if name != "extra"}


def _tags(target: Target) -> list[Tag]:
    from packaging.tags import parse_tag

    return [tag for text in target.tags for tag in parse_tag(text)]


def _row(package: ForeignPackage) -> Package:
    """Return a package with what is compared of it."""
    files = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
    return Package(
        name=package.name,
        version=str(package.version or ""),
        vcs=PackageVcs(type="git", commit_id=package.vcs.commit_id) if package.vcs else None,
        directory=PackageDirectory(path=package.directory.path) if package.directory else None,
        wheels=tuple(
            PackageFile(hashes=file.hashes, upload_time=file.upload_time, name=file.name or "") for file in files
        ),
    )
