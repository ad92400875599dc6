"""The lock without what only zlock reads."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from zlock.lock.export import Exported
from zlock.lock.files import PackageArchive, PackageFile
from zlock.lock.package import Package, PackageDirectory, PackageTool, PackageVcs
from zlock.model.paths import portable

P = TypeVar("P", PackageVcs, PackageDirectory, PackageArchive, PackageFile)


def export(source: Exported) -> str:
    """Return a lock of PEP 751 without `[tool]`; its paths count from the folder of the output."""
    packages = tuple(_moved(package, source) for package in source.lock.packages)
    return replace(source.lock, packages=packages).render_bare()


def _moved(package: Package, source: Exported) -> Package:
    """Return a package without what only zlock reads, with the paths that it has from the output."""

    def at(place: P) -> P:
        if not place.path:
            return place
        fixed = Path(place.path).is_absolute()
        return replace(place, path=portable(source.lock_folder / place.path, source.folder, fixed=fixed))

    return replace(
        package,
        tool=PackageTool(),
        vcs=package.vcs and at(package.vcs),
        directory=package.directory and at(package.directory),
        archive=package.archive and at(package.archive),
        wheels=tuple(map(at, package.wheels)),
        sdist=package.sdist and at(package.sdist),
    )
