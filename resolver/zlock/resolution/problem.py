"""One step's question to the solve: what is asked, what may answer it, and in which order answers are tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from zlock.model.distribution import Dependency
from zlock.model.ports import InvalidMetadata
from zlock.model.requirement import DirectRequirement
from zlock.resolution.universe import Package, Universe, bits, names_prerelease


class Node(NamedTuple):
    """What is pinned: a package, or one extra of it.

    An extra is pinned like a package of its own, at the version of its base, which it requires.
    """

    name: NormalizedName
    extra: str

    def __str__(self) -> str:
        return f"{self.name}[{self.extra}]" if self.extra else self.name


class Need(NamedTuple):
    """That some candidates of a node, and no others, will do.

    Attributes:
        node: What is needed.
        mask: The candidates that will do.
        parent: Who needs it, None for the step itself.
        position: Which candidate of the parent.
        cause: The requirement it comes from.
    """

    node: Node
    mask: int
    parent: Node | None
    position: int
    cause: Dependency | DirectRequirement


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How a step wants its versions chosen.

    Attributes:
        prerelease: "if-necessary-or-explicit", "allow" or "disallow".
        resolution: "highest", "lowest" or "lowest-direct".
    """

    prerelease: str = "if-necessary-or-explicit"
    resolution: str = "highest"


@dataclass(eq=False)
class Problem:
    """A step's requirements over a universe.

    Attributes:
        universe: The candidates.
        requirements: What the step asks for, each name as often as sources state it.
        constraints: Limits on names, whoever asks for them.
        policy: How versions are chosen.
        preferences: Versions to be kept where they fit, by name; tried first.
    """

    universe: Universe
    requirements: Sequence[DirectRequirement]
    constraints: Sequence[DirectRequirement] = ()
    policy: Policy = field(default_factory=Policy)
    preferences: Mapping[NormalizedName, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._domains: dict[NormalizedName, int] = {}
        self._needs: dict[tuple[Node, int], tuple[Need, ...] | InvalidMetadata] = {}
        # Names of which some requirement, met so far, names a pre-release.
        self.prereleases: set[NormalizedName] = set()
        self.named_prereleases: set[NormalizedName] = set()
        self._direct = {requirement.name for requirement in self.requirements}
        self._pinned_yanked: dict[NormalizedName, list[str]] = {}
        for requirement in self.requirements:
            specifier = str(requirement.requirement.specifier)
            if names_prerelease(specifier):
                self.prereleases.add(requirement.name)
            if specifier.startswith("==") and "," not in specifier and not specifier.endswith(".*"):
                self._pinned_yanked.setdefault(requirement.name, []).append(specifier)

    # What is asked

    def dependencies(self) -> list[tuple[Dependency, DirectRequirement]]:
        """Return the step's requirements as dependencies, as markers, overrides and exclusions leave them."""
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
            rows.append((self.universe.overridden(dependency), direct))
        return sorted(rows, key=lambda row: row[0])

    def roots(self) -> list[Need]:
        """Return what the step itself needs, in an order that does not depend on how it was written down."""
        return [need for dependency, direct in self.dependencies() for need in self._of(dependency, None, 0, direct)]

    def needs(self, node: Node, position: int) -> tuple[Need, ...] | InvalidMetadata:
        """Return what a candidate needs, or why it can't be used."""
        key = (node, position)
        found = self._needs.get(key)
        if found is None:
            found = self._needs[key] = self._find_needs(node, position)
        return found

    def _find_needs(self, node: Node, position: int) -> tuple[Need, ...] | InvalidMetadata:
        package = self.universe.package(node.name)
        metadata = self.universe.metadata(package, position)
        if isinstance(metadata, InvalidMetadata):
            return metadata
        rows: list[Need] = []
        if node.extra:
            base = Dependency(node.name, (), f"=={package.candidates[position].version}", "", "")
            rows.append(Need(Node(node.name, ""), 1 << position, node, position, base))
            if node.extra not in metadata.extras:
                self.universe.notes[f"{node.name} {metadata.version} has no extra `{node.extra}`"] = None
        for dependency in self.universe.dependencies(package, position, node.extra):
            if dependency.url and not self.universe.package(dependency.name).mask_of_url(dependency.url):
                return InvalidMetadata(f"requires `{dependency}`, a URL that no requirement of the step names")
            rows.extend(self._of(dependency, node, position, dependency))
        return tuple(rows)

    def _of(
        self, dependency: Dependency, parent: Node | None, position: int, cause: Dependency | DirectRequirement
    ) -> Iterator[Need]:
        package = self.universe.package(dependency.name)
        mask = package.mask_of_url(dependency.url) if dependency.url else package.mask(dependency.specifier)
        if isinstance(cause, DirectRequirement) and cause.hashes:
            mask &= _mask_of_hashes(package, cause.hashes)
        if names_prerelease(dependency.specifier):
            self.named_prereleases.add(dependency.name)
        for extra in dependency.extras:
            yield Need(Node(dependency.name, extra), mask, parent, position, cause)
        yield Need(Node(dependency.name, ""), mask, parent, position, cause)

    # What may answer

    def domain(self, name: NormalizedName) -> int:
        """Return the candidates of a name that policy and constraints admit."""
        found = self._domains.get(name)
        if found is None:
            found = self._domains[name] = self._find_domain(self.universe.package(name))
        return found

    def _find_domain(self, package: Package) -> int:
        mask = package.all & ~package.yanked
        for specifier in self._pinned_yanked.get(package.name, ()):
            mask |= package.yanked & package.mask(specifier)
        kept = self.kept(package)
        if kept is not None and package.yanked >> kept & 1:
            mask |= 1 << kept
            self.universe.notes[
                f"{package.name} {package.candidates[kept].version} was yanked since it was locked, and is kept"
            ] = None
        mask &= self.admitted_prereleases(package, mask)
        for constraint in self.constraints:
            if constraint.name == package.name:
                mask &= self.mask_of_constraint(package, constraint)
        return mask

    def admitted_prereleases(self, package: Package, mask: int) -> int:
        """Return the candidates that the pre-release policy admits."""
        if self.policy.prerelease == "allow":
            return package.all
        if self.policy.prerelease == "disallow":
            return package.finals
        # A direct reference is as explicit as can be; a package without a final release leaves no choice.
        if package.name in self.prereleases or not mask & package.finals or package.candidates[0].reference:
            return package.all
        return package.finals

    def mask_of_constraint(self, package: Package, constraint: DirectRequirement) -> int:
        """Return the candidates that a constraint admits."""
        requirement = constraint.requirement
        if requirement.marker and not self.universe.holds(str(requirement.marker), ""):
            return package.all
        if requirement.url:
            return package.mask_of_url(requirement.url)
        mask = package.mask(str(requirement.specifier))
        return mask & _mask_of_hashes(package, constraint.hashes) if constraint.hashes else mask

    def admit_prereleases(self, names: set[NormalizedName]) -> None:
        """Let pre-releases of more names count."""
        self.prereleases |= names
        self._domains.clear()

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
            self.policy.resolution == "lowest-direct" and name in self._direct
        )
        yield from reversed(list(bits(mask))) if lowest else bits(mask)


def _mask_of_hashes(package: Package, hashes: Sequence[str]) -> int:
    wanted = {tuple(text.split(":", 1)) for text in hashes}
    found = 0
    for position, candidate in enumerate(package.candidates):
        known = {pair for file in candidate.files for pair in file.hashes}
        if candidate.reference:
            known |= set(candidate.reference.hashes)
        if known & wanted:
            found |= 1 << position
    return found
