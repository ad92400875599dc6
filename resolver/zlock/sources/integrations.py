"""The source "integrations": named groups of requirements, as zenml has them, and others beside.

Who may say what an integration requires, the strongest first: the project's configuration; the zenml installed in the
project's environment, where its version is another than that of the built-in catalogue; entry points of the group
`zlock.integrations` in zlock's environment; the built-in catalogue, `catalogue.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from msgspec import Struct
from msgspec.structs import replace

from zlock import checks
from zlock.errors import Collector, CommandFailed, InvalidConfiguration, InvalidRequirements, every
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, Gathered, parsed
from zlock.redact import redact
from zlock.wording import did_you_mean, fold, listed

if TYPE_CHECKING:  # importing it takes longer than all else here
    from importlib.metadata import EntryPoint

    from zlock.sources.installed import CatalogueData

ENTRY_POINTS = "zlock.integrations"
_RULES = {"requirements": checks.list_of(checks.text, "list of requirements"), "apt-packages": checks.debian_packages}
_CATALOGUE = Path(__file__).with_name("catalogue.json")


class Integration(Struct, frozen=True, kw_only=True):
    """A named group of requirements.

    Attributes:
        name: Its name, as its provider spells it.
        requirements: As its provider states them (PEP 508, not yet parsed).
        apt_packages: Debian packages that they need.
        flavors: Component type and name of the flavors it brings to a stack.
        provider: Who said all this.
        recorded: It can't be had again without running something.
        error: Why its provider can't say what it requires; empty where it says so.
    """

    name: str
    requirements: tuple[str, ...] = ()
    apt_packages: tuple[str, ...] = ()
    flavors: tuple[tuple[str, str], ...] = ()
    provider: str
    recorded: bool = False
    error: str = ""

    @classmethod
    def from_table(cls, name: str, table: object, *, at: str, provider: str, recorded: bool = False) -> Self:
        """Read the table of one integration: `requirements` and `apt-packages`.

        Raises:
            InvalidConfiguration: For each mistake in it, all at once.
        """
        found: dict[str, tuple[str, ...]] = {}
        problems = Collector()
        for key, value in checks.table(table, at).items():
            with problems:
                if key not in _RULES:
                    raise checks.unknown_key(f"{at}.{key}", key, _RULES)
                found[key] = _RULES[key](value, f"{at}.{key}")
        problems.raise_if_any()
        requirements, apt_packages = (found.get(key, ()) for key in _RULES)
        return cls(
            name=name, requirements=requirements, apt_packages=apt_packages, provider=provider, recorded=recorded
        )


class Flavor(Struct, frozen=True, kw_only=True):
    """A flavor of a stack component, and the integration that brings it; None for those of zenml itself."""

    component: str
    name: str
    integration: Integration | None


class ZenmlCatalogue(Struct, frozen=True, kw_only=True):
    """What one version of zenml says.

    Attributes:
        version: The version.
        integrations: By folded name.
        flavors: By folded component type and flavor: the folded name of the integration, None for none.
    """

    version: str
    integrations: Mapping[str, Integration]
    flavors: Mapping[tuple[str, str], str | None]

    @classmethod
    def from_data(cls, data: CatalogueData, *, provider: str, recorded: bool) -> Self:
        """Read the shape of `catalogue.json`."""
        integrations = {
            fold(name): Integration(
                name=name,
                requirements=tuple(entry["requirements"]),
                apt_packages=tuple(entry["apt-packages"]),
                flavors=tuple((component, flavor) for component, flavor in entry["flavors"]),
                provider=f"{provider} {data['zenml']}",
                recorded=recorded,
                error=entry.get("error", ""),
            )
            for name, entry in data["integrations"].items()
        }
        flavors: dict[tuple[str, str], str | None] = {
            (fold(component), fold(flavor)): None for component, flavor in data["builtin-flavors"]
        }
        for name, integration in integrations.items():
            flavors.update({(fold(component), fold(flavor)): name for component, flavor in integration.flavors})
        return cls(version=str(data["zenml"]), integrations=integrations, flavors=flavors)


class Catalogue:
    """All integrations that can be named, and who provides each; asks nothing before a name is wanted.

    What was asked once is kept, so one value serves all the steps of a run.
    """

    def __init__(self, *, own: Mapping[str, Integration], interpreter: str | None) -> None:
        self._own = own
        self._interpreter = interpreter

    def find(self, name: str) -> Integration | None:
        """Find an integration by its name, as the strongest provider states it; None if there is none.

        Raises:
            CommandFailed: The installed zenml, or an entry point of this name, can't be asked.
            InvalidRequirements: The entry point of this name holds something else.
        """
        wanted = fold(name)
        if wanted in self._own:
            return self._own[wanted]
        if self.installed and wanted in self.installed.integrations:
            return self.installed.integrations[wanted]
        return self._plugin(wanted) or builtin_catalogue().integrations.get(wanted)

    def find_flavor(self, component: str, name: str) -> Flavor | None:
        """Find the flavor of a component type; None if there is none.

        An integration that zenml does not know brings the flavor that is named like it, to any component type.
        """
        key = fold(component), fold(name)
        for said in self._said_by_zenml:
            if key in said.flavors:
                brings = said.flavors[key]
                integration = None if brings is None else self.find(brings)
                return Flavor(component=key[0], name=name, integration=integration)
        if key[1] in self._own or key[1] in self._plugins:
            return Flavor(component=key[0], name=name, integration=self.find(name))
        return None

    @property
    def component_types(self) -> frozenset[str]:
        """The types of stack components that zenml knows."""
        return frozenset(component for said in self._said_by_zenml for component, _ in said.flavors)

    def flavors(self, component: str) -> frozenset[str]:
        """Name the flavors of a component type."""
        wanted = fold(component)
        return frozenset(name for said in self._said_by_zenml for each, name in said.flavors if each == wanted)

    @property
    def names(self) -> frozenset[str]:
        """All names that `find` finds."""
        said = (name for each in self._said_by_zenml for name in each.integrations)
        return frozenset((*self._own, *self._plugins, *said))

    def note(self, integration: Integration) -> str:
        """Write what a person should know about where an integration comes from; empty for nothing."""
        if fold(integration.name) in self._own or self.installed is None:
            return ""
        builtin = builtin_catalogue()
        name, there = (
            f"integration `{integration.name}`",
            f"zenml {self.installed.version} in the project's environment",
        )
        if integration in self.installed.integrations.values():
            return f"{name}: as {there} states it, not the catalogue of zenml {builtin.version}"
        if integration in builtin.integrations.values():
            return f"{name}: unknown to {there}, taken from the catalogue of zenml {builtin.version}"
        return ""

    def ask(self, names: Iterable[str]) -> None:
        """Ask the installed zenml now if one of the names needs it, so that its failure is one error, not one each."""
        if any(fold(name) not in self._own for name in names):
            _ = self.installed

    @property
    def installed(self) -> ZenmlCatalogue | None:
        """What the project's zenml says; None without one, and where it is of the built-in catalogue's version."""
        if isinstance(self._answer, CommandFailed):
            raise self._answer
        return self._answer

    @cached_property
    def _answer(self) -> ZenmlCatalogue | CommandFailed | None:
        """What asking the project's interpreter led to; a failure is kept too, for it may have taken minutes."""
        from zlock.sources.installed import read_registry, read_version, same_version

        if self._interpreter is None:
            return None
        try:
            version = read_version(self._interpreter)
            if version is None or same_version(version, builtin_catalogue().version):
                return None
            data = read_registry(self._interpreter)
        except CommandFailed as error:
            return error
        return ZenmlCatalogue.from_data(data, provider="installed zenml", recorded=True)

    @property
    def _said_by_zenml(self) -> tuple[ZenmlCatalogue, ...]:
        builtin = builtin_catalogue()
        return (self.installed, builtin) if self.installed else (builtin,)

    @cached_property
    def _plugins(self) -> Mapping[str, tuple[EntryPoint, ...]]:
        """The entry points by folded name, unloaded; one that is found twice on the path counts once."""
        from importlib.metadata import entry_points

        found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
        for point in entry_points(group=ENTRY_POINTS):
            found.setdefault(fold(point.name), {}).setdefault((_package(point), point.value), point)
        return {name: tuple(points.values()) for name, points in found.items()}

    def _plugin(self, wanted: str) -> Integration | None:
        points = self._plugins.get(wanted, ())
        if len(points) > 1:
            packages = listed(sorted(_package(point) for point in points))
            raise InvalidConfiguration(
                f"integration `{wanted}` is provided more than once, by the packages {packages}",
                hint=f"uninstall all but one, or state it under `integrations.{wanted}` in the configuration",
            )
        return _load(points[0]) if points else None


@cache
def builtin_catalogue() -> ZenmlCatalogue:
    """Read the catalogue that comes with zlock; made by `scripts/integration_catalogue.py`."""
    data = json.loads(_CATALOGUE.read_bytes())
    return ZenmlCatalogue.from_data(data, provider="catalogue of zenml", recorded=False)


def load_catalogue(own: Mapping[str, Integration], *, interpreter: str | None) -> Catalogue:
    """Join all providers into one catalogue; lazily, so this alone reads and runs nothing.

    Args:
        own: The integrations of the configuration, by name.
        interpreter: The project's interpreter, whose zenml is asked; None to ask none.

    Raises:
        InvalidConfiguration: Two names in `own` are the same but for case, `-` and `_`.
    """
    problems = Collector()
    folded: dict[str, Integration] = {}
    for name, integration in own.items():
        if fold(name) in folded:
            problems.add(
                InvalidConfiguration(
                    f"integrations `{folded[fold(name)].name}` and `{name}` have the same name",
                    hint="case, `-` and `_` make no difference: rename one of them",
                )
            )
        folded[fold(name)] = integration
    problems.raise_if_any()
    return Catalogue(own=folded, interpreter=interpreter)


def gather_integrations(names: Sequence[str], *, catalogue: Catalogue, origin: Origin, root: Path) -> Gathered:
    """Gather the requirements of the named integrations, in the order of the names.

    Args:
        names: The names; one that is named twice counts once.
        catalogue: Who says what they require.
        origin: Where they are named: its file and line are those of each requirement.
        root: The project's folder, which local paths count from.

    Raises:
        InvalidConfiguration: A name is unknown; with the close names.
        InvalidRequirements: An integration states something that is not a requirement.
        CommandFailed: A provider can't be asked.
    """
    catalogue.ask(names)
    problems = Collector()
    found: dict[str, Integration] = {}
    requirements: list[DirectRequirement] = []
    for name in names:
        if fold(name) in found:
            continue
        with problems:
            integration = require_integration(name, catalogue=catalogue, origin=origin)
            found[fold(name)] = integration
            where = Origin(
                source=Source.INTEGRATIONS,
                detail=f"integration `{integration.name}`",
                file=origin.file,
                line=origin.line,
            )
            requirements += parse_requirements(
                integration.requirements, (where,), root=root, provider=integration.provider
            )
    problems.raise_if_any()
    return Gathered(
        source=Source.INTEGRATIONS,
        described=", ".join(integration.name for integration in found.values()),
        requirements=tuple(requirements),
        apt_packages=unique(package for each in found.values() for package in each.apt_packages),
        notes=tuple(filter(None, map(catalogue.note, found.values()))),
        recorded=any(integration.recorded for integration in found.values()),
    )


def require_integration(name: str, *, catalogue: Catalogue, origin: Origin) -> Integration:
    """Find an integration.

    Raises:
        InvalidConfiguration: There is none of that name; with the close names.
        CommandFailed: Its provider can't say what it requires.
    """
    integration = catalogue.find(name)
    own = f"state your own under `integrations.{name}` in the configuration"
    if integration is None:
        raise InvalidConfiguration(
            f"unknown integration `{name}`",
            context=(origin.located,),
            hint=f"{did_you_mean(name, catalogue.names)} Or {own}".removeprefix(" Or "),
        )
    if integration.error:
        raise CommandFailed(
            f"{integration.provider} can't say what its integration `{integration.name}` requires",
            context=(origin.located, redact(integration.error.partition("\n")[0])),
            hint=f"update zenml in the project's environment, or {own}",
        )
    return integration


def parse_requirements(
    texts: Iterable[str], origins: tuple[Origin, ...], *, root: Path, provider: str = ""
) -> list[DirectRequirement]:
    """Parse requirements (PEP 508) that share their origins; a repeated one counts once, paths count from `root`.

    Raises:
        InvalidRequirements: For each that is none, all at once.
    """
    return every(lambda text: _parsed(text, origins, root, provider), unique(texts))


def _parsed(text: str, origins: tuple[Origin, ...], root: Path, provider: str) -> DirectRequirement:
    with suppress(ValueError):
        requirement = parsed(text)
        if requirement.url is None:
            return DirectRequirement(requirement=requirement, origins=origins)
    from zlock.sources.links import Base  # few state a URL, or are none
    from zlock.sources.statement import Place, read_named

    try:
        stated = read_named(text, place=Place(origin=origins[0], written=text), base=Base(folder=root, project=root))
    except InvalidRequirements as error:
        by = [f"stated by: {provider}"] if provider else []
        error.context = (*error.context, *map(str, origins[1:]), *by)
        raise
    return replace(stated, origins=origins)


def unique(texts: Iterable[str]) -> tuple[str, ...]:
    """Keep the first of equal texts, in their order."""
    return tuple(dict.fromkeys(texts))


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _load(point: EntryPoint) -> Integration:
    """Load one entry point; what it holds is read as the table of the configuration is."""
    provider = f"entry point of package {_package(point)}"
    try:
        table = point.load()
    except Exception as error:
        raise CommandFailed(
            f"integration `{point.name}` can't be loaded from the {provider}",
            context=(redact(f"{type(error).__name__}: {error}".partition("\n")[0]),),
            hint="update or uninstall the package",
        ) from error
    return Integration.from_table(point.name, table, at=f"{point.name} ({provider})", provider=provider, recorded=True)
