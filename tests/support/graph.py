"""Packages as plain data: what an index would say, without an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import Any, TypedDict, TypeVar

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from zlock.model.distribution import Dependency, File, Metadata
from zlock.model.origin import Origin, Source
from zlock.model.page import Page
from zlock.model.ports import InvalidMetadata
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.resolution.problem import Policy, Problem
from zlock.resolution.rules import Rules
from zlock.resolution.universe import Universe

Release = TypedDict(
    "Release",
    {
        "requires": list[str],  # PEP 508
        "extras": dict[str, list[str]],  # what each extra adds
        "requires-python": str,
        "yanked": str,  # the reason, may be empty
        "uploaded": str,  # RFC 3339
        "wheels": list[str],  # tags; one wheel for everything where it is not given
        "sdist": bool,
        "others": list[str],  # names of files that are neither
        "broken": str,  # what is wrong with its metadata
    },
    total=False,
)
Packages = Mapping[str, Mapping[str, Release]]
T = TypeVar("T")
LINUX = Target.parse("3.12")


class Graph:
    """A `PackageSource` over plain data; a name that the data does not hold is unknown to every index."""

    def __init__(self, packages: Packages) -> None:
        self._packages = {canonicalize_name(name): releases for name, releases in packages.items()}
        self._pages: dict[NormalizedName, Future[Page | None]] = {}
        self.read: list[str] = []

    def page(self, name: NormalizedName) -> Future[Page | None]:
        """Return what the index lists under a name."""
        if name not in self._pages:
            self._pages[name] = _done(self._page(name) if name in self._packages else None)
        return self._pages[name]

    def _page(self, name: NormalizedName) -> Page:
        releases = self._packages[name]
        files = tuple(file for version, release in releases.items() for file in _files(name, version, release))
        return Page.of(name, "https://index.example/simple/", files)

    def elsewhere(self, _: NormalizedName) -> Sequence[tuple[str, Page]]:
        """Return nothing: there is one index."""
        return ()

    def metadata(self, page: Page, file: File) -> Future[Metadata]:
        """Return what a file says of itself."""
        self.read.append(file.filename)
        version = _version_of(file.filename)
        release = self._packages[page.name][version]
        if "broken" in release:
            future: Future[Metadata] = Future()
            future.set_exception(InvalidMetadata(release["broken"]))
            return future
        extras = release.get("extras", {})
        dependencies = [dependency(text) for text in release.get("requires", ())]
        dependencies += [dependency(_under(text, extra)) for extra, texts in extras.items() for text in texts]
        return _done(
            Metadata(page.name, version, release.get("requires-python", ""), tuple(dependencies), tuple(sorted(extras)))
        )


def problem_of(
    packages: Packages | Graph,
    requirements: Iterable[str | DirectRequirement],
    *,
    constraints: Iterable[str] = (),
    policy: Policy | None = None,
    rules: Rules | None = None,
    target: Target = LINUX,
    preferences: Mapping[str, str] | None = None,
) -> Problem:
    """Return a step's question over plain data."""
    graph = packages if isinstance(packages, Graph) else Graph(packages)
    return Problem(
        universe=Universe(target, graph, rules or Rules()),
        requirements=[one if isinstance(one, DirectRequirement) else direct(one) for one in requirements],
        constraints=[direct(one, Source.CONFIGURATION) for one in constraints],
        policy=policy or Policy(),
        preferences={canonicalize_name(name): version for name, version in (preferences or {}).items()},
    )


def direct(text: str, source: Source = Source.EXPLICIT, *, hashes: Sequence[str] = ()) -> DirectRequirement:
    """Return a requirement as a source states it."""
    return DirectRequirement(requirement=_requirement(text), origins=(Origin(source=source),), hashes=tuple(hashes))


def digest(filename: str) -> str:
    """Return the sha256 that a file of a graph is listed with."""
    return hashlib.sha256(filename.encode()).hexdigest()


@lru_cache(maxsize=65536)
def dependency(text: str) -> Dependency:
    """Return a `Requires-Dist`, taken apart."""
    one = Requirement(text)
    extras = tuple(sorted(canonicalize_name(extra) for extra in one.extras))
    return Dependency(canonicalize_name(one.name), extras, str(one.specifier), str(one.marker or ""), one.url or "")


@lru_cache(maxsize=65536)
def _requirement(text: str) -> Requirement:
    return Requirement(text)


def _under(text: str, extra: str) -> str:
    bare, _, marker = text.partition(";")
    return f"{bare.strip()} ; ({marker.strip()}) and extra == '{extra}'" if marker else f"{bare} ; extra == '{extra}'"


def _files(name: str, version: str, release: Release) -> list[File]:
    project = name.replace("-", "_")
    wheels = release.get("wheels", [] if release.get("sdist") else ["py3-none-any"])
    names = [f"{project}-{version}-{tags}.whl" for tags in wheels]
    if release.get("sdist"):
        names.append(f"{project}-{version}.tar.gz")
    names += release.get("others", [])
    return [
        File(
            filename,
            f"https://index.example/files/{filename}",
            (("sha256", digest(filename)),),
            release.get("requires-python", ""),
            release.get("yanked"),
            release.get("uploaded", ""),
            1000,
            "",
        )
        for filename in names
    ]


def _version_of(filename: str) -> str:
    return filename.removesuffix(".tar.gz").split("-")[1]


def _done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future


def pins_by_name(pins: Mapping[Any, int], problem: Problem) -> dict[str, str]:
    """Return an answer as names and versions, extras by their own."""
    return {str(node): str(problem.universe.package(node.name).versions[position]) for node, position in pins.items()}
