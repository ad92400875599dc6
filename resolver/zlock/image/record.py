"""`images.json`: which image each step runs in, and what that image consists of, for the next plan to compare with."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import InvalidInput
from zlock.image.plan import ImagePlan
from zlock.image.platforms import IndexPlan
from zlock.lock.forms import Digest, Step, Word
from zlock.model.form import Misstated, matching, plain, read
from zlock.model.json import parse_json
from zlock.regular import NotRegular, read_regular
from zlock.replacing import replacing

Key = Annotated[str, matching(r"[0-9a-f]{64}", "key of an image")]


class _Row(Struct, frozen=True, kw_only=True):
    """An image, or an index over images.

    Attributes:
        key: Its key.
        reference: Where it is, with its digest; empty where the last build of its step failed.
        digest: That of its manifest, or of the index; empty likewise.
    """

    key: Key
    reference: Word = ""
    digest: Digest = ""


class PlatformRow(_Row, frozen=True, kw_only=True):
    """The image of a step on one platform.

    Attributes:
        components: By kind and name what it consists of.
    """

    components: Mapping[str, Mapping[str, str]]


class StepRow(_Row, frozen=True, kw_only=True):
    """The images of a step: one, or the index over several.

    Attributes:
        platforms: By platform its image.
    """

    platforms: Mapping[Word, PlatformRow]

    @property
    def keys(self) -> set[str]:
        """The keys of the index and of the images."""
        return {self.key, *(one.key for one in self.platforms.values())}


Record = Mapping[Step, StepRow]
"""By step its images."""


P = TypeVar("P", ImagePlan, IndexPlan)


class Built(Struct, Generic[P], frozen=True, kw_only=True):
    """An image, or an index, that is there.

    Attributes:
        plan: Its plan.
        reference: Where it is, with its digest.
        digest: `sha256:...` of its manifest, or of the index.
    """

    plan: P
    reference: str
    digest: str


def record_of(images: Sequence[Built[ImagePlan]], indexes: Sequence[Built[IndexPlan]] = ()) -> Record:
    """Return the record of images and of the indexes over them."""
    platforms: dict[str, dict[str, PlatformRow]] = {}
    for image in images:
        row = PlatformRow(
            key=image.plan.key,
            reference=image.reference,
            digest=image.digest,
            components=image.plan.components,
        )
        for step in image.plan.steps:
            platforms.setdefault(step, {})[image.plan.platform] = row
    over = {step: index for index in indexes for step in index.plan.steps}
    return {step: _step_row(over.get(step), rows) for step, rows in platforms.items()}


def _step_row(index: Built[IndexPlan] | None, platforms: Mapping[str, PlatformRow]) -> StepRow:
    first = next(iter(platforms.values()))
    key = index.plan.key if index else first.key
    whole = index or first
    return StepRow(key=key, reference=whole.reference, digest=whole.digest, platforms=platforms)


def read_record(path: Path) -> Record:
    """Return what was recorded, empty where nothing was.

    Raises:
        InvalidInput: The file is not a record.
    """
    try:
        return read(Record, parse_json(read_regular(path)))  # type: ignore[type-abstract]
    except FileNotFoundError:
        return {}
    except NotRegular as error:
        raise InvalidInput(f"`{path}` can't be read: {error.strerror}", hint="remove it") from error
    except ValueError as error:
        why = [str(error)] if isinstance(error, Misstated) else []
        hint = "delete it; `zlock build` writes it anew"
        raise InvalidInput(f"`{path}` is not a record of images", context=why, hint=hint) from error


def write_record(
    path: Path, record: Record, steps: Collection[str], missing: Collection[str] = (), *, are_copies: bool = False
) -> None:
    """Write a record over the one that is there.

    Args:
        path: The file.
        record: What is there now.
        steps: The steps of the pipeline, and of others in the project; the rows of gone ones go.
        missing: Steps without all of their images. Their rows keep what the last build consisted of, and name no
            image: an older one beside newer ones of other steps would look like a whole pipeline.
        are_copies: Whether the images went to a place of their own, where nothing runs them: what a registry has of the
            same images stays on record.

    Raises:
        InvalidInput: The file that is there is no record.
        OSError: The disk refused; the file is as it was.
    """
    before = read_record(path)
    pushed = {step for step, row in record.items() if step in before and _is_pushed(before[step], row)}
    kept = {*missing, *(pushed if are_copies else ())}
    rows = {**before, **{step: row for step, row in record.items() if step not in kept}}
    rows |= {step: _without_image(before[step]) for step in missing if step in before}
    rows = {step: row for step, row in sorted(rows.items()) if step in steps}
    if rows or before:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(plain(rows), indent=2) + "\n", encoding="utf-8")


def _is_pushed(before: StepRow, now: StepRow) -> bool:
    """Return whether registries have the images of a step, as a digest in the reference says."""
    keys = ({name: one.key for name, one in row.platforms.items()} for row in (before, now))
    return "@" in before.reference and len({tuple(sorted(one.items())) for one in keys}) == 1


def _without_image(row: StepRow) -> StepRow:
    platforms = {name: replace(one, reference="", digest="") for name, one in row.platforms.items()}
    return replace(row, reference="", digest="", platforms=platforms)
