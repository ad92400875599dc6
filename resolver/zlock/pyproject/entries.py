"""Entries of `[tool.uv.sources]` and `[tool.hatch.sources]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from zlock.pyproject.table import StatedSource, Table
from zlock.wording import listed

_FORMS: Final = ("workspace", "path", "git", "url", "index")
_LIMITS: Final = frozenset({"marker", "extra", "group"})
_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "workspace": frozenset({"workspace", "editable"}),
    "path": frozenset({"path", "editable", "subdirectory"}),
    "git": frozenset({"git", "rev", "tag", "branch", "subdirectory"}),
    "url": frozenset({"url", "subdirectory"}),
    "index": frozenset({"index"}),
}


def entries(
    stated: object,
    table: Table,
    members: Mapping[NormalizedName, Path],
    index: Callable[[str, Table], str],
) -> tuple[StatedSource, ...]:
    """Return what an entry of a table of sources says, which uv and hatch write alike: one table, or several.

    Args:
        stated: The value.
        table: Where it stands.
        members: The folders of the workspace's members.
        index: Finds the URL of an index that the entry names.

    Raises:
        InvalidRequirements: It is wrong, or says what a lock can't hold.
    """

    def formed(form: str, row: Mapping[str, object]) -> StatedSource:
        if form == "workspace":
            if row["workspace"] is not True:
                raise table.error("has a `workspace` that is not `true`")
            if table.name not in members:
                raise table.error("is not a member of the workspace", hint="add it to `members`, or name its `path`")
            return table.local(members[table.name], fixed=False)
        if form == "index":
            return table.indexed(table.text(row, "index"), index(table.text(row, "index"), table))
        return table.placed(form, row)

    rows = stated if isinstance(stated, list) else [stated]
    if not rows:
        raise table.error("is empty", hint="say where it comes from, or remove it")
    checked = [_checked(row, table) for row in rows]
    return tuple(_limited(formed(form, row), row, table) for form, row in checked)


def _checked(row: object, table: Table) -> tuple[str, Mapping[str, object]]:
    """Return which kind of source a table is, and the table."""
    if not isinstance(row, dict):
        raise table.error("is not a table", hint='write `{ path = "..." }`, `{ git = "..." }` or the like')
    forms = [form for form in _FORMS if form in row]
    if len(forms) != 1:
        raise table.error(f"must have exactly one of {listed(_FORMS)}")
    table.check_keys(row, _KEYS[forms[0]] | _LIMITS)
    if row.get("extra") and row.get("group"):
        raise table.error("is for an extra and a group, and nothing is both")
    return forms[0], row


def _limited(found: StatedSource, row: Mapping[str, object], table: Table) -> StatedSource:
    """Return a source with where and for what it holds."""
    marker = table.text(row, "marker")
    return replace(
        found,
        marker=table.marker(marker) if marker else None,
        extra=canonicalize_name(table.text(row, "extra")),
        group=canonicalize_name(table.text(row, "group")),
    )
