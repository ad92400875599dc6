"""The build context of one image: what is locked and set for a step, as files."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from zlock.errors import Collector, NoAnswer
from zlock.image.components import components_of
from zlock.image.context.debs import SUMS, sums_of
from zlock.image.context.dockerfile import render
from zlock.image.context.installation import DIRECT, INDEXES, OWN, REQUIREMENTS, SDISTS, Built, pin_of
from zlock.image.context.installers import index_variables
from zlock.image.context.parts import PROJECT, Parts
from zlock.image.context.refusals import check_wanted
from zlock.image.plan import DOCKERFILE, ImagePlan
from zlock.image.wanted import FOLDERS, BuiltFolder, ImageWanted
from zlock.lock.facts import LockedInstaller
from zlock.lock.files import PackageArchive
from zlock.lock.package import Package
from zlock.lock.requirements import direct_requirements, hashed_line, hashed_requirements
from zlock.lock.selection import narrowed
from zlock.lock.wheelhouse import locked_files
from zlock.model.image import is_layout
from zlock.model.indexes import urls_of


def plan_image(wanted: ImageWanted) -> ImagePlan:
    """Return the plan of a step's image on one target.

    Raises:
        InvalidConfiguration: A setting can't be carried into an image; several mistakes come as `Problems`.
        NoAnswer: The lock holds something that an image can't install.
    """
    return _Planner(wanted).plan()


class _Planner:
    def __init__(self, wanted: ImageWanted) -> None:
        self._wanted = wanted
        self._lock = narrowed(wanted.lock, wanted.target)
        self._builds = {build.package: build for build in self._lock.facts.builds}
        self._identity = self._lock.identity
        for name, folder in wanted.folders.items():
            build = self._builds.pop(name, None)
            if build and not folder.is_wheel:
                self._builds[name] = replace(build, version=folder.version)
        self._packages = [_carried(one, wanted.folders.get(one.name)) for one in self._lock.packages]
        self._problems = Collector()

    def plan(self) -> ImagePlan:
        check_wanted(self._wanted, self._packages, self._builds, self._problems)
        if is_layout(self._wanted.parent.reference):
            self._problems.add(
                NoAnswer(
                    "its base image is in a folder, on which no engine builds",
                    hint="name an image of a registry (`parent-image`), or leave out what has to be run",
                ).of(step=self._wanted.step)
            )
        self._problems.raise_if_any()
        wanted, settings = self._wanted, self._wanted.settings.effective()
        installer = self._lock.facts.fetched(settings.installer)
        files = self._files(installer)
        debs, wheels = wanted.debs, locked_files(self._lock.packages, installer, self._builds.values())
        parts = Parts(wanted, list(files), self._built(), self._problems).all(self._identity)
        self._problems.raise_if_any()
        project = {f"{PROJECT}/{path}": data for path, data in wanted.project.items()}
        context = {DOCKERFILE: render(parts), **files, **({SUMS: sums_of(debs)} if debs else {}), **project}
        return replace(
            wanted.plan(context, self._identity),
            needs_secret=wanted.needs_secret,
            wheels=tuple(wheels) if wanted.wheelhouse else (),
            debs=debs,
            download=sum(self._best_sizes(installer)),
            components=components_of(wanted, self._lock, context),
        )

    def _built(self) -> list[Built]:
        repositories = {one.name for one in self._lock.packages if one.vcs}
        return [
            Built(
                name=name,
                version=build.version,
                is_repository=name in repositories,
                is_bare=not build.requirements,
            )
            for name, build in sorted(self._builds.items())
        ]

    def _files(self, installer: LockedInstaller | None) -> dict[str, bytes]:
        packages, folders = self._packages, self._wanted.folders
        ready = [one for one in packages if one.name not in self._builds]
        wheels = [one for one in ready if one.name not in folders]
        own = [one for one in ready if one.name in folders]
        texts = {REQUIREMENTS: hashed_requirements(wheels), DIRECT: direct_requirements(wheels)}
        texts[OWN] = direct_requirements(own)
        if installer:
            hashes = [wheel.sha256 for wheel in installer.wheels]
            texts[pin_of(installer.name)] = hashed_line(f"{installer.name}=={installer.version}", hashes) + "\n"
        for one in packages:
            if build := self._builds.get(one.name):
                texts[f"{SDISTS}/{one.name}.txt"] = hashed_requirements([one]) or direct_requirements([one])
                texts[f"{SDISTS}/{one.name}.build.txt"] = build.text
        files = {name: text.encode() for name, text in texts.items() if text}
        return files | {f"{FOLDERS}/{one.filename}": one.data for one in folders.values()} | self._indexes()

    def _indexes(self) -> dict[str, bytes]:
        """Return the file with the indexes whose URLs anybody may know."""
        return {INDEXES: index_variables(*urls_of(self._wanted.indexes))} if self._wanted.indexes else {}

    def _best_sizes(self, installer: LockedInstaller | None) -> Iterator[int]:
        """Return the size of each file that will be downloaded, as far as the lock says it."""
        fetched = installer.wheels if installer else ()
        for wheels, others in [*((one.wheels, one.hashed) for one in self._packages), (fetched, ())]:
            best = sorted(wheels, key=lambda wheel: self._wanted.target.rank(wheel.filename) or 0)
            yield from (file.size or 0 for file in (*best, *others)[:1])


def _carried(package: Package, folder: BuiltFolder | None) -> Package:
    """Return a folder of the project as the archive that the context has of it."""
    if folder is None:
        return package
    archive = PackageArchive(url=folder.url, hashes={"sha256": folder.sha256})
    return replace(package, directory=None, version=folder.version, archive=archive)
