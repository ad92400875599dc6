"""Requirements as their sources state them."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import Annotated

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from zlock.model.form import Key, Line
from zlock.model.indexes import Route
from zlock.model.origin import Origin, Source
from zlock.model.versions import readable
from zlock.redact import redact


def parsed(text: str) -> Requirement:
    """Return a requirement (PEP 508) that comes from outside.

    Raises:
        InvalidRequirement: It is none, or one that could not be worked with, see `readable`.
    """
    try:
        return Requirement(readable(text))
    except InvalidRequirement:
        raise
    except ValueError as error:
        raise InvalidRequirement(str(error)) from error


class DirectRequirement(Struct, frozen=True, kw_only=True):
    """A requirement that a source states itself, with all the places that state it.

    Attributes:
        requirement: The requirement (PEP 508).
        origins: Where it is stated, first place first; never empty.
        hashes: The `algorithm:digest` pairs it is limited to, as in pip's `--hash`; empty for no limit.
        notes: What a person should know of it, one line each.
    """

    requirement: Requirement
    origins: tuple[Origin, ...]
    hashes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> NormalizedName:
        """The project's name as PEP 503 normalizes it."""
        return canonicalize_name(self.requirement.name)

    @property
    def source(self) -> Source:
        """The source of its first origin."""
        return self.origins[0].source

    @property
    def normalized(self) -> str:
        """The requirement as locks have it: no credentials, names and extras in one spelling (PEP 503, PEP 685)."""
        requirement, name = self.requirement, self.name
        extras: set[str] = {canonicalize_name(extra) for extra in requirement.extras}
        if name != requirement.name or extras != requirement.extras:
            requirement = copy(requirement)  # which costs as much as to parse it
            requirement.name, requirement.extras = name, extras
        return redact(str(requirement))

    def __str__(self) -> str:
        return redact(str(self.requirement))


class IndexOption(Struct, frozen=True):
    """An option about indexes inside a requirements file or `pyproject.toml`, such as `--extra-index-url URL`.

    Attributes:
        option: The option's name, with its dashes, or the table.
        value: Its value with credentials removed; empty for an option without one.
        origin: Where it stands.
    """

    option: str
    value: str
    origin: Origin


class Gathered(Struct, frozen=True):
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
        routes: Packages that one index alone serves, as the source says.
        project: The name of the project whose file was read, or empty.
        requires_python: The Pythons that the project is for, with the origin; None where it does not say.
    """

    source: Source
    described: str = ""
    requirements: tuple[DirectRequirement, ...] = ()
    constraints: tuple[DirectRequirement, ...] = ()
    apt_packages: tuple[str, ...] = ()
    index_options: tuple[IndexOption, ...] = ()
    routes: tuple[Route, ...] = ()
    project: str = ""
    requires_python: tuple[SpecifierSet, Origin] | None = None
    prerelease: bool = False
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    recorded: bool = False


class Asked(Struct, frozen=True, kw_only=True):
    """What one source asked for, as a lock keeps it.

    Attributes:
        source: The source's name.
        described: The command, file or names it was read from.
        requirements: Sorted, so that an order that means nothing changes nothing.
        constraints: Likewise.
        apt_packages: Likewise.
        recorded: The requirements were had by running something, so `--check` reads them from the lock.
    """

    source: Line
    described: Annotated[str, Key("from")] = ""
    requirements: tuple[Line, ...]
    constraints: tuple[Line, ...] = ()
    apt_packages: tuple[Line, ...] = ()
    recorded: bool = False

    @classmethod
    def of(cls, gathered: Gathered) -> Asked:
        """Return what a source asked for."""
        return cls(
            source=str(gathered.source),
            described=gathered.described,
            requirements=tuple(sorted({_text(one) for one in gathered.requirements})),
            constraints=tuple(sorted({_text(one) for one in gathered.constraints})),
            apt_packages=tuple(sorted(set(gathered.apt_packages))),
            recorded=gathered.recorded,
        )


@lru_cache(maxsize=4096)
def recorded_requirement(text: str) -> tuple[Requirement, tuple[str, ...]]:
    """Return a requirement as a lock records it, and the hashes it is limited to.

    Raises:
        InvalidRequirement: It is none.
    """
    requirement, *hashes = text.split(" --hash=")
    return parsed(requirement), tuple(hashes)


def _text(direct: DirectRequirement) -> str:
    return " ".join([direct.normalized, *(f"--hash={digest}" for digest in direct.hashes)])
