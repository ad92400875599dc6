"""Everything that may be chosen for one target: packages, candidates, what each requires. Shared by all steps.

Sets of versions are integers: bit `i` stands for candidate `i`, newest first. A requirement becomes such a
mask once per package and specifier, and from then on intersecting, testing and counting are single operations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from queue import SimpleQueue
from typing import Any, NamedTuple

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from zlock.errors import IndexFailed, Unsound, ZlockError
from zlock.model.distribution import Dependency, File, Metadata, Reference
from zlock.model.indexes import Cutoff
from zlock.model.page import Page
from zlock.model.ports import InvalidMetadata, PackageSource
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.model.versions import Versions, parse_specifier, parse_version
from zlock.redact import redact
from zlock.resolution.markers import Markers
from zlock.resolution.needs import Need, Node, nodes_of

_MOST_AHEAD = 16  # releases of one package whose metadata is fetched before it is asked for
_SDIST_RANK = 1 << 20  # behind every wheel
# Upper bounds such as `<2.0a0` mean "no pre-release of 2.0", so they do not count as naming one.
_NAMING_OPERATORS = frozenset({"==", "===", "~=", ">=", ">", "<="})


@lru_cache(maxsize=65536)
def names_prerelease(specifier: str) -> bool:
    """Return whether a specifier names a pre-release, so that pre-releases of the package count."""
    return any(
        one.operator in _NAMING_OPERATORS
        and (version := parse_version(one.version.removesuffix(".*"))) is not None
        and version.is_prerelease
        for one in parse_specifier(specifier)
    )


@lru_cache(maxsize=65536)
def pins_exactly(specifier: str) -> bool:
    """Return whether a specifier admits one release only, so that it may be a yanked one (PEP 592)."""
    return any(one.operator in ("==", "===") and not one.version.endswith(".*") for one in parse_specifier(specifier))


class Candidate(NamedTuple):
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


class Rejected(NamedTuple):
    """A release that can't be used, and why."""

    version: Version | None
    reason: str


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
        "_candidates", "_is_settled", "_judge", "_rejected", "all", "name", "page", "prereleases", "reference",
        "versions", "yanked",
    )  # fmt: skip

    def __init__(
        self,
        name: NormalizedName,
        page: Page | None,
        judge: Callable[[Version, int], Candidate | list[Rejected]],
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
        self._judge = judge
        self._candidates: dict[int, Candidate | None] = {}
        self._is_settled = False
        self._rejected = list(rejected)

    @classmethod
    def of_reference(cls, name: NormalizedName, reference: Reference, *, admits: Callable[[str], bool]) -> Package:
        """Return the package whose only candidate is a direct reference, if its `Requires-Python` admits the target."""
        python = reference.metadata.requires_python

        def judge(version: Version, _: int) -> Candidate | list[Rejected]:
            if admits(python):
                return Candidate(version, (), None, reference)
            return [Rejected(version, f"requires Python {python}")]

        package = cls(name, None, judge, versions=[str(Version(reference.metadata.version))])
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
        judged = self._judge(self.versions[position], position)
        if isinstance(judged, Candidate):
            self._candidates[position] = judged
            if judged.yanked is not None:  # some files of a release may be yanked and others not
                self.yanked |= 1 << position
            return judged
        self._candidates[position] = None
        self._rejected += judged
        self.all &= ~(1 << position)
        self.yanked &= ~(1 << position)
        return None

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

    def has_final(self) -> bool:
        """Return whether there is a release that is neither yanked nor a pre-release."""
        return any(self.candidate(position) for position in bits(self.finals & ~self.yanked))

    def mask(self, specifier: str) -> int:
        """Return the releases that a specifier admits, pre-releases included."""
        return self.versions.mask(specifier) & self.all

    def mask_of_url(self, url: str) -> int:
        """Return the candidates that come from a URL."""
        return self.all if self.reference and redact(url).partition("#")[0] == self.reference.requested else 0

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What holds for every step of a run.

    Attributes:
        cutoff: Files uploaded later do not count.
        build_sdists: Names whose sdists may be used; None for all.
        overrides: Requirements that replace what any other says of a name.
        exclude: Pairs of a name and the package that requires it, None for any.
    """

    cutoff: Cutoff = field(default_factory=Cutoff)
    build_sdists: frozenset[NormalizedName] | None = frozenset()
    overrides: Mapping[NormalizedName, DirectRequirement] = field(default_factory=dict)
    exclude: frozenset[tuple[NormalizedName, NormalizedName | None]] = frozenset()

    def may_build(self, name: NormalizedName) -> bool:
        """Return whether sdists of a name may be used."""
        return self.build_sdists is None or name in self.build_sdists

    def is_excluded(self, name: NormalizedName, parent: NormalizedName | None) -> bool:
        """Return whether a requirement on a name, made by a package, is to be left out."""
        return (name, None) in self.exclude or (parent is not None and (name, parent) in self.exclude)


class Universe:
    """Packages of one target, loaded as they are asked for.

    Attributes:
        is_waiting: Whether anything had to be waited for; until then all that is needed is at hand.
        notes: What is to be said of packages, in the order in which it was found.
    """

    def __init__(
        self,
        target: Target,
        source: PackageSource,
        rules: Rules,
        references: Mapping[NormalizedName, Reference] | None = None,
        on_page: Callable[[int], None] | None = None,
        *,
        routed: Mapping[NormalizedName, str] | None = None,
    ) -> None:
        self.target = target
        self.rules = rules
        self._source = source
        self._references = dict(references or {})
        self._packages: dict[NormalizedName, Package] = {}
        self._ranks: dict[tuple[str, ...], int | None] = {}
        self._pythons: dict[str, bool] = {"": True}
        self._markers = Markers(target)
        self._metadata: dict[tuple[NormalizedName, int], Metadata | InvalidMetadata] = {}
        self._dependencies: dict[tuple[NormalizedName, int, str], tuple[Dependency, ...]] = {}
        self._needs: dict[tuple[Node, int], tuple[Need, ...] | InvalidMetadata] = {}
        self._misses: dict[NormalizedName, int] = {}
        self._on_page = on_page
        self._routed = routed or {}
        self.is_waiting = False
        self.notes: dict[str, None] = {}

    def without_reference(self, name: NormalizedName) -> Universe:
        """Return the same packages, but for one that indexes serve in place of a direct reference."""
        references = {other: one for other, one in self._references.items() if other != name}
        return Universe(self.target, self._source, self.rules, references, self._on_page, routed=self._routed)

    def without_override(self, name: NormalizedName) -> Universe:
        """Return the same packages, but for the override of one."""
        overrides = {other: one for other, one in self.rules.overrides.items() if other != name}
        rules = replace(self.rules, overrides=overrides)
        return Universe(self.target, self._source, rules, self._references, self._on_page, routed=self._routed)

    # Packages

    def index_of(self, name: NormalizedName) -> str:
        """Return the name of the one index that a package is taken from; empty where none is said to serve it."""
        return self._routed.get(name, "")

    def package(self, name: NormalizedName) -> Package:
        """Return a package, waiting for its page if need be.

        Raises:
            IndexFailed: Its index could not be asked.
        """
        package = self._packages.get(name)
        if package is None:
            reference = self._references.get(name)
            if reference:
                package = Package.of_reference(name, reference, admits=self.admits_python)
            else:
                package = self._of_page(name, self._source.page(name).result())
            self._packages[name] = package
            if self._on_page:
                self._on_page(len(self._packages))
        return package

    def _of_page(self, name: NormalizedName, page: Page | None) -> Package:
        if page is None:
            return Package(name, None, lambda *_: [])
        if page.status == "quarantined":
            reason = f": {page.reason}" if page.reason else ""
            return Package(name, page, lambda *_: [], rejected=[Rejected(None, f"the index quarantined it{reason}")])
        if page.status in ("archived", "deprecated"):
            self.notes[f"`{name}` is {page.status} on its index{f': {page.reason}' if page.reason else ''}"] = None
        strange = [Rejected(None, f"`{filename}` is no file of a version of it") for filename in page.strange]
        if page.unusable:
            more = f", and {len(page.unusable) - 1} more" if page.unusable[1:] else ""
            self.notes[f"`{name}`: its index lists a file that can't be used: {page.unusable[0]}{more}"] = None
            strange += [Rejected(None, text) for text in page.unusable]
        return Package(name, page, partial(self._judge, page), versions=page.versions, rejected=strange)

    def _judge(self, page: Page, version: Version, position: int) -> Candidate | list[Rejected]:
        """Return a release as the target can use it, or why its files can't be used."""
        files = page.files(position)
        _check_ambiguous(page, files)
        cutoff = self.rules.cutoff.of(page.name)
        ranked: list[tuple[int, File]] = []
        rejected: list[Rejected] = []
        for file in files:
            rank, reason = self._judge_file(page.name, file)
            if not reason and cutoff is not None:
                reason = _judge_time(file, cutoff.isoformat())
            if reason:
                rejected.append(Rejected(version, reason))
            else:
                ranked.append((rank, file))
        return _candidate(version, ranked) if ranked else rejected

    def _judge_file(self, name: NormalizedName, file: File) -> tuple[int, str]:
        """Return a file's rank and why it can't be used; the reason is empty where it can."""
        rank: int | None = _SDIST_RANK
        if file.is_wheel:
            tags = tuple(file.filename[:-4].rsplit("-", 3)[1:])
            rank = self._ranks.get(tags, -1)
            if rank == -1:
                rank = self._ranks[tags] = _best_rank(tags, self.target.tags)
            if rank is None:
                return 0, f"wheel for {'-'.join(tags)}"
        elif not self.rules.may_build(name):
            return 0, "sdist"
        if not self.admits_python(file.requires_python):
            return 0, f"requires Python {file.requires_python}"
        return rank or 0, ""

    def admits_python(self, requires_python: str) -> bool:
        """Return whether a `Requires-Python` admits the target's; an invalid one counts as none, as pip has it."""
        found = self._pythons.get(requires_python)
        if found is None:
            try:
                found = SpecifierSet(requires_python).contains(self.target.version, prereleases=True)
            except InvalidSpecifier:
                found = True
            self._pythons[requires_python] = found
        return found

    def holds(self, marker: str, extra: str) -> bool:
        """Return whether a marker holds on the target, with an extra or, with "", without."""
        return self._markers.holds(marker, extra)

    @staticmethod
    def evaluate(target: Target, marker: str, extra: str = "") -> bool:
        """Evaluate a marker for a target (PEP 508)."""
        return Marker(marker).evaluate({**target.environment, "extra": extra})

    # Metadata

    def metadata(self, package: Package, position: int) -> Metadata | InvalidMetadata:
        """Return a candidate's metadata, or why it can't be used.

        Raises:
            IndexFailed: It could not be had.
        """
        key = (package.name, position)
        found = self._metadata.get(key)
        if found is None:
            candidate = package.candidate(position)
            if candidate is None:
                found = InvalidMetadata("no file of it fits the target")
            elif candidate.reference is not None:
                found = candidate.reference.metadata
            else:
                future = self._future(package, position)
                if not future.done():
                    self.is_waiting = True
                    self._fetch_more(package, position)
                found = self._judge_metadata(package, candidate, future)
            self._metadata[key] = found
        return found

    def _judge_metadata(
        self, package: Package, candidate: Candidate, future: Future[Metadata]
    ) -> Metadata | InvalidMetadata:
        try:
            metadata = future.result()
        except InvalidMetadata as error:
            self.notes[f"{package.name} {candidate.version} is passed over: {error.reason}"] = None
            return error
        if not self.admits_python(metadata.requires_python):
            return InvalidMetadata(f"requires Python {metadata.requires_python}")
        return metadata

    def _future(self, package: Package, position: int) -> Future[Metadata]:
        if package.page is None:
            raise Unsound(f"`{package.name}` is on no index, and its metadata was looked for on one")
        return self._source.metadata(package.page, package.usable(position).files[0])

    def _fetch_more(self, package: Package, position: int) -> None:
        """Ask for older releases ahead of a search that walks down through them, ever more of them up to a limit."""
        misses = self._misses[package.name] = self._misses.get(package.name, 0) + 1
        if misses > 1:
            for following in range(position + 1, min(position + min(2**misses, _MOST_AHEAD), len(package.versions))):
                if package.candidate(following):
                    self._future(package, following)

    def ask_ahead(self, package: Package, mask: int) -> None:
        """Ask for the metadata of candidates that may all be looked at.

        Where nothing had to be waited for yet, what is needed is at hand, and nothing is asked for in vain.
        """
        if package.page is not None and self.is_waiting:
            for position in bits(mask):
                if (package.name, position) not in self._metadata and package.candidate(position):
                    self._future(package, position)

    def dependencies(self, package: Package, position: int, extra: str) -> tuple[Dependency, ...]:
        """Return what a candidate requires on the target; with an extra, what that adds."""
        key = (package.name, position, extra)
        found = self._dependencies.get(key)
        if found is None:
            found = self._dependencies[key] = tuple(self._find_dependencies(package, position, extra))
        return found

    def _find_dependencies(self, package: Package, position: int, extra: str) -> Iterator[Dependency]:
        metadata = self.metadata(package, position)
        if isinstance(metadata, InvalidMetadata):
            return
        for dependency in metadata.dependencies:
            if not self._applies(dependency.marker, extra):
                continue
            if not self.rules.is_excluded(dependency.name, package.name):
                yield self.overridden(dependency)

    def needs(self, node: Node, position: int) -> tuple[Need, ...] | InvalidMetadata:
        """Return what a candidate needs, or why it can't be used; the same for every step."""
        key = (node, position)
        found = self._needs.get(key)
        if found is None:
            found = self._needs[key] = self._find_needs(node, position)
        return found

    def _find_needs(self, node: Node, position: int) -> tuple[Need, ...] | InvalidMetadata:
        package = self.package(node.name)
        metadata = self.metadata(package, position)
        if isinstance(metadata, InvalidMetadata):
            return metadata
        rows: list[Need] = []
        if node.extra:
            base = Dependency(node.name, (), "", "", "")  # the mask says which version
            rows.append(Need(Node(node.name, ""), 1 << position, node, position, base))
        for dependency in self.dependencies(package, position, node.extra):
            mask = self.mask(dependency)
            if dependency.url and not mask:
                other = self.package(dependency.name)
                rejected = [row.reason for row in other.rejected] if other.reference else []
                why = f"which {rejected[0]}" if rejected else "a URL that no requirement of the step names"
                return InvalidMetadata(f"requires `{dependency}`, {why}")
            naming = names_prerelease(dependency.specifier)
            rows += [Need(one, mask, node, position, dependency, naming) for one in nodes_of(dependency)]
        return tuple(rows)

    def mask(self, dependency: Dependency) -> int:
        """Return the candidates that a requirement admits."""
        package = self.package(dependency.name)
        return package.mask_of_url(dependency.url) if dependency.url else package.mask(dependency.specifier)

    def _applies(self, marker: str, extra: str) -> bool:
        """Return whether a dependency counts: without an extra on its own, with one only if the extra adds it."""
        if not extra:
            return not marker or self.holds(marker, "")
        return "extra" in marker and not self.holds(marker, "") and self.holds(marker, extra)

    def overridden(self, dependency: Dependency) -> Dependency:
        """Return a dependency as the overrides have it."""
        override = self.rules.overrides.get(dependency.name)
        if override is None:
            return dependency
        return dependency._replace(specifier=str(override.requirement.specifier), url="")

    # Fetching ahead

    def fetch_ahead(self, roots: Iterable[Dependency]) -> None:
        """Walk the graph as a search that never has to backtrack would, and fetch all it needs at once.

        Failures are kept for whoever really asks.
        """
        _Walk(self, self._source, self._references).run(roots)

    def expect(self, package: Package, position: int) -> Future[Metadata]:
        """Start to fetch a candidate's metadata."""
        return self._future(package, position)


class _Walk:
    """One walk over the graph that fetches ahead; each answer is worked on as it arrives."""

    def __init__(self, universe: Universe, source: PackageSource, known: Mapping[NormalizedName, Reference]) -> None:
        self._universe = universe
        self._source = source
        self._known = known
        self._arrived: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._seen: set[tuple[NormalizedName, str, str]] = set()
        self._pending = 0

    def run(self, roots: Iterable[Dependency]) -> None:
        for root in roots:
            self._want(root)
        while self._pending:
            step = self._arrived.get()
            self._pending -= 1
            # What fails here matters only to a search that really asks for it.
            with contextlib.suppress(ZlockError):
                step()

    def _later(self, future: Future[Any], step: Callable[[], None]) -> None:
        self._universe.is_waiting |= not future.done()
        self._pending += 1
        future.add_done_callback(lambda _: self._arrived.put(step))

    def _want(self, dependency: Dependency) -> None:
        if dependency.name in self._known:
            return
        for extra in ("", *dependency.extras):
            key = (dependency.name, extra, dependency.specifier)
            if key not in self._seen:
                self._seen.add(key)
                self._later(self._source.page(dependency.name), partial(self._got_page, dependency, extra))

    def _got_page(self, dependency: Dependency, extra: str) -> None:
        package = self._universe.package(dependency.name)
        mask = package.mask(dependency.specifier) & ~package.yanked
        if not names_prerelease(dependency.specifier):
            mask &= package.finals
        position = next((one for one in bits(mask) if package.candidate(one)), None)
        key = (package.name, extra, str(position))
        if position is not None and key not in self._seen:
            self._seen.add(key)
            self._later(self._universe.expect(package, position), partial(self._got_metadata, package, position, extra))

    def _got_metadata(self, package: Package, position: int, extra: str) -> None:
        for dependency in self._universe.dependencies(package, position, extra):
            self._want(dependency)


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


def _best_rank(parts: Sequence[str], ranks: Mapping[str, int]) -> int | None:
    """Return the best rank of a wheel's compressed tag set (PEP 425), None where none fits."""
    found = [
        rank
        for python in parts[0].split(".")
        for abi in parts[1].split(".")
        for platform in parts[2].split(".")
        if (rank := ranks.get(f"{python}-{abi}-{platform}")) is not None
    ]
    return min(found, default=None)


def _candidate(version: Version, ranked: list[tuple[int, File]]) -> Candidate:
    """Order a release's files: best tag first, then higher build number, then name."""
    files = [
        file for _, file in sorted(ranked, key=lambda pair: (pair[0], _build_key(pair[1].filename), pair[1].filename))
    ]
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


def _judge_time(file: File, cutoff: str) -> str:
    if not file.upload_time:
        return "its index gives no upload time, and a cut-off is set"
    # All indexes write UTC; the first 19 characters order as the times do.
    return f"uploaded {file.upload_time[:10]}, after the cut-off" if file.upload_time[:19] > cutoff[:19] else ""
