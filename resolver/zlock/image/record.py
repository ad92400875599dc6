"""`images.json`: which image each step runs in, and what that image consists of, for the next plan to compare with."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zlock.errors import InvalidInput
from zlock.image.plan import ImagePlan
from zlock.image.platforms import IndexPlan
from zlock.regular import NotRegular, read_regular

RECORD = "images.json"
Record = dict[str, dict[str, Any]]
"""By step: `key`, `reference`, `digest`, and under `platforms` the same of each platform, with its `components`.

With several platforms the first three are those of the index over them, where one was written.

A step whose last build failed has no `reference` and no `digest`.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """An image that is there.

    Attributes:
        plan: Its plan.
        reference: Where it is, with its digest.
        digest: `sha256:...` of its manifest.
    """

    plan: ImagePlan
    reference: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltIndex:
    """An index that is there.

    Attributes:
        plan: Its plan.
        reference: Where it is, with its digest.
        digest: `sha256:...` of it.
    """

    plan: IndexPlan
    reference: str
    digest: str


def record_of(images: Sequence[Built], indexes: Sequence[BuiltIndex] = ()) -> Record:
    """Return the record of images and of the indexes over them."""
    found: Record = {}
    for image in images:
        row = {"key": image.plan.key, "reference": image.reference, "digest": image.digest}
        for step in image.plan.steps:
            inside = found.setdefault(step, {**row, "platforms": {}})
            components = {kind: dict(names) for kind, names in image.plan.components.items()}
            inside["platforms"][image.plan.platform] = {**row, "components": components}
    for index in indexes:
        for step in index.plan.steps:
            found[step] |= {"key": index.plan.key, "reference": index.reference, "digest": index.digest}
    return found


def read_record(path: Path) -> Record:
    """Return what was recorded, empty where nothing was.

    Raises:
        InvalidInput: The file is no record.
    """
    try:
        found = json.loads(read_regular(path))
    except FileNotFoundError:
        return {}
    except NotRegular as error:
        raise InvalidInput(f"`{path}` can't be read: {error.strerror}", hint="remove it") from error
    except (ValueError, RecursionError) as error:
        raise _broken(path) from error
    if not isinstance(found, dict) or not all(map(_is_row, found.values())):
        raise _broken(path)
    return found


def _is_row(row: object) -> bool:
    platforms = row.get("platforms") if isinstance(row, dict) else None
    return isinstance(platforms, dict) and all(map(_is_platform, platforms.values()))


def _is_platform(row: object) -> bool:
    """Tell whether the row of a platform has what the next plan compares with."""
    if not isinstance(row, dict) or not isinstance(row.get("key"), str):
        return False
    kinds = row.get("components")
    named = list(kinds.values()) if isinstance(kinds, dict) else [None]
    return all(isinstance(one, dict) and all(isinstance(value, str) for value in one.values()) for one in named)


def write_record(path: Path, record: Record, steps: Collection[str], missing: Collection[str] = ()) -> None:
    """Write a record over the one that is there.

    Args:
        path: The file.
        record: What is there now.
        steps: The steps of the pipeline; rows of its other steps stay, those of gone ones go.
        missing: Steps without all of their images. Their rows keep what the last build consisted of, and name no
            image: an older one beside newer ones of other steps would look like a whole pipeline.

    Raises:
        InvalidInput: The file that is there is no record.
        OSError: The disk refused; the file is as it was.
    """
    before = read_record(path)
    rows = {**before, **{step: row for step, row in record.items() if step not in missing}}
    rows |= {step: _without_image(before[step]) for step in missing if step in before}
    rows = {step: row for step, row in sorted(rows.items()) if step in steps}
    if rows or before:
        _write(path, rows)


def _without_image(row: Mapping[str, Any]) -> dict[str, Any]:
    platforms = {platform: _unnamed(one) for platform, one in row["platforms"].items()}
    return {**_unnamed(row), "platforms": platforms}


def _unnamed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in {"reference", "digest"}}


def _write(path: Path, rows: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".zlock-staged-{os.getpid()}-{path.name}")
    try:
        temporary.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _broken(path: Path) -> InvalidInput:
    return InvalidInput(f"`{path}` is no record of images", hint="delete it; `zlock build` writes it anew")
