"""A bill of materials in CycloneDX 1.6, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from zlock._version import __version__
from zlock.lock.export import Exported, materials
from zlock.lock.package import Package
from zlock.model.debian import DebianPackage

if TYPE_CHECKING:  # few have it
    from cyclonedx.model.component import Component


def export(source: Exported) -> str:
    """Return the step as an application whose components are the packages.

    Raises:
        OutsideFailed: `cyclonedx-python-lib` is not installed.
    """
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output import make_outputter
        from cyclonedx.schema import OutputFormat, SchemaVersion
    except ImportError as error:
        raise materials.not_installed("cyclonedx-python-lib") from error
    step = Component(type=ComponentType.APPLICATION, name=source.step, bom_ref="step")
    tool = Component(type=ComponentType.APPLICATION, name="zlock", version=__version__, bom_ref="zlock")
    components = {materials.key_of(row): _component(row, source) for row in source.lock.packages}
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, f"zlock:{source.step}:sha256:{materials.content_of(source)}"),
        metadata=BomMetaData(component=step, timestamp=materials.moment(source), tools=[]),
        components=components.values(),
    )
    bom.metadata.tools.components.add(tool)
    bom.register_dependency(step, [components[key] for key in materials.required_by_step(source)])
    keys = materials.keys_by_name(source)
    for row in source.lock.packages:
        bom.register_dependency(
            components[materials.key_of(row)], [components[key] for key in materials.required_by(row, keys)]
        )
    debian = materials.debian_packages(source)
    parts = {key: _debian(key, one, source) for key, one in debian.items()}
    for part in parts.values():
        bom.components.add(part)
    for key, one in debian.items():
        bom.register_dependency(parts[key], [parts[need] for need in materials.required_debian(one, debian)])
    outputter = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6)
    return str(outputter.output_as_string(indent=2)) + "\n"


def _debian(key: str, one: DebianPackage, source: Exported) -> Component:
    """Return a Debian package; where its file is, only the base image knows."""
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        type=ComponentType.LIBRARY,
        name=one.name,
        version=one.version,
        bom_ref=key,
        purl=materials.debian_purl(one, source),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)],
    )


def _component(package: Package, source: Exported) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
    from cyclonedx.model.component import Component, ComponentType

    kind = ExternalReferenceType.VCS if package.vcs else ExternalReferenceType.DISTRIBUTION
    references = [
        ExternalReference(
            type=kind,
            url=XsUri(place),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else (),
        )
        for place, digest in materials.places_of(package)
    ]
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version or None,
        bom_ref=materials.key_of(package),
        purl=materials.purl_of(package, source),
        external_references=references,
    )
