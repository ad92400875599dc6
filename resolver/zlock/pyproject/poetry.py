"""What Poetry's own tables add to the dependencies of `[project]`, as Poetry 2 reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace
from packaging.markers import Marker
from packaging.utils import NormalizedName, canonicalize_name

from zlock.model import bounds
from zlock.pyproject.document import Document
from zlock.pyproject.table import StatedSource, Table, key_of

_KEYS: Final = frozenset(
    {"version", "path", "git", "rev", "tag", "branch", "subdirectory", "url", "source"}
    | {"markers", "python", "platform", "extras", "optional", "develop", "allow-prereleases"}
)


def poetry_sources(document: Document, name: NormalizedName, group: str) -> tuple[StatedSource, ...]:
    """Return what Poetry's own tables add to a dependency that `[project]`, or a dependency group, states.

    Raises:
        InvalidRequirements: An entry is wrong, or says what a lock can't hold.
    """
    if "project" not in document.data and not group:
        return ()
    spelled = next((one for one in document.table("tool", "poetry", "group") if canonicalize_name(one) == group), "")
    above = ("tool", "poetry", "group", spelled, "dependencies") if spelled else ("tool", "poetry", "dependencies")
    keys = key_of(document, above, name) if bool(spelled) == bool(group) else None
    if keys is None:
        return ()
    stated = document.table(*above)[keys[-1]]
    rows = stated if isinstance(stated, list) else [stated]
    table = Table(document, keys, document.folder)
    found = [_row({"version": row} if isinstance(row, str) else row, table) for row in rows]
    return tuple(found) if any(one.url or one.index or one.specifier or one.marker for one in found) else ()


def poetrys_own(document: Document) -> bool:
    """Say whether Poetry's table states dependencies, which without others are what it installs."""
    stated = document.table("tool", "poetry", "dependencies").items()
    return any(name != "python" and not (isinstance(row, dict) and row.get("optional")) for name, row in stated)


def _row(row: object, table: Table) -> StatedSource:
    if not isinstance(row, dict):
        raise table.error("is not a table", hint='write `{ path = "..." }`, `{ git = "..." }` or the like')
    table.check_keys(row, _KEYS)
    if row.get("allow-prereleases"):
        hint = f'name a pre-release in `[project]`, as in `"{table.name}>=2.0a1"`'
        raise table.error("has `allow-prereleases`, which a lock can't carry", hint=hint)
    forms = [form for form in ("path", "git", "url") if form in row]
    if len(forms) > 1:
        raise table.error(f"must have only one of {', '.join(f'`{form}`' for form in forms)}")
    if forms:
        found = table.placed(forms[0], row)
    elif source := table.text(row, "source"):
        url = table.index_named(source, table.document.rows("tool", "poetry", "source"))
        found = table.indexed(source, url)
    else:
        found = StatedSource(origin=table.origin)
    return replace(found, specifier=_bounds(row, table), marker=_marker(row, table), is_all=True)


def _bounds(row: Mapping[str, object], table: Table) -> str:
    try:
        return bounds.specifier(table.text(row, "version"))
    except ValueError as error:
        hint = f'state versions in `[project]`, as in `"{table.name}>=1,<2"`'
        raise table.error(f"has a `version` that no requirement can say: {error}", hint=hint) from error


def _marker(row: Mapping[str, object], table: Table) -> Marker | None:
    markers = [table.text(row, "markers")]
    if platform := table.text(row, "platform"):
        markers.append(f'sys_platform == "{platform}"')
    try:
        markers.append(bounds.python_marker(table.text(row, "python")))
    except ValueError as error:
        raise table.error(f"has a `python` that no marker can say: {error}") from error
    stated = [marker for marker in markers if marker]
    return table.marker(" and ".join(f"({one})" for one in stated)) if stated else None
