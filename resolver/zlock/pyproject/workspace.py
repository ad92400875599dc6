"""Workspaces: several projects of one repository that are developed together, as uv and hatch declare them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from zlock.errors import InvalidRequirements
from zlock.model import plain
from zlock.model.origin import Source
from zlock.pyproject.document import Document


class Workspace(Struct, frozen=True, kw_only=True):
    """A workspace that a project belongs to.

    Attributes:
        root: The file that declares it.
        keys: Where in that file it does.
        members: The folder of each project in it, the root's among them where uv declares it.
    """

    root: Document
    keys: tuple[str, ...]
    members: Mapping[NormalizedName, Path]


def uv_workspace(document: Document, *, root: Path, limit: Path | None = None) -> Workspace | None:
    """Find uv's workspace of a project: declared by itself, or by the nearest folder above that declares one.

    Args:
        document: The project's file.
        root: The folder that names of files in messages count from.
        limit: The folder above which nothing is looked at.

    Raises:
        InvalidRequirements: A file of it can't be read, or two members have one name.
    """
    for one in _upwards(document, root, limit):
        table = one.table("tool", "uv").get("workspace")
        if isinstance(table, dict):
            keys = ("tool", "uv", "workspace")
            folders = [one.folder, *_matching(one, table)]
            is_member = document.folder in folders
            return Workspace(root=one, keys=keys, members=_named(one, keys, folders, root)) if is_member else None
    return None


def hatch_workspaces(document: Document, *, root: Path, limit: Path | None = None) -> list[Workspace]:
    """Find hatch's workspaces of a project, one for each environment that declares one, the default one first.

    They are in `pyproject.toml` or in the `hatch.toml` beside it, of the project itself or of a folder above that has
    it as a member. Arguments and errors are those of `uv_workspace`.
    """
    for one in _upwards(document, root, limit):
        found = [(place, keys, _matching(place, table)) for place, keys, table in hatch_tables(one, root, "workspace")]
        held = [(place, keys, folders) for place, keys, folders in found if _holds(document, one, folders)]
        for place, keys, _ in held:
            _check_members(place, keys)
        if held:
            return [
                Workspace(root=place, keys=keys, members=_named(place, keys, folders, root))
                for place, keys, folders in held
            ]
    return []


def hatch_tables(
    document: Document, root: Path, key: str
) -> Iterator[tuple[Document, tuple[str, ...], Mapping[str, object]]]:
    """Yield a table of each of hatch's environments, the default one's first, with its file and keys there."""
    if document.source is Source.SCRIPT:
        return
    place: Document = document
    above: tuple[str, ...] = ("tool", "hatch", "envs")
    beside = document.folder / "hatch.toml"
    if beside.is_file() and (other := Document.read(beside, root=root, within=document.within)).table("envs"):
        place, above = other, ("envs",)  # which hatch takes in place of the other
    for name in sorted(place.table(*above), key=lambda one: (one != "default", one)):
        table = place.table(*above, name).get(key)
        if isinstance(table, dict):
            yield place, (*above, name, key), table


def _holds(document: Document, declaring: Document, folders: Sequence[Path]) -> bool:
    return document.folder == declaring.folder or document.folder in folders


def _check_members(declaring: Document, keys: tuple[str, ...]) -> None:
    """Refuse a pattern that leads to nothing, as hatch does: what it was to name would come from an index."""
    for item in plain.rows(declaring.data, *keys, "members"):
        if not list(_globbed(declaring, [item])):
            raise InvalidRequirements(
                f"`{'.'.join(keys)}` has a member that is not there: `{item}`",
                context=(str(declaring.origin(*keys, "members")),),
                hint="correct the path or pattern",
            )


def _upwards(document: Document, root: Path, limit: Path | None) -> Iterator[Document]:
    """Yield the files of a project and of the folders above it; a script belongs to no workspace, as with uv."""
    if document.source is Source.SCRIPT:
        return
    yield document
    folder = document.folder
    while folder not in (limit, folder.parent):
        folder = folder.parent
        if (folder / "pyproject.toml").is_file():
            yield Document.read(folder / "pyproject.toml", root=root, within=document.within)


def _matching(declaring: Document, table: Mapping[str, object]) -> list[Path]:
    """Return the folders with projects that patterns lead to; hatch has tables with a `path` among them."""
    excluded = set(_globbed(declaring, table.get("exclude")))
    found = dict.fromkeys(_globbed(declaring, table.get("members")))
    return [folder for folder in found if folder not in excluded and (folder / "pyproject.toml").is_file()]


def _globbed(declaring: Document, patterns: object) -> Iterator[Path]:
    for item in patterns if isinstance(patterns, list) else ():
        pattern = item.get("path") if isinstance(item, dict) else item
        if isinstance(pattern, str):
            for place in sorted(glob.glob(pattern.rstrip("/"), root_dir=declaring.folder, recursive=True)):  # noqa: PTH207 - patterns may begin with `..`
                yield Path(os.path.normpath(declaring.folder / place))


def _named(
    declaring: Document, keys: tuple[str, ...], folders: Sequence[Path], root: Path
) -> dict[NormalizedName, Path]:
    members: dict[NormalizedName, Path] = {}
    for folder in dict.fromkeys(folders):
        document = Document.read(folder / "pyproject.toml", root=root, within=declaring.within)
        name = document.table("project").get("name", document.table("tool", "poetry").get("name"))
        if isinstance(name, str) and members.setdefault(canonicalize_name(name), folder) != folder:
            raise InvalidRequirements(
                f"two members of a workspace are named `{canonicalize_name(name)}`",
                context=(str(declaring.origin(*keys)), f"`{members[canonicalize_name(name)]}`", f"`{folder}`"),
                hint="give one of them another name, or exclude one",
            )
    return members
