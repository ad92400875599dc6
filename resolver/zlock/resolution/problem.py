"""One step's question to the solve: what is asked, what may answer it, and in which order answers are tried."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from zlock.model.distribution import Dependency, Metadata
from zlock.model.requirement import DirectRequirement
from zlock.resolution.ages import Ages
from zlock.resolution.bounds import Bounds
from zlock.resolution.findings import Flaw, Rejected
from zlock.resolution.needs import Need, Node, nodes_of
from zlock.resolution.package import Package, bits, names_prerelease, pins_exactly
from zlock.resolution.universe import Universe


class Policy(Struct, frozen=True, kw_only=True):
    """How a step wants its versions chosen.

    Attributes:
        prerelease: "if-necessary-or-explicit", "allow" or "disallow".
        resolution: "highest", "lowest" or "lowest-direct".
        step_back: How many days older a package may be for the sake of others.
    """

    prerelease: str = "if-necessary-or-explicit"
    resolution: str = "highest"
    step_back: int = 180


class Problem(Struct, eq=False, dict=True):
    """A step's requirements over a universe.

    Attributes:
        universe: The candidates.
        requirements: What the step asks for, each name as often as sources state it.
        constraints: Limits on names, whoever asks for them.
        policy: How versions are chosen.
        preferences: Versions to be kept where they fit, by name; tried first.
        limit: The candidates of a name that count beside all that, for a search that is not to go everywhere.
        with_extras: Whether releases count only that have the extras which the step names; not where the newest that
            it admits has none of the name either.
        direct: What the step asks for itself.
        bounds: What limits releases by what newer ones require; None where nothing does.
    """

    universe: Universe
    requirements: Sequence[DirectRequirement]
    constraints: Sequence[DirectRequirement] = ()
    policy: Policy = field(default_factory=Policy)
    preferences: Mapping[NormalizedName, str] = {}
    limit: Callable[[NormalizedName], int] | None = None
    with_extras: bool = False
    bounds: Bounds | None = None

    def __post_init__(self) -> None:
        self._domains: dict[NormalizedName, tuple[int, int]] = {}
        self._needs: dict[tuple[Node, int], tuple[Need, ...] | Rejected] = {}
        self._namers: dict[NormalizedName, dict[Node, int]] = {}
        self._asked = self._find_asked()
        self.direct = {dependency.name for dependency, _ in self._asked}
        # What the person who asks says of versions; requirements of packages weigh less.
        self._stated: dict[NormalizedName, list[str]] = {}
        for dependency, _ in self._asked:
            self._stated.setdefault(dependency.name, []).append(dependency.specifier)
        for constraint in self.constraints:
            self._stated.setdefault(constraint.name, []).append(str(constraint.requirement.specifier))
        for name, override in self.universe.rules.overrides.items():
            self._stated.setdefault(name, []).append(str(override.requirement.specifier))

    # What is asked

    def dependencies(self) -> list[tuple[Dependency, DirectRequirement]]:
        """Return the step's requirements as dependencies, as markers, overrides and exclusions leave them."""
        return self._asked

    def _find_asked(self) -> list[tuple[Dependency, DirectRequirement]]:
        rows = []
        for direct in self.requirements:
            requirement = direct.requirement
            marker = str(requirement.marker) if requirement.marker else ""
            if marker and not self.universe.holds(marker, ""):
                continue
            if self.universe.rules.is_excluded(direct.name, None):
                continue
            extras = tuple(sorted(canonicalize_name(extra) for extra in requirement.extras))
            dependency = Dependency(direct.name, extras, str(requirement.specifier), marker, requirement.url or "")
            rows.append((self.universe.rules.overridden(dependency), direct))
        return sorted(rows, key=lambda row: row[0])

    def roots(self) -> list[Need]:
        """Return what the step itself needs, in an order that does not depend on how it was written down."""
        return [
            Need(node, self.mask_of(dependency, direct), None, 0, direct)
            for dependency, direct in self._asked
            for node in nodes_of(dependency)
        ]

    def needs(self, node: Node, position: int) -> tuple[Need, ...] | Rejected:
        """Return what a candidate needs, or why it can't be used."""
        key = (node, position)
        found = self._needs.get(key)
        if found is None:
            found = self._needs[key] = self._find_needs(node, position)
            for need in () if isinstance(found, Rejected) else found:
                if need.names_prerelease:
                    namers = self._namers.setdefault(need.node.name, {})
                    namers[node] = namers.get(node, 0) | 1 << position
        return found

    def _find_needs(self, node: Node, position: int) -> tuple[Need, ...] | Rejected:
        if self.with_extras and node in self._extras and self.universe.lacks(node, position):
            return Rejected(Flaw.EXTRA, node.extra, self.universe.package(node.name).versions[position])
        found = self.universe.needs(node, position)
        return found if self.bounds is None or isinstance(found, Rejected) else self.bounds.on(node, position, found)

    @cached_property
    def ages(self) -> Ages:
        """How far behind its candidates are."""
        return Ages(self.universe.package, self.usable)

    @cached_property
    def _extras(self) -> set[Node]:
        """The extras that the step names, and that the newest release has which the step admits."""
        named = {node for dependency, _ in self._asked for node in nodes_of(dependency) if node.extra}
        return {node for node in named if self._has_extra(node)}

    def _has_extra(self, node: Node) -> bool:
        """Return whether the newest release has an extra which the step admits."""
        newest = self.newest(node.name)
        metadata = None if newest is None else self.universe.metadata(self.universe.package(node.name), newest)
        return isinstance(metadata, Metadata) and node.extra in metadata.extras

    @cached_property
    def _admitted(self) -> dict[NormalizedName, int]:
        found: dict[NormalizedName, int] = {}
        for dependency, direct in self._asked:
            found[dependency.name] = found.get(dependency.name, -1) & self.mask_of(dependency, direct)
        return found

    def newest(self, name: NormalizedName) -> int | None:
        """Return the newest candidate that the step admits by what it says itself; None where there is none."""
        package = self.universe.package(name)
        return package.first(self._admitted.get(name, -1) & self.usable(name))

    def stricter(self) -> Iterator[Problem]:
        """Yield the same with more that answers have to hold, the strictest first: an answer to none is a worse one."""
        bounds = Bounds(self, self.policy.step_back) if self.policy.resolution == "highest" else None
        named = any(dependency.extras for dependency, _ in self._asked)
        if named:
            yield replace(self, with_extras=True, bounds=bounds)
            if bounds:
                yield replace(self, with_extras=True)
        if bounds:
            yield replace(self, bounds=bounds)

    def mask_of(self, dependency: Dependency, cause: DirectRequirement) -> int:
        """Return the candidates that a requirement of the step admits, its hashes included."""
        package = self.universe.package(dependency.name)
        mask = self.universe.mask(dependency)
        return mask & _mask_of_hashes(package, cause.hashes) if cause.hashes else mask

    # What may answer

    def domain(self, name: NormalizedName) -> int:
        """Return the candidates of a name that policy and constraints admit, those of `unnamed` included."""
        package = self.universe.package(name)
        found, yanked = self._domains.get(name, (0, -1))
        if yanked != package.yanked:
            found = self._find_domain(package)
            self._domains[name] = found, package.yanked
        return found & package.all

    def _find_domain(self, package: Package) -> int:
        mask = package.all & ~package.yanked
        for specifier in self._stated.get(package.name, ()):
            if pins_exactly(specifier):
                mask |= package.yanked & package.mask(specifier)
        kept = self.kept(package)
        if kept is not None:
            mask |= 1 << kept
        if self.policy.prerelease == "disallow":
            mask &= package.finals
        for constraint in self.constraints:
            if constraint.name == package.name:
                mask &= self.mask_of_constraint(package, constraint)
        return mask & self.limit(package.name) if self.limit else mask

    def is_pinned_by_step(self, package: Package, position: int) -> bool:
        """Return whether the step itself asks for one candidate exactly, so that it counts though it was yanked."""
        stated = self._stated.get(package.name, ())
        return any(pins_exactly(specifier) and package.mask(specifier) >> position & 1 for specifier in stated)

    def unnamed(self, name: NormalizedName) -> int:
        """Return the pre-releases of a name that count only beside a requirement that names one.

        None are left where the step itself names one, where there is no final release at all, and for a direct
        reference, which is as explicit as can be.
        """
        package = self.universe.package(name)
        mask = self.domain(name) & package.prereleases if package.prereleases else 0
        return mask and mask & self.withheld(package)

    def withheld(self, package: Package) -> int:
        """Return the pre-releases of a package, usable or not, that count only so, see `unnamed`."""
        if self.policy.prerelease != "if-necessary-or-explicit" or package.reference or not package.has_final():
            return 0
        return 0 if any(map(names_prerelease, self._stated.get(package.name, ()))) else package.prereleases

    def usable(self, name: NormalizedName) -> int:
        """Return the candidates of a name that count whatever requirements name."""
        return self.domain(name) & ~self.unnamed(name)

    def namers(self, name: NormalizedName) -> Mapping[Node, int]:
        """Return the candidates, of those whose needs were looked at, that name a pre-release of a package."""
        return self._namers.get(name, {})

    def supporters(self, nodes: Collection[Node]) -> dict[Node, int]:
        """Return the candidates, of those whose needs were looked at, that need one of some nodes from outside."""
        found: dict[Node, int] = {}
        for (node, position), needs in self._needs.items():
            if node not in nodes and not isinstance(needs, Rejected) and any(need.node in nodes for need in needs):
                found[node] = found.get(node, 0) | 1 << position
        return found

    def mask_of_constraint(self, package: Package, constraint: DirectRequirement) -> int:
        """Return the candidates that a constraint admits."""
        requirement = constraint.requirement
        if requirement.marker and not self.universe.holds(str(requirement.marker), ""):
            return package.all
        if requirement.url:
            return package.mask_of_url(requirement.url)
        mask = package.mask(str(requirement.specifier))
        return mask & _mask_of_hashes(package, constraint.hashes) if constraint.hashes else mask

    # In which order

    def kept(self, package: Package) -> int | None:
        """Return the candidate that is to be kept, None where there is none."""
        version = self.preferences.get(package.name)
        return package.position(version) if version else None

    def ordered(self, name: NormalizedName, mask: int) -> Iterator[int]:
        """Yield the candidates in a mask, the one to be kept first, then as `resolution` says."""
        package = self.universe.package(name)
        kept = self.kept(package)
        if kept is not None and mask >> kept & 1:
            yield kept
            mask &= ~(1 << kept)
        lowest = self.policy.resolution == "lowest" or (
            self.policy.resolution == "lowest-direct" and name in self.direct
        )
        for position in reversed(list(bits(mask))) if lowest else bits(mask):
            # To look at a release may show that it was yanked where it matters, so the domain is asked again.
            if package.candidate(position) and self.domain(name) >> position & 1:
                yield position


def _mask_of_hashes(package: Package, hashes: Sequence[str]) -> int:
    wanted = {tuple(text.split(":", 1)) for text in hashes}
    found = 0
    package.settle()
    for position in bits(package.all):
        candidate = package.usable(position)
        known = {pair for file in candidate.files for pair in file.hashes}
        if candidate.reference:
            known |= set(candidate.reference.hashes)
        if known & wanted:
            found |= 1 << position
    return found
