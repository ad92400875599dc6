"""From locked steps to plans of images: one for each distinct build, with the steps that run in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from zlock.errors import NoAnswer, every
from zlock.image.context.contents import plan_image
from zlock.image.context.installation import HOUSE
from zlock.image.context.project import check_publishable, likely_secrets, project_files
from zlock.image.parent import custom_parent, named_parent
from zlock.image.plan import ImagePlan, Parent
from zlock.image.registry.manifest import FoundImage
from zlock.image.stages import NamedImage
from zlock.image.wanted import BuiltFolder, ImageWanted
from zlock.lock.lock import Lock
from zlock.lock.package import Package
from zlock.lock.selection import indexes_of, packages_on
from zlock.lock.wheelhouse import LockedFile, with_sdists, with_wheels
from zlock.model.image import is_layout
from zlock.model.indexes import Index
from zlock.model.reference import join_repository
from zlock.model.target import Target
from zlock.regular import read_regular
from zlock.settings.declared import SCRIPT
from zlock.settings.docker import EffectiveSettings
from zlock.settings.location import spelled
from zlock.wording import listed
from zlock.workflow.fetching.folders import Folders
from zlock.workflow.images.layering import Layering
from zlock.workflow.images.registries import Registries
from zlock.workflow.locks.current import LockedStep
from zlock.workflow.project.image_settings import mistakes, note_setting
from zlock.workflow.project.registry_errors import NamedParents
from zlock.workflow.project.workspace import OUTPUT, Step, Workspace

_SHOWN = 5


def plan_images(
    workspace: Workspace,
    locked: Sequence[LockedStep],
    registries: Registries | None = None,
    wheelhouse: Path | None = None,
    layering: Layering | None = None,
) -> list[ImagePlan]:
    """Return the distinct images of steps, one for each key and platform, in the order of the steps.

    A step that can't be an image on one of its platforms has none; what is wrong with it is reported.

    Args:
        workspace: The project.
        locked: The steps with their locks.
        registries: Tell the digest of a parent that floats, and who it runs as; without, it goes on floating, and
            only the settings say that.
        wheelhouse: The folder that all packages come from; without, indexes serve them.
        layering: Plans what can be put together; without, engines build all.
    """
    planner = _Planner(workspace, registries, wheelhouse)
    plan = layering.plan if layering else plan_image
    plans: list[ImagePlan] = []
    failures = workspace.report.failures
    for error, steps in mistakes(workspace, [one.step for one in locked]):
        with failures.of(*steps):
            raise error
    for one in locked:
        if one.step.name not in failures.of_steps:
            with failures.of(one.step.name):
                plans += planner.plan(one, plan)
    if layering:
        layering.note_engine()
    return _merged(plans)


def repository_of(workspace: Workspace, step: Step) -> str:
    """Return where a step's image goes, `host/repository`; empty where nothing says that."""
    return join_repository(workspace.project.registry, step.effective.target_repository)


class _Planner:
    """What the plans of one run share."""

    def __init__(self, workspace: Workspace, registries: Registries | None, wheelhouse: Path | None) -> None:
        self._workspace = workspace
        self._registries = registries
        self._wheelhouse = wheelhouse
        self._folders = Folders(workspace, self._supply, [wheelhouse] if wheelhouse else [])
        self._custom = cache(self._custom_parent)  # several steps may share one, and its folder may be large
        self._parents = NamedParents()

    def plan(self, one: LockedStep, plan: Callable[[ImageWanted], ImagePlan]) -> list[ImagePlan]:
        """Return a step's plans, one for each Linux platform of its lock."""
        self._note_unused(one)
        targets = one.question.linux
        if not targets:
            self._workspace.note(f"step `{one.step.name}` has no Linux platform, so there is no image for it")
        elif self._wheelhouse and one.question.apt_packages and one.facts.apt is None:
            self._workspace.note(
                f"step `{one.step.name}`: {listed(one.question.apt_packages)} come from the mirrors of Debian, "
                "as a wheelhouse holds Python packages only"
            )
        return every(lambda target: plan(self._wanted(one, target)), targets)

    def _note_unused(self, one: LockedStep) -> None:
        """Say what a step sets in vain."""
        settings = one.step.settings
        if settings.build_context_root and not settings.dockerfile:
            name = spelled("build_context_root", settings.where("build_context_root"))
            why = f"a `{name}`, which is what a `dockerfile` sees, and no `dockerfile`, so it is not used"
            note_setting(self._workspace, one.step, "build_context_root", why)
        if settings.venv and settings.system:
            why = "a `venv`, which is where the environment goes, and `system`, with which there is none"
            note_setting(self._workspace, one.step, "venv", f"{why}, so it is not used")

    def _wanted(self, one: LockedStep, target: Target) -> ImageWanted:
        settings = one.step.effective
        folders = self._folders.built_on(one, target)
        for folder in folders.values():
            check_publishable(folder.filename, folder.data, self._logins)
        serving = self._serving(one, target, folders)
        needs_secret = not all(index.in_context for index in serving)
        return ImageWanted(
            step=one.step.name,
            lock=self._lock(one),
            target=target,
            settings=one.step.settings,
            apt_packages=one.question.apt_packages,
            parent=self._parent(one, settings, target),
            project=self._project(one),
            folders=folders,
            portable=self._workspace.project.is_portable,
            needs_secret=needs_secret,
            indexes=() if needs_secret else tuple(serving),
            wheelhouse=self._wheelhouse is not None,
            repository=repository_of(self._workspace, one.step),
        )

    def _supply(self, one: LockedStep, files: Sequence[LockedFile]) -> Path:
        """Return a folder with what folders of the project are built with."""
        from zlock.workflow.fetching.fetch import supply_of  # most images have no such folder

        return supply_of(self._workspace, self._wheelhouse)(one, files)

    def _lock(self, one: LockedStep) -> Lock:
        """Return a step's lock; what sources state by URL is found in a wheelhouse, a wheel by its name."""
        if self._wheelhouse is None:
            return one.lock

        def is_there(package: Package) -> bool:
            archive = package.archive
            return archive is not None and (bool(archive.url) or self._workspace.is_fetched(one.path, archive.path))

        found = with_wheels(one.lock, lambda package: is_there(package) and not package.is_built)
        return with_sdists(found, HOUSE, is_there)

    def _parent(self, one: LockedStep, settings: EffectiveSettings, target: Target) -> Parent:
        if settings.dockerfile is not None:
            place = (settings.dockerfile, settings.build_context_root, target.platform)
            with self._parents.of(one.step, place):
                return self._custom(*place)
        reference = settings.parent_layout or settings.base_image(target.python)
        with self._parents.of(one.step, (reference, target.platform)):
            return self._named_parent(one, reference, target)

    def _named_parent(self, one: LockedStep, reference: str, target: Target) -> Parent:
        parent = one.facts.parent
        if parent:
            return named_parent(reference, parent.digest, parent.user)
        if "@" in reference or is_layout(reference):
            return named_parent(reference, "", None)
        found = self._found(reference, target.platform)
        return named_parent(reference, found.tagged, found.config.user) if found else named_parent(reference, "", None)

    def _found(self, reference: str, platform: str) -> FoundImage | None:
        return self._registries.parent_of(reference, platform) if self._registries else None

    def _custom_parent(self, dockerfile: Path, context: Path | None, platform: str) -> Parent:
        """Return what a Dockerfile makes."""
        return custom_parent(dockerfile, context, lambda one: self._named(one, dockerfile, platform))

    def _named(self, image: NamedImage, dockerfile: Path, platform: str) -> str:
        """Return the digest of an image that a Dockerfile names; one that may not be needed need not be there."""
        try:
            found = self._found(image.reference, image.platform or platform)
        except NoAnswer as error:
            if image.is_needed:
                error.context = (*error.context, f"named in `{dockerfile}`")
                raise
            self._workspace.note(f"{error.message}; whether it is needed, the build of `{dockerfile.name}` will tell")
            return ""
        return found.tagged if found else ""

    def _project(self, one: LockedStep) -> dict[str, bytes]:
        """Return the files that a step's image gets: a script itself, unless it is to have none or all."""
        settings, pipeline = one.step.effective, self._workspace.pipeline
        if settings.local_project_install_command or settings.include_project:
            return self._project_files
        if pipeline is None or pipeline.maker != SCRIPT or one.step.settings.include_project is False:
            return {}
        file, folder = Path(pipeline.place.file), self._workspace.project.folder
        path = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
        data = read_regular(file)
        check_publishable(path, data, self._logins)
        return {path: data}

    @cached_property
    def _project_files(self) -> dict[str, bytes]:
        folder = self._workspace.project.folder
        others = {self._workspace.lock_folder, self._workspace.wheelhouse, folder / OUTPUT}
        others |= {self._wheelhouse} if self._wheelhouse else set()
        files = project_files(folder, others, self._logins)
        if secrets := likely_secrets(folder, files):
            more = f" and {len(secrets) - _SHOWN} more" if len(secrets) > _SHOWN else ""
            self._workspace.note(
                f"{listed(secrets[:_SHOWN])}{more} will be in images, as files of the project, and by their names "
                "hold secrets: leave them out in a `.dockerignore`"
            )
        return files

    @cached_property
    def _logins(self) -> set[str]:
        """The credentials that indexes of the configuration have in their URLs."""
        indexes = [index for step in self._workspace.steps for index in step.routing.indexes]
        return {urlsplit(index.url).netloc.rpartition("@")[0] for index in indexes} - {""}

    def _serving(self, one: LockedStep, target: Target, folders: Mapping[str, BuiltFolder]) -> Sequence[Index]:
        """Return the indexes of the configuration that a build of a step has to ask.

        Only of packages is it known which one that is; whatever else a build fetches, the default one may serve, so
        one that anybody may ask is always among them. An index of the machine's is none of them: what a build is made
        of must not depend on who plans it.
        """
        indexes = one.step.routing.indexes
        if self._wheelhouse is not None:
            return ()
        if self._workspace.project.is_portable:  # the lock does not say which
            return indexes
        ready = {name for name, folder in folders.items() if folder.is_wheel}
        builds = {build.package for build in one.facts.builds} - ready
        fetches_more = one.step.fetching([target]) or builds
        serving = indexes_of(packages_on(one.lock, target), indexes)
        return [
            index for index in indexes if index in serving or (index.default and (fetches_more or index.in_context))
        ]


def _merged(plans: Iterable[ImagePlan]) -> list[ImagePlan]:
    """Return each image once, with all its steps; one that goes to two repositories is there twice."""
    found: dict[tuple[str, str, str], ImagePlan] = {}
    for plan in plans:
        place = (plan.key, plan.platform, plan.repository)
        before = found.get(place)
        if before is not None:
            steps = tuple(dict.fromkeys((*before.steps, *plan.steps)))
            found[place] = replace(before, steps=steps, rebuild=before.rebuild or plan.rebuild)
        else:
            found[place] = plan
    return list(found.values())
