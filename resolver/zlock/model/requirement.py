"""Requirements as their sources state them."""

from __future__ import annotations

from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from zlock.model.origin import Origin, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class DirectRequirement:
    """A requirement that a source states itself, with all the places that state it.

    Attributes:
        requirement: The requirement (PEP 508).
        origins: Where it is stated, first place first; never empty.
        hashes: The `algorithm:digest` pairs it is limited to, as in pip's `--hash`; empty for no limit.
    """

    requirement: Requirement
    origins: tuple[Origin, ...]
    hashes: tuple[str, ...] = ()

    @property
    def name(self) -> NormalizedName:
        """The project's name as PEP 503 normalizes it."""
        return canonicalize_name(self.requirement.name)

    @property
    def source(self) -> Source:
        """The source of its first origin."""
        return self.origins[0].source

    def __str__(self) -> str:
        return str(self.requirement)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexOption:
    """An option about indexes inside a requirements file, such as `--extra-index-url URL`.

    Attributes:
        option: The option's name, with its dashes.
        value: Its value with credentials removed; empty for an option without one.
        origin: Where it stands.
    """

    option: str
    value: str
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """What one source yields for one step.

    Attributes:
        source: The source.
        described: What was read, for the lock: the command, the file, the names of the integrations.
        requirements: In the order the source states them.
        constraints: From `-c` files: they limit versions and ask for nothing.
        apt_packages: Debian packages that come with the requirements.
        index_options: Options about indexes, which the configuration must account for.
        prerelease: The source says `--pre`.
        notes: What a person should know, one line each.
        files: The files that were read, for the digest `declared`; absolute paths.
        recorded: True where the requirements can't be had again without running something:
            the lock is then the only place that knows them.
    """

    source: Source
    described: str = ""
    requirements: tuple[DirectRequirement, ...] = ()
    constraints: tuple[DirectRequirement, ...] = ()
    apt_packages: tuple[str, ...] = ()
    index_options: tuple[IndexOption, ...] = ()
    prerelease: bool = False
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = field(default=())
    recorded: bool = False
