"""What holds for every step of a run, whatever packages require."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from packaging.utils import NormalizedName

from zlock.model.distribution import Dependency
from zlock.model.indexes import Cutoff
from zlock.model.requirement import DirectRequirement


class Rules(Struct, frozen=True, kw_only=True):
    """What holds for every step of a run.

    Attributes:
        cutoff: Files uploaded later do not count.
        build_sdists: Names whose sdists may be used; None for all.
        overrides: Requirements that replace what any other says of a name.
        exclude: Pairs of a name and the package that requires it, None for any.
    """

    cutoff: Cutoff = field(default_factory=Cutoff)
    build_sdists: frozenset[NormalizedName] | None = frozenset()
    overrides: Mapping[NormalizedName, DirectRequirement] = {}
    exclude: frozenset[tuple[NormalizedName, NormalizedName | None]] = frozenset()

    def may_build(self, name: NormalizedName) -> bool:
        """Return whether sdists of a name may be used."""
        return self.build_sdists is None or name in self.build_sdists

    def is_excluded(self, name: NormalizedName, parent: NormalizedName | None) -> bool:
        """Return whether a requirement on a name, made by a package, is to be left out."""
        return (name, None) in self.exclude or (parent is not None and (name, parent) in self.exclude)

    def overridden(self, dependency: Dependency) -> Dependency:
        """Return a dependency as the overrides have it."""
        override = self.overrides.get(dependency.name)
        if override is None:
            return dependency
        return dependency._replace(specifier=str(override.requirement.specifier), url="")
