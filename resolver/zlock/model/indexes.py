"""Where packages come from, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from packaging.utils import NormalizedName


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """One index of the configuration.

    Attributes:
        url: Its URL with credentials, if it has some; or an absolute path of a folder.
        name: What the configuration calls it.
        default: It is asked last, in place of the machine's own.
        explicit: It is asked only for the names routed to it.
        folder: The folder that it is, as a lock names it (see `model.paths`); empty for what is on the network.
    """

    url: str
    name: str | None = None
    default: bool = False
    explicit: bool = False
    folder: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Routing:
    """Which indexes are asked for which name, in which order.

    Attributes:
        indexes: In the order they are asked, the default one last.
        sources: Names that only one index, called by its name, may serve.
    """

    indexes: tuple[Index, ...]
    sources: dict[NormalizedName, str] = field(default_factory=dict)

    def for_name(self, name: NormalizedName) -> tuple[Index, ...]:
        """Return the indexes to ask for a name; the first that knows it wins."""
        if name in self.sources:
            return tuple(index for index in self.indexes if index.name == self.sources[name])
        return tuple(index for index in self.indexes if not index.explicit)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cutoff:
    """Files uploaded later than this do not count.

    Attributes:
        default: For every package, or None.
        packages: For single packages instead; None lifts the cut-off for one.
    """

    default: datetime | None = None
    packages: Mapping[NormalizedName, datetime | None] = field(default_factory=dict)

    def of(self, name: NormalizedName) -> datetime | None:
        """Return the cut-off of one package."""
        return self.packages.get(name, self.default)
