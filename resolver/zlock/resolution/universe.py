"""Everything that may be chosen for one target: packages, candidates, what each requires. Shared by all steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import cache, partial

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from zlock.errors import Unsound, ZlockError
from zlock.model.distribution import Dependency, Metadata, Reference
from zlock.model.page import Page
from zlock.model.ports import InvalidMetadata, PackageSource
from zlock.model.target import Target
from zlock.reporting import Activity, Doing, Note, Reporter, unheard
from zlock.resolution.evaluator import Evaluator
from zlock.resolution.findings import Flaw, Rejected
from zlock.resolution.markers import Applying, Markers
from zlock.resolution.needs import Need, Node, nodes_of
from zlock.resolution.package import Candidate, Package, bits, names_prerelease
from zlock.resolution.rules import Rules

_MOST_AHEAD = 32  # releases of one package whose metadata is fetched before it is asked for
Needs = tuple[Need, ...] | Rejected


class Universe:
    """Packages of one target, loaded as they are asked for.

    Attributes:
        broken: The releases of each package that were looked at and have broken metadata.
        is_waiting: Whether anything had to be waited for; until then all that is needed is at hand.
        package: Returns the package of a name, waiting for its page if need be; raises `IndexFailed` where its index
            could not be asked.
        needs: Returns what a candidate of a node needs, or why it can't be used; the same for every step.
        dependencies: Returns what a candidate of a package requires on the target; with an extra, what that adds.
    """

    def __init__(
        self,
        target: Target,
        source: PackageSource,
        rules: Rules,
        references: Mapping[NormalizedName, Reference] | None = None,
        reporter: Reporter = unheard,
        *,
        routed: Mapping[NormalizedName, str] | None = None,
    ) -> None:
        self.target = target
        self.rules = rules
        self.source = source
        self.references = dict(references or {})
        self._loaded = 0
        self.package: Callable[[NormalizedName], Package] = cache(self._load)
        self._evaluator = Evaluator(target, rules)
        self._markers = Markers(target)
        self._applying: Callable[[str], Applying] = cache(partial(Applying, self._markers))
        self._metadata: dict[tuple[NormalizedName, int], Metadata | Rejected] = {}
        self.needs: Callable[[Node, int], Needs] = cache(self._find_needs)
        self.dependencies: Callable[[Package, int, str], tuple[Dependency, ...]] = cache(self._find_dependencies)
        self._misses: dict[NormalizedName, int] = {}
        self.broken: dict[NormalizedName, list[Rejected]] = {}
        self._reporter = reporter
        self._routed = routed or {}
        self.is_waiting = False

    def varied(
        self, *, target: Target | None = None, rules: Rules | None = None, source: PackageSource | None = None
    ) -> Universe:
        """Return the same packages for another target, under other rules or from another source, to try something.

        What is to be said of its packages is not noted.
        """
        return Universe(
            target or self.target, source or self.source, rules or self.rules, self.references, routed=self._routed
        )

    # Packages

    def index_of(self, name: NormalizedName) -> str:
        """Return the name of the one index that a package is taken from; empty where none is said to serve it."""
        return self._routed.get(name, "")

    def elsewhere(self, package: Package, specifier: str) -> tuple[str, tuple[str, Version] | None]:
        """Return where a package is taken from, and the newest that another index has within a specifier."""
        others = self.source.elsewhere(package.name) if package.page else ()
        for index, page in others[1:]:
            other = self._of_page(package.name, page)
            for position in bits(other.versions.mask(specifier)):
                if other.candidate(position):
                    return others[0][0], (index, other.versions[position])
        return "", None

    def knows(self, name: str) -> bool:
        """Return whether the index that is asked for a name is known to have it, for names that somebody may mean."""
        with suppress(ZlockError):
            return self.source.page(canonicalize_name(name)).result() is not None
        return False

    def note(self, text: str) -> None:
        """Tell what a person should know."""
        self._reporter(Note(text))

    def _load(self, name: NormalizedName) -> Package:
        reference = self.references.get(name)
        if reference:
            package = Package.of_reference(name, reference, self._evaluator.reference)
        else:
            package = self._of_page(name, self.source.page(name).result())
        self._loaded += 1
        self._reporter(Doing(Activity.LOOKING_AT_PACKAGES, done=self._loaded))
        return package

    def _of_page(self, name: NormalizedName, page: Page | None) -> Package:
        if page is None:
            return Package(name, None, lambda *_: [])
        if page.status == "quarantined":
            return Package(name, page, lambda *_: [], rejected=[Rejected(Flaw.QUARANTINED, page.reason)])
        if page.status in ("archived", "deprecated"):
            self.note(f"`{name}` is {page.status} on its index{f': {page.reason}' if page.reason else ''}")
        strange = [Rejected(Flaw.STRANGE, filename) for filename in page.strange]
        if page.unusable:
            more = f", and {len(page.unusable) - 1} more" if page.unusable[1:] else ""
            self.note(f"`{name}`: its index lists a file that can't be used: {page.unusable[0]}{more}")
            strange += [Rejected(Flaw.UNUSABLE, text) for text in page.unusable]
        return Package(name, page, partial(self._evaluator.candidate, page), versions=page.versions, rejected=strange)

    def ask_for(self, names: Iterable[NormalizedName]) -> None:
        """Ask for the pages of packages that will all be looked at, see `ask_ahead`."""
        if self.is_waiting:
            for name in names:
                if name not in self.references:
                    self.source.page(name)

    def holds(self, marker: str, extra: str) -> bool:
        """Return whether a marker holds on the target, with an extra or, with "", without."""
        return self._markers.holds(marker, extra)

    # Metadata

    def metadata(self, package: Package, position: int) -> Metadata | Rejected:
        """Return a candidate's metadata, or why it can't be used.

        Raises:
            IndexFailed: It could not be had.
        """
        key = (package.name, position)
        found = self._metadata.get(key)
        if found is None:
            candidate = package.candidate(position)
            if candidate is None:
                found = Rejected(Flaw.GONE)
            elif candidate.reference is not None:
                found = candidate.reference.metadata
            else:
                future = self.expect(package, position)
                if not future.done():
                    self.is_waiting = True
                    self._fetch_more(package, position)
                found = self._judge_metadata(package, candidate, future)
            self._metadata[key] = found
        return found

    def lacks(self, node: Node, position: int) -> bool:
        """Return whether a candidate can be used and has no extra of a node's name."""
        metadata = self.metadata(self.package(node.name), position)
        return isinstance(metadata, Metadata) and bool(node.extra) and node.extra not in metadata.extras

    def _judge_metadata(self, package: Package, candidate: Candidate, future: Future[Metadata]) -> Metadata | Rejected:
        try:
            metadata = future.result()
        except InvalidMetadata as error:
            rejected = Rejected(Flaw.BROKEN, error.reason, candidate.version)
            self.broken.setdefault(package.name, []).append(rejected)
            return rejected
        if not self._evaluator.admits_python(metadata.requires_python):
            return Rejected(Flaw.PYTHON, metadata.requires_python, candidate.version)
        return metadata

    def expect(self, package: Package, position: int) -> Future[Metadata]:
        """Start to fetch a candidate's metadata."""
        if package.page is None:
            raise Unsound(f"`{package.name}` is on no index, and its metadata was looked for on one")
        return self.source.metadata(package.page, package.usable(position).files[0])

    def _fetch_more(self, package: Package, position: int) -> None:
        """Ask for older releases ahead of a search that walks down through them, ever more of them up to a limit."""
        misses = self._misses[package.name] = self._misses.get(package.name, 0) + 1
        end = min(position + min(2**misses, _MOST_AHEAD), len(package.versions))
        for following in range(position + 1, end):
            self._expect_wheel(package, following)

    def ask_ahead(self, package: Package, mask: int) -> None:
        """Ask for the metadata of candidates that may all be looked at.

        Where nothing had to be waited for yet, what is needed is at hand, and nothing is asked for in vain.
        """
        if package.page is not None and self.is_waiting:
            for position in bits(mask):
                if (package.name, position) not in self._metadata:
                    self._expect_wheel(package, position)

    def _expect_wheel(self, package: Package, position: int) -> None:
        """Ask for what may be needed, and not where an sdist would be downloaded and built for it."""
        candidate = package.candidate(position)
        if candidate and candidate.files[0].is_wheel:
            self.expect(package, position)

    def _find_dependencies(self, package: Package, position: int, extra: str) -> tuple[Dependency, ...]:
        metadata = self.metadata(package, position)
        applying = self._applying(extra)
        return tuple(
            [
                self.rules.overridden(dependency)
                for dependency in (() if isinstance(metadata, Rejected) else metadata.dependencies)
                if applying[dependency.marker] and not self.rules.is_excluded(dependency.name, package.name)
            ]
        )

    def _find_needs(self, node: Node, position: int) -> Needs:
        package = self.package(node.name)
        metadata = self.metadata(package, position)
        if isinstance(metadata, Rejected):
            return metadata
        rows: list[Need] = []
        if node.extra:
            base = Dependency(node.name, (), "", "", "")  # the mask says which version
            rows.append(Need(Node(node.name, ""), 1 << position, node, position, base))
        dependencies = self.dependencies(package, position, node.extra)
        self.ask_for(dependency.name for dependency in dependencies)
        for dependency in dependencies:
            mask = self.mask(dependency)
            if dependency.url and not mask:
                other = self.package(dependency.name)
                cause = next(iter(other.rejected), None) if other.reference else None
                return Rejected(Flaw.URL, str(dependency), cause=cause)
            naming = names_prerelease(dependency.specifier)
            rows += [Need(one, mask, node, position, dependency, naming) for one in nodes_of(dependency)]
        return tuple(rows)

    def mask(self, dependency: Dependency) -> int:
        """Return the releases that a requirement admits, whether they can be used or not."""
        package = self.package(dependency.name)
        return package.mask_of_url(dependency.url) if dependency.url else package.versions.mask(dependency.specifier)
