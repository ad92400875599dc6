"""The wheelhouse as a part of build contexts: each gets the files that its build reads, all of them checked before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zlock.errors import Collector, InvalidInput, OutsideFailed
from zlock.image.context.installation import WHEELHOUSE
from zlock.image.plan import ImagePlan
from zlock.index.wheelhouse import differs, find_release_file
from zlock.lock.store import lock_path
from zlock.lock.wheelhouse import LockedFile
from zlock.model.paths import real
from zlock.reporting import Activity, Doing
from zlock.workflow.project.workspace import Workspace


def links_into(plans: Sequence[ImagePlan], house: Path, workspace: Workspace) -> list[Mapping[str, Path]]:
    """Return what each plan's context holds of a wheelhouse: paths in the context, each with the file.

    Args:
        plans: The plans.
        house: The wheelhouse.
        workspace: The project.

    Raises:
        InvalidInput: The wheelhouse is not a folder.
        OutsideFailed: Files are missing, or are others than were locked; all are named.
    """
    locks = {file: lock_path(workspace.lock_folder, plan.steps[0]).name for plan in plans for file in plan.wheels}
    found = _found(locks, house, workspace)
    return [{f"{WHEELHOUSE}/{found[file].name}": found[file] for file in plan.wheels} for plan in plans]


def house_with(files: Sequence[LockedFile], house: Path, workspace: Workspace, lock: str) -> Path:
    """Return a wheelhouse that is known to hold some files of a lock; raises what `links_into` does."""
    _found(dict.fromkeys(files, lock), house, workspace)
    return house


def _found(locks: Mapping[LockedFile, str], house: Path, workspace: Workspace) -> dict[LockedFile, Path]:
    """Return the place of each file; `locks` are those that name them."""
    is_own = real(house) == real(workspace.wheelhouse)
    hint = "run `zlock fetch`" if is_own else f"run `zlock fetch --wheelhouse {house}`"
    if not house.is_dir():
        raise InvalidInput(f"`{house}`, which is to become the wheelhouse, is not a folder", hint=hint)
    found: dict[LockedFile, Path] = {}
    wrong, problems = [], Collector()
    for count, (file, lock) in enumerate(locks.items()):
        workspace.reporter(Doing(Activity.CHECKING_WHEELHOUSE, done=count, total=len(locks)))
        with problems:
            place, how = _look_up(file, house)
            if place is None:
                wrong.append(f"{how} (`{lock}`)")
            else:
                found[file] = place
    if wrong:
        problems.add(OutsideFailed(f"`{house}` does not hold what the locks install", context=wrong, hint=hint))
    problems.raise_if_any()
    return found


def _look_up(file: LockedFile, house: Path) -> tuple[Path | None, str]:
    """Return a file's place, or what is wrong with it."""
    if not file.filename:
        place = find_release_file(house, file.package, file.version, file.sha256)
        return place, f"no wheel of {file.package} {file.version} with sha256 {file.sha256} is there"
    place = house / file.filename
    if not place.exists():
        return None, f"`{file.filename}` is not there"
    how = differs(place, file.size, file.sha256)
    return (place, "") if how is None else (None, f"`{file.filename}` is another file than was locked: {how}")
