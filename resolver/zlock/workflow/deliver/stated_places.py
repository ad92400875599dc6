"""Where the requirements of steps are stated, as far as zlock edits it: lists in TOML, and requirements files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct
from packaging.utils import canonicalize_name

from zlock.errors import InvalidInput, Located
from zlock.model.origin import Source
from zlock.model.paths import real
from zlock.model.requirement import Gathered
from zlock.pyproject import script
from zlock.settings import toml_edit
from zlock.settings.docker import EffectiveSettings
from zlock.settings.location import Location, display
from zlock.sources import requirements_edit
from zlock.workflow.project.workspace import Step, Workspace


@dataclass(frozen=True)
class _Place:
    """A place in a file that zlock edits.

    Attributes:
        named: The file as it is named.
        path: The file behind all links: places in the same one are equal.
    """

    named: Path = field(compare=False)
    path: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", real(self.named))

    def __str__(self) -> str:
        return display(str(self.named))


@dataclass(frozen=True)
class TomlPlace(_Place):
    """A list in a TOML file.

    Attributes:
        address: The keys that lead to the list.
    """

    address: tuple[str, ...]

    def __str__(self) -> str:
        return f"`{'.'.join(self.address)}` in {super().__str__()}"

    def stated(self, text: str) -> tuple[str, ...]:
        """Return what the list holds."""
        return toml_edit.stated_in(text, self.address)

    def added(self, text: str, requirement: str) -> str:
        """Return the file with a requirement."""
        return toml_edit.with_requirement(text, self.address, requirement)

    def removed(self, text: str, name: str) -> str:
        """Return the file without the requirements of a name."""
        return toml_edit.without_requirement(text, self.address, name)


@dataclass(frozen=True)
class FilePlace(_Place):
    """A requirements file; see `TomlPlace`."""

    def stated(self, text: str) -> tuple[str, ...]:
        """Return the requirements that it holds."""
        return requirements_edit.stated_in(text)

    def added(self, text: str, requirement: str) -> str:
        """Return the file with a requirement."""
        return requirements_edit.with_requirement(text, requirement)

    def removed(self, text: str, name: str) -> str:
        """Return the file without the requirements of a name."""
        return requirements_edit.without_requirement(text, name)


@dataclass(frozen=True)
class ScriptPlace(_Place):
    """The metadata in a script (PEP 723); see `TomlPlace`."""

    def __str__(self) -> str:
        return f"`dependencies` in {super().__str__()}"

    def stated(self, text: str) -> tuple[str, ...]:
        """Return what the list holds."""
        return toml_edit.stated_in(script.stated_in(text), _OF_SCRIPT)

    def added(self, text: str, requirement: str) -> str:
        """Return the file with a requirement."""
        content = toml_edit.with_requirement(script.stated_in(text), _OF_SCRIPT, requirement)
        return script.with_stated(text, content)

    def removed(self, text: str, name: str) -> str:
        """Return the file without the requirements of a name."""
        content = toml_edit.without_requirement(script.stated_in(text), _OF_SCRIPT, name)
        return script.with_stated(text, content)


Editable = TomlPlace | FilePlace | ScriptPlace
_OF_SCRIPT = ("dependencies",)
DEPENDENCIES = ("project", "dependencies")
"""The keys that lead to what a project requires."""


class StatedStep(Struct, frozen=True, kw_only=True):
    """A step with the places that state its requirements.

    Attributes:
        name: The step.
        home: Where a requirement of it belongs: an editable place, a place in a Python file, or None where nothing is
            stated yet.
        places: All editable places that reach it: the requirements files with those that they include, the lists of
            its `pyproject.toml`, the metadata of its script, and the lists of the configuration.
        elsewhere: By name, where it is stated, whoever edits that.
    """

    name: str
    home: Editable | Location | None
    places: tuple[Editable, ...]
    elsewhere: dict[str, list[Located]]

    @classmethod
    def of(cls, workspace: Workspace, step: Step, gathered: Sequence[Gathered]) -> StatedStep:
        """Find out where a step's requirements are stated."""
        settings, root = step.effective, workspace.project.folder
        own = [one for one in gathered if one.source == Source.EXPLICIT]
        origins = [origin for one in own for direct in one.requirements for origin in direct.origins]
        paths = {root / origin.file for origin in origins if origin.file and not origin.file.endswith((".py", ".toml"))}
        paths |= {settings.requirements_file} if settings.requirements_file else set()
        return cls(
            name=step.called,
            home=_home(step, settings),
            places=(
                *sorted(map(FilePlace, paths), key=str),
                *_in_pyproject(settings),
                *_in_script(settings),
                *_in_configuration(workspace, step),
            ),
            elsewhere=_elsewhere(gathered),
        )


def _home(step: Step, settings: EffectiveSettings) -> Editable | Location | None:
    if settings.requirements_file:
        return FilePlace(settings.requirements_file)
    place = step.settings.where("requirements")
    if place is not None:
        return place if place.file.endswith(".py") else None
    if settings.pyproject_path:
        of_all, *parts = _in_pyproject(settings)
        return parts[0] if len(parts) == 1 else of_all
    return next(_in_script(settings), None)


def _in_pyproject(settings: EffectiveSettings) -> Iterator[TomlPlace]:
    """Yield the lists of a project's file that a step reads; an extra or a group is found as the file spells it."""
    path = settings.pyproject_path
    if path is None:
        return
    yield TomlPlace(path, DEPENDENCIES)
    yield from (TomlPlace(path, ("project", "optional-dependencies", one)) for one in settings.pyproject_extras)
    yield from (TomlPlace(path, ("dependency-groups", one)) for one in settings.pyproject_groups)


def _in_script(settings: EffectiveSettings) -> Iterator[ScriptPlace]:
    if settings.script is not None:
        yield ScriptPlace(settings.script)


def lists_of(workspace: Workspace, step: str) -> tuple[TomlPlace, TomlPlace]:
    """Return the lists `requirements` and `extra-requirements` of a step in the configuration, or those of all steps.

    Raises:
        InvalidInput: There is no configuration.
    """
    file = workspace.project.file
    if file is None:
        raise InvalidInput(
            "there is no configuration that a requirement could be added to", hint="begin one with `zlock init`"
        )
    above = ("tool", "zlock") if file.name == "pyproject.toml" else ()
    table = (*above, *(("steps", step) if step else ()), "docker")
    return TomlPlace(file, (*table, "requirements")), TomlPlace(file, (*table, "extra-requirements"))


def _in_configuration(workspace: Workspace, step: Step) -> Iterator[TomlPlace]:
    """Yield the lists of the configuration that reach a step: of those that replace each other, the one that counts."""
    project = workspace.project
    if project.file is None:
        return
    own, shared = lists_of(workspace, step.called), lists_of(workspace, "")
    place = step.settings.where("requirements")
    if place is not None and real(Path(place.file)) == own[0].path:
        is_own = step.called in project.steps and project.steps[step.called].docker.requirements is not None
        yield own[0] if is_own else shared[0]
    yield from (own[1], shared[1])


def _elsewhere(gathered: Sequence[Gathered]) -> dict[str, list[Located]]:
    found: dict[str, list[Located]] = {}
    for one in gathered:
        for direct in one.requirements:
            found.setdefault(canonicalize_name(direct.name), []).extend(one.located for one in direct.origins)
    return found
