"""From what an index lists to what a target can install: files judged one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from packaging.utils import NormalizedName
from packaging.version import Version

from zlock.errors import IndexFailed
from zlock.model.distribution import File, Reference
from zlock.model.page import Page
from zlock.model.target import Target
from zlock.resolution.findings import Flaw, Rejected
from zlock.resolution.package import Candidate
from zlock.resolution.rules import Rules

_SDIST_RANK = 1 << 20  # behind every wheel


class Evaluator:
    """Says which files a target can install under some rules, and which of them first.

    Attributes:
        admits_python: Returns whether a `Requires-Python` admits the target's, see `Target.admits`.
    """

    def __init__(self, target: Target, rules: Rules) -> None:
        self._target = target
        self._rules = rules
        self._ranks: dict[str, int | str] = {}  # by what follows the version in a wheel's name; its tags if none fits
        self.admits_python: Callable[[str], bool] = cache(target.admits)

    def candidate(self, page: Page, version: Version, position: int) -> Candidate | list[Rejected]:
        """Return a release as the target can use it, or why its files can't be used.

        Raises:
            IndexFailed: The index lists a file twice, with different hashes.
        """
        files = page.files(position)
        _check_ambiguous(page, files)
        cutoff = self._rules.cutoff.of(page.name)
        latest = cutoff.isoformat() if cutoff is not None else ""
        flaw = partial(self._flaw, page.name, version, latest)
        rows = [(self._rank(file.filename), file) for file in files]
        ranked = [(rank, file) for rank, file in rows if isinstance(rank, int) and flaw(rank, file) is None]
        return _candidate(version, ranked) if ranked else [found for row in rows if (found := flaw(*row))]

    def reference(self, reference: Reference) -> Candidate | list[Rejected]:
        """Return what a direct reference names as the target can use it, or why it can't."""
        version, python = Version(reference.metadata.version), reference.metadata.requires_python
        if not reference.is_built and self._target.rank(reference.filename) is None:
            return [Rejected(Flaw.TAGS, _tags(reference.filename), version)]
        if not self.admits_python(python):
            return [Rejected(Flaw.PYTHON, python, version)]
        return Candidate(version, (), None, reference)

    def _flaw(
        self, name: NormalizedName, version: Version, latest: str, rank: int | str, file: File
    ) -> Rejected | None:
        """Return why a file can't be used; that it is late only where it could be used but for that."""
        late = _late(file, version, latest) if latest else None
        if isinstance(rank, str):
            return Rejected(Flaw.TAGS, rank, version, is_late=late is not None)
        if not self.admits_python(file.requires_python):
            return Rejected(Flaw.PYTHON, file.requires_python, version, is_late=late is not None)
        if rank == _SDIST_RANK and not self._rules.may_build(name):
            return Rejected(Flaw.SDIST, "", version, is_late=late is not None)
        return late

    def _rank(self, filename: str) -> int | str:
        """Return a file's rank; the tags of a wheel that does not fit."""
        if not filename.endswith(".whl"):
            return _SDIST_RANK
        follows = filename.split("-", 2)[2]
        found = self._ranks.get(follows)
        if found is None:
            found = self._ranks[follows] = self._find_rank(filename)
        return found

    def _find_rank(self, wheel: str) -> int | str:
        rank = self._target.rank(wheel)
        return _tags(wheel) if rank is None else rank


def _tags(wheel: str) -> str:
    return "-".join(wheel[:-4].rsplit("-", 3)[1:])


def _check_ambiguous(page: Page, files: Sequence[File]) -> None:
    if len({file.filename for file in files}) == len(files):
        return
    seen: dict[str, str] = {}
    for file in files:
        other = seen.setdefault(file.filename, file.sha256)
        if other != file.sha256:
            raise IndexFailed(
                f"the index lists `{file.filename}` twice with different hashes",
                context=[f"sha256 {other}", f"sha256 {file.sha256}", f"index: `{page.index}`"],
                hint="tell the index's owner; until then name another index for it in `index-sources`",
            )


def _candidate(version: Version, ranked: list[tuple[int, File]]) -> Candidate:
    """Order a release's files: best tag first, then higher build number, then name."""
    if len(ranked) > 1:
        ranked.sort(key=lambda pair: (pair[0], _build_key(pair[1].filename), pair[1].filename))
    files = [file for _, file in ranked]
    usable = [file for file in files if file.yanked is None]
    if usable:
        return Candidate(version, tuple(usable), None)
    return Candidate(version, tuple(files), files[0].yanked)


def _build_key(filename: str) -> tuple[int, str]:
    """Return what sorts higher build tags first (PEP 427)."""
    parts = filename[:-4].split("-")
    if not filename.endswith(".whl") or len(parts) != 6:  # noqa: PLR2004 - name, version, build and three tags
        return 0, ""
    digits = len(parts[2]) - len(parts[2].lstrip("0123456789"))
    return -int(parts[2][:digits][:20] or 0), parts[2][digits:]  # a longer number is none that anybody counted to


def _late(file: File, version: Version, latest: str) -> Rejected | None:
    """Return what is wrong with the time of a file, where a cut-off is set."""
    if not file.upload_time:
        return Rejected(Flaw.UNDATED, "", version)
    # All indexes write UTC; the first 19 characters order as the times do.
    return Rejected(Flaw.LATE, file.upload_time[:10], version) if file.upload_time[:19] > latest[:19] else None
