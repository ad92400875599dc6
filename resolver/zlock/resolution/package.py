"""The releases of one package, and sets of them as masks.

Sets of versions are integers: bit `i` stands for candidate `i`, newest first. A requirement becomes such a
mask once per package and specifier, and from then on intersecting, testing and counting are single operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache

from msgspec import Struct
from packaging.utils import NormalizedName
from packaging.version import Version

from zlock.errors import Unsound
from zlock.model.distribution import File, Reference
from zlock.model.link import public
from zlock.model.page import Page
from zlock.model.versions import Release, Versions, parse_specifier, parse_version
from zlock.resolution.findings import Rejected

_NAMING_OPERATORS = frozenset({"==", "===", "~=", ">=", ">", "<=", "<"})


@lru_cache(maxsize=65536)
def names_prerelease(specifier: str) -> bool:
    """Return whether a specifier names a pre-release, so that pre-releases of the package count."""
    has_letters = specifier.lower() != specifier.upper()  # as every pre-release has
    return has_letters and any(
        one.operator in _NAMING_OPERATORS
        and (version := parse_version(one.version.removesuffix(".*"))) is not None
        and version.is_prerelease
        and not (one.operator == "<" and _is_first(version))
        for one in parse_specifier(specifier)
    )


def _is_first(version: Version) -> bool:
    """Return whether no pre-release of a release comes before one: `<2.0a0` and `<2.0.dev0` mean "nothing of 2.0"."""
    return version.dev == 0 or (version.dev is None and version.pre == ("a", 0))


@lru_cache(maxsize=65536)
def pins_exactly(specifier: str) -> bool:
    """Return whether a specifier admits one release only, so that it may be a yanked one (PEP 592)."""
    return any(one.operator in ("==", "===") and not one.version.endswith(".*") for one in parse_specifier(specifier))


class Candidate(Struct, frozen=True):
    """One release that the target can install.

    Attributes:
        version: Its version.
        files: Its files that fit the target, the one to be installed first.
        yanked: Why it was yanked, None where it was not.
        reference: The direct reference it comes from, or None.
    """

    version: Version
    files: tuple[File, ...]
    yanked: str | None
    reference: Reference | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether the file to be installed first is a wheel."""
        return bool(self.files) and self.files[0].is_wheel


Evaluate = Callable[[Version, int], Candidate | list[Rejected]]
"""Says of a version at a position what the target can use of it, or why it can't use its files."""


EvaluateReference = Callable[[Reference], Candidate | list[Rejected]]
"""Says likewise of a direct reference."""


class Package:
    """The releases of one name, newest first; whether one can be used is found out when it is looked at.

    Attributes:
        name: The normalized name.
        page: What the index lists, None where no index knows the name, and for a direct reference.
        reference: The direct reference it stands for, None for a name of an index.
        versions: Newest first; the position is the bit.
        all: The mask of the releases that can be used, as far as is known.
        yanked: The mask of those that were yanked.
    """

    __slots__ = (
        "_candidates", "_evaluate", "_has_final", "_is_settled", "_majors", "_rejected", "_since", "all", "name",
        "page", "prereleases", "reference", "versions", "yanked",
    )  # fmt: skip

    def __init__(
        self,
        name: NormalizedName,
        page: Page | None,
        evaluate: Evaluate,
        *,
        versions: Sequence[str] = (),
        rejected: Sequence[Rejected] = (),
    ) -> None:
        self.name = name
        self.page = page
        self.reference: Reference | None = None
        self.versions = Versions(versions, page.releases if page else ())
        self.all = self.versions.all
        self.prereleases = page.prereleases if page else 0
        self.yanked = page.yanked if page else 0
        self._evaluate = evaluate
        self._candidates: dict[int, Candidate | None] = {}
        self._is_settled = False
        self._rejected = list(rejected)
        self._has_final: bool | None = None
        self._since: dict[int, int] = {}
        self._majors: dict[int, Release | None] = {}

    @classmethod
    def of_reference(cls, name: NormalizedName, reference: Reference, evaluate: EvaluateReference) -> Package:
        """Return the package whose only candidate is a direct reference, where the target can use it."""
        versions = [str(Version(reference.metadata.version))]
        package = cls(name, None, lambda *_: evaluate(reference), versions=versions)
        package.reference = reference
        package.candidate(0)
        return package

    @property
    def finals(self) -> int:
        """The mask of the releases that are no pre-releases."""
        return self.all & ~self.prereleases

    def candidate(self, position: int) -> Candidate | None:
        """Return a release as the target can use it, None where it can't."""
        if position in self._candidates:
            return self._candidates[position]
        found = self._evaluate(self.versions[position], position)
        if isinstance(found, Candidate):
            self._candidates[position] = found
            if found.yanked is not None:  # some files of a release may be yanked and others not
                self.yanked |= 1 << position
            return found
        self._candidates[position] = None
        self._rejected += found
        self.all &= ~(1 << position)
        self.yanked &= ~(1 << position)
        return None

    def first(self, mask: int) -> int | None:
        """Return the newest in a mask that can be used, None where none can."""
        return next(filter(self.candidate, bits(mask)), None)

    def usable(self, position: int) -> Candidate:
        """Return a release that is known to be usable.

        Raises:
            Unsound: It is not.
        """
        candidate = self.candidate(position)
        if candidate is None:
            raise Unsound(f"`{self.name}` {self.versions[position]} was chosen, and can't be used")
        return candidate

    def settle(self) -> None:
        """Look at every release, so that `all` and `rejected` are whole: for messages, where time matters less."""
        if not self._is_settled:
            self._is_settled = True
            for position in range(len(self.versions)):
                self.candidate(position)

    @property
    def rejected(self) -> list[Rejected]:
        """The releases and files that can't be used."""
        self.settle()
        return self._rejected

    def rejected_above(self, position: int) -> list[Rejected]:
        """Return why newer releases, of those that were looked at, can't be used."""
        newer = {self.versions[one] for one in range(position)}
        return [one for one in self._rejected if one.version in newer]

    def has_final(self) -> bool:
        """Return whether there is a release that is neither yanked nor a pre-release."""
        if self._has_final is None:
            self._has_final = any(self.candidate(position) for position in bits(self.finals & ~self.yanked))
        return self._has_final

    def mask(self, specifier: str) -> int:
        """Return the releases that a specifier admits, pre-releases included."""
        return self.versions.mask(specifier) & self.all

    def mask_of_url(self, url: str) -> int:
        """Return the candidates that come from a URL."""
        return self.all if self.reference and public(url) == self.reference.requested else 0

    def since(self, day: int) -> int:
        """Return the releases that were uploaded on a day or later, and those whose day the index does not say."""
        found = self._since.get(day)
        if found is None:
            uploaded = self.page.uploaded if self.page else ()
            digits = ["1" if not each or each >= day else "0" for each in reversed(uploaded)]
            found = self._since[day] = int("".join(digits) or "0", 2)
        return found

    def same_major(self, position: int, mask: int) -> int:
        """Return those in a mask of the major version of one; all where its first number is the year of its upload."""
        major = self._major(position)
        return (
            mask
            if major is None
            else sum(1 << one for one in bits(mask & self.versions.all) if self._major(one) == major)
        )

    def _major(self, position: int) -> Release | None:
        if position not in self._majors:
            self._majors[position] = self._find_major(position)
        return self._majors[position]

    def _find_major(self, position: int) -> Release | None:
        epoch, release = self.versions.release(position)
        uploaded = self.page.uploaded[position] if self.page and self.page.uploaded else 0
        year = date.fromordinal(uploaded).year if uploaded else None
        return None if year is not None and release[0] in (year, year % 100) else (epoch, release[:1])

    def position(self, version: str) -> int | None:
        """Return the position of a version, None where it can't be used."""
        found = self.versions.find(version)
        return found if found is not None and self.candidate(found) else None


def bits(mask: int) -> Iterator[int]:
    """Yield the positions in a mask, newest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
