"""What one index lists under one name, by release; a release's files are made when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from zlock.model.distribution import SDIST_ENDINGS, File
from zlock.model.versions import Release, parse_version, release_of

_canonical = lru_cache(maxsize=65536)(canonicalize_name)


class Page(Struct, frozen=True, eq=False):
    """The releases that one index lists under one name.

    Attributes:
        name: The normalized name.
        index: The URL of the index that answered, without credentials.
        status: The project's status (PEP 792), "active" where none is given.
        reason: Why it has that status, or empty.
        versions: Normalized versions (PEP 440), newest first.
        prereleases: The mask of those that are pre-releases; bit `i` is version `i`.
        yanked: The mask of those all of whose files were yanked (PEP 592).
        uploaded: The day of the first upload of each version, counted from year 1; 0 where the index does not say.
        releases: The epoch and the release numbers of each version, so that few have to be parsed.
        strange: The names of files that belong to no version of this project.
        unusable: Other files that nothing may be made of, each with what is wrong with it.
        files: Returns the files of a release by its position, in the order of the index.
    """

    name: NormalizedName
    index: str
    status: str
    reason: str
    versions: tuple[str, ...]
    prereleases: int
    yanked: int
    uploaded: tuple[int, ...]
    releases: tuple[Release, ...]
    strange: tuple[str, ...]
    unusable: tuple[str, ...]
    files: Callable[[int], tuple[File, ...]]

    @classmethod
    def of(
        cls,
        name: NormalizedName,
        index: str,
        files: Iterable[File],
        status: str = "active",
        reason: str = "",
        *,
        unusable: tuple[str, ...] = (),
    ) -> Page:
        """Return the page that a list of files makes."""
        releases, strange = _by_version(name, files)
        ordered = sorted(releases, reverse=True)
        rows = [tuple(releases[version]) for version in ordered]
        return cls(
            name,
            index,
            status,
            reason,
            versions=tuple([str(version) for version in ordered]),
            prereleases=_mask([version.is_prerelease for version in ordered]),
            yanked=_mask([all(file.yanked is not None for file in row) for row in rows]),
            uploaded=tuple([_day(min([file.upload_time[:10] for file in row])) for row in rows]),
            releases=tuple(map(release_of, ordered)),
            strange=tuple(strange),
            unusable=unusable,
            files=rows.__getitem__,
        )


def _by_version(name: NormalizedName, files: Iterable[File]) -> tuple[dict[Version, list[File]], list[str]]:
    """Return the files of each version, and the names of those that belong to none."""
    found: dict[str | None, list[File]] = {}
    begin, listed = "/", []  # how the names of wheels of the last release begin, which the next is mostly one of
    for file in files:
        filename = file.filename
        if not (filename.startswith(begin) and filename.endswith(".whl") and filename.count("-") in (4, 5)):
            text = version_text(name, filename)
            begin = "-".join(filename.split("-", 2)[:2]) + "-" if text and filename.endswith(".whl") else "/"
            listed = found.setdefault(text, [])
        listed.append(file)
    releases: dict[Version, list[File]] = {}
    strange = []
    for text, listed in found.items():
        version = None if text is None else parse_version(text)
        if version is None:
            strange += [file.filename for file in listed]
        else:
            releases.setdefault(version, []).extend(listed)
    return releases, strange


def version_text(name: NormalizedName, filename: str) -> str | None:
    """Return the version that a file name states, as it states it; None where it is not a file of the project."""
    if filename.endswith(".whl"):
        parts = filename.split("-")
        return parts[1] if len(parts) in (5, 6) and _canonical(parts[0]) == name else None
    for ending in SDIST_ENDINGS:
        if filename.endswith(ending):
            project, _, version = filename[: -len(ending)].rpartition("-")
            return version if _canonical(project) == name else None
    return None


@lru_cache(maxsize=65536)
def _day(text: str) -> int:
    """Return a date's day, counted from year 1; 0 for what is none."""
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        return 0


def _mask(flags: Sequence[bool]) -> int:
    return sum(1 << position for position, flag in enumerate(flags) if flag)
