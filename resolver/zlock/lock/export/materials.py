"""What both formats of bills of materials need to know of a lock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from zlock.errors import InvalidInput, OutsideFailed
from zlock.index.machine import public_index
from zlock.lock.export import Exported
from zlock.lock.package import Package
from zlock.model.debian import DebianPackage
from zlock.model.requirement import recorded_requirement

if TYPE_CHECKING:
    from packageurl import PackageURL


def not_installed(package: str) -> OutsideFailed:
    """Return the error for a library that only bills of materials need."""
    return OutsideFailed(
        f"`{package}` is not installed, which writes this format",
        hint="install zlock with its extra `sbom`, from where you have it: in a checkout `pip install .[sbom]`; "
        "for a build, add that extra in its `requires`",
    )


def moment(source: Exported) -> datetime:
    """Return the time of a document: `SOURCE_DATE_EPOCH`, else the newest upload in the lock.

    So the same lock gives the same document; the clock would not.

    Raises:
        InvalidInput: The variable is not a number of seconds since 1970, or one of no year that a date can have.
    """
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    if stated:
        try:
            return datetime.fromtimestamp(int(stated if stated.isdecimal() else ""), UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise InvalidInput(
                f"`SOURCE_DATE_EPOCH` is not a time: `{stated}`",
                hint="set it to seconds since 1970, as `date +%s` prints them, or unset it",
            ) from error
    times = [file.upload_time for package in source.lock.packages for file in package.files if file.upload_time]
    newest = max(times, default=datetime.fromtimestamp(0, UTC))
    return newest.astimezone(UTC).replace(microsecond=0)


def key_of(package: Package) -> str:
    """Return what tells an entry of a lock from the others: several may have one name."""
    return f"{package.name}-{package.version or 'unversioned'}"


def keys_by_name(source: Exported) -> dict[str, list[str]]:
    """Return the keys of a lock's entries by name."""
    found: dict[str, list[str]] = {}
    for package in source.lock.packages:
        found.setdefault(package.name, []).append(key_of(package))
    return found


def required_by_step(source: Exported) -> list[str]:
    """Return the keys of what the step's sources ask for themselves, sorted."""
    keys = keys_by_name(source)
    asked = {
        canonicalize_name(recorded_requirement(text)[0].name)
        for asked in source.lock.facts.sources
        for text in asked.requirements
    }
    return sorted(key for name in asked for key in keys.get(name, ()))


def required_by(package: Package, keys: Mapping[str, list[str]]) -> list[str]:
    """Return the keys of what a package needs, sorted."""
    return sorted(key for one in package.dependencies for key in keys.get(one.name, ()))


def purl_of(package: Package, source: Exported) -> PackageURL | None:
    """Return a package's identifier (purl); None for what is known to this project alone, a folder or a local file.

    Without a qualifier an identifier means what the public index has under that name, so what comes from elsewhere
    says from where. Portable locks name no index.
    """
    from packageurl import PackageURL

    qualifiers = {}
    if direct := package.vcs or package.archive:
        if not direct.url:
            return None
        ((place, _),) = places_of(package)
        qualifiers["vcs_url" if package.vcs else "download_url"] = place
    elif package.directory:
        return None
    elif package.index:
        if package.index.rstrip("/") != public_index().rstrip("/"):
            qualifiers["repository_url"] = package.index
    elif not source.lock.facts.is_portable:
        return None  # the index is a folder
    return PackageURL("pypi", name=package.name, version=package.version or None, qualifiers=qualifiers)


def debian_packages(source: Exported) -> dict[str, DebianPackage]:
    """Return the Debian packages of the targets, each under what tells it from all other entries."""
    apt = source.lock.facts.apt
    platforms = [target.platform for target in source.targets if target.system == "linux"]
    found = [one for platform in platforms for one in (apt.on(platform) if apt else ())]
    return {f"deb-{one.name}-{one.architecture}-{one.version}": one for one in found}


def required_debian(one: DebianPackage, packages: Mapping[str, DebianPackage]) -> list[str]:
    """Return the keys of what a Debian package needs, sorted: those of its own architecture, unless it names one."""
    return sorted(
        key
        for key, other in packages.items()
        if f"{other.name}:{other.architecture}" in one.needs
        or (other.name in one.needs and (other.architecture in (one.architecture, "all") or one.architecture == "all"))
    )


def content_of(source: Exported) -> str:
    """Return 64 hex digits that tell what is in a bill from what is in another one."""
    identity = source.lock.facts.identity.partition(":")[2]
    debian = [one.sha256 for one in debian_packages(source).values()]
    return hashlib.sha256("\n".join([identity, *debian]).encode()).hexdigest() if debian else identity


def debian_purl(one: DebianPackage, source: Exported) -> PackageURL:
    """Return the identifier of a Debian package (purl, type `deb`)."""
    from packageurl import PackageURL

    apt = source.lock.facts.apt
    qualifiers = {"arch": one.architecture, "distro": one.suite}
    return PackageURL("deb", apt.distribution if apt else "", one.name, one.version, qualifiers)


def places_of(package: Package) -> Iterator[tuple[str, str]]:
    """Yield where a package's files are, each with its sha256; empty for what has none."""
    for file in package.hashed:
        yield file.url or file.path, file.sha256
    if vcs := package.vcs:
        yield f"{vcs.type}+{vcs.url or vcs.path}@{vcs.commit_id}", ""
    if package.directory:
        yield package.directory.path, ""
