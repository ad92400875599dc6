"""The source "stack": what the components of the stack require that the pipeline runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from zlock.errors import Collector, InvalidConfiguration
from zlock.model.origin import Origin, Source
from zlock.model.requirement import DirectRequirement, Gathered
from zlock.model.stack import Stack
from zlock.sources.integrations import Catalogue, Flavor, Integration, parse_requirements, unique
from zlock.wording import did_you_mean, fold, listed


def gather_stack(
    stack: Stack,
    *,
    catalogue: Catalogue,
    file: str | None,
    root: Path,
    line_of: Callable[[str], int | None] = lambda _text: None,
) -> Gathered:
    """Gather the requirements of a stack: its components' in their order, then its own.

    An integration that several components need counts once, with all of them as origins. Whether the stack is remote
    makes no difference here.

    Args:
        stack: The stack.
        catalogue: Who says which integration brings a flavor, and what that requires.
        file: The file that states the stack.
        root: The project's folder, which local paths count from.
        line_of: Returns the line of that file which states a requirement, None where that is not certain.

    Raises:
        InvalidConfiguration: A component type or flavor is unknown; with the close names.
        InvalidRequirements: A component or the stack states something that is not a requirement.
        CommandFailed: A provider can't be asked.
    """
    catalogue.ask(name for _, name in _pairs(stack.components))
    problems = Collector()
    needed: dict[str, tuple[Integration, list[Origin]]] = {}
    for component, name in _pairs(stack.components):
        detail = f"component `{name}`" if component is None else f"component `{component}` ({name})"
        origin = Origin(source=Source.STACK, detail=detail, file=file)
        with problems:
            integration = _integration(component, name, catalogue=catalogue, origin=origin)
            if integration is not None:
                needed.setdefault(fold(integration.name), (integration, []))[1].append(origin)
    requirements: list[DirectRequirement] = []
    for integration, origins in needed.values():
        with problems:
            requirements += parse_requirements(
                integration.requirements, tuple(origins), root=root, provider=integration.provider
            )
    for text in unique(stack.requirements):
        with problems:
            own = Origin(source=Source.STACK, detail="requirements", file=file, line=line_of(text))
            requirements += parse_requirements([text], (own,), root=root)
    problems.raise_if_any()
    integrations = [integration for integration, _ in needed.values()]
    packages = [package for integration in integrations for package in integration.apt_packages]
    return Gathered(
        source=Source.STACK,
        described=describe_stack(stack),
        requirements=tuple(requirements),
        apt_packages=unique((*packages, *stack.apt_packages)),
        notes=tuple(filter(None, map(catalogue.note, integrations))),
        recorded=any(integration.recorded for integration in integrations),
    )


def _pairs(components: Mapping[str, str] | tuple[str, ...]) -> Iterator[tuple[str | None, str]]:
    """Give component type and flavor of each component; no type where only names are stated."""
    if isinstance(components, Mapping):
        yield from ((fold(component), name) for component, name in components.items())
    else:
        yield from ((None, name) for name in components)


def describe_stack(stack: Stack) -> str:
    """Return in few words what a stack is made of."""
    pairs = _pairs(stack.components)
    parts = [name if component is None else f"{component} {name}" for component, name in pairs]
    return ", ".join([*parts, *(["requirements"] if stack.requirements else [])])


def _integration(component: str | None, name: str, *, catalogue: Catalogue, origin: Origin) -> Integration | None:
    """Find the integration that a component needs; None if it needs none."""
    if component is None:
        return _named(name, catalogue=catalogue, origin=origin)
    if component not in catalogue.component_types:
        hint = did_you_mean(component, catalogue.component_types)
        raise InvalidConfiguration(
            f"unknown component type `{component}`",
            context=(origin.located,),
            hint=hint or f"known types: {listed(sorted(catalogue.component_types))}",
        )
    flavor = catalogue.find_flavor(component, name)
    if flavor is None:
        known = catalogue.flavors(component)
        raise InvalidConfiguration(
            f"unknown flavor `{name}` of component type `{component}`",
            context=(origin.located,),
            hint=did_you_mean(name, known) or f"known flavors: {listed(sorted(known))}",
        )
    return flavor.integration


def _named(name: str, *, catalogue: Catalogue, origin: Origin) -> Integration | None:
    """Find the integration that a name without a component type means.

    It is an integration, else a flavor of whatever type; one that different integrations bring is an error.
    """
    integration = catalogue.find(name)
    if integration is not None:
        return integration
    types = sorted(catalogue.component_types)
    flavors = [flavor for component in types if (flavor := catalogue.find_flavor(component, name))]
    if not flavors:
        known = catalogue.names.union(*map(catalogue.flavors, types))
        raise InvalidConfiguration(
            f"unknown component `{name}`: neither a flavor nor an integration",
            context=(origin.located,),
            hint=did_you_mean(name, known) or 'state its type: `components = { orchestrator = "kubeflow" }`',
        )
    return _only(flavors, origin=origin)


def _only(flavors: list[Flavor], *, origin: Origin) -> Integration | None:
    brought = {flavor.integration.name if flavor.integration else "" for flavor in flavors}
    if len(brought) > 1:
        meant = " or ".join(f'`{{ {flavor.component} = "{flavor.name}" }}`' for flavor in flavors)
        raise InvalidConfiguration(
            f"component `{flavors[0].name}` may mean different integrations",
            context=(origin.located,),
            hint=f"state its type: {meant}",
        )
    return flavors[0].integration
