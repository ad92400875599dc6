"""A bill of materials in SPDX 2.3, as JSON."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zlock._version import __version__
from zlock.lock.export import Exported, materials
from zlock.lock.package import Package as Locked

if TYPE_CHECKING:
    from packageurl import PackageURL
    from spdx_tools.spdx.model import Package

_NO_ID = re.compile(r"[^A-Za-z0-9.-]")
_DOCUMENT, _STEP = "SPDXRef-DOCUMENT", "SPDXRef-step"


def export(source: Exported) -> str:
    """Return the step as a package that depends on those of the lock.

    A release with several files has a package of its own for each, a variant of it. Locks say nothing of licences.

    Raises:
        OutsideFailed: `spdx-tools` is not installed.
    """
    try:
        from spdx_tools.spdx.model import Actor, ActorType, CreationInfo, Document, Relationship, RelationshipType
        from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream
    except ImportError as error:
        raise materials.not_installed("spdx-tools") from error
    information = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id=_DOCUMENT,
        name=source.step,
        document_namespace=f"urn:zlock:{source.step}:{materials.content_of(source)}",
        creators=[Actor(ActorType.TOOL, f"zlock-{__version__}")],
        created=materials.moment(source).replace(tzinfo=None),
    )
    document = Document(information)
    document.packages = [_package(_STEP, source.step, None, []), *_packages(source)]
    related = RelationshipType
    rows = [(_DOCUMENT, related.DESCRIBES, _STEP)]
    rows += [(_STEP, related.DEPENDS_ON, _id(key)) for key in materials.required_by_step(source)]
    keys = materials.keys_by_name(source)
    for row in source.lock.packages:
        own = _id(materials.key_of(row))
        rows += [(own, related.DEPENDS_ON, _id(key)) for key in materials.required_by(row, keys)]
        rows += [(variant.spdx_id, related.VARIANT_OF, own) for variant in _variants(row)]
    debian = materials.debian_packages(source)
    for key, one in debian.items():
        document.packages.append(
            _package(_id(key), one.name, one.version, [("", one.sha256)], materials.debian_purl(one, source))
        )
    rows += [
        (_id(key), related.DEPENDS_ON, _id(need))
        for key, one in debian.items()
        for need in materials.required_debian(one, debian)
    ]
    rows += [(_STEP, related.CONTAINS, _id(key)) for key in debian]
    document.relationships = [Relationship(*row) for row in rows]
    stream = io.StringIO()
    write_document_to_stream(document, stream, validate=False)  # the tests validate; a run need not, it is slow
    return stream.getvalue() + "\n"


def _packages(source: Exported) -> Iterator[Package]:
    for row in source.lock.packages:
        places = list(materials.places_of(row))
        own, purl = _id(materials.key_of(row)), materials.purl_of(row, source)
        yield _package(own, row.name, row.version or None, places if len(places) == 1 else [], purl)
        yield from _variants(row, purl)


def _variants(row: Locked, purl: PackageURL | None = None) -> list[Package]:
    places = list(materials.places_of(row))
    own = _id(materials.key_of(row))
    named = enumerate(places, 1) if len(places) > 1 else ()
    return [_package(f"{own}-file-{number}", row.name, row.version or None, [place], purl) for number, place in named]


def _package(
    own: str, name: str, version: str | None, places: list[tuple[str, str]], purl: PackageURL | None = None
) -> Package:
    from spdx_tools.spdx.model import (
        Checksum,
        ChecksumAlgorithm,
        ExternalPackageRef,
        ExternalPackageRefCategory,
        Package,
        SpdxNoAssertion,
    )
    from spdx_tools.spdx.validation.uri_validators import validate_download_location

    ((place, digest),) = places or [("", "")]
    # Readers that validate take no host without a dot, no address in numbers and no path for a location.
    is_location = bool(place) and not validate_download_location(place)
    return Package(
        spdx_id=own,
        name=name,
        version=version,
        download_location=place if is_location else SpdxNoAssertion(),
        source_info=None if is_location or not place else place,
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, digest)] if digest else [],
        external_references=[ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl.to_string())]
        if purl
        else [],
    )


def _id(key: str) -> str:
    return f"SPDXRef-{_NO_ID.sub('-', key)}"
