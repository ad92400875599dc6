"""All sources of one step, in the documented order; what several steps share is read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict, replace

from zlock import checks
from zlock.errors import Collector, InvalidRequirements, raise_all
from zlock.model.indexes import Index, Routing, address
from zlock.model.origin import Origin, Source
from zlock.model.requirement import Asked, DirectRequirement, Gathered, IndexOption, recorded_requirement
from zlock.settings.config import Project
from zlock.settings.docker import DockerSettings
from zlock.wording import did_you_mean

if TYPE_CHECKING:
    from zlock.settings.declared import DeclaredPipeline
    from zlock.sources.integrations import Catalogue

_COMMAND_SECONDS = 300.0
_STATING_INDEXES = {Source.PYPROJECT: "`pyproject.toml`", Source.SCRIPT: "inline metadata"}
"""The sources that can say which packages an index is for."""


class Gatherer(Struct, eq=False, dict=True):
    """Reads the sources of the steps of one project.

    Attributes:
        project: The project.
        environ: The environment variables.
        interpreter: Finds the project's interpreter.
        pipeline: Returns the pipeline that is locked, if one was read.
        may_run: Whether commands may be run; without, what running them gave is read from the locks.
        known: What was read, by what names it.
        items: Requirements out of lists, by their text and the folder that it counts from.
    """

    project: Project
    environ: Mapping[str, str]
    interpreter: Callable[[], Path]
    pipeline: Callable[[], DeclaredPipeline | None] = lambda: None
    may_run: bool = True
    known: dict[Hashable, Gathered] = {}
    items: dict[tuple[str, Path], DirectRequirement] = {}

    @cached_property
    def catalogue(self) -> Catalogue:
        """Who says what integrations require."""
        from zlock.sources.integrations import Integration, load_catalogue

        own = {
            name: Integration(name=name, provider="configuration", **asdict(stated))
            for name, stated in self.project.integrations.items()
        }
        return load_catalogue(own, interpreter=str(self.interpreter()) if self.may_run else None)

    def gather(self, settings: DockerSettings, recorded: Mapping[str, Asked], routing: Routing) -> list[Gathered]:
        """Return what each source of a step yields, in the documented order.

        Args:
            settings: The step's settings.
            recorded: By source, what the step's lock recorded; read where no command may be run.
            routing: Which indexes the step's configuration has.

        Raises:
            ZlockError: Sources are wrong or failed; several mistakes come as `Problems`.
        """
        found: list[Gathered] = []
        problems = Collector()
        for read in self._readers:
            with problems:
                one = read(settings, recorded)
                if one is not None:
                    found.append(one)
        with problems:
            found = self._followed(found, settings)
        with problems:
            _check_indexes((option for one in found for option in one.index_options), routing.indexes)
        for route in [route for one in found for route in one.routes]:
            with problems:
                routing.with_routes([route])
        problems.raise_if_any()
        return [_overridden(one, routing) for one in found]

    def _followed(self, found: list[Gathered], settings: DockerSettings) -> list[Gathered]:
        """Replace what other sources require of the project itself by what that stands for in its file."""
        own = {one.project for one in found if one.project}
        required = [
            direct
            for one in found
            for direct in one.requirements
            if direct.name in own and not one.project and not direct.requirement.url
        ]
        if not required:
            return found
        return [
            self._read_pyproject(settings, tuple(required)) or one
            if one.project
            else replace(one, requirements=tuple(direct for direct in one.requirements if direct not in required))
            for one in found
        ]

    def _once(self, key: Hashable, read: Callable[[], Gathered]) -> Gathered:
        if key not in self.known:
            self.known[key] = read()
        return self.known[key]

    def _origin(self, settings: DockerSettings, field: str, source: Source, item: int | None = None) -> Origin:
        place = settings.where(field, item)
        if place is None:
            return Origin(source=source)
        return Origin(source=source, file=_shown(place.file, self.project.folder), line=place.line)

    @property
    def _readers(self) -> list[Callable[[DockerSettings, Mapping[str, Asked]], Gathered | None]]:
        """The sources, in the documented order."""
        taken_in = [self._framework, self._local, self._stack, self._integrations]
        return [*taken_in, self._pyproject, self._script, self._explicit]

    def _framework(self, settings: DockerSettings, recorded: Mapping[str, Asked]) -> Gathered | None:
        pipeline = self.pipeline()
        if pipeline is None or not pipeline.requires or not settings.effective().install_stack_requirements:
            return None
        if not self.may_run and str(Source.FRAMEWORK) in recorded:
            return _from_lock(Source.FRAMEWORK, recorded, (pipeline.maker,))
        from zlock.sources.integrations import parse_requirements

        origin = Origin(source=Source.FRAMEWORK, detail=f"`{pipeline.maker}` of the project's environment")
        requirements = parse_requirements(pipeline.requires, (origin,), root=self.project.folder)
        return Gathered(Source.FRAMEWORK, pipeline.maker, tuple(requirements), recorded=True)

    def _local(self, settings: DockerSettings, recorded: Mapping[str, Asked]) -> Gathered | None:
        how = settings.replicate_local_python_environment
        if how is None or how is False:
            return None
        from zlock.sources.local import descriptions, gather_local

        if not self.may_run:
            return _from_lock(Source.LOCAL, recorded, descriptions(how, self.project.folder))
        method = how if isinstance(how, (bool, str)) else tuple(how)
        return self._once(
            ("local", method),
            lambda: gather_local(
                method,
                project=self.project.folder,
                interpreter=self.interpreter(),
                # Lines are those of what the command prints, so no file goes with them.
                origin=Origin(source=Source.LOCAL),
                timeout=_COMMAND_SECONDS,
                environ=self.environ,
                exclude=[name for name, parent in self.project.exclude if parent is None],
            ),
        )

    def _stack(self, settings: DockerSettings, recorded: Mapping[str, Asked]) -> Gathered | None:
        stack = self.project.stack
        if stack is None or not settings.effective().install_stack_requirements:
            return None
        from zlock.sources.stack import describe_stack, gather_stack

        if not self.may_run and str(Source.STACK) in recorded:
            return _from_lock(Source.STACK, recorded, (describe_stack(stack),))
        file, lines = self.project.shown_file, self.project.lines
        return self._once(
            "stack",
            lambda: gather_stack(
                stack,
                catalogue=self.catalogue,
                file=file,
                line_of=lambda text: lines.line_of(text, ("stack", "requirements")),
                root=self.project.folder,
            ),
        )

    def _integrations(self, settings: DockerSettings, recorded: Mapping[str, Asked]) -> Gathered | None:
        names = settings.effective().required_integrations
        if not names:
            return None
        if not self.may_run and str(Source.INTEGRATIONS) in recorded:
            return _from_lock(Source.INTEGRATIONS, recorded, (", ".join(names),))
        from zlock.sources.integrations import gather_integrations

        origin = self._origin(settings, "required_integrations", Source.INTEGRATIONS)
        return self._once(
            ("integrations", names, origin),
            lambda: gather_integrations(names, catalogue=self.catalogue, origin=origin, root=self.project.folder),
        )

    def _pyproject(self, settings: DockerSettings, _: Mapping[str, Asked]) -> Gathered | None:
        return self._read_pyproject(settings, ())

    def _read_pyproject(self, settings: DockerSettings, required: tuple[DirectRequirement, ...]) -> Gathered | None:
        effective = settings.effective()
        path = effective.pyproject_path
        if path is None:
            return None
        from zlock.sources.pyproject import gather_pyproject

        extras, groups = effective.pyproject_extras, effective.pyproject_groups
        return self._once(
            ("pyproject", path, extras, groups, tuple(map(str, required))),
            lambda: gather_pyproject(path, root=self.project.folder, extras=extras, groups=groups, required=required),
        )

    def _script(self, settings: DockerSettings, _: Mapping[str, Asked]) -> Gathered | None:
        path = settings.effective().script
        if path is None:
            return None
        from zlock.sources.pyproject import gather_script

        return self._once(("script", path), lambda: gather_script(path, root=self.project.folder))

    def _explicit(self, settings: DockerSettings, _: Mapping[str, Asked]) -> Gathered | None:
        """Read a file or a list, and the list of extra ones; what several steps have is read once."""
        problems = Collector()
        found = Gathered(source=Source.EXPLICIT)
        stated: list[DirectRequirement] = []
        effective = settings.effective()
        if effective.requirements_file is not None:
            with problems:
                found = self._file(settings, effective.requirements_file)
        for field in ("requirements", "extra_requirements"):
            for number, item in enumerate(getattr(effective, field)):
                with problems:
                    stated.append(self._item(settings, field, number, item))
        problems.raise_if_any()
        if effective.requirements_file is None and not stated:
            return None
        return replace(
            found,
            requirements=(*found.requirements, *stated),
            notes=tuple(dict.fromkeys((*found.notes, *(note for one in stated for note in one.notes)))),
        )

    def _file(self, settings: DockerSettings, path: Path) -> Gathered:
        from zlock.sources.requirements import read_file

        origin = self._origin(settings, "requirements", Source.EXPLICIT)
        if stated := _items_in(str(settings.requirements), path):
            error = checks.requirement_alone("requirements", stated)
            missing = [] if path.exists() else [f"there is no file `{path}`"]
            hint = _near_file(path, stated) or error.hint
            raise InvalidRequirements(error.message, context=[str(origin), *missing], hint=hint)
        read = partial(read_file, path, root=self.project.folder, origin=origin, environ=self.environ)
        return self._once(("file", path), read)

    def _item(self, settings: DockerSettings, field: str, number: int, item: str) -> DirectRequirement:
        place = settings.where(field, number)
        folder = (place.folder if place else None) or self.project.folder
        origin = self._origin(settings, field, Source.EXPLICIT, number)
        known = self.items.get((item, folder))
        if known and known.origins == (origin,):
            return known
        if known and not known.notes:  # which would name the other place
            return replace(known, origins=(origin,))
        from zlock.sources.items import read_item
        from zlock.sources.links import Base

        found = read_item(item, base=Base(folder=folder, project=self.project.folder), origin=origin)
        self.items[item, folder] = found
        return found


@cache
def _shown(file: str, folder: Path) -> str:
    """Return a file as messages name it: from the project folder where it is inside it."""
    try:
        return Path(file).relative_to(folder).as_posix()
    except ValueError:
        return file


def _items_in(text: str, path: Path) -> list[str]:
    """Return what a list would hold in place of a text that names no requirements file, but what such a file holds."""
    from zlock.sources import links

    place = Path(links.split_extras(str(path))[0])
    is_file = checks.names_requirements_file(text)
    if links.is_archive(place.name) or links.is_project(place) or ("://" in text and not is_file):
        return [text]
    return [] if is_file or os.path.lexists(path) else checks.requirements_in(text)


def _near_file(path: Path, stated: Sequence[str]) -> str:
    """Word a hint with the files that a name may be meant as; a list of it would ask for a package of that name."""
    if path.exists() or len(stated) > 1:
        return ""
    files = [one.name for one in path.parent.glob("*") if one.is_file()]
    return did_you_mean(path.name, files, cutoff=0.8)


def _check_indexes(options: Iterable[IndexOption], indexes: Iterable[Index]) -> None:
    """Hold index options in requirements files against the configuration: a file never adds an index itself."""
    indexes = tuple(indexes)
    configured = {index.shown for index in indexes}
    serving_all = {index.shown for index in indexes if not index.explicit}
    raise_all(
        _refused(option)
        for option in options
        # A requirements file can't say which packages an index is for, so one that some are routed to will do.
        if address(option.value) not in (serving_all if option.origin.source in _STATING_INDEXES else configured)
        and option.option != "--trusted-host"
    )


def _refused(option: IndexOption) -> InvalidRequirements:
    hint = "write it into the configuration"
    if option.value:
        hint = f'to use that index, write it into the configuration: `[[index]]` with `url = "{option.value}"`'
    where = _STATING_INDEXES.get(option.origin.source, "a requirements file")
    return InvalidRequirements(
        f"`{f'{option.option} {option.value}'.strip()}` in {where} would change where packages come from",
        context=[f"stated by {option.origin}"],
        hint=hint,
    )


def _overridden(gathered: Gathered, routing: Routing) -> Gathered:
    """Leave out the routes of a source that the configuration replaces, and say so."""
    replaced = [route for route in gathered.routes if route.name in routing.sources]
    if not replaced:
        return gathered
    notes = [
        f"{one.origin}: `index-sources` of the configuration sends `{one.name}` to `{routing.sources[one.name]}`, "
        "and that counts"
        for one in replaced
    ]
    routes = tuple(route for route in gathered.routes if route not in replaced)
    return replace(gathered, routes=routes, notes=(*gathered.notes, *notes))


def _from_lock(source: Source, recorded: Mapping[str, Asked], described: Sequence[str]) -> Gathered:
    """Return what a lock recorded of a source, as if it had just been read.

    Where the lock recorded another command or other names, it holds nothing of what is asked for now.
    """
    asked = recorded.get(str(source))
    if asked is None or _folded(asked.described) not in map(_folded, described):
        return Gathered(source=source, described=described[0], recorded=True)
    origin = Origin(source=source, detail=f"`{asked.described}`" if asked.described else "")
    return Gathered(
        source=source,
        described=asked.described,
        requirements=tuple(_recorded(text, origin) for text in asked.requirements),
        constraints=tuple(_recorded(text, origin) for text in asked.constraints),
        apt_packages=asked.apt_packages,
        recorded=True,
    )


def _folded(text: str) -> str:
    return text.casefold().replace("_", "-")


def _recorded(text: str, origin: Origin) -> DirectRequirement:
    requirement, hashes = recorded_requirement(text)
    return DirectRequirement(requirement=requirement, origins=(origin,), hashes=hashes)
