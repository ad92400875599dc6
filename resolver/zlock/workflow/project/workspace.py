"""A project as one run sees it: its configuration and its steps."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from zlock.errors import Collector, InvalidConfiguration, InvalidInput, Located, raise_all
from zlock.lock.store import ExistingLock, existing_steps
from zlock.model.indexes import Routing
from zlock.model.installer import Installer
from zlock.model.paths import leads_out, real
from zlock.model.requirement import DirectRequirement
from zlock.model.target import Target
from zlock.regular import read_regular
from zlock.reporting import Activity, Doing, Note, Reporter, unheard
from zlock.settings.config import Project, StepConfiguration, find_project, read_project
from zlock.settings.docker import DockerSettings, EffectiveSettings
from zlock.settings.location import spelled
from zlock.settings.names import wrong_names
from zlock.wording import did_you_mean, listed
from zlock.workflow.project.pipeline_owner import Owned, nothing_named
from zlock.workflow.project.report import Report
from zlock.workflow.project.sources import Gatherer

if TYPE_CHECKING:
    from zlock.image.registry.registry import Registry
    from zlock.index.machine import Machine
    from zlock.settings.declared import DeclaredPipeline
    from zlock.workflow.project.preferred import KeptFile

N = TypeVar("N", bound=str)
T = TypeVar("T")
OUTPUT = Path("build") / "zlock"
"""Where contexts and the record of images are, from the project folder."""


class Options(Struct, frozen=True):
    """What the command line says.

    Attributes:
        project: The project folder, or None for the nearest one.
        pipeline: `file.py` or `file.py:name`, in place of the configured one.
        config: What configures the run, of a framework's pipeline.
        steps: Limit to these.
        offline: Leave the network alone.
        cache_dir: Where the cache is, or None for the platform's custom.
        index_url: The default index, in place of the configured one and of the machine's.
        exclude_newer: A cut-off for this run.
        upgrade: Move every pin.
        upgrade_packages: Packages whose pins move, each within its specifier.
        is_one_of_several: The run goes on to other projects, where packages may be that move and are not in this one.
        pin_images: Record the digests of parent images.
        upgrade_apt: Move every Debian package.
        no_apt: Lock no Debian packages that are not locked yet.
        reporter: Hears what the run says of itself.
    """

    project: Path | None = None
    pipeline: str | None = None
    config: Path | None = None
    steps: tuple[str, ...] = ()
    offline: bool = False
    cache_dir: Path | None = None
    index_url: str | None = None
    exclude_newer: datetime | None = None
    upgrade: bool = False
    upgrade_packages: tuple[DirectRequirement, ...] = ()
    is_one_of_several: bool = False
    pin_images: bool = False
    upgrade_apt: bool = False
    no_apt: bool = False
    reporter: Reporter = unheard

    def kept(self, locked: Mapping[N, T]) -> dict[N, T]:
        """Return what the run does not let go of, of what a lock holds by name."""
        moving: set[str] = {one.name for one in self.upgrade_packages}
        return {} if self.upgrade else {name: one for name, one in locked.items() if name not in moving}

    @property
    def hint(self) -> str:
        """The way out where a lock is missing or outdated."""
        every = "--all" if self.is_one_of_several and not self.pipeline else ""
        config = f"--config {self.config}" if self.config else ""
        return f"run `{' '.join(filter(None, ('zlock resolve', every, config, self.pipeline)))}`"


class Step(Struct, frozen=True):
    """A step with all that is set for it: what to gather, and for which target.

    Attributes:
        name: The name of its lock.
        called: What its pipeline calls it, which is the same but where another pipeline has such a step.
        settings: Its settings.
        routing: Who serves what.
        python: Its Python, where it has one of its own.
        platforms: Likewise its platforms.
        align: Whether it shares versions with other steps.
    """

    name: str
    called: str
    settings: DockerSettings
    routing: Routing
    python: str | None = None
    platforms: tuple[str, ...] = ()
    align: bool | str = True

    @property
    def effective(self) -> EffectiveSettings:
        """Its settings, defaults filled in."""
        return self.settings.effective()

    @property
    def installer(self) -> Installer:
        """What installs its lock."""
        return self.effective.installer

    def fetching(self, targets: Iterable[Target]) -> list[Target]:
        """Return those of its targets whose images fetch their installer, which is locked for them."""
        return [target for target in targets if self.installer.is_fetched and target.system == "linux"]


class Workspace:
    """A project as one run sees it: its configuration and its steps.

    Attributes:
        opened: What is closed, or removed, where a command leaves it: whoever opens something adds that.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.reporter = options.reporter
        self.report = Report()
        self.environ = dict(os.environ)
        self.project = _project(options.project)
        self.lock_folder = self.project.folder / self.project.lock_dir
        self.wheelhouse = self.project.folder / self.project.wheelhouse
        self.pipeline: DeclaredPipeline | None = None
        self.opened = ExitStack()
        self._is_part = False
        self._loaded: DeclaredPipeline | None = None

    @cached_property
    def kept_file(self) -> KeptFile | None:
        """The lock of another tool whose versions are preferred where ours has none yet."""
        if self.project.keep is None:
            return None
        from zlock.workflow.project.preferred import KeptFile

        return KeptFile.of(self.project.keep, self.project)

    def is_fetched(self, lock: Path, path: str) -> bool:
        """Tell whether a path in a lock is that of a file that `zlock fetch` puts into the wheelhouse."""
        from zlock.lock.wheelhouse import leads_into  # few locks have such a path

        return self.project.is_portable and leads_into(self.wheelhouse, lock.parent, path)

    @cached_property
    def registry(self) -> Registry:
        """The registries of images: one set of connections and logins for the run."""
        from zlock.image.registry.registry import Registry  # most runs ask none

        return Registry(self.environ)

    @cached_property
    def machine(self) -> Machine:
        """What this machine's pip and uv are configured for."""
        from zlock.index.machine import Machine  # a check asks no index

        return Machine.read(self.environ, self.project.folder)

    @cached_property
    def cache_folder(self) -> Path:
        """Where a run keeps what it can get again."""
        from zlock.index.cache import default_folder

        # Absolute: programs that are given a place in it run elsewhere.
        return (self.options.cache_dir or default_folder(self.environ)).absolute()

    def for_steps(self, *steps: str, reporter: Reporter) -> Workspace:
        """Return the same project for other steps (none for all), whose pipeline is not read again."""
        other = copy.copy(self)
        other.options = replace(self.options, steps=steps, reporter=reporter)
        other.reporter, other.report = reporter, Report()
        return other

    def anew(self, reporter: Reporter, *, is_run: bool) -> Workspace:
        """Return the project read anew, as files were edited; its pipeline file runs again only if that is said."""
        other = Workspace(replace(self.options, reporter=reporter))
        other._loaded = None if is_run else self._loaded
        return other

    def note(self, *lines: str) -> None:
        """Tell what a person should know."""
        for line in lines:
            self.reporter(Note(line))

    def gatherer(self, *, may_run: bool = True) -> Gatherer:
        """Return what reads the sources of the steps; see `Gatherer`."""
        return Gatherer(
            self.project, self.environ, lambda: self.interpreter, pipeline=lambda: self.pipeline, may_run=may_run
        )

    @cached_property
    def interpreter(self) -> Path:
        """The project's interpreter."""
        from zlock.sources.local import project_interpreter

        return project_interpreter(self.project.folder, self.environ)

    @cached_property
    def steps(self) -> list[Step]:
        """The steps that are locked: all but those that run in an image as it is.

        Raises:
            InvalidPipeline: The pipeline file can't be used.
            InvalidConfiguration: There is nothing to lock, or a step's name can't be a lock's.
        """
        skipped = [step for step in self.every_step if step.effective.skip_build]
        self._check_not_applied(skipped)
        for step in skipped:
            image = step.effective.parent_image
            if image is None:
                place = step.settings.where("skip_build")
                raise InvalidConfiguration(
                    f"`{spelled('skip_build', place)}` is set for step `{step.name}`, and no "
                    f"`{spelled('parent_image', place)}` to run it in",
                    context=[Located(f"stated in {place}", place)] if place else [],
                    hint=f"set `{spelled('parent_image', place)}` too, or leave `{spelled('skip_build', place)}` out",
                )
            self.note(f"step `{step.name}` runs in `{image}` as it is (`skip_build`): it gets no lock and no image")
        return [step for step in self.every_step if step not in skipped]

    def _check_not_applied(self, skipped: Sequence[Step]) -> None:
        """Refuse the configuration of a run in the images of this project: locks would be removed for it."""
        if not skipped:
            return
        from zlock.image.record import read_record  # few pipelines have such steps

        record = read_record(self.record)
        made = {(name, row.reference) for name, row in record.items()}
        built = [one.name for one in skipped if (one.name, one.effective.parent_image) in made]
        if built:
            raise InvalidConfiguration(
                f"what configures this run is of `zlock apply`: {listed(built)} would run in the images of their locks",
                hint="name what configured it before, by `--config` or `pipeline-config`; a pipeline file names what "
                '`zlock apply` wrote below `if __name__ == "__main__":` only',
            )

    @cached_property
    def every_step(self) -> list[Step]:
        """The steps, each with its settings in the documented precedence; errors are those of `steps`."""
        declared = self._declared()
        problems = Collector()
        places = {step.name: step.place for step in (self.pipeline.steps if self.pipeline else ())}
        for name, error in wrong_names((name for name, _ in declared), "`name=` gives a step another name"):
            if name in places:
                error.context = (Located(f"defined at {places[name]}", places[name]),)
            problems.add(error)
        problems.raise_if_any()
        for name in self.project.steps.keys() - dict(declared).keys() - self.owned.others.keys():
            near = did_you_mean(name, dict(declared))
            self.note(
                f"`steps.{name}` in {self.project.shown_file} is not a step of this pipeline; {near}".rstrip("; ")
            )
        return [self._step(name, settings) for name, settings in declared]

    def _declared(self) -> list[tuple[str, DockerSettings]]:
        """Return the steps with the settings that stand beside them."""
        reference = self.options.pipeline or self.project.pipeline
        if reference:
            folder = Path.cwd() if self.options.pipeline and self.options.project is None else self.project.folder
            if reference in {*self.project.steps, *self.locks} and not (folder / reference).exists():
                raise InvalidInput(
                    f"`{reference}` is a step, and a pipeline file is to be named here",
                    hint=f"name a step by `--step {reference}`",
                )
            self.pipeline = self._loaded = self._loaded or self._load(str(folder / reference), reference)
            if self.pipeline.framework and self.project.stack and self.project.stack.pipeline_image:
                self.pipeline = self.pipeline.with_own_image()
            self._is_part = self.pipeline.name is None and not (folder / reference).is_file()
            steps = [(step.name, step.settings) for step in self.pipeline.steps]
            return steps or [(self.pipeline.name or "pipeline", self.pipeline.settings)]
        if self.options.config:
            raise InvalidInput(
                "`--config` configures a run of a pipeline, and none is named",
                hint="name it too; zlock's own configuration is found in the project folder, which `--project` names",
            )
        if error := nothing_named(self.locks, self.project):
            raise error
        return [(name, DockerSettings()) for name in self.project.steps or ("pipeline",)]

    def _load(self, place: str, reference: str) -> DeclaredPipeline:
        """Read a script, which is not run, or run a pipeline file."""
        from zlock.settings.load import load_pipeline

        config = self.options.config
        if config is None and self.project.pipeline_config and self._is_configured(place):
            config = self.project.folder / self.project.pipeline_config
        if config is None and _has_metadata(place):
            from zlock.settings.script import declared_script  # few files have any

            if script := declared_script(os.path.abspath(place)):  # noqa: PTH100 - links stay
                return script
        self.reporter(Doing(Activity.RUNNING_PIPELINE, reference))
        return load_pipeline(place, project=self.project.folder, interpreter=str(self.interpreter), config=config)

    def _is_configured(self, place: str) -> bool:
        """Return whether a pipeline is the one that the configuration names; one name is enough for a file of one."""
        stated = os.path.abspath(self.project.folder / (self.project.pipeline or ""))  # noqa: PTH100 - links stay
        (file, _, name), (own_file, _, own) = (one.partition(".py:") for one in (os.path.abspath(place), stated))  # noqa: PTH100
        is_same_name = name == own or not (name and own)
        return is_same_name and file.removesuffix(".py") == own_file.removesuffix(".py")

    def _step(self, name: str, settings: DockerSettings) -> Step:
        """Lay the settings of a step over those of the configuration."""
        project = self.project
        own = project.steps.get(name) or StepConfiguration()
        defaults = self.pipeline.defaults if self.pipeline else DockerSettings()
        return Step(
            name=self.owned.name_of(name),
            called=name,
            settings=settings.over(own.docker.over(project.docker.over(defaults))),
            python=own.python,
            platforms=own.platforms,
            routing=project.routing_of(own),
            align=project.align if own.align is None else own.align,
        )

    def chosen(self) -> list[Step]:
        """Return the steps that `--step` names, all without it.

        Raises:
            InvalidConfiguration: It names a step that is not there, or a step's lock is another pipeline's.
        """
        steps, problems = self.steps, Collector()
        named: set[str] = set()
        with problems:
            named = self.named(self.options.steps)
        chosen = [step for step in steps if not self.options.steps or step.name in named]
        for step in chosen:
            if step.name in self.owned.others:
                problems.add(self.owned.collision(step.name))
        problems.raise_if_any()
        return chosen

    def named(self, names: Iterable[str]) -> set[str]:
        """Return the names of the locks of steps that are named by these, or as their pipeline calls them.

        Raises:
            InvalidConfiguration: There is no such step; several come as `Problems`.
        """
        known = {name: step.name for step in self.steps for name in (step.called, step.name)}
        raise_all(
            InvalidConfiguration(
                f"there is no step `{name}`", hint=did_you_mean(name, known) or f"steps: {listed(known)}"
            )
            for name in names
            if name not in known
        )
        return {known[name] for name in names}

    @cached_property
    def owned(self) -> Owned:
        """Which locks are whose; known once the pipeline's steps are."""
        return Owned(locks=self.locks, pipeline=self.pipeline, project=self.project)

    @cached_property
    def locks(self) -> dict[str, ExistingLock]:
        """The locks that were there when this run looked, whoever they belong to."""
        return existing_steps(self.lock_folder)

    @property
    def gone(self) -> dict[str, Path]:
        """The locks whose steps are gone, by step; those of other pipelines are left alone.

        So is every one where a part of the steps was asked for: with `--step`, or as `file.py:step`.
        """
        names = {step.name for step in self.steps}
        locks = {} if self.options.steps or self._is_part else self.locks
        kept = names | self.owned.others.keys()
        return {name: lock.path for name, lock in locks.items() if name not in kept}

    def recorded_steps(self) -> set[str]:
        """Return the names under which images are recorded: of all steps, and of those of other pipelines."""
        return {step.name for step in self.steps} | self.owned.others.keys()

    @property
    def output_folder(self) -> Path:
        """Where contexts and the record of images are written.

        Raises:
            InvalidInput: A link leads it out of the project.
        """
        return self.inside_project(self.project.folder / OUTPUT)

    @property
    def record(self) -> Path:
        """Where images are recorded; errors are those of `output_folder`."""
        return self.output_folder / "images.json"

    def inside_project(self, folder: Path) -> Path:
        """Return a folder of the project that zlock writes to unless another is named.

        Raises:
            InvalidInput: A link leads it out of the project, so that a checkout would say what is replaced elsewhere.
        """
        if leads_out(folder, self.project.folder):
            raise InvalidInput(
                f"`{folder}` is reached through a link out of the project",
                context=[f"it leads to `{real(folder)}`"],
                hint="remove the link, or name the folder that is meant",
            )
        return folder

    def disregard(self) -> None:
        """Report that there is nothing to do, as the pipeline runs without images."""
        self.report.disregarded = True
        self.note(
            "`stack.remote = false`: the pipeline runs locally, where docker settings are disregarded; "
            "no lock was touched"
        )


def _has_metadata(file: str) -> bool:
    """Tell whether a Python file may have inline metadata (PEP 723), before anything is loaded that reads it."""
    try:
        return b"# /// script" in read_regular(file)
    except (OSError, ValueError):  # who runs the file says what is wrong with it
        return False


def _project(folder: Path | None) -> Project:
    """Return the project of a folder, or the nearest one from the working folder upwards."""
    if folder is None:
        return find_project(Path.cwd().resolve())
    if not folder.is_dir():
        raise InvalidConfiguration(f"there is no project folder `{folder}`", hint="`--project` takes a folder")
    return read_project(folder.resolve()) or Project(folder=folder.resolve(), file=None)
