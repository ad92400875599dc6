"""The lock without what only zlock reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zlock.lock.export import Exported
from zlock.lock.toml import Inline, dumps
from zlock.model.paths import portable


def export(source: Exported) -> str:
    """Return a lock of PEP 751 without `[tool]`; its paths count from the folder of the output."""
    tree = {key: value for key, value in source.tree.items() if key != "tool"}
    tree["packages"] = [_package(row, source) for row in source.tree["packages"]]
    return dumps(tree)


def _package(row: Mapping[str, Any], source: Exported) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, list):
            found[key] = [_place(one, source) for one in value]
        elif isinstance(value, Mapping):
            found[key] = _place(value, source)
        else:
            found[key] = value
    found.pop("tool", None)
    return found


def _place(table: Mapping[str, Any], source: Exported) -> Inline:
    """Return a table of a package on one line, with the path it may have moved."""
    found = Inline({key: Inline(value) if isinstance(value, Mapping) else value for key, value in table.items()})
    if "path" in found:
        fixed = Path(found["path"]).is_absolute()
        found["path"] = portable(source.lock_folder / found["path"], source.folder, fixed=fixed)
    return found
